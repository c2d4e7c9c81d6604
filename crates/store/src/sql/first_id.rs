//! Where the ids of artifacts begin. Old boards name a file after its id: a fleet that moves here from another system must never be
//! sent an id that was another file there.

use argosy_domain::ports::{PortError, PortErrorKind, PortResult, UnitOfWork as _};

use super::dialect::Dialect;
use super::query::Query;
use super::registry::SqlRegistry;
use super::session::Session;

/// The highest first id: there is room for 147 million artifacts behind it.
pub const MAX_FIRST_ARTIFACT_ID: i64 = 2_000_000_000;

const TABLE: &str = "artifacts";
const OPERATION: &str = "raise_artifact_ids";

impl SqlRegistry {
    /// Gives new artifacts `first` and higher ids from now on; returns the id that the next one gets, which is higher if so many were
    /// given already. Never lowers anything. The server must not be running.
    ///
    /// # Errors
    /// `first` is not 1…[`MAX_FIRST_ARTIFACT_ID`] (`artifact.first_id`), or the database fails.
    pub async fn raise_artifact_ids(&self, first: i64) -> PortResult<i64> {
        if !(1..=MAX_FIRST_ARTIFACT_ID).contains(&first) {
            return Err(PortError::conflict(OPERATION, "artifact.first_id"));
        }
        // MySQL ends a transaction at such a change, so there it has none.
        if self.dialect() == Dialect::Mysql {
            let mut session = Session::reader(self.writer_connection().await?, self.dialect());
            return session.raise_artifact_ids(first).await;
        }
        let mut session = self.unit("artifact ids").await?;
        let next = session.raise_artifact_ids(first).await?;
        Box::new(session).commit().await?;
        Ok(next)
    }
}

impl Session {
    async fn raise_artifact_ids(&mut self, first: i64) -> PortResult<i64> {
        let highest = Query::new("SELECT COALESCE(MAX(id), 0) FROM artifacts");
        let highest = self.one(OPERATION, highest, |row| row.int()).await?.unwrap_or(0);
        let given =
            self.one(OPERATION, Query::new(self.dialect.next_id()).bind(TABLE), |row| row.int()).await?;
        let next = given.unwrap_or(1).max(highest + 1);
        if next >= first {
            return Ok(next);
        }
        self.set_next_id(TABLE, first)
            .await
            .map_err(|error| PortError::new(OPERATION, PortErrorKind::Internal).with_source(error))?;
        Ok(first)
    }
}
