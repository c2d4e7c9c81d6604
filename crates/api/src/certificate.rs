//! Certificates of devices.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CertificateState, Time};

/// A certificate just issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssuedCertificate {
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// The leaf, PEM.
    pub certificate_pem: String,
    /// Its intermediates, PEM; the device sends them after its leaf.
    pub chain_pem: String,
}

/// Asks for a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IssueCertificateRequest {
    /// The certificate request, PEM. Its subject is ignored.
    pub csr: String,
}

/// The certificate, and the roots to trust.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IssueCertificateResponse {
    /// The certificate.
    pub certificate: IssuedCertificate,
    /// The roots that the device must trust, PEM.
    pub roots_pem: String,
}

/// A certificate on the allow-list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateView {
    /// Issuer.
    pub issuer: String,
    /// Serial number, lower-case hexadecimal.
    pub serial: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
    /// Lets in or not.
    pub state: CertificateState,
    /// When it was issued.
    pub created_at: Time,
    /// It is refused from then on: a newer one took its place, and was seen in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_at: Option<Time>,
    /// Though it has ended, the device may renew with it until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_allowed_until: Option<Time>,
}

/// A device's certificates, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CertificateList {
    /// The certificates.
    pub items: Vec<CertificateView>,
    /// Its identities of imported CAs; with the first page only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imported: Vec<crate::ImportedIdentityView>,
    /// The cursor of the next page of certificates; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}
