//! What a device decides about its own firmware: which requests it takes, which bytes it asks for next, when an image
//! is good, when it is tried, confirmed or rolled back.
//!
//! The crate does no network and has no clock. [`Agent::step`] takes the time and one [`Event`] and answers with
//! [`Actions`]; whoever drives it (a simulator, a Linux daemon, a bare-metal main loop) carries them out. Flash is
//! reached through the traits of [`Hardware`], inside `step`, so that the *order* of writes is decided here, where it is
//! proved: the tests cut the power at every single write.
//!
//! Two rules hold at every instant, whatever loses power when:
//! 1. persisted state never calls a slot bootable unless the complete image in it was hashed and found right;
//! 2. the confirmed image is never written to; an update touches only the other slot.
//!
//! `no_std`, no heap: names are inline text, the place a download comes from (a URL) is the driver's own type.
#![no_std]

#[cfg(test)]
extern crate std;

mod action;
mod agent;
mod backoff;
mod boot;
mod content;
mod download;
mod event;
mod hardware;
mod image;
mod register;
mod renew;
mod state;
mod text;

pub use action::{Action, Actions, CancelStatus, Outcome, Reason, Rejection, Report};
pub use agent::Agent;
pub use backoff::{Backoff, Jitter};
pub use boot::{Boot, BootError, boot, provision, stored_state};
pub use content::{
    ContentAgent, ContentEvent, ContentFile, ContentOffer, ContentPolicy, ContentSet, ContentStore,
    FileIdentity, MAX_FILES, TooManyFiles,
};
pub use event::{BootReport, Event, FetchError, Offer, Policy};
pub use hardware::{Digest, Hardware, Slots, StateStore, rehash};
pub use image::{CommandId, Image, Slot, Version};
pub use register::{Registration, RegistrationAnswer};
pub use renew::{Renewal, RenewalAction, RenewalEvent, RenewalPolicy};
pub use state::{BootState, RECORD_LEN, RolledBack, Trial};
pub use text::{Text, TextTooLong};
