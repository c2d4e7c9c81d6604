//! The relational port: explicit read sessions and units of work.
//!
//! A unit of work sees its own writes, is dropped without a trace unless [`UnitOfWork::commit`] succeeds, and once commit
//! returned is durable: it survives power loss. There may be one at a time (SQLite has one writer); keep it short and bulk.
//! Not found is `Ok(None)`. Lists are keyset-paginated; bulk calls take at most [`MAX_BULK`] rows.

mod accounts;
mod catalog;
mod content;
mod deployments;
mod devices;
mod hold;
mod identities;
mod ledger;
mod registration;

use async_trait::async_trait;

pub use accounts::*;
pub use catalog::*;
pub use content::*;
pub use deployments::*;
pub use devices::*;
pub use hold::*;
pub use identities::*;
pub use ledger::*;
pub use registration::*;

use super::PortResult;

/// The most rows of one bulk call, and of one transaction of a planner.
pub const MAX_BULK: usize = 10_000;

/// Everything that can be read.
pub trait ReadSession:
    CatalogRead
    + ContentRead
    + DevicesRead
    + IdentitiesRead
    + DeploymentsRead
    + AccountsRead
    + LedgerRead
    + RegistrationRead
    + HoldRead
    + Send
{
}

impl<T> ReadSession for T where
    T: CatalogRead
        + ContentRead
        + DevicesRead
        + IdentitiesRead
        + DeploymentsRead
        + AccountsRead
        + LedgerRead
        + RegistrationRead
        + HoldRead
        + Send
{
}

/// A write transaction: it reads too, within itself. After an error it can only be given up: a back end may refuse its commit.
#[async_trait]
pub trait UnitOfWork:
    ReadSession
    + CatalogWrite
    + ContentWrite
    + DevicesWrite
    + IdentitiesWrite
    + DeploymentsWrite
    + AccountsWrite
    + LedgerWrite
    + RegistrationWrite
    + HoldWrite
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
