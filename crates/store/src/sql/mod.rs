//! The registry on SQLite, PostgreSQL or MySQL/MariaDB: one statement set over one [`Dialect`], chosen by URI.
//!
//! A file an aggregate and direction: its columns and how a row is read, then what the port asks. Bulk statements carry their
//! rows as one JSON argument. To add a table: a migration in all three folders, its statements in a file here, the port's trait,
//! and cases in the port's contract suite.

mod accounts;
mod batch;
mod catalog_read;
mod catalog_write;
mod connect;
mod contents_read;
mod contents_write;
mod deployments_read;
mod deployments_write;
mod device_filter;
mod devices_read;
mod devices_write;
mod dialect;
mod dump;
mod error;
mod first_id;
mod fleet;
mod grams;
mod hold;
mod identities;
mod ledger;
mod load;
mod migrate;
mod names;
mod options;
mod query;
mod recount;
mod registration;
mod registry;
mod row;
mod session;
mod sole;
mod tally;
mod update_rows;
mod uri;

pub use connect::OpenError;
pub use dialect::Dialect;
pub use dump::DumpSummary;
pub use first_id::MAX_FIRST_ARTIFACT_ID;
pub use load::LoadError;
pub use migrate::{AppliedMigration, SchemaError};
pub use options::{Durability, NoObserver, SqlOptions, TxObserver};
pub use registry::SqlRegistry;
pub use sole::{SoleError, SoleUse};
pub use uri::UriError;
