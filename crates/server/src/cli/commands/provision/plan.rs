//! Which devices a run is for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use argosy_proto::DeviceKey;

use super::{ProvisionArgs, cannot};
use crate::args::Failure;

/// Bytes of a certificate request at most.
const MAX_CSR: u64 = 64 * 1024;

/// The keys, in order, each once.
pub(super) fn keys(args: &ProvisionArgs) -> Result<Vec<String>, Failure> {
    let keys: Vec<String> = match (args.count, &args.keys_from, &args.csr_dir) {
        (Some(count), _, _) => {
            let last = args.first.checked_add(count - 1);
            let last = last.ok_or_else(|| Failure::usage("--first and --count are too large together"))?;
            // Keys of one run have one length, so that lists show them in order.
            let digits = last.to_string().len().max(4);
            (args.first..=last).map(|n| format!("{}{n:0digits$}", args.key_prefix)).collect()
        }
        (None, Some(file), _) => {
            let text = fs::read_to_string(file).map_err(|error| cannot("read", file, &error))?;
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
        }
        (None, None, Some(folder)) => requests_in(folder)?,
        (None, None, None) => Vec::new(),
    };
    let mut seen = BTreeSet::new();
    for key in &keys {
        if DeviceKey::new(key.as_str()).is_err() {
            return Err(Failure::usage(format!(
                "{key:?} is no device key: [A-Za-z0-9][A-Za-z0-9_.-]{{0,63}}"
            )));
        }
        if !seen.insert(key) {
            return Err(Failure::usage(format!("the key {key} stands twice")));
        }
    }
    if keys.is_empty() {
        return Err(Failure::usage("there is no device to provision"));
    }
    Ok(keys)
}

fn requests_in(folder: &Path) -> Result<Vec<String>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| cannot("read", folder, &error))?;
    let mut keys = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| cannot("read", folder, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(key) = name.strip_suffix(".csr") {
            keys.push(key.to_owned());
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

/// A request that a device made.
pub(super) fn given_request(folder: &Path, key: &str) -> Result<String, Failure> {
    let file = folder.join(format!("{key}.csr"));
    let size = fs::metadata(&file).map_err(|error| cannot("read", &file, &error))?.len();
    if size > MAX_CSR {
        return Err(Failure::usage(format!("{} is too large for a certificate request", file.display())));
    }
    let text = fs::read_to_string(&file).map_err(|error| cannot("read", &file, &error))?;
    if text.contains("PRIVATE KEY") {
        // It must never leave the machine that made it.
        return Err(Failure::usage(format!("{} holds a private key", file.display())));
    }
    Ok(text)
}
