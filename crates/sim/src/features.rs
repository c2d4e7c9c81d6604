//! What a fleet does beside firmware: content, registration by code, renewal, and what devices say of themselves.
//!
//! One more habit of devices is a field of [`Features`], an option in the binary's `args`, and a place in `device::life::habits`.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use argosy_agent_core::Backoff;
use argosy_proto::DeviceKey;
use argosy_proto::message::AuthKey;

/// Habits beside firmware. `Default` does what every device does (content), and says nothing that it is not asked for.
#[derive(Debug, Clone)]
pub struct Features {
    /// A result for every file of a content request; if absent as the mode has it: old boards do.
    pub result_per_file: Option<bool>,
    /// Bytes that the content of a device may have.
    pub content_capacity: u32,
    /// Devices come from the factory and have to be registered with a code.
    pub registration: Option<Registering>,
    /// Devices renew their certificates.
    pub renewal: Option<Renewing>,
    /// How often a device tells of a sale.
    pub sales_every: Option<Duration>,
    /// How often a device tells of an error.
    pub errors_every: Option<Duration>,
    /// How often a device sends a row of the stream `sensors`.
    pub data_every: Option<Duration>,
    /// Everything is sent with QoS 0, as some old devices do.
    pub qos0: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            result_per_file: None,
            content_capacity: 64 * 1024 * 1024,
            registration: None,
            renewal: None,
            sales_every: None,
            errors_every: None,
            data_every: None,
            qos0: false,
        }
    }
}

/// Which codes are typed at the devices. `Debug` does not show them.
#[derive(Clone, Default)]
pub struct Registering {
    /// By device.
    pub codes: HashMap<DeviceKey, AuthKey>,
    /// At every other device. A code works once: the others will be refused.
    pub code: Option<AuthKey>,
    /// Tries with a refused code before the person at the device gives up.
    pub tries: u32,
    /// The wait for an answer before the code is sent again.
    pub resend: Option<Backoff>,
}

impl Registering {
    /// The code typed at a device.
    pub(crate) fn code_of(&self, key: &DeviceKey) -> Option<&AuthKey> {
        self.codes.get(key).or(self.code.as_ref())
    }
}

impl fmt::Debug for Registering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registering").field("devices", &self.codes.len()).finish_non_exhaustive()
    }
}

/// How devices renew their certificates.
#[derive(Debug, Clone)]
pub struct Renewing {
    /// A new one is asked for when the old one has no more than this to run.
    pub before: Duration,
    /// The wait for an answer before the request is sent again.
    pub resend: Backoff,
    /// As the old boards do: the private key is overwritten before the request is sent.
    pub key_first: bool,
}

impl Default for Renewing {
    fn default() -> Self {
        Self {
            before: Duration::from_secs(30 * 86_400),
            resend: Backoff { first_ms: 5_000, max_ms: 600_000 },
            key_first: false,
        }
    }
}
