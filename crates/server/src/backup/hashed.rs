//! Counts and hashes what passes, on the way into a backup and out of one.

use std::io::{self, Read};

use aws_lc_rs::digest;

/// A reader that knows the size and SHA-256 of what was read through it.
pub(super) struct Hashed<R> {
    inner: R,
    hash: digest::Context,
    /// Bytes so far.
    pub(super) size: u64,
}

impl<R> Hashed<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, hash: digest::Context::new(&digest::SHA256), size: 0 }
    }

    /// SHA-256 of everything that passed, lower-case hexadecimal.
    pub(super) fn sha256(self) -> String {
        hex::encode(self.hash.finish())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.size += got as u64;
        Ok(got)
    }
}
