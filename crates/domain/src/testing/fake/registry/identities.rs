//! Renewals, revocations, imported identities.

use std::cmp::Reverse;

use argosy_proto::DeviceId;
use async_trait::async_trait;

use super::Session;
use super::table::{Order, page};
use crate::Timestamp;
use crate::model::{
    Admission, CertificateName, CertificateState, ImportedBy, ImportedIdentity, Renewal, Revocation,
};
use crate::page::{Page, PageRequest};
use crate::ports::{IdentitiesRead, IdentitiesWrite, PortError, PortResult};

/// A time from which on something is refused may come nearer, never go further.
fn sooner(old: Option<Timestamp>, new: Timestamp) -> Option<Timestamp> {
    Some(old.map_or(new, |old| old.min(new)))
}

fn row(certificate: &CertificateName) -> (String, String) {
    (certificate.issuer.clone(), certificate.serial.clone())
}

#[async_trait]
impl IdentitiesRead for Session {
    async fn imported_admission(
        &mut self,
        certificate: &CertificateName,
        common_name: &str,
    ) -> PortResult<Option<Admission>> {
        let by = |by: ImportedBy, value: &str| {
            self.state.imported.get(&(certificate.issuer.clone(), by, value.to_owned()))
        };
        let found =
            by(ImportedBy::Serial, &certificate.serial).or_else(|| by(ImportedBy::CommonName, common_name));
        let Some(identity) = found else { return Ok(None) };
        let revoked = self.state.revocations.values().any(|r| r.certificate == *certificate);
        Ok(self.state.devices.get(&identity.device).map(|device| Admission {
            device: device.id,
            key: device.spec.key.clone(),
            device_state: device.spec.state,
            certificate_state: if revoked { CertificateState::Revoked } else { CertificateState::Active },
            retires_at: identity.retires_at,
            expired_until: None,
        }))
    }

    async fn imported_identities(&mut self, device: DeviceId) -> PortResult<Vec<ImportedIdentity>> {
        Ok(self.state.imported.values().filter(|i| i.device == device).cloned().collect())
    }

    async fn revocation(&mut self, certificate: &CertificateName) -> PortResult<Option<Revocation>> {
        Ok(self.state.revocations.values().find(|r| r.certificate == *certificate).cloned())
    }

    async fn revocations(&mut self, request: &PageRequest) -> PortResult<Page<Revocation>> {
        let rows = self.state.revocations.iter().map(|(id, r)| (*id, r.clone()));
        page("revocations", rows, Order::OldestFirst, request)
    }

    async fn revocations_of(&mut self, issuer: &str, after: Timestamp) -> PortResult<Vec<Revocation>> {
        let of = |r: &&Revocation| {
            r.certificate.issuer == issuer && r.not_after.is_none_or(|not_after| not_after > after)
        };
        Ok(self.state.revocations.values().filter(of).cloned().collect())
    }

    async fn renewals_of(&mut self, device: DeviceId) -> PortResult<Vec<Renewal>> {
        let mut own: Vec<_> = self.state.renewals.values().filter(|r| r.device == device).cloned().collect();
        own.sort_by_key(|r| Reverse((r.requested_at, r.created_at)));
        Ok(own)
    }

    async fn renewals(&mut self, after: DeviceId, limit: u32) -> PortResult<Vec<Renewal>> {
        let mut found: Vec<Renewal> = Vec::new();
        for renewal in self.state.renewals.values().filter(|r| r.device > after) {
            let full = found.len() >= limit as usize;
            if full && found.last().is_some_and(|last| last.device != renewal.device) {
                break;
            }
            found.push(renewal.clone());
        }
        Ok(found)
    }

    async fn crl_number(&mut self, issuer: &str) -> PortResult<i64> {
        Ok(self.state.crl_numbers.get(issuer).copied().unwrap_or(0))
    }
}

#[async_trait]
impl IdentitiesWrite for Session {
    async fn save_renewal(&mut self, renewal: &Renewal) -> PortResult<()> {
        let key = (renewal.device, renewal.public_key.clone());
        self.state.renewals.insert(key, renewal.clone());
        Ok(())
    }

    async fn delete_renewals(&mut self, device: DeviceId, until: Timestamp) -> PortResult<u64> {
        let before = self.state.renewals.len();
        self.state.renewals.retain(|_, r| r.device != device || r.requested_at > until);
        Ok((before - self.state.renewals.len()) as u64)
    }

    async fn delete_renewal(&mut self, issued: &CertificateName) -> PortResult<bool> {
        let before = self.state.renewals.len();
        self.state.renewals.retain(|_, r| r.issued != *issued);
        Ok(self.state.renewals.len() < before)
    }

    async fn supersede_certificates(
        &mut self,
        device: DeviceId,
        kept: &CertificateName,
        until: Timestamp,
        retires_at: Timestamp,
    ) -> PortResult<u64> {
        let mut changed = 0;
        for (name, (_, certificate)) in self.state.certificates.iter_mut() {
            let older = certificate.device == device && certificate.created_at <= until;
            let retires = sooner(certificate.retires_at, retires_at);
            if older && *name != row(kept) && certificate.retires_at != retires {
                certificate.retires_at = retires;
                changed += 1;
            }
        }
        for identity in self.state.imported.values_mut().filter(|i| i.device == device) {
            identity.retires_at = sooner(identity.retires_at, retires_at);
        }
        Ok(changed)
    }

    async fn delete_certificate(&mut self, certificate: &CertificateName) -> PortResult<bool> {
        Ok(self.state.certificates.remove(&row(certificate)).is_some())
    }

    async fn allow_expired(
        &mut self,
        device: DeviceId,
        serial: &str,
        until: Option<Timestamp>,
    ) -> PortResult<bool> {
        let mut found = false;
        for (_, certificate) in self.state.certificates.values_mut() {
            if certificate.device == device && certificate.serial == serial {
                certificate.expired_until = until;
                found = true;
            }
        }
        Ok(found)
    }

    async fn insert_revocations(&mut self, revocations: &[Revocation]) -> PortResult<()> {
        for revocation in revocations {
            if self.state.revocations.values().any(|r| r.certificate == revocation.certificate) {
                continue;
            }
            let id = self.state.new_id();
            self.state.revocations.insert(id, revocation.clone());
            if let Some((_, certificate)) = self.state.certificates.get_mut(&row(&revocation.certificate)) {
                certificate.state = CertificateState::Revoked;
            }
        }
        Ok(())
    }

    async fn insert_imported_identities(&mut self, identities: &[ImportedIdentity]) -> PortResult<()> {
        const OPERATION: &str = "insert_imported_identities";
        for identity in identities {
            if !self.state.devices.contains_key(&identity.device) {
                return Err(PortError::reference(OPERATION, "imported.device"));
            }
            let key = (identity.issuer.clone(), identity.by, identity.value.clone());
            if self.state.imported.insert(key, identity.clone()).is_some() {
                return Err(PortError::conflict(OPERATION, "imported.identity"));
            }
        }
        Ok(())
    }

    async fn delete_imported_identity(&mut self, identity: &ImportedIdentity) -> PortResult<bool> {
        let key = (identity.issuer.clone(), identity.by, identity.value.clone());
        Ok(self.state.imported.remove(&key).is_some())
    }

    async fn next_crl_number(&mut self, issuer: &str, at_least: i64) -> PortResult<i64> {
        let number = self.state.crl_numbers.entry(issuer.to_owned()).or_insert(0);
        *number = (*number + 1).max(at_least);
        Ok(*number)
    }
}
