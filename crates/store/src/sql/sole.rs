//! One server a database: a lock that the database server holds for us, and lets go of when our connection to it ends, however this
//! process ends. SQLite's file lies in the data folder, which has a lock of its own.
//!
//! Two servers on one database would both dispatch, both count, and both be sure that they are alone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AnyConnection, AssertSqlSafe, Connection as _};

use super::dialect::Dialect;
use super::uri::DatabaseUri;

/// `ARGO` as a number: the key of PostgreSQL's advisory lock. Such locks are of one database, not of the whole server.
const KEY: i64 = 1_095_911_247;
/// A server that has just been killed may still seem to be there: its connection ends a moment after it.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(250);

/// Why the database cannot be had alone.
#[derive(Debug, thiserror::Error)]
pub enum SoleError {
    /// Another server has it.
    #[error(
        "{uri} is in use by another argosy: a database belongs to one server; stop that one first, or give this one another database"
    )]
    Taken {
        /// The URI without its password.
        uri: String,
    },
    /// The database did not answer.
    #[error("could not ask {uri} whether another argosy uses it")]
    Ask {
        /// The URI without its password.
        uri: String,
        /// What the engine says.
        #[source]
        source: sqlx::Error,
    },
}

/// The database is ours as long as this is kept, and [`SoleUse::check`] says so.
pub struct SoleUse {
    uri: Arc<DatabaseUri>,
    /// `None` on SQLite, and between a lost connection and the next one.
    connection: Option<AnyConnection>,
}

impl fmt::Debug for SoleUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoleUse").field("uri", &self.uri).finish_non_exhaustive()
    }
}

impl SoleUse {
    /// Takes the database; waits a moment for a server that is just ending.
    pub(super) async fn take(uri: Arc<DatabaseUri>) -> Result<Self, SoleError> {
        let mut sole = Self { uri, connection: None };
        for _ in 1..TRIES {
            match sole.try_take().await {
                Err(SoleError::Taken { .. }) => tokio::time::sleep(BETWEEN).await,
                taken => return taken.map(|()| sole),
            }
        }
        sole.try_take().await.map(|()| sole)
    }

    /// Makes sure that it is still ours. A connection that was lost (the database was started anew) is made again, and the database
    /// taken again.
    ///
    /// # Errors
    /// [`SoleError::Taken`] when another server was faster: this one must end. [`SoleError::Ask`] when the database does not answer;
    /// it is to be asked again.
    pub async fn check(&mut self) -> Result<(), SoleError> {
        if let Some(connection) = &mut self.connection
            && connection.ping().await.is_ok()
        {
            return Ok(());
        }
        self.connection = None;
        self.try_take().await
    }

    async fn try_take(&mut self) -> Result<(), SoleError> {
        let statement = match self.uri.dialect {
            Dialect::Sqlite => return Ok(()),
            Dialect::Postgres => {
                format!("SELECT CAST(CASE WHEN pg_try_advisory_lock({KEY}) THEN 1 ELSE 0 END AS BIGINT)")
            }
            // Names are of the whole server, and short.
            Dialect::Mysql => {
                "SELECT CAST(GET_LOCK(CONCAT('argosy.', SHA1(DATABASE())), 0) AS SIGNED)".to_owned()
            }
        };
        let uri = || self.uri.to_string();
        let ask = async {
            let mut connection = AnyConnection::connect_with(&self.uri.connect).await?;
            let got: Option<i64> =
                sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connection).await?;
            Ok((connection, got))
        };
        let (connection, got) = ask.await.map_err(|source| SoleError::Ask { uri: uri(), source })?;
        if got != Some(1) {
            return Err(SoleError::Taken { uri: uri() });
        }
        self.connection = Some(connection);
        Ok(())
    }
}
