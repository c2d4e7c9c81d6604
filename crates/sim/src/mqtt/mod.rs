//! The device's side of MQTT.

pub(crate) mod codec;
mod session;

pub(crate) use session::{Connected, MqttError, Outbox, Session};
