//! `content`: making contents, and deploying them.

use crate::config::key::section;

section! {
    /// Contents: pictures for displays.
    Content at "content" {
        /// Contents made at once. Each takes one core and up to 300 MB while it is made.
        makers: u32 = 1, Limit::Range(1, 16);
        /// Seconds after which a device that has downloaded all contents of a deployment, and says nothing of what it shows, counts as
        /// succeeded by its results.
        settle_seconds: u32 = 180, Limit::Range(10, 86_400);
    }
}
