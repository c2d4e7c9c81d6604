//! `fleet`: how large it is.

use crate::config::key::section;

section! {
    /// How large the fleet is, so that the machine's limits can be compared with it at start.
    Fleet at "fleet" {
        /// Devices that are expected to be connected at once. Decides nothing but what is checked at start: enough open files.
        expected_devices: u32 = 1000, Limit::Range(1, 10_000_000);
        /// Seconds over which devices spread their reconnects after a restart of the server; told to them when they say hello.
        reconnect_jitter_seconds: u32 = 30, Limit::Range(0, 3600);
    }
}
