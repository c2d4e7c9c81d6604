//! Connections: TLS on rustls' unbuffered interface, or plain TCP for old devices.

mod tls;
mod wire;

pub(crate) use tls::{Trust, TrustError};
pub(crate) use wire::{Peer, Wire, WireError};
