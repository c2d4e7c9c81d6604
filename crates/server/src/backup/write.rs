//! Writing: a tar file of hashed entries, inside an age file. Blocking: it runs on a thread of its own.

use std::io::{self, Read, Write};
use std::str::FromStr as _;

use age::secrecy::SecretString;

use super::format::{Entry, MANIFEST, Manifest};
use super::hashed::Hashed;

/// What is read and hashed at a time.
pub(crate) const CHUNK: usize = 256 * 1024;

/// A backup that is being written.
pub(crate) struct Archive<W: Write> {
    tar: tar::Builder<age::stream::StreamWriter<W>>,
    manifest: Manifest,
}

impl<W: Write> Archive<W> {
    /// Encrypted to `recipient` (`age1…`).
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn to(recipient: &age::x25519::Recipient, out: W) -> io::Result<Self> {
        let recipients = std::iter::once(recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        let tar = tar::Builder::new(encryptor.wrap_output(out)?);
        Ok(Self { tar, manifest: Manifest::default() })
    }

    /// Adds an entry of exactly `size` bytes.
    ///
    /// # Errors
    /// It cannot be read or written, or has another size by now.
    pub(crate) fn add(&mut self, name: &str, size: u64, content: impl Read, made_ms: i64) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(made_ms / 1000).unwrap_or(0));
        let mut content = Hashed::new(content);
        // One byte more than it should have would be noticed; so is one less.
        self.tar.append_data(
            &mut header,
            name,
            io::BufReader::with_capacity(CHUNK, (&mut content).take(size)),
        )?;
        if content.size != size {
            return Err(io::Error::other(format!(
                "{name} has {} bytes, not the {size} it had",
                content.size
            )));
        }
        let sha256 = content.sha256();
        self.manifest.entries.push(Entry { name: name.to_owned(), size, sha256 });
        Ok(())
    }

    /// Adds an entry that is in memory.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn add_bytes(&mut self, name: &str, bytes: &[u8], made_ms: i64) -> io::Result<()> {
        self.add(name, bytes.len() as u64, bytes, made_ms)
    }

    /// Adds the manifest, and ends it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn finish(mut self, made_ms: i64) -> io::Result<W> {
        let manifest = serde_json::to_vec_pretty(&self.manifest)?;
        self.add_bytes(MANIFEST, &manifest, made_ms)?;
        let age = self.tar.into_inner()?;
        age.finish()
    }
}

/// Reads a recipient.
///
/// # Errors
/// What is wrong with it, without repeating it: somebody may have given the secret key.
pub(crate) fn recipient(text: &str) -> Result<age::x25519::Recipient, String> {
    let text = text.trim();
    if text.to_ascii_lowercase().starts_with("age-secret-key-") {
        return Err("this is a secret key: give the public key that belongs to it (age1…)".to_owned());
    }
    age::x25519::Recipient::from_str(text)
        .map_err(|why| format!("this is not the public key of an age identity (age1…): {why}"))
}

/// Opens what was encrypted to `identity`, and encrypts it by `passphrase` on the way: the server then never learns it.
///
/// # Errors
/// It cannot be read, was changed, or cannot be written.
pub(crate) fn reseal<W: Write>(
    input: impl Read,
    identity: &age::x25519::Identity,
    passphrase: SecretString,
    out: W,
) -> io::Result<W> {
    let mut opened = super::read::open(input, &super::read::Opener::Identities(vec![identity.clone()]))?;
    let mut sealed = age::Encryptor::with_user_passphrase(passphrase).wrap_output(out)?;
    io::copy(&mut opened, &mut sealed)?;
    sealed.finish()
}
