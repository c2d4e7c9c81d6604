//! The embedded broker over real sockets, with a scripted engine behind it: hand-made packets where the order of bytes matters,
//! mosquitto's clients where a foreign opinion matters.

#![expect(unreachable_pub, reason = "a test binary has no outside")]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod access;
mod client;
mod delivery;
mod events;
mod harness;
mod intake;
mod limits;
mod measure;
mod mosquitto;
mod pki;
mod presence;
mod restricted;
mod with_authority;
