//! Devices against a real broker (Mosquitto, with client certificates) and a small download server.

mod broker;
mod downloads;
mod updates;
mod wire;
