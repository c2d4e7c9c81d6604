//! The relational port: explicit read sessions and units of work.
//!
//! A unit of work sees its own writes, is dropped without a trace unless [`UnitOfWork::commit`] succeeds, and once commit
//! returned is durable: it survives power loss. There may be one at a time (SQLite has one writer); keep it short and bulk.
//! Not found is `Ok(None)`. Lists are keyset-paginated; bulk calls take at most [`MAX_BULK`] rows.

mod accounts;
mod catalog;
mod deployments;
mod devices;
mod ledger;

use async_trait::async_trait;

pub use accounts::*;
pub use catalog::*;
pub use deployments::*;
pub use devices::*;
pub use ledger::*;

use super::PortResult;

/// The most rows of one bulk call, and of one transaction of a planner.
pub const MAX_BULK: usize = 10_000;

/// Everything that can be read.
pub trait ReadSession:
    CatalogRead + DevicesRead + DeploymentsRead + AccountsRead + LedgerRead + Send
{
}

impl<T: CatalogRead + DevicesRead + DeploymentsRead + AccountsRead + LedgerRead + Send> ReadSession for T {}

/// A write transaction: it reads too, within itself. After an error it can only be given up: a back end may refuse its commit.
#[async_trait]
pub trait UnitOfWork:
    ReadSession + CatalogWrite + DevicesWrite + DeploymentsWrite + AccountsWrite + LedgerWrite
{
    /// Makes everything durable.
    async fn commit(self: Box<Self>) -> PortResult<()>;

    /// Gives everything up. Dropping does the same, but later.
    async fn rollback(self: Box<Self>) -> PortResult<()>;
}

/// The registry.
#[async_trait]
pub trait Registry: Send + Sync + 'static {
    /// A session for reading; give it back soon.
    async fn read(&self) -> PortResult<Box<dyn ReadSession>>;

    /// A unit of work; `purpose` names it in metrics and logs (`ingest`, `dispatch`, …). Waits for the one before it.
    async fn begin(&self, purpose: &'static str) -> PortResult<Box<dyn UnitOfWork>>;

    /// Whether the registry answers (for `/readyz`).
    async fn ping(&self) -> PortResult<()>;
}
