//! Where things are: the clone's root and cargo's target folder.

use std::path::{Path, PathBuf};

/// The root of the clone, known when xtask was built (xtask is always run by cargo from its own source).
pub(crate) fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Cargo's target folder: `CARGO_TARGET_DIR` when set, else `target` in the clone.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The virtual environment that holds the tools taken from PyPI. It is only a cache: deleting it is safe.
pub(crate) fn venv() -> PathBuf {
    target().join("tools").join("venv")
}
