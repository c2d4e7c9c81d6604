//! What becomes of certificates: renewals, revocations, imported identities.

use argosy_proto::DeviceId;
use async_trait::async_trait;

use crate::Timestamp;
use crate::model::{Admission, CertificateName, ImportedIdentity, Renewal, Revocation};
use crate::page::{Page, PageRequest};
use crate::ports::PortResult;

/// Reads of renewals, revocations and imported identities.
#[async_trait]
pub trait IdentitiesRead {
    /// What the gate needs to know of a certificate of an imported CA that is not on the allow-list: by its serial number, else by
    /// its common name. `None`: no such identity was imported.
    async fn imported_admission(
        &mut self,
        certificate: &CertificateName,
        common_name: &str,
    ) -> PortResult<Option<Admission>>;
    /// A device's imported identities, by (issuer, kind, value).
    async fn imported_identities(&mut self, device: DeviceId) -> PortResult<Vec<ImportedIdentity>>;
    /// The revocation of a certificate, known to the allow-list or not.
    async fn revocation(&mut self, certificate: &CertificateName) -> PortResult<Option<Revocation>>;
    /// All revocations, oldest first.
    async fn revocations(&mut self, page: &PageRequest) -> PortResult<Page<Revocation>>;
    /// Revocations of one issuer for its CRL, oldest first: those whose certificates end after `after`, or nobody knows when.
    async fn revocations_of(&mut self, issuer: &str, after: Timestamp) -> PortResult<Vec<Revocation>>;
    /// A device's renewals, the one asked for last first.
    async fn renewals_of(&mut self, device: DeviceId) -> PortResult<Vec<Renewal>>;
    /// Devices with renewals, by device, those after `after`; `limit` renewals or a few more, never half a device's.
    async fn renewals(&mut self, after: DeviceId, limit: u32) -> PortResult<Vec<Renewal>>;
    /// The number of the last CRL of an issuer; 0: none yet.
    async fn crl_number(&mut self, issuer: &str) -> PortResult<i64>;
}

/// Writes of renewals, revocations and imported identities. Constraints: `imported.identity` (conflicts), `imported.device`
/// (references).
#[async_trait]
pub trait IdentitiesWrite {
    /// Keeps a renewal; one of the same device and public key is replaced.
    async fn save_renewal(&mut self, renewal: &Renewal) -> PortResult<()>;
    /// Forgets a device's renewals that were asked for at or before `until`; returns how many.
    async fn delete_renewals(&mut self, device: DeviceId, until: Timestamp) -> PortResult<u64>;
    /// Forgets the renewal that led to this certificate.
    async fn delete_renewal(&mut self, issued: &CertificateName) -> PortResult<bool>;
    /// The device's certificates made at or before `until`, but for `kept`, are refused from `retires_at` on, unless they are
    /// already from an earlier time; returns how many. Its imported identities likewise (not counted).
    async fn supersede_certificates(
        &mut self,
        device: DeviceId,
        kept: &CertificateName,
        until: Timestamp,
        retires_at: Timestamp,
    ) -> PortResult<u64>;
    /// Takes a certificate that was never used off the allow-list.
    async fn delete_certificate(&mut self, certificate: &CertificateName) -> PortResult<bool>;
    /// Lets a device renew with a certificate that has ended, until then (`None`: no longer); `false` if the device has no such
    /// certificate.
    async fn allow_expired(
        &mut self,
        device: DeviceId,
        serial: &str,
        until: Option<Timestamp>,
    ) -> PortResult<bool>;
    /// Revokes certificates for ever, whether the allow-list knows them or not; what is revoked already stays as it is. Bulk.
    async fn insert_revocations(&mut self, revocations: &[Revocation]) -> PortResult<()>;
    /// Imports identities. Bulk.
    async fn insert_imported_identities(&mut self, identities: &[ImportedIdentity]) -> PortResult<()>;
    /// Forgets an imported identity; `false` if there is none.
    async fn delete_imported_identity(&mut self, identity: &ImportedIdentity) -> PortResult<bool>;
    /// The number of an issuer's next CRL: the larger one of `at_least` and one more than the last. It is given out once.
    async fn next_crl_number(&mut self, issuer: &str, at_least: i64) -> PortResult<i64>;
}
