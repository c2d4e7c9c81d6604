//! Revocation: into the file outside the data folder first, then the registry; then the connection is cut. And the lists of
//! revocations that others fetch.

use std::collections::HashMap;
use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::{CertificateName, Revocation, RevocationReason};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{CrlRequest, PortError, PortErrorKind, PortResult};
use argosy_proto::DeviceId;
use parking_lot::Mutex;
use serde_json::json;
use std::time::Duration;

use crate::Engine;
use crate::dispatch::chain;
use crate::error::{EngineError, EngineResult};
use crate::usecase::{Actor, audit};

/// A certificate that has ended stays on the list for so long: whoever checks with a clock that is behind still finds it.
const AFTER_END: Duration = Duration::from_secs(30 * 86_400);

/// A list of revocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    /// DER.
    pub der: Arc<[u8]>,
    /// Its number.
    pub number: i64,
    /// Made at.
    pub this_update: Timestamp,
    /// The next one comes before then.
    pub next_update: Timestamp,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrlFormat {
    /// Binary.
    Der,
    /// Text.
    Pem,
}

/// Lists that were made, until something is revoked or half of their life is over.
#[derive(Debug, Default)]
pub(crate) struct CrlCache {
    lists: Mutex<HashMap<String, Crl>>,
    /// One is made at a time.
    making: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Brings file and registry together: what was revoked stays revoked, whatever was restored. At start, before any listener opens.
    ///
    /// # Errors
    /// When the file or the registry cannot be read or written: nobody may be let in then.
    pub async fn merge_revocations(&self) -> EngineResult<()> {
        let journal = Arc::clone(&self.ports.journal);
        let in_file = blocking("read the revocations", move || journal.read()).await?;
        let mut known: HashMap<CertificateName, Revocation> = HashMap::new();
        let mut page = PageRequest::first(1000);
        loop {
            let found = self.ports.registry.read().await?.revocations(&page).await?;
            known.extend(found.items.into_iter().map(|r| (r.certificate.clone(), r)));
            match found.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let missing: Vec<Revocation> =
            in_file.iter().filter(|r| !known.contains_key(&r.certificate)).cloned().collect();
        for part in missing.chunks(1000) {
            let mut work = self.ports.registry.begin("revocation").await?;
            work.insert_revocations(part).await?;
            work.commit().await?;
        }
        if !missing.is_empty() {
            tracing::warn!(
                revocations = missing.len(),
                "{} revocations stood in their file and not in the registry (it was restored?): they hold again",
                missing.len()
            );
        }
        for revocation in &in_file {
            known.remove(&revocation.certificate);
        }
        let mut unsaved: Vec<Revocation> = known.into_values().collect();
        unsaved.sort_by_key(|r| r.revoked_at);
        let journal = Arc::clone(&self.ports.journal);
        Ok(blocking("save the revocations", move || journal.append(&unsaved)).await?)
    }

    /// Revokes a device's certificate for ever: durable in both places when this returns, and the connection that was made with it
    /// is cut.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] if the device has no such certificate. If the call fails after the revocation was written to
    /// its file, it holds from the next start on: fail closed, and call again.
    pub async fn revoke_certificate(
        &self,
        actor: &Actor,
        id: DeviceId,
        serial: &str,
        reason: RevocationReason,
    ) -> EngineResult<()> {
        actor.may_change()?;
        let serial = &super::imported::pasted_serial(serial);
        let (device, now) = (self.device(id).await?, self.now());
        let mut revocations = self.revocations_for(&device.spec.key, id, serial, reason, now).await?;
        // What is revoked already keeps its reason and time, in the registry and in the file.
        let mut read = self.ports.registry.read().await?;
        let mut fresh = Vec::with_capacity(revocations.len());
        for revocation in revocations {
            if read.revocation(&revocation.certificate).await?.is_none() {
                fresh.push(revocation);
            }
        }
        drop(read);
        revocations = fresh;
        if revocations.is_empty() {
            return Ok(());
        }
        let (journal, lines) = (Arc::clone(&self.ports.journal), revocations.clone());
        blocking("save a revocation", move || journal.append(&lines)).await?;

        let mut work = self.ports.registry.begin("revocation").await?;
        work.insert_revocations(&revocations).await?;
        for revocation in &revocations {
            // An answer that would hand it out once more.
            work.delete_renewal(&revocation.certificate).await?;
        }
        let left = work.renewals_of(id).await?;
        let detail = json!({ "serial": serial, "reason": reason.as_str() });
        let subject = format!("device:{}", device.spec.key);
        audit(&mut *work, actor, "certificate.revoke", subject, detail, now).await?;
        work.commit().await?;
        if let Some(link) = self.link() {
            link.kick_certificate(&device.spec.key, serial).await;
        }
        self.renewals.set(&device.spec.key, &left);
        self.crls.lists.lock().clear();
        self.feed.device(id);
        Ok(())
    }

    /// What is to be revoked: a certificate of the allow-list, or one of an imported CA that has not been seen yet.
    async fn revocations_for(
        &self,
        key: &argosy_proto::DeviceKey,
        id: DeviceId,
        serial: &str,
        reason: RevocationReason,
        now: Timestamp,
    ) -> EngineResult<Vec<Revocation>> {
        let mut read = self.ports.registry.read().await?;
        let made = |issuer: String, not_after| Revocation {
            certificate: CertificateName { issuer, serial: serial.to_owned() },
            key: key.clone(),
            reason,
            revoked_at: now,
            not_after,
        };
        let listed = read.certificates(id).await?;
        let listed: Vec<_> = listed
            .into_iter()
            .filter(|c| c.serial == serial)
            .map(|c| made(c.issuer, Some(c.not_after)))
            .collect();
        if !listed.is_empty() {
            return Ok(listed);
        }
        let hex =
            serial.len().is_multiple_of(2) && serial.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut issuers: Vec<String> =
            read.imported_identities(id).await?.into_iter().map(|identity| identity.issuer).collect();
        issuers.dedup();
        if issuers.is_empty() || !hex || serial.is_empty() || serial.len() > 40 {
            return Err(EngineError::not_found("certificate", serial));
        }
        Ok(issuers.into_iter().map(|issuer| made(issuer, None)).collect())
    }

    /// The current list of an issuer by its id in URLs (`device`, or the id of an imported CA); `None`: there is none of that id.
    ///
    /// # Errors
    /// When the registry does not answer or the list cannot be signed.
    pub async fn crl(&self, id: &str) -> EngineResult<Option<Crl>> {
        let issuers = self.ports.authority.crl_issuers();
        let Some(issuer) = issuers.into_iter().find(|issuer| issuer.id == id).map(|found| found.issuer)
        else {
            return Ok(None);
        };
        if let Some(current) = self.current_crl(&issuer) {
            return Ok(Some(current));
        }
        let _turn = self.crls.making.lock().await;
        if let Some(current) = self.current_crl(&issuer) {
            return Ok(Some(current));
        }
        let (now, life) = (self.now(), self.config.identity.crl_life);
        // In one unit of work: a revocation comes before it, and is in it, or after it, and clears the cache.
        let mut work = self.ports.registry.begin("revocation").await?;
        let revoked = work.revocations_of(&issuer, now - AFTER_END).await?;
        // Seconds since 1970: no restored registry leads back below a number that was given out.
        let number = work.next_crl_number(&issuer, now.as_millis().div_euclid(1000)).await?;
        work.commit().await?;
        let entries = revoked.len();
        let (authority, signed_for, next_update) =
            (Arc::clone(&self.ports.authority), issuer.clone(), now + life);
        let der = blocking("sign a list of revocations", move || {
            let request =
                CrlRequest { issuer: &signed_for, number, revoked: &revoked, this_update: now, next_update };
            authority.sign_crl(&request)
        })
        .await?;
        tracing::info!(issuer, number, entries, "made list {number} of {entries} revocations");
        let crl = Crl { der: der.into(), number, this_update: now, next_update };
        self.crls.lists.lock().insert(issuer, crl.clone());
        Ok(Some(crl))
    }

    fn current_crl(&self, issuer: &str) -> Option<Crl> {
        let half = self.config.identity.crl_life / 2;
        let lists = self.crls.lists.lock();
        lists.get(issuer).filter(|crl| self.now() < crl.this_update + half).cloned()
    }
}

async fn blocking<T: Send + 'static>(
    operation: &'static str,
    work: impl FnOnce() -> PortResult<T> + Send + 'static,
) -> PortResult<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => {
            let error = PortError::new(operation, PortErrorKind::Internal).with_source(error.to_string());
            tracing::error!(error = %chain(&error), "{operation}: a task died");
            Err(error)
        }
    }
}
