//! Devices against a real broker (Mosquitto, with client certificates) and a small download server.

mod beside;
mod broker;
mod downloads;
mod enrolment;
mod updates;
mod wire;
