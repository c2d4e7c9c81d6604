//! The contract of [`SeriesStore`]: what every back end, and the fake, must do. Each case gets a fresh, empty store; where it
//! matters a case asks before and after [`SeriesStore::flush`], because where a row is kept must not be seen.

mod events;
mod make;
mod samples;
mod sums;

use super::registry::BoxFuture;
use crate::ports::SeriesStore;

pub use make::{DAY, HOUR, T0, data, log, row, sale, status, status_sample};

/// One behaviour: it panics if the store does not behave so.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name: `module::function`.
    pub name: &'static str,
    /// Runs it against a fresh, empty store.
    pub run: for<'a> fn(&'a dyn SeriesStore) -> BoxFuture<'a, ()>,
}

impl core::fmt::Debug for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name)
    }
}

/// Lists a module's cases; each is a `async fn(&dyn SeriesStore)`.
macro_rules! list_cases {
    ($module:literal: $($case:ident),* $(,)?) => {
        /// The cases of this module.
        pub(super) const CASES: &[super::Case] = &[
            $(super::Case { name: concat!($module, "::", stringify!($case)), run: |store| Box::pin($case(store)) }),*
        ];
    };
}
use list_cases;

/// Every case.
pub fn cases() -> Vec<Case> {
    [samples::CASES, events::CASES, sums::CASES].concat()
}

/// Runs every case, each against the store that `make` gives.
pub async fn all<'m>(make: &(dyn Fn() -> BoxFuture<'m, Box<dyn SeriesStore>> + Sync)) {
    for case in cases() {
        eprintln!("series contract: {}", case.name);
        let store = make().await;
        (case.run)(&*store).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeSeries, block_on};

    #[test]
    fn the_fake_series_store_keeps_the_contract() {
        block_on(all(&|| Box::pin(async { Box::new(FakeSeries::default()) as Box<dyn SeriesStore> })));
    }
}
