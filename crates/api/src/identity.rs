//! Imported CAs and devices, revocations, and certificates that have ended.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{RevocationReason, Time};

/// Imports a CA of an older system: its clients are accepted by import row.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportCaRequest {
    /// The CA's certificate, PEM; exactly one.
    pub certificate_pem: String,
    /// Its private key, PEM, not encrypted. With it boards that trust only this CA can verify our server, and its revocations are
    /// listed. It is stored with mode 0600 and never shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pem: Option<String>,
}

impl core::fmt::Debug for ImportCaRequest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ImportCaRequest").field("has_key", &self.key_pem.is_some()).finish_non_exhaustive()
    }
}

/// An imported CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedCaView {
    /// Its id: the first 16 hexadecimal digits of its certificate's SHA-256.
    pub id: String,
    /// Its name, as the issuer of its certificates.
    pub name: String,
    /// The kind of its key.
    pub key_kind: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// Whether its private key is here.
    pub has_key: bool,
}

/// The imported CAs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedCaList {
    /// By id.
    pub items: Vec<ImportedCaView>,
}

/// A device of an older system, with its identity there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportDevice {
    /// Its key, kept.
    pub key: String,
    /// Its name; the key if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its product.
    pub product: String,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its CA, by id or name; the only one that was imported if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The common name of its certificates there. Give this or `serial`; neither for a device without a certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cn: Option<String>,
    /// The serial number of its certificate there, hexadecimal, as `openssl x509 -serial` shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// Imports devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportDevicesRequest {
    /// 1 to 500 devices; all or none.
    pub devices: Vec<ImportDevice>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportDevicesResponse {
    /// Devices that were not there yet.
    pub created: u64,
    /// Identities that were not there yet.
    pub identities: u64,
}

/// Lets a device renew with a certificate that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowExpiredRequest {
    /// Until then, 90 days ahead at most; `null`: no longer.
    pub until: Option<Time>,
}

/// How a certificate is revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RevokeQuery {
    /// Why; `unspecified` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RevocationReason>,
}

/// A revocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevocationView {
    /// The certificate's issuer.
    pub issuer: String,
    /// Its serial number, lower-case hexadecimal.
    pub serial: String,
    /// The device whose it was.
    pub device: String,
    /// Why.
    pub reason: RevocationReason,
    /// When.
    pub revoked_at: Time,
}

/// Which revocations.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct RevocationQuery {
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// An identity of an imported CA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedIdentityView {
    /// The imported CA's name.
    pub issuer: String,
    /// `cn` or `serial`.
    pub by: String,
    /// The common name or serial number.
    pub value: String,
    /// It is refused from then on: a newer certificate took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Time>,
}
