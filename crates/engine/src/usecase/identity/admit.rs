//! Who comes in with which certificate, and for what.

use argosy_domain::model::{Admission, Certificate, CertificateName, CertificateState, DeviceState};
use argosy_domain::ports::{Admitted, PortResult, PresentedCertificate, Refusal, Rights};

use crate::Engine;
use crate::dispatch::chain;

impl Engine {
    /// Identities that we issued: client id = CN = key, and (issuer, serial) on the allow-list for exactly that device. Identities of
    /// imported CAs: by their import row; CN and client id are free, and the client id stays free after a renewal.
    pub(crate) async fn by_certificate(
        &self,
        client_id: &str,
        certificate: &PresentedCertificate,
    ) -> Result<Admitted, Refusal> {
        let wrong = || Refusal::WrongClientId { client_id: client_id.chars().take(64).collect() };
        let named = certificate.imported || client_id == certificate.common_name;
        let admission = self.admission_of(certificate).await.map_err(|_| Refusal::Unavailable)?;
        let admission = admission.ok_or_else(|| if named { Refusal::UnknownCertificate } else { wrong() })?;
        if !certificate.imported && admission.key.as_str() != client_id {
            // A board that came over keeps the client id that is in its firmware when it has renewed here.
            let named = admission.key.as_str() == certificate.common_name;
            if !named || !self.came_over(&admission).await.map_err(|_| Refusal::Unavailable)? {
                return Err(wrong());
            }
        }
        let rights = self.rights_of(&admission, certificate)?;
        if rights != Rights::RenewalOnly {
            self.note_in_use(&admission, certificate).await;
        }
        Ok(Admitted { key: admission.key, rights })
    }

    /// Whether a device was imported with an identity of an older system.
    async fn came_over(&self, admission: &Admission) -> PortResult<bool> {
        let mut read = self.ports.registry.read().await?;
        Ok(!read.imported_identities(admission.device).await?.is_empty())
    }

    /// What it may do, or why it may not come in.
    fn rights_of(
        &self,
        admission: &Admission,
        certificate: &PresentedCertificate,
    ) -> Result<Rights, Refusal> {
        let now = self.now();
        if admission.certificate_state == CertificateState::Revoked {
            return Err(Refusal::Revoked);
        }
        if admission.device_state == DeviceState::Suspended {
            return Err(Refusal::Suspended);
        }
        if now > certificate.not_after {
            let allowed = admission.expired_until.is_some_and(|until| now < until);
            return if allowed { Ok(Rights::RenewalOnly) } else { Err(Refusal::Expired) };
        }
        if admission.retires_at.is_some_and(|at| now >= at) {
            return Err(Refusal::Superseded);
        }
        Ok(match admission.device_state {
            DeviceState::Unregistered => Rights::RegistrationAndRenewal,
            _ => Rights::Full,
        })
    }

    async fn admission_of(&self, certificate: &PresentedCertificate) -> PortResult<Option<Admission>> {
        let mut read = self.ports.registry.read().await?;
        if let Some(found) = read.admission(&certificate.issuer, &certificate.serial).await? {
            return Ok(Some(found));
        }
        if !certificate.imported {
            return Ok(None);
        }
        let name = certificate.name();
        let found = read.imported_admission(&name, &certificate.common_name).await?;
        drop(read);
        if let Some(admission) = &found {
            self.list_imported(admission, name, certificate).await;
        }
        Ok(found)
    }

    /// From its first knock on a certificate of an imported CA stands on the allow-list under its own serial number: operators see it,
    /// can revoke it, and can let it renew after its end.
    async fn list_imported(
        &self,
        admission: &Admission,
        name: CertificateName,
        shown: &PresentedCertificate,
    ) {
        let certificate = Certificate {
            device: admission.device,
            issuer: name.issuer,
            serial: name.serial,
            not_before: shown.not_before,
            not_after: shown.not_after,
            state: admission.certificate_state,
            created_at: self.now(),
            retires_at: admission.retires_at,
            expired_until: None,
        };
        let listed = async {
            let mut work = self.ports.registry.begin("identity").await?;
            work.insert_certificates(&[certificate]).await?;
            work.commit().await
        };
        // Two connections at once: one of them lists it. Whatever else fails, the next knock tries again.
        if let Err(error) = listed.await {
            tracing::debug!(device = %admission.key, error = %chain(&error), "a certificate of an imported CA was not listed");
        }
    }
}
