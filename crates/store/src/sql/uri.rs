//! The URI that chooses the engine. Its password is never shown: not in `Debug`, not in `Display`, not in errors.

use std::fmt;
use std::path::{Path, PathBuf};

use sqlx::ConnectOptions as _;
use sqlx::any::AnyConnectOptions;

use super::dialect::Dialect;

/// Why a URI cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UriError {
    /// No scheme, or one of no engine.
    #[error(
        "{} is no database: give sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE or mysql://USER:PASSWORD@HOST/DATABASE \
         (mariadb:// is the same)",
        scheme.as_ref().map_or_else(|| "a URI without a scheme".to_owned(), |s| format!("`{s}:`"))
    )]
    UnknownScheme {
        /// The scheme, if there is one.
        scheme: Option<String>,
    },
    /// `sqlite:` names no file.
    #[error(
        "`sqlite:` must name a file, as in sqlite:argosy-data/registry.db (a database in memory would not be durable)"
    )]
    NoFile,
    /// What follows `sqlite:` has parameters.
    #[error("`sqlite:` takes a path and no parameters; the settings are chosen by Argosy")]
    Parameters,
    /// A relative path, and no current folder.
    #[error("the path of the database could not be made absolute")]
    Folder(#[source] std::io::Error),
    /// A server's URI that is malformed.
    #[error("the URI is malformed: it should be SCHEME://USER:PASSWORD@HOST:PORT/DATABASE")]
    Malformed,
    /// A server's URI without a database's name.
    #[error("the URI names no database: it should end in /DATABASE")]
    NoDatabase,
}

/// A parsed URI.
#[derive(Clone)]
pub(super) struct DatabaseUri {
    pub(super) dialect: Dialect,
    /// SQLite's file, absolute.
    pub(super) file: Option<PathBuf>,
    pub(super) connect: AnyConnectOptions,
}

impl DatabaseUri {
    pub(super) fn parse(uri: &str) -> Result<Self, UriError> {
        let Some((scheme, rest)) = uri.split_once(':') else {
            return Err(UriError::UnknownScheme { scheme: None });
        };
        match scheme {
            "sqlite" => Self::sqlite(rest),
            "postgres" | "postgresql" => Self::server(Dialect::Postgres, uri),
            "mysql" | "mariadb" => Self::server(Dialect::Mysql, uri),
            _ => {
                // What stands before the first colon of a bare `user:password@host` is no secret, but a long text may be one.
                let known =
                    scheme.len() <= 20 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
                Err(UriError::UnknownScheme { scheme: known.then(|| scheme.to_owned()) })
            }
        }
    }

    fn sqlite(rest: &str) -> Result<Self, UriError> {
        let path = rest.strip_prefix("//").unwrap_or(rest);
        if path.contains('?') {
            return Err(UriError::Parameters);
        }
        if path.is_empty() || path.starts_with(':') || path.ends_with('/') {
            return Err(UriError::NoFile);
        }
        let file = std::path::absolute(Path::new(path)).map_err(UriError::Folder)?;
        let url = format!("sqlite://{}?mode=rwc", encoded(&file));
        let connect = url.parse().map_err(|_| UriError::NoFile)?;
        Ok(Self { dialect: Dialect::Sqlite, file: Some(file), connect })
    }

    fn server(dialect: Dialect, uri: &str) -> Result<Self, UriError> {
        let connect: AnyConnectOptions = uri.parse().map_err(|_| UriError::Malformed)?;
        let url = &connect.database_url;
        if url.cannot_be_a_base() || url.host_str().is_none_or(str::is_empty) {
            return Err(UriError::Malformed);
        }
        if url.path().trim_matches('/').is_empty() {
            return Err(UriError::NoDatabase);
        }
        Ok(Self { dialect, file: None, connect: connect.disable_statement_logging() })
    }
}

/// The path with every byte but the plain ones as `%xx`: a `?`, `#` or `%` in a folder's name is then just that.
fn encoded(path: &Path) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|b| if plain(*b) { char::from(*b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

impl fmt::Display for DatabaseUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            return write!(f, "sqlite:{}", file.display());
        }
        // Parameters are left out too: some carry passwords.
        let url = &self.connect.database_url;
        write!(f, "{}://", url.scheme())?;
        if !url.username().is_empty() {
            write!(f, "{}@", url.username())?;
        }
        write!(f, "{}", url.host_str().unwrap_or_default())?;
        if let Some(port) = url.port() {
            write!(f, ":{port}")?;
        }
        f.write_str(url.path())
    }
}

impl fmt::Debug for DatabaseUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_chooses_its_engine() {
        for (uri, dialect) in [
            ("sqlite:registry.db", Dialect::Sqlite),
            ("sqlite:///var/lib/argosy/registry.db", Dialect::Sqlite),
            ("postgres://u:p@h/db", Dialect::Postgres),
            ("postgresql://u@h:5433/db", Dialect::Postgres),
            ("mysql://u:p@h/db", Dialect::Mysql),
            ("mariadb://u:p@h/db", Dialect::Mysql),
        ] {
            assert_eq!(DatabaseUri::parse(uri).unwrap().dialect, dialect, "{uri}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused_and_told_how() {
        for bad in ["", "registry.db", "redis://h", "s3://bucket", "alice:secret@host"] {
            let said = DatabaseUri::parse(bad).unwrap_err().to_string();
            for known in ["sqlite:", "postgres:", "mysql:", "mariadb:"] {
                assert!(said.contains(known), "{bad}: {said}");
            }
            assert!(!said.contains("secret"), "{said}");
        }
        for bad in [
            "sqlite:",
            "sqlite::memory:",
            "sqlite:a.db?mode=memory",
            "postgres://h",
            "postgres:db",
            "mysql://u:p@h/",
        ] {
            assert!(DatabaseUri::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let uri =
            DatabaseUri::parse("postgres://alice:s3cret@db.example:5433/argosy?password=s3cret").unwrap();
        assert_eq!(format!("{uri} {uri:?}").matches("s3cret").count(), 0, "{uri}");
        assert_eq!(uri.to_string(), "postgres://alice@db.example:5433/argosy");
        let bad = DatabaseUri::parse("postgres://alice:s3cret@:port/").unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("s3cret"), "{bad:?}");
    }

    #[test]
    fn a_path_may_hold_anything() {
        let uri = DatabaseUri::parse("sqlite:/tmp/a folder/50%/보일러#1.db").unwrap();
        assert_eq!(uri.file.as_deref(), Some(Path::new("/tmp/a folder/50%/보일러#1.db")));
    }
}
