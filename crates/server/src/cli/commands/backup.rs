//! `argosy backup`: everything that a server keeps, in one encrypted file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use age::secrecy::ExposeSecret as _;
use argosy_api::CreateBackupRequest;
use bytes::Bytes;
use clap::{ArgGroup, Args};
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::sync::mpsc;

use crate::args::{Exit, Failure};
use crate::backup::{Opener, OpenerArgs, passphrase, reseal, verify};
use crate::cli::context::ConnectArgs;
use crate::cli::output::Output;

/// Makes or checks a backup.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["to", "verify", "make_identity"])))]
pub(crate) struct BackupArgs {
    /// Make a backup of the server, which goes on working, and write it to this file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Read a backup to its end and check everything in it; nothing is changed, and no server is needed
    #[arg(long, value_name = "FILE")]
    verify: Option<PathBuf>,
    /// Make a key pair: the secret key goes to this file, the public one (the recipient) to standard output
    #[arg(long, value_name = "FILE")]
    make_identity: Option<PathBuf>,
    /// Encrypt to this public key (age1…): what opens it need not be anywhere near the server
    #[arg(long, value_name = "AGE1…", requires = "to", conflicts_with = "passphrase_file")]
    recipient: Option<String>,
    /// Encrypt by, or open with, the passphrase in this file (its first line)
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// --verify: open with the secret key in this file
    #[arg(long, value_name = "FILE", requires = "verify", conflicts_with = "passphrase_file")]
    identity_file: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl BackupArgs {
    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let out = Output::new(self.connect.json);
        if let Some(file) = &self.make_identity {
            make_identity(out, file)?;
        } else if let Some(file) = &self.verify {
            let opener = OpenerArgs::new(self.passphrase_file, self.identity_file).open()?;
            check(out, file, &opener)?;
        } else if let Some(file) = self.to {
            let recipient = self.recipient;
            match (&recipient, &self.passphrase_file) {
                (Some(recipient), None) => to_recipient(&self.connect, out, &file, recipient).await?,
                (None, Some(words)) => by_passphrase(&self.connect, out, &file, words).await?,
                _ => {
                    return Err(Failure::usage(
                        "give --recipient or --passphrase-file: a backup holds every key",
                    ));
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn cannot(what: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot {what} {}: {error}", file.display()))
}

/// A file that nobody else can read, and that is not there yet.
fn new_file(file: &Path) -> Result<File, Failure> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
            Exit::Conflict,
            format!("{} exists: give another name, or remove it", file.display()),
        )),
        made => made.map_err(|error| cannot("make", file, &error)),
    }
}

/// The unfinished file beside the one that is wanted: whoever finds the name finds a whole backup.
struct Part {
    wanted: PathBuf,
    part: PathBuf,
    done: bool,
}

impl Part {
    fn of(wanted: &Path) -> Result<(Self, File), Failure> {
        if wanted.exists() {
            new_file(wanted)?;
        }
        let mut name = wanted.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        let _ = std::fs::remove_file(&part);
        let file = new_file(&part)?;
        Ok((Self { wanted: wanted.to_owned(), part, done: false }, file))
    }

    fn finish(mut self, file: &File) -> Result<u64, Failure> {
        let done = file.sync_all().and_then(|()| std::fs::rename(&self.part, &self.wanted));
        done.map_err(|error| cannot("finish", &self.wanted, &error))?;
        self.done = true;
        std::fs::metadata(&self.wanted)
            .map(|about| about.len())
            .map_err(|error| cannot("read", &self.wanted, &error))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.done {
            let _ = std::fs::remove_file(&self.part);
        }
    }
}

fn made(out: Output, file: &Path, bytes: u64, verified: bool) -> Result<(), Failure> {
    let text = format!("{} ({bytes} bytes)", file.display());
    out.done(&json!({ "file": file, "bytes": bytes, "verified": verified }), &text)
}

async fn to_recipient(
    connect: &ConnectArgs,
    out: Output,
    file: &Path,
    recipient: &str,
) -> Result<(), Failure> {
    let mut context = connect.open()?;
    let (part, mut written) = Part::of(file)?;
    let request = CreateBackupRequest { recipient: recipient.to_owned() };
    let mut body = context.client.stream("backup", &request).await?;
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|error| broke_off(&error))?;
        if let Ok(data) = piece.into_data() {
            written.write_all(&data).map_err(|error| cannot("write", file, &error))?;
        }
    }
    let bytes = part.finish(&written)?;
    made(out, file, bytes, false)
}

fn broke_off(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Unreachable, format!("the backup broke off: {error}; the server's log says why"))
}

/// What the server sends, as a reader on another thread.
struct Pieces {
    receive: mpsc::Receiver<Bytes>,
    here: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.here.is_empty() {
            match self.receive.blocking_recv() {
                Some(bytes) => self.here = bytes,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.here.len());
        buffer[..length].copy_from_slice(&self.here.split_to(length));
        Ok(length)
    }
}

/// The server encrypts to a key that lives as long as this command; here it is opened and encrypted by the passphrase. So the
/// passphrase never leaves this machine, and nothing passes in clear, even without TLS.
async fn by_passphrase(connect: &ConnectArgs, out: Output, file: &Path, words: &Path) -> Result<(), Failure> {
    let words = passphrase(words)?;
    let mut context = connect.open()?;
    let (part, written) = Part::of(file)?;
    let identity = age::x25519::Identity::generate();
    let request = CreateBackupRequest { recipient: identity.to_public().to_string() };
    let mut body = context.client.stream("backup", &request).await?;
    let (send, receive) = mpsc::channel::<Bytes>(16);
    let secret = words.clone();
    let sealing = tokio::task::spawn_blocking(move || {
        let pieces = Pieces { receive, here: Bytes::new() };
        reseal(pieces, &identity, secret, io::BufWriter::with_capacity(1 << 20, written))
    });
    let mut broken = None;
    while let Some(piece) = body.frame().await {
        match piece {
            Err(error) => {
                broken = Some(broke_off(&error));
                break;
            }
            Ok(piece) => {
                if let Ok(data) = piece.into_data()
                    && send.send(data).await.is_err()
                {
                    // The other thread has failed, and says why.
                    break;
                }
            }
        }
    }
    drop(send);
    let sealed = sealing.await.map_err(|error| Failure::because("cannot write the backup", &error))?;
    if let Some(broken) = broken {
        return Err(broken);
    }
    let sealed = sealed.and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
    let written = sealed.map_err(|error| cannot("write", file, &error))?;
    let bytes = part.finish(&written)?;
    let opener = Opener::Passphrase(words);
    let whole = File::open(file).and_then(|file| verify(file, &opener));
    whole.map_err(|error| cannot("verify", file, &error))?;
    made(out, file, bytes, true)
}

fn check(out: Output, file: &Path, opener: &Opener) -> Result<(), Failure> {
    let whole = File::open(file).and_then(|file| verify(io::BufReader::with_capacity(1 << 20, file), opener));
    let (header, manifest) = whole.map_err(|error| cannot("verify", file, &error))?;
    let bytes: u64 = manifest.entries.iter().map(|entry| entry.size).sum();
    let tables = &header.registry.tables;
    let summary = json!({
        "created_at": argosy_api::Time(header.created_at_ms),
        "argosy": header.argosy,
        "registry": { "engine": header.engine, "migrations": header.registry.migrations, "rows": tables },
        "entries": manifest.entries.len(),
        "bytes": bytes,
    });
    let text = format!(
        "whole: made {} by argosy {} ({}), {} entries with {bytes} bytes, {} rows of the registry, {} devices",
        argosy_api::Time(header.created_at_ms),
        header.argosy,
        header.engine,
        manifest.entries.len(),
        tables.values().sum::<u64>(),
        tables.get("devices").copied().unwrap_or(0),
    );
    out.done(&summary, &text)
}

fn make_identity(out: Output, file: &Path) -> Result<(), Failure> {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let text = format!("# public key: {public}\n{}\n", identity.to_string().expose_secret());
    let mut written = new_file(file)?;
    let done = written.write_all(text.as_bytes()).and_then(|()| written.sync_all());
    done.map_err(|error| cannot("write", file, &error))?;
    out.note(&format!(
        "the secret key is in {}: keep it away from the server; without it no backup can be opened",
        file.display()
    ));
    out.done(&json!({ "recipient": public }), &public)
}
