//! The registry on SQLite, always; on PostgreSQL and MariaDB when `ARGOSY_TEST_POSTGRES_URL` and `ARGOSY_TEST_MYSQL_URL` name a
//! server where databases may be made. Each test makes its own.

mod contract;
mod databases;
mod durability;
mod fixture;
mod hostile;
mod measure;
mod opening;
mod portable;
mod tallies;
mod units;
