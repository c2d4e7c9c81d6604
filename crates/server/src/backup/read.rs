//! Reading: an age file is opened, its entries are looked at one by one, and at the end all of them must have been what the manifest says.

use std::io::{self, Read};

use age::secrecy::SecretString;

use super::format::{Entry, FORMAT, HEADER, Header, MANIFEST, Manifest, is_entry_name};
use super::hashed::Hashed;

/// The largest header or manifest.
const MAX_JSON: u64 = 256 << 20;

/// What opens a backup.
#[derive(Clone)]
pub(crate) enum Opener {
    /// A passphrase.
    Passphrase(SecretString),
    /// Secret keys, one of which is the recipient's.
    Identities(Vec<age::x25519::Identity>),
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener(…)")
    }
}

/// The content of an age file.
///
/// # Errors
/// It is none, or this does not open it.
pub(super) fn open<R: Read>(input: R, opener: &Opener) -> io::Result<age::stream::StreamReader<R>> {
    let failed = |error: age::DecryptError| {
        let text = match &error {
            age::DecryptError::NoMatchingKeys => "it was encrypted to another key".to_owned(),
            age::DecryptError::DecryptionFailed | age::DecryptError::KeyDecryptionFailed => {
                "the passphrase or key does not open it".to_owned()
            }
            other => format!("it cannot be opened: {other}"),
        };
        io::Error::other(text)
    };
    let decryptor = age::Decryptor::new(input).map_err(failed)?;
    match opener {
        Opener::Passphrase(passphrase) => {
            if !decryptor.is_scrypt() {
                return Err(io::Error::other(
                    "it was encrypted to a key, not by a passphrase: give --identity-file",
                ));
            }
            let mut identity = age::scrypt::Identity::new(passphrase.clone());
            // A hundred times what is asked of it when it is made: another machine may be far slower.
            identity.set_max_work_factor(24);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(failed)
        }
        Opener::Identities(keys) => {
            if decryptor.is_scrypt() {
                return Err(io::Error::other("it was encrypted by a passphrase: give --passphrase-file"));
            }
            decryptor.decrypt(keys.iter().map(|key| key as &dyn age::Identity)).map_err(failed)
        }
    }
}

/// What looks at the entries.
pub(crate) trait Visitor {
    /// The first entry.
    fn header(&mut self, _header: &Header) -> io::Result<()> {
        Ok(())
    }

    /// Any other entry but the manifest; what is left of it is read (and checked) by the caller.
    fn entry(&mut self, name: &str, content: &mut dyn Read) -> io::Result<()>;
}

/// Looks at nothing.
struct Nothing;

impl Visitor for Nothing {
    fn entry(&mut self, _: &str, _: &mut dyn Read) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a whole backup; its header and manifest.
///
/// # Errors
/// It cannot be opened, is cut off, or is not what its manifest says; or the visitor failed.
pub(crate) fn walk(
    input: impl Read,
    opener: &Opener,
    visitor: &mut dyn Visitor,
) -> io::Result<(Header, Manifest)> {
    let cut = || io::Error::other("it ends before its manifest: it was cut off while it was made");
    let mut archive = tar::Archive::new(open(input, opener)?);
    let (mut header, mut seen) = (None::<Header>, Manifest::default());
    for entry in archive.entries()? {
        let entry = entry?;
        let name = entry.path()?.to_str().map(str::to_owned).unwrap_or_default();
        if !is_entry_name(&name) || !entry.header().entry_type().is_file() {
            return Err(io::Error::other(format!("it holds {name:?}, which no backup does")));
        }
        let mut content = Hashed::new(entry);
        match (name.as_str(), &header) {
            (HEADER, None) => {
                let mut text = Vec::new();
                (&mut content).take(MAX_JSON).read_to_end(&mut text)?;
                let first: Header = serde_json::from_slice(&text)?;
                if first.format != FORMAT {
                    let text = format!(
                        "it is of format {}, this program reads {FORMAT}: use the version that made it ({})",
                        first.format, first.argosy
                    );
                    return Err(io::Error::other(text));
                }
                visitor.header(&first)?;
                header = Some(first);
            }
            (_, None) | (HEADER, Some(_)) => {
                return Err(io::Error::other("it does not begin as a backup does"));
            }
            (MANIFEST, Some(_)) => {
                let mut text = Vec::new();
                (&mut content).take(MAX_JSON).read_to_end(&mut text)?;
                let manifest: Manifest = serde_json::from_slice(&text)?;
                if manifest != seen {
                    return Err(io::Error::other("its entries are not those of its manifest"));
                }
                drop(content);
                // To the very end: the last bytes are checked by age when they are read.
                io::copy(&mut archive.into_inner(), &mut io::sink())?;
                return header.map(|header| (header, manifest)).ok_or_else(cut);
            }
            (_, Some(_)) => visitor.entry(&name, &mut content)?,
        }
        io::copy(&mut content, &mut io::sink())?;
        let size = content.size;
        let sha256 = content.sha256();
        seen.entries.push(Entry { name, size, sha256 });
    }
    Err(cut())
}

/// Reads a whole backup and keeps nothing.
///
/// # Errors
/// As [`walk`].
pub(crate) fn verify(input: impl Read, opener: &Opener) -> io::Result<(Header, Manifest)> {
    walk(input, opener, &mut Nothing)
}
