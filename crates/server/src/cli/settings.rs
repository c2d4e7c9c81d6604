//! What `argosy login` remembers: `cli.toml` in the user's configuration folder, readable by the user alone.

use std::path::PathBuf;

use argosy_pki::{read_secret, write_atomically};
use serde::{Deserialize, Serialize};

use crate::args::{Exit, Failure};

/// The content of `cli.toml`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The server that was logged in to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The token that was made there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Its id, to delete it at logout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<i64>,
    /// The roots that the server is trusted by, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Settings {
    /// Where they are: `$XDG_CONFIG_HOME/argosy/cli.toml`, else `~/.config/argosy/cli.toml`.
    pub(crate) fn path() -> Option<PathBuf> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("argosy").join("cli.toml"))
    }

    /// What is remembered; nothing if there is no file.
    pub(crate) fn load() -> Result<Self, Failure> {
        let Some(path) = Self::path() else { return Ok(Self::default()) };
        let bytes = read_secret(&path)
            .map_err(|error| Failure::because("cannot read what login remembered", &error))?;
        let Some(bytes) = bytes else { return Ok(Self::default()) };
        toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| {
            let text =
                format!("{} is damaged: {}; log in again, or remove it", path.display(), error.message());
            Failure::usage(text)
        })
    }

    /// Remembers them; where.
    pub(crate) fn save(&self) -> Result<PathBuf, Failure> {
        let Some(path) = Self::path() else {
            return Err(Failure::usage(
                "there is no folder to remember the login in: set HOME or XDG_CONFIG_HOME",
            ));
        };
        let failed = |error: &dyn std::error::Error| Failure::because("cannot remember the login", error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let text = toml::to_string(self).map_err(|error| failed(&error))?;
        write_atomically(&path, text.as_bytes(), 0o600).map_err(|error| failed(&error))?;
        Ok(path)
    }

    /// Forgets them.
    pub(crate) fn forget() -> Result<(), Failure> {
        let Some(path) = Self::path() else { return Ok(()) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(Exit::Failed, format!("cannot remove {}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }
}
