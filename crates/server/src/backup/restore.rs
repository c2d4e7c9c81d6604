//! `argosy restore`: a backup becomes the data of a server that does not run, which is held from its first start on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use argosy_domain::Timestamp;
use argosy_domain::model::{AuditEntry, Hold};
use argosy_domain::ports::{BlobStore, Clock as _, PortError, PortErrorKind, Registry as _};
use argosy_pki::private_folder;
use argosy_proto::{AuditId, Sha256Hash};
use argosy_store::sql::{NoObserver, SqlRegistry};
use bytes::Bytes;
use clap::Args;
use futures::StreamExt as _;
use tokio::runtime::{Handle, Runtime};

use super::format::{BLOBS, CONFIG, Header, PKI, REGISTRY, REVOCATIONS, SECRETS, SERIES};
use super::read::{Opener, Visitor, verify, walk};
use crate::args::{ConfigArgs, Exit, Failure, print_whole};
use crate::config::Config;
use crate::lifecycle::DataLock;
use crate::system::SystemClock;

/// Where what comes is put until it has its place; removed at the end.
const SPOOL: &str = "restore.tmp";
/// Name of the restored configuration file in the data folder: for a person to compare, nobody reads it.
const RESTORED_CONFIG: &str = "restored-argosy.toml";
/// The lock file that taking the folder makes.
const LOCK: &str = "lock";

/// What is restored, and how it is opened.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    opener: OpenerArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What opens a backup.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct OpenerArgs {
    /// The file with the passphrase (its first line)
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The file with the secret key (AGE-SECRET-KEY-1…) that belongs to the recipient
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,
}

impl OpenerArgs {
    /// One of the two files.
    pub(crate) const fn new(passphrase_file: Option<PathBuf>, identity_file: Option<PathBuf>) -> Self {
        Self { passphrase_file, identity_file }
    }

    /// Reads the file that is named.
    pub(crate) fn open(&self) -> Result<Opener, Failure> {
        if let Some(file) = &self.passphrase_file {
            return Ok(Opener::Passphrase(passphrase(file)?));
        }
        let Some(file) = &self.identity_file else {
            return Err(Failure::usage("give --passphrase-file or --identity-file"));
        };
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
        let keys = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        // What is wrong with a secret key is not said with the key in it.
        let keys: Result<Vec<age::x25519::Identity>, _> = keys.map(str::parse).collect();
        match keys {
            Ok(keys) if !keys.is_empty() => Ok(Opener::Identities(keys)),
            _ => Err(Failure::usage(format!(
                "{} holds no secret key of age (AGE-SECRET-KEY-1…)",
                file.display()
            ))),
        }
    }
}

/// The first line of a file.
pub(crate) fn passphrase(file: &Path) -> Result<age::secrecy::SecretString, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() < 12 {
        return Err(Failure::usage(format!(
            "the first line of {} is the passphrase: it needs 12 characters or more",
            file.display()
        )));
    }
    Ok(age::secrecy::SecretString::from(line.to_owned()))
}

/// Carries it out.
pub(crate) fn restore(args: &RestoreArgs) -> Result<ExitCode, Failure> {
    let opener = args.opener.open()?;
    let config = args.config.load()?.config;
    let data = &config.data_dir;
    if fs::read_dir(data).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::new(
            Exit::Conflict,
            format!("{} is not empty: restore into a folder of its own (--data-dir)", data.display()),
        ));
    }
    let failed = |error: anyhow::Error| Failure::new(Exit::Failed, format!("cannot restore: {error:#}"));
    let open = || File::open(&args.file).with_context(|| args.file.display().to_string());
    // All of it is looked at before anything is made.
    let whole =
        open().and_then(|file| verify(file, &opener).with_context(|| args.file.display().to_string()));
    let (header, manifest) = whole.map_err(failed)?;
    let _lock = DataLock::take(data).map_err(|error| Failure::because("cannot restore", &error))?;
    let runtime = Runtime::new().map_err(|error| Failure::because("cannot start", &error))?;
    let done =
        open().and_then(|file| put_back(&config, &header, &args.file, file, &opener, runtime.handle()));
    runtime.shutdown_background();
    if let Err(error) = done {
        // It was empty: nothing half-done is left to be started.
        clear(data);
        return Err(failed(error));
    }
    let rows: u64 = header.registry.tables.values().sum();
    let of =
        |folder: &str| manifest.entries.iter().filter(|e| e.name.starts_with(&format!("{folder}/"))).count();
    let mut text = format!(
        "restored the backup of {} into {}\n  registry   {rows} rows in {} tables, {} devices\n  artifacts  {}\n  series     {} files\n",
        argosy_api::Time(header.created_at_ms),
        data.display(),
        header.registry.tables.len(),
        header.registry.tables.get("devices").copied().unwrap_or(0),
        of(BLOBS),
        of(SERIES),
    );
    if data.join(RESTORED_CONFIG).is_file() {
        text.push_str(&format!(
            "  configuration of the old server: {}\n",
            data.join(RESTORED_CONFIG).display()
        ));
    }
    text.push_str(
        "the server is HELD: started, it records and sends nothing until `argosy resume`. Make sure that the old one does not run.\n",
    );
    print_whole(&text)
}

/// Removes what stands in the folder.
fn clear(data: &Path) {
    for entry in fs::read_dir(data).into_iter().flatten().flatten() {
        if entry.file_name() == LOCK {
            continue;
        }
        let path = entry.path();
        let _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
}

fn put_back(
    config: &Config,
    header: &Header,
    name: &Path,
    file: File,
    opener: &Opener,
    handle: &Handle,
) -> anyhow::Result<()> {
    let data = &config.data_dir;
    let spool = data.join(SPOOL);
    private_folder(&spool).context("cannot make a folder")?;
    let blobs = config.blobs.uri(data).map_err(anyhow::Error::msg)?;
    let blobs = {
        let _there = handle.enter();
        argosy_store::blob::open(&blobs).context("cannot open the blob store")?
    };
    let series = series_folder(&config.series.uri(data).map_err(anyhow::Error::msg)?)?;
    if fs::read_dir(&series).is_ok_and(|mut entries| entries.next().is_some()) {
        anyhow::bail!("the folder of series {} is not empty", series.display());
    }
    let mut places = Places { data, spool: &spool, series: &series, blobs, handle, number: 0 };
    walk(file, opener, &mut places).context("cannot read the backup")?;
    handle.block_on(registry(config, header, name, &spool.join(REGISTRY)))?;
    fs::remove_dir_all(&spool).context("cannot remove the folder of what came")?;
    Ok(())
}

/// The folder that a URI of the series store names.
fn series_folder(uri: &str) -> anyhow::Result<PathBuf> {
    match uri.split_once(':') {
        None => Ok(PathBuf::from(uri)),
        Some(("file", path)) => Ok(PathBuf::from(path)),
        Some((scheme, _)) => anyhow::bail!("series cannot be restored into {scheme}: (series.uri)"),
    }
}

async fn registry(config: &Config, header: &Header, name: &Path, dump: &Path) -> anyhow::Result<()> {
    let uri = config.database.uri(&config.data_dir).map_err(anyhow::Error::msg)?;
    let registry = SqlRegistry::connect(&uri, &config.database.build(), NoObserver)
        .await
        .context("cannot open the database")?;
    let loaded = registry.load(dump, &header.registry.migrations).await?;
    if loaded.tables != header.registry.tables {
        anyhow::bail!("the registry that was loaded has not the rows that were dumped");
    }
    let now = SystemClock.now();
    let name = name.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let made = argosy_api::Time(header.created_at_ms);
    let mut work = registry.begin("restore").await?;
    let reason = format!("restored from the backup of {made}");
    work.set_hold(&Hold { since: now, reason, backup_at: Some(Timestamp(header.created_at_ms)) }).await?;
    let entry = AuditEntry {
        id: AuditId(0),
        at: now,
        actor: "system".to_owned(),
        action: "server.restore".to_owned(),
        subject: "server".to_owned(),
        detail: serde_json::json!({ "backup_at": made, "file": name, "argosy": header.argosy }).to_string(),
    };
    work.insert_audit(&entry).await?;
    work.commit().await?;
    registry.close().await;
    Ok(())
}

/// Where everything goes.
struct Places<'a> {
    data: &'a Path,
    spool: &'a Path,
    series: &'a Path,
    blobs: Arc<dyn BlobStore>,
    handle: &'a Handle,
    number: u128,
}

impl Places<'_> {
    fn file(path: &Path, content: &mut dyn Read) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            private_folder(folder).map_err(io::Error::other)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        io::copy(content, &mut file)?;
        file.flush()?;
        file.sync_all()
    }

    /// Over a file: a stream of its own, which the store can keep for as long as it wants.
    fn blob(&mut self, hash: &str, content: &mut dyn Read) -> io::Result<()> {
        let hash: Sha256Hash = hash.parse().map_err(|_| io::Error::other("an artifact without a hash"))?;
        let path = self.spool.join("blob");
        Self::file(&path, content)?;
        self.number += 1;
        let id = format!("{:032x}", self.number);
        let pieces = Pieces(File::open(&path)?);
        let stream = futures::stream::iter(pieces).boxed();
        let staged =
            self.handle.block_on(self.blobs.stage(&id, stream, u64::MAX)).map_err(io::Error::other)?;
        if staged.hash != hash {
            return Err(io::Error::other(format!("the artifact {hash} has another hash")));
        }
        self.handle.block_on(self.blobs.promote(&id, &hash)).map_err(io::Error::other)?;
        fs::remove_file(&path)
    }
}

/// A file, piece by piece.
struct Pieces(File);

impl Iterator for Pieces {
    type Item = Result<Bytes, PortError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut buffer = vec![0; super::write::CHUNK];
        match self.0.read(&mut buffer) {
            Ok(0) => None,
            Ok(got) => {
                buffer.truncate(got);
                Some(Ok(buffer.into()))
            }
            Err(error) => {
                Some(Err(PortError::new("read an artifact", PortErrorKind::Internal).with_source(error)))
            }
        }
    }
}

impl Visitor for Places<'_> {
    fn entry(&mut self, name: &str, content: &mut dyn Read) -> io::Result<()> {
        match name.split_once('/') {
            Some((PKI | SECRETS, _)) => Self::file(&self.data.join(name), content),
            Some((SERIES, rest)) => Self::file(&self.series.join(rest), content),
            Some((BLOBS, hash)) => self.blob(hash, content),
            None if name == REGISTRY => Self::file(&self.spool.join(REGISTRY), content),
            None if name == CONFIG => Self::file(&self.data.join(RESTORED_CONFIG), content),
            // The restored registry has them, and the server merges them with those of the file outside the data folder at its start:
            // what is in only one of the two is in both then.
            None if name == REVOCATIONS => Ok(()),
            _ => Err(io::Error::other(format!("nobody knows what {name} is"))),
        }
    }
}
