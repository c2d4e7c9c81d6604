//! How much of anything a message may hold. Names beyond their limit are refused, prose is cut.

/// The largest payload from a device, in bytes.
pub const UP_PAYLOAD: usize = 64 * 1024;
/// The largest payload to a device, in bytes.
pub const DOWN_PAYLOAD: usize = 256 * 1024;

/// Characters of a name or a word: a slot, a capability, a column.
pub const NAME: usize = 64;
/// Characters of a label: a device's own name, the tag of an error.
pub const LABEL: usize = 128;
/// Characters of a message for a person.
pub const MESSAGE: usize = 1024;
/// Characters of one log entry.
pub const LOG: usize = 16 * 1024;
/// Bytes of a certificate request, PEM. One for RSA-8192 has under 5,000.
pub const CSR: usize = 16 * 1024;
/// Bytes of a list of certificates, PEM.
pub const CERTIFICATES: usize = 64 * 1024;
/// Bytes of a signed manifest, Base64.
pub const MANIFEST: usize = 16 * 1024;
/// Characters of an address. Those of cloud stores with a session token have around 2,000.
pub const URL: usize = 4096;

/// Files of one content update.
pub const FILES: usize = 100;
/// Patches that one firmware update offers.
pub const DELTAS: usize = 16;
/// Files that a device may say it shows.
pub const SHOWN_FILES: usize = 1000;
/// Capabilities that a device may claim.
pub const CAPABILITIES: usize = 32;
/// Values of one telemetry row.
pub const COLUMNS: usize = 64;
