//! The contract of [`Registry`]: what every back end, and the fake, must do.
//!
//! ```ignore
//! registry::all(&|| Box::pin(async { Box::new(fresh_database().await) as Box<dyn Registry> })).await;
//! ```
//!
//! Each case gets a fresh, empty registry (truncating all tables is fine). A case that provokes an error gives its unit of work up
//! afterwards, as callers must: on some engines a transaction is of no use after its first error.

mod accounts;
mod catalog;
mod certificates;
mod contents;
mod counts;
mod deployments;
mod devices;
mod fixture;
mod hold;
mod identities;
mod ledger;
mod lists;
mod registration;
mod targets;
mod units;
mod updates;

use std::future::Future;
use std::pin::Pin;

use crate::ports::Registry;

/// A boxed future, as the cases and the makers of registries return it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One behaviour: it panics if the registry does not behave so.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: `module::function`.
    pub name: &'static str,
    /// Runs it against a fresh, empty registry.
    pub run: for<'a> fn(&'a dyn Registry) -> BoxFuture<'a, ()>,
}

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// Lists a module's cases; each is a `async fn(&dyn Registry)`.
macro_rules! list_cases {
    ($module:literal: $($case:ident),* $(,)?) => {
        /// The cases of this module.
        pub(super) const CASES: &[super::Case] = &[
            $(super::Case { name: concat!($module, "::", stringify!($case)), run: |registry| Box::pin($case(registry)) }),*
        ];
    };
}
use list_cases;

/// Every case.
pub fn cases() -> Vec<Case> {
    [
        units::CASES,
        catalog::CASES,
        devices::CASES,
        counts::CASES,
        certificates::CASES,
        identities::CASES,
        deployments::CASES,
        updates::CASES,
        targets::CASES,
        contents::CASES,
        accounts::CASES,
        ledger::CASES,
        registration::CASES,
        hold::CASES,
        lists::CASES,
    ]
    .concat()
}

/// Runs every case, each against the registry that `make` gives; says which case it is at on standard error, so that a
/// panic can be placed.
pub async fn all<'m>(make: &(dyn Fn() -> BoxFuture<'m, Box<dyn Registry>> + Sync)) {
    for case in cases() {
        eprintln!("registry contract: {}", case.name);
        let registry = make().await;
        (case.run)(&*registry).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeRegistry, block_on};

    #[test]
    fn the_fake_registry_keeps_the_contract() {
        block_on(all(&|| Box::pin(async { Box::new(FakeRegistry::new()) as Box<dyn Registry> })));
    }
}
