//! The configuration: one TOML file, the environment over it, flags over both.
//!
//! Every key is one line of a `section!` in `sections/`, from which its struct, its default, its limits and its part of
//! `docs/configuration.md` come. Loading ([`load`]) refuses unknown keys with the nearest known one and says where a value
//! came from; what pairs of keys mean together is in each section's `check`.

mod check;
mod key;
mod load;
mod nearest;
mod reference;
mod sections;
mod show;
#[cfg(test)]
mod tests;
mod value;

use std::path::PathBuf;

use self::key::section;
pub(crate) use self::load::{LoadError, Loaded, Overrides, load};
pub(crate) use self::reference::reference;
pub(crate) use self::sections::*;
pub(crate) use self::show::{show, show_json};
pub(crate) use self::value::Size;

section! {
    /// Keys outside any section.
    Config at "" {
        /// The folder of everything that Argosy keeps: database, files, certificates, secrets. Made at the first start.
        data_dir: PathBuf = PathBuf::from("./argosy-data"), Limit::Any;
        /// Threads that serve devices and operators, and as many again for https (downloads); 0: one a core of each kind.
        worker_threads: u32 = 0, Limit::Range(0, 1024);
        @ fleet: Fleet;
        @ log: Log;
        @ http: Http;
        @ https: Https;
        @ mqtt: Mqtt;
        @ database: Database;
        @ blobs: Blobs;
        @ series: Series;
        @ download: Download;
        @ uploads: Uploads;
        @ content: Content;
        @ sessions: Sessions;
        @ ingest: Ingest;
        @ registration: Registration;
        @ pki: Pki;
        @ shutdown: Shutdown;
    }
}

/// Every section, with its keys, in the order of the reference.
pub(crate) fn all_sections() -> Vec<key::SectionAbout> {
    let mut sections = Vec::new();
    Config::sections(&mut sections);
    sections
}

/// Every key.
pub(crate) fn all_keys() -> Vec<key::Key> {
    all_sections().into_iter().flat_map(|section| section.keys).collect()
}
