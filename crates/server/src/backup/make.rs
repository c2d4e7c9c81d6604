//! Making a backup of the running server.
//!
//! The registry and the series are copied to a folder beside the data first, each as it is at one moment: nothing is held open for as
//! long as the slowest reader of the backup takes. What never changes (artifacts, keys) is read while it is sent.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::ports::{
    BackupError, BackupMaker, BlobStore, ByteStream, PortError, PortErrorKind, SeriesStore,
};
use argosy_pki::private_folder;
use argosy_proto::Sha256Hash;
use argosy_store::sql::SqlRegistry;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::task::TaskTracker;

use super::format::{BLOBS, CONFIG, FORMAT, HEADER, Header, PKI, REGISTRY, REVOCATIONS, SECRETS, SERIES};
use super::write::{Archive, CHUNK, recipient};

/// Where copies stand while a backup is made; emptied before and after.
const SPOOL: &str = "backup.tmp";

/// The maker over the parts of this server.
pub(crate) struct ServerBackups {
    pub(crate) registry: Arc<SqlRegistry>,
    pub(crate) series: Arc<dyn SeriesStore>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) data: PathBuf,
    /// The configuration file, if there is one.
    pub(crate) config: Option<PathBuf>,
    /// The file of revocations.
    pub(crate) revocations: PathBuf,
    pub(crate) tracker: TaskTracker,
    pub(crate) turn: Arc<Semaphore>,
}

/// What is written goes into the answer; when nobody reads it any more, writing ends.
struct Channel {
    send: mpsc::Sender<Result<Bytes, PortError>>,
    gathered: Vec<u8>,
}

impl Channel {
    fn push(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let bytes = Bytes::from(std::mem::replace(&mut self.gathered, Vec::with_capacity(CHUNK)));
        self.send.blocking_send(Ok(bytes)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= CHUNK {
            self.push()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.push()
    }
}

/// An artifact, read piece by piece.
struct Blob<'a> {
    blobs: &'a dyn BlobStore,
    handle: &'a Handle,
    hash: Sha256Hash,
    at: u64,
    size: u64,
    here: Bytes,
}

impl Read for Blob<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.here.is_empty() && self.at < self.size {
            let end = (self.at + 4 * CHUNK as u64).min(self.size);
            self.here =
                self.handle.block_on(self.blobs.read(&self.hash, self.at..end)).map_err(io::Error::other)?;
            self.at += self.here.len() as u64;
            if self.here.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = buffer.len().min(self.here.len());
        buffer[..length].copy_from_slice(&self.here.split_to(length));
        Ok(length)
    }
}

/// A folder that is removed with everything in it.
struct Spool(PathBuf);

impl Drop for Spool {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn failed(operation: &'static str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PortError {
    PortError::new(operation, PortErrorKind::Internal).with_source(error)
}

#[async_trait]
impl BackupMaker for ServerBackups {
    async fn make(&self, to: &str, now: Timestamp) -> Result<ByteStream, BackupError> {
        let to = recipient(to).map_err(BackupError::BadRecipient)?;
        let turn = Arc::clone(&self.turn).try_acquire_owned().map_err(|_| BackupError::Busy)?;
        let folder = self.data.join(SPOOL);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("empty the folder of backups", error).into());
            }
            _ => {}
        }
        private_folder(&folder).map_err(|error| failed("make the folder of backups", error))?;
        let spool = Spool(folder.clone());
        let summary = self.registry.dump(&folder.join(REGISTRY)).await?;
        let series = folder.join(SERIES);
        fs::create_dir(&series).map_err(|error| failed("make the folder of backups", error))?;
        self.series.snapshot(&series).await?;
        let header = Header {
            format: FORMAT,
            argosy: env!("CARGO_PKG_VERSION").to_owned(),
            created_at_ms: now.as_millis(),
            engine: self.registry.dialect().name().to_owned(),
            registry: summary,
        };
        let (send, receive) = mpsc::channel(8);
        let job = Job {
            to,
            header,
            spool,
            data: self.data.clone(),
            config: self.config.clone(),
            revocations: self.revocations.clone(),
            blobs: Arc::clone(&self.blobs),
            handle: Handle::current(),
            _turn: turn,
        };
        self.tracker.spawn_blocking(move || {
            let out = Channel { send: send.clone(), gathered: Vec::with_capacity(CHUNK) };
            match job.write(out) {
                Ok(entries) => tracing::info!(entries, "a backup was made"),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    tracing::warn!("a backup was broken off: nobody reads it any more");
                }
                Err(error) => {
                    tracing::error!(%error, "a backup failed: {error}");
                    // The answer breaks off, so that who reads it does not take it for whole.
                    let _ = send.blocking_send(Err(failed("make a backup", error)));
                }
            }
        });
        let stream = futures::stream::unfold(receive, |mut receive| async move {
            receive.recv().await.map(|item| (item, receive))
        });
        Ok(stream.boxed())
    }
}

/// One backup.
struct Job {
    to: age::x25519::Recipient,
    header: Header,
    spool: Spool,
    data: PathBuf,
    config: Option<PathBuf>,
    revocations: PathBuf,
    blobs: Arc<dyn BlobStore>,
    handle: Handle,
    // After the spool: the next backup finds its folder empty.
    _turn: OwnedSemaphorePermit,
}

impl Job {
    fn write(self, out: Channel) -> io::Result<usize> {
        let made = self.header.created_at_ms;
        let mut archive = Archive::to(&self.to, out)?;
        archive.add_bytes(HEADER, &serde_json::to_vec_pretty(&self.header)?, made)?;
        if let Some(config) = &self.config {
            add_file(&mut archive, CONFIG, config, made)?;
        }
        if self.revocations.is_file() {
            // It only grows: its first bytes stay what they are.
            add_file(&mut archive, REVOCATIONS, &self.revocations, made)?;
        }
        for folder in [PKI, SECRETS] {
            add_folder(&mut archive, folder, &self.data.join(folder), made)?;
        }
        let registry = self.spool.0.join(REGISTRY);
        add_file(&mut archive, REGISTRY, &registry, made)?;
        add_folder(&mut archive, SERIES, &self.spool.0.join(SERIES), made)?;
        let artifacts = artifacts_of(&registry)?;
        let count = artifacts.len();
        for hash in artifacts {
            let size = self.handle.block_on(self.blobs.size(&hash)).map_err(io::Error::other)?;
            let size = size.ok_or_else(|| {
                io::Error::other(format!("the artifact {hash} is missing from the blob store"))
            })?;
            let blob =
                Blob { blobs: &*self.blobs, handle: &self.handle, hash, at: 0, size, here: Bytes::new() };
            archive.add(&format!("{BLOBS}/{hash}"), size, blob, made)?;
        }
        let mut out = archive.finish(made)?;
        out.flush()?;
        Ok(count)
    }
}

fn add_file(archive: &mut Archive<Channel>, name: &str, path: &Path, made: i64) -> io::Result<()> {
    let with = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(with)?;
    let size = file.metadata().map_err(with)?.len();
    archive.add(name, size, file, made)
}

/// Everything in a folder, by name; nothing if it is not there.
fn add_folder(archive: &mut Archive<Channel>, name: &str, path: &Path, made: i64) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    for path in paths {
        let Some(last) = path.file_name().and_then(|last| last.to_str()) else { continue };
        let name = format!("{name}/{last}");
        // What is being written (a file beside the one that it replaces) is not part of anything yet.
        if !super::format::is_entry_name(&name) || last.ends_with(".tmp") {
            continue;
        }
        if path.is_dir() {
            add_folder(archive, &name, &path, made)?;
        } else {
            add_file(archive, &name, &path, made)?;
        }
    }
    Ok(())
}

/// The artifacts that the copy of the registry knows.
fn artifacts_of(registry: &Path) -> io::Result<BTreeSet<Sha256Hash>> {
    use std::io::BufRead as _;
    let (mut hashes, mut column) = (BTreeSet::new(), None::<usize>);
    for line in io::BufReader::with_capacity(1 << 20, File::open(registry)?).lines() {
        let line = line?;
        if line.starts_with('{') {
            let head: serde_json::Value = serde_json::from_str(&line)?;
            if head["table"] == "artifacts" {
                let columns = head["columns"].as_array().into_iter().flatten();
                column = columns.into_iter().position(|c| c[0] == "hash");
            } else {
                column = None;
            }
        } else if let Some(at) = column {
            let row: Vec<serde_json::Value> = serde_json::from_str(&line)?;
            let hash = row.get(at).and_then(|hash| hash.as_str()).and_then(|hash| hash.parse().ok());
            hashes.insert(hash.ok_or_else(|| io::Error::other("an artifact of the registry has no hash"))?);
        }
    }
    Ok(hashes)
}
