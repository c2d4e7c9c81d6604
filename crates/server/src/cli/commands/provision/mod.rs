//! `argosy provision`: factory identities as files, batch by batch, and again after an interruption without minting one twice.
//!
//! Before a batch is asked for, its keys and requests are on the disk and the journal names it; after its certificates are on the
//! disk, the journal says that it is done. A batch that was begun and not done is asked for again word by word, with the idempotency
//! key of the first time: the server gives the same certificates.

mod journal;
mod plan;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use argosy_api::{BatchDevice, BatchDevicesRequest, BatchDevicesResponse};
use argosy_domain::ports::Entropy as _;
use argosy_pki::DeviceKeyPair;
use clap::{ArgGroup, Args};
use serde::Serialize;

use self::journal::{Batch, Journal, Row, Settings};
use crate::args::{Exit, Failure};
use crate::cli::context::{ConnectArgs, Context};
use crate::system::SystemEntropy;

/// Devices of one call: their certificates come in one answer and are made durable together.
const PER_CALL: usize = 250;

/// `argosy provision`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true)))]
pub(crate) struct ProvisionArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// So many devices; their keys are --key-prefix and a number
    #[arg(long, group = "which", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: Option<u32>,
    /// The keys of the devices, one a line
    #[arg(long, group = "which", value_name = "FILE")]
    keys_from: Option<PathBuf>,
    /// Certificate requests that the devices made: KEY.csr (PEM) a device. Their private keys stay where they are
    #[arg(long, group = "which", value_name = "DIR")]
    csr_dir: Option<PathBuf>,
    /// What the keys begin with, with --count
    #[arg(long, default_value = "dev-", value_name = "TEXT")]
    key_prefix: String,
    /// The first number, with --count
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    first: u32,
    /// Their product
    #[arg(long)]
    product: String,
    /// Their group
    #[arg(long)]
    group: Option<String>,
    /// Their region
    #[arg(long)]
    region: Option<String>,
    /// They take part at once; without it they wait until they register with a code
    #[arg(long)]
    active: bool,
    /// The folder for the files: a folder a device, manifest.csv, roots.pem. An interrupted run goes on in the same folder
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// What a run did.
#[derive(Debug, Serialize)]
struct Done {
    /// Devices of this run.
    provisioned: usize,
    /// Devices that an earlier run had finished.
    already: usize,
    /// Of this run, a second.
    per_second: f64,
    /// The manifest.
    manifest: PathBuf,
}

pub(crate) async fn run(args: ProvisionArgs) -> Result<ExitCode, Failure> {
    let mut context = args.connect.open()?;
    let keys = plan::keys(&args)?;
    folder(&args.out)?;
    let settings = Settings {
        product: args.product.clone(),
        group: args.group.clone(),
        region: args.region.clone(),
        active: args.active,
        given_requests: args.csr_dir.is_some(),
    };
    let mut journal = Journal::open(&args.out, &settings)?;
    let already = journal.done().len();
    let began = Instant::now();
    let mut provisioned = 0;
    for batch in journal.unfinished() {
        context.out.note(&format!("finishing a batch of {} that was begun before", batch.keys.len()));
        provisioned += mint(&mut context, &args, &mut journal, &batch).await?;
    }
    let left: Vec<String> = keys.iter().filter(|key| !journal.is_done(key)).cloned().collect();
    for part in left.chunks(PER_CALL) {
        let batch = Batch { id: batch_id(), keys: part.to_vec() };
        prepare(&args, part)?;
        journal.begin(&batch)?;
        provisioned += mint(&mut context, &args, &mut journal, &batch).await?;
    }
    let manifest = args.out.join("manifest.csv");
    journal.write_manifest(&manifest, args.csr_dir.is_some())?;
    let seconds = began.elapsed().as_secs_f64();
    let per_second = if seconds > 0.0 { provisioned as f64 / seconds } else { 0.0 };
    let done = Done { provisioned, already, per_second: per_second.round(), manifest };
    let text = format!(
        "{provisioned} identities in {seconds:.1} s, {per_second:.0} a second ({already} were there); {}",
        done.manifest.display()
    );
    context.out.done(&done, &text)?;
    Ok(ExitCode::SUCCESS)
}

fn batch_id() -> String {
    let mut random = [0; 16];
    SystemEntropy.fill(&mut random);
    random.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts what the batch will be asked with onto the disk.
fn prepare(args: &ProvisionArgs, keys: &[String]) -> Result<(), Failure> {
    for key in keys {
        let device = args.out.join(key);
        folder(&device)?;
        let csr = match &args.csr_dir {
            Some(given) => plan::given_request(given, key)?,
            None => {
                let file = device.join("key.pem");
                // A key of a run that broke off before the journal named its batch serves as well as a new one.
                let pair = match fs::read_to_string(&file) {
                    Ok(pem) => DeviceKeyPair::from_pem(&pem).or_else(|_| DeviceKeyPair::make()),
                    Err(_) => DeviceKeyPair::make(),
                };
                let pair = pair.map_err(|error| Failure::because("cannot make a key", &error))?;
                write(&file, &pair.private_key_pem, 0o600)?;
                pair.csr_pem
            }
        };
        write(&device.join("request.pem"), &csr, 0o644)?;
    }
    sync(&args.out)
}

/// Asks for a batch and puts its certificates onto the disk.
async fn mint(
    context: &mut Context,
    args: &ProvisionArgs,
    journal: &mut Journal,
    batch: &Batch,
) -> Result<usize, Failure> {
    let mut devices = Vec::with_capacity(batch.keys.len());
    for key in &batch.keys {
        let file = args.out.join(key).join("request.pem");
        let csr = fs::read_to_string(&file).map_err(|error| cannot("read", &file, &error))?;
        devices.push(BatchDevice { key: key.clone(), csr: Some(csr), ..BatchDevice::default() });
    }
    let request = BatchDevicesRequest {
        product: args.product.clone(),
        group: args.group.clone(),
        region: args.region.clone(),
        unregistered: !args.active,
        devices,
    };
    let key = format!("provision-{}", batch.id);
    let made: BatchDevicesResponse = context.client.create_as(&key, "devices/batch", &request).await?;
    let mut rows = Vec::with_capacity(made.devices.len());
    for device in made.devices {
        let Some(issued) = device.certificate else {
            let text = format!("the server gave no certificate to {}", device.key);
            return Err(Failure::new(Exit::Failed, text));
        };
        let folder = args.out.join(&device.key);
        write(&folder.join("cert.pem"), &issued.certificate_pem, 0o644)?;
        write(&folder.join("chain.pem"), &issued.chain_pem, 0o644)?;
        write(&folder.join("roots.pem"), &made.roots_pem, 0o644)?;
        rows.push(Row { key: device.key, serial: issued.serial, not_after: issued.not_after.to_string() });
    }
    write(&args.out.join("roots.pem"), &made.roots_pem, 0o644)?;
    sync(&args.out)?;
    let count = rows.len();
    journal.finish(&batch.id, rows)?;
    Ok(count)
}

fn cannot(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot {what} {}: {error}", file.display()))
}

/// A folder that only its owner may enter.
fn folder(path: &Path) -> Result<(), Failure> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.map_err(|error| cannot("make", path, &error)),
    }
}

/// Writes a file anew; `sync` makes it durable.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| cannot("write", path, &error))
}

/// Makes everything that was written durable: one call a batch, not one a file.
fn sync(folder: &Path) -> Result<(), Failure> {
    let synced = File::open(folder).and_then(|open| rustix::fs::syncfs(&open).map_err(io::Error::from));
    synced.map_err(|error| cannot("sync", folder, &error))
}
