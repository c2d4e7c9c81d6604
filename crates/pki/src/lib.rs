//! Argosy's private certificate authority, and everything TLS that is built on it. The only crate that touches CA keys.
//!
//! * [`Authority`]: root and two intermediates, made at first start; issues device certificates from requests.
//! * [`ServerIdentity`]: the server's own certificate, renewed by itself, in a [`SwappableCert`] that running listeners follow.
//! * [`https_config`], [`mqtt_config`]: what the listeners run with.
//! * [`parse_csr`], [`leaf_facts`], [`Serial`]: hostile certificates and requests, read without trust.
//! * [`secret_file`]: any other secret that must lie on disk.
//!
//! Synchronous: signing is CPU work that callers put where it disturbs nobody. Private keys come from the crypto library's own
//! generator; serial numbers and secrets from the [`argosy_domain::ports::Entropy`] that is passed in.

mod authority;
mod csr;
mod device_key;
mod imported;
mod keyfile;
mod leaf;
mod names;
mod proof;
mod revocations;
mod serial;
mod server_identity;
mod tls;

#[cfg(test)]
mod testing;

pub use authority::{Authority, AuthorityError, AuthorityParams, Follower, Issued};
pub use csr::{CheckedCsr, CsrRefusal, KeyKind, MAX_CSR_BYTES, RSA_BITS, parse_csr};
pub use device_key::DeviceKeyPair;
pub use imported::ImportError;
pub use keyfile::{
    KeyFileError, MAX_FILE_BYTES, SECRET_LENGTHS, private_folder, read_secret, secret_file, write_atomically,
};
pub use leaf::{LeafError, LeafFacts, MAX_CERTIFICATE_BYTES, MAX_COMMON_NAME, leaf_facts};
pub use names::{ServerNames, ServerNamesError};
pub use revocations::RevocationFile;
pub use serial::{Serial, SerialError};
pub use server_identity::{IdentityError, IdentityOrigin, ServerIdentity, ServingRules};
pub use tls::{DeviceTrust, ServerCerts, SwappableCert, TlsError, https_config, mqtt_config, provider};
