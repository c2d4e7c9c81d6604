//! What the core is told: requests, events, and how it is to go about its updates.

use crate::{Backoff, CommandId, Image, Slot};

/// A request to update. `L` is where the bytes are, in the driver's own words (a URL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer<L> {
    /// Its command.
    pub command: CommandId,
    /// The image.
    pub image: Image,
    /// Where it is.
    pub locator: L,
}

/// Why a fetch brought no (more) bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchError {
    /// No connection, a broken one, a server that is overloaded or failing: worth another try.
    Link,
    /// The server answered that the URL's time is over. What is here stays; the server sends the request again, with a fresh URL, once it
    /// has heard nothing for a while.
    Expired,
    /// The server answered and will not give the bytes: the URL was withdrawn or is wrong.
    Refused {
        /// Its HTTP status.
        status: u16,
    },
}

/// What happened.
#[derive(Debug)]
pub enum Event<'a, L> {
    /// The broker is reached and the device's topics are subscribed.
    BrokerUp,
    /// The broker is lost.
    BrokerDown,
    /// A request arrived.
    Request(Offer<L>),
    /// A cancel arrived.
    Cancel(CommandId),
    /// The next bytes of the ranges asked for.
    Data(&'a [u8]),
    /// All ranges asked for and not yet received are lost.
    FetchFailed(FetchError),
    /// The self-test ended: `true` if all is well.
    SelfTest(bool),
    /// Time passed: due at [`Agent::deadline`].
    Tick,
}

/// How a device goes about its updates. Times in milliseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The largest range asked for at a time.
    pub chunk: u32,
    /// Whether the next range is asked for while one is being received.
    pub ahead: bool,
    /// A pause after each range; with one, nothing is asked for ahead.
    pub pause_ms: u32,
    /// Failed fetches in a row, without one byte, before an update is given up.
    pub max_failures: u16,
    /// Complete downloads with a wrong hash before an update is given up.
    pub max_bad_images: u8,
    /// The wait after a failed fetch or a wrong hash.
    pub backoff: Backoff,
    /// The least step between two progress reports, in percent.
    pub progress_percent: u8,
    /// The least time between two progress reports.
    pub progress_ms: u32,
    /// How long a new image may run without having reached the broker before it is restarted.
    pub confirm_within_ms: u64,
    /// Whether a new image must also pass the driver's self-test.
    pub self_test: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            chunk: 256 * 1024,
            ahead: true,
            pause_ms: 0,
            max_failures: 20,
            max_bad_images: 3,
            backoff: Backoff { first_ms: 500, max_ms: 30_000 },
            progress_percent: 10,
            progress_ms: 1_000,
            confirm_within_ms: 600_000,
            self_test: false,
        }
    }
}

/// What runs here, as `hello` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootReport {
    /// The running slot.
    pub slot: Slot,
    /// The running image.
    pub image: Image,
    /// Whether it proved itself.
    pub confirmed: bool,
    /// The image that was tried and given up since the last update began.
    pub rolled_back_from: Option<Image>,
    /// The update that this belongs to; empty if none.
    pub command: CommandId,
}
