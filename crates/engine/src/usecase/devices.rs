//! Registering devices, changing them, issuing their certificates, suspending them.

use std::collections::BTreeMap;
use std::sync::Arc;

use argosy_domain::model::{
    Attributes, Certificate, CertificateState, Device, DeviceFilter, DevicePatch, DeviceState, NewDevice,
    checked_name,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::IssuedCertificate;
use argosy_proto::{DeviceId, DeviceKey, GroupId, ProductId, RegionId};
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// Devices registered, or changed by key, in one call at most.
pub const MAX_DEVICES_PER_CALL: usize = 500;

/// One device of a registration.
#[derive(Debug, Clone)]
pub struct DeviceRequest {
    /// Its key.
    pub key: DeviceKey,
    /// Its name; the key if none.
    pub name: Option<String>,
    /// A certificate request (PEM), if it shall get a certificate.
    pub csr: Option<String>,
    /// Free attributes.
    pub attributes: Attributes,
    /// Only its identity: it takes no part until it registers itself with a code, or is activated.
    pub unregistered: bool,
}

/// One registered device.
#[derive(Debug, Clone)]
pub struct EnrolledDevice {
    /// Its key.
    pub key: DeviceKey,
    /// Its row.
    pub id: DeviceId,
    /// Its certificate, if it asked for one.
    pub certificate: Option<IssuedCertificate>,
}

/// Checks the free attributes of a device.
///
/// # Errors
/// [`EngineError::Invalid`] on `attributes`.
fn checked_attributes(attributes: &Attributes) -> EngineResult<()> {
    let key_ok = |k: &str| {
        (1..=64).contains(&k.len()) && k.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    };
    if attributes.len() > 32 {
        return Err(EngineError::invalid("attributes", "a device has 32 attributes at most"));
    }
    for (key, value) in attributes {
        if !key_ok(key) {
            return Err(EngineError::invalid(
                "attributes",
                format!("attribute name {key:?}: use 1 to 64 of A-Z a-z 0-9 _ . -"),
            ));
        }
        if value.chars().count() > 256 || value.chars().any(char::is_control) {
            let message =
                format!("attribute {key:?}: a value has 256 characters at most and no control characters");
            return Err(EngineError::invalid("attributes", message));
        }
    }
    Ok(())
}

impl Engine {
    /// Registers up to [`MAX_DEVICES_PER_CALL`] devices, all or none, and issues the certificates that are asked for.
    /// A device that exists already with the same product is not an error: with a CSR it gets a further certificate (a factory
    /// that repeats a call that was cut off).
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a bad name, attribute or CSR (with the key in the message); `device_exists` for a key
    /// that belongs to another product.
    pub async fn enroll_devices(
        self: &Arc<Self>,
        actor: &Actor,
        product: ProductId,
        group: Option<GroupId>,
        region: Option<RegionId>,
        requests: Vec<DeviceRequest>,
    ) -> EngineResult<Vec<EnrolledDevice>> {
        actor.may_change()?;
        if requests.is_empty() || requests.len() > MAX_DEVICES_PER_CALL {
            return Err(EngineError::invalid(
                "devices",
                format!("give 1 to {MAX_DEVICES_PER_CALL} devices in one call"),
            ));
        }
        let mut names = BTreeMap::new();
        for request in &requests {
            checked_attributes(&request.attributes)?;
            let name = checked_name("name", request.name.as_deref().unwrap_or(request.key.as_str()))?;
            if names.insert(request.key.clone(), name).is_some() {
                return Err(EngineError::invalid(
                    "devices",
                    format!("the key {} stands twice in this call", request.key),
                ));
            }
        }
        if requests.iter().any(|r| r.csr.is_some()) {
            self.not_held()?;
        }
        let issued = self.issue_all(&requests).await?;
        let now = self.now();
        let mut work = self.ports.registry.begin("enroll").await?;
        let keys: Vec<DeviceKey> = requests.iter().map(|r| r.key.clone()).collect();
        let mut ids: BTreeMap<DeviceKey, DeviceId> = BTreeMap::new();
        for brief in work.device_briefs(&keys).await? {
            if brief.product != product {
                let message = format!("the device {} exists and is of another product", brief.key);
                return Err(EngineError::conflict("device_exists", message));
            }
            ids.insert(brief.key, brief.id);
        }
        let fresh: Vec<NewDevice> = requests
            .iter()
            .filter(|r| !ids.contains_key(&r.key))
            .map(|r| NewDevice {
                key: r.key.clone(),
                name: names.get(&r.key).cloned().unwrap_or_default(),
                product,
                group,
                region,
                attributes: r.attributes.clone(),
                state: if r.unregistered { DeviceState::Unregistered } else { DeviceState::Active },
            })
            .collect();
        let created = fresh.len();
        if !fresh.is_empty() {
            for (device, id) in fresh.iter().zip(work.insert_devices(&fresh, now).await?) {
                ids.insert(device.key.clone(), id);
            }
        }
        let enrolled: Vec<EnrolledDevice> = requests
            .into_iter()
            .zip(issued)
            .filter_map(|(request, certificate)| {
                ids.get(&request.key).map(|&id| EnrolledDevice { key: request.key, id, certificate })
            })
            .collect();
        let certificates: Vec<Certificate> =
            enrolled.iter().filter_map(|d| d.certificate.as_ref().map(|c| allow_row(d.id, c, now))).collect();
        if !certificates.is_empty() {
            work.insert_certificates(&certificates).await?;
        }
        let subject = enrolled.first().map(|d| format!("device:{}", d.key)).unwrap_or_default();
        let detail =
            json!({ "devices": enrolled.len(), "created": created, "certificates": certificates.len() });
        audit(&mut *work, actor, "device.enroll", subject, detail, now).await?;
        work.commit().await?;
        let ids: Arc<[DeviceId]> = enrolled.iter().map(|d| d.id).collect();
        self.feed.tell(crate::Change::Devices { ids });
        Ok(enrolled)
    }

    /// Issues a further certificate to a device; the ones before stay valid.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Invalid`] on `csr`.
    pub async fn issue_certificate(
        self: &Arc<Self>,
        actor: &Actor,
        id: DeviceId,
        csr: String,
    ) -> EngineResult<IssuedCertificate> {
        actor.may_change()?;
        self.not_held()?;
        let device = self.device(id).await?;
        let request = DeviceRequest {
            key: device.spec.key,
            name: None,
            csr: Some(csr),
            attributes: Attributes::new(),
            unregistered: false,
        };
        let issued = self.issue_all(&[request]).await?.pop().flatten();
        let issued =
            issued.ok_or_else(|| EngineError::invalid("csr", "a certificate request (PEM) is needed"))?;
        let now = self.now();
        let mut work = self.ports.registry.begin("enroll").await?;
        work.insert_certificates(&[allow_row(id, &issued, now)]).await?;
        audit(
            &mut *work,
            actor,
            "certificate.issue",
            format!("device:id:{id}"),
            json!({ "serial": issued.serial }),
            now,
        )
        .await?;
        work.commit().await?;
        Ok(issued)
    }

    /// Signs off the async workers: a batch of 500 takes a tenth of a second of CPU.
    async fn issue_all(
        self: &Arc<Self>,
        requests: &[DeviceRequest],
    ) -> EngineResult<Vec<Option<IssuedCertificate>>> {
        let wanted: Vec<(DeviceKey, Option<String>)> =
            requests.iter().map(|r| (r.key.clone(), r.csr.clone())).collect();
        let (engine, now) = (Arc::clone(self), self.now());
        let issue = move || {
            wanted
                .into_iter()
                .map(|(key, csr)| match csr {
                    None => Ok(None),
                    Some(csr) => {
                        engine.ports.authority.issue_device(&key, csr.as_bytes(), now).map(Some).map_err(
                            |error| match EngineError::from(error) {
                                EngineError::Invalid { field, message } => {
                                    EngineError::invalid(field, format!("device {key}: {message}"))
                                }
                                other => other,
                            },
                        )
                    }
                })
                .collect::<EngineResult<Vec<_>>>()
        };
        match tokio::task::spawn_blocking(issue).await {
            Ok(result) => result,
            Err(error) => Err(argosy_domain::ports::PortError::new(
                "issue certificates",
                argosy_domain::ports::PortErrorKind::Internal,
            )
            .with_source(error.to_string())
            .into()),
        }
    }

    /// One device.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn device(&self, id: DeviceId) -> EngineResult<Device> {
        let mut found = self.ports.registry.read().await?.device(id).await?;
        self.freshen(&mut found);
        found.ok_or_else(|| EngineError::not_found("device", format!("id:{id}")))
    }

    /// One device by key.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn device_by_key(&self, key: &DeviceKey) -> EngineResult<Device> {
        let mut found = self.ports.registry.read().await?.device_by_key(key).await?;
        self.freshen(&mut found);
        found.ok_or_else(|| EngineError::not_found("device", key))
    }

    /// Puts over what was read of devices what is known sooner than the registry: whether they are connected, and when they were last
    /// heard.
    pub fn freshen<'a>(&self, devices: impl IntoIterator<Item = &'a mut Device>) {
        for device in devices {
            self.heard.overlay(device);
        }
    }

    /// Changes one device. Suspending it cuts its connection at once.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], [`EngineError::Invalid`].
    pub async fn patch_device(
        &self,
        actor: &Actor,
        id: DeviceId,
        patch: DevicePatch,
    ) -> EngineResult<Device> {
        actor.may_change()?;
        let patch = checked_patch(patch)?;
        let now = self.now();
        let mut work = self.ports.registry.begin("devices").await?;
        if !work.patch_device(id, &patch, now).await? {
            return Err(EngineError::not_found("device", format!("id:{id}")));
        }
        let Some(device) = work.device(id).await? else {
            return Err(EngineError::not_found("device", format!("id:{id}")));
        };
        audit(&mut *work, actor, action_of(&patch), format!("device:{}", device.spec.key), json!({}), now)
            .await?;
        work.commit().await?;
        self.after_patch(&patch, std::slice::from_ref(&device)).await;
        Ok(device)
    }

    /// Changes every device that `filter` selects, in chunks; returns how many. A chunk that fails leaves those before it changed.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub async fn patch_devices(
        &self,
        actor: &Actor,
        filter: &DeviceFilter,
        patch: DevicePatch,
    ) -> EngineResult<u64> {
        actor.may_change()?;
        let patch = checked_patch(patch)?;
        let (mut changed, mut after) = (0, None);
        loop {
            let request = PageRequest { limit: 500, after };
            let page = self.ports.registry.read().await?.devices(filter, &request).await?;
            if page.items.is_empty() {
                return Ok(changed);
            }
            let now = self.now();
            let mut work = self.ports.registry.begin("devices").await?;
            for device in &page.items {
                changed += u64::from(work.patch_device(device.id, &patch, now).await?);
            }
            let detail = json!({ "devices": page.items.len() });
            audit(&mut *work, actor, action_of(&patch), "devices".to_owned(), detail, now).await?;
            work.commit().await?;
            self.after_patch(&patch, &page.items).await;
            after = page.next;
            if after.is_none() {
                return Ok(changed);
            }
        }
    }

    async fn after_patch(&self, patch: &DevicePatch, devices: &[Device]) {
        self.briefs.forget(devices.iter().map(|device| &device.spec.key));
        if patch.state == Some(DeviceState::Suspended)
            && let Some(link) = self.link()
        {
            for device in devices {
                if link.kick(&device.spec.key).await {
                    tracing::info!(device = %device.spec.key, "suspended device {} was cut off", device.spec.key);
                }
            }
        }
        if patch.state == Some(DeviceState::Active) {
            for device in devices {
                self.raise_rights(&device.spec.key, device.id).await;
            }
        }
        if patch.state == Some(DeviceState::Active) {
            for device in devices {
                self.takes_part(&device.spec.key, device.id);
            }
            self.wake();
        }
        self.feed.tell(crate::Change::Devices { ids: devices.iter().map(|d| d.id).collect() });
    }

    /// A device that was not registered is: its connection gets every right from now on, and what waits for it is dispatched. To be
    /// called when that is durable; a device that is not connected gets it with its next CONNECT.
    pub async fn raise_rights(&self, key: &DeviceKey, id: DeviceId) {
        if self.link().is_some_and(|link| link.raise_rights(key)) {
            self.presence.raised(key);
            self.ready.add(vec![id]);
            self.wake();
        }
    }

    /// Cuts a device's connection; it may come back.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when it is not connected.
    pub async fn kick(&self, actor: &Actor, key: &DeviceKey) -> EngineResult<()> {
        actor.may_change()?;
        let kicked = match self.link() {
            Some(link) => link.kick(key).await,
            None => false,
        };
        if !kicked {
            return Err(EngineError::not_found("live session of device", key));
        }
        let mut work = self.ports.registry.begin("devices").await?;
        audit(&mut *work, actor, "session.kick", format!("device:{key}"), json!({}), self.now()).await?;
        Ok(work.commit().await?)
    }
}

/// The row of the allow-list that lets a certificate in.
pub(super) fn allow_row(
    device: DeviceId,
    issued: &IssuedCertificate,
    now: argosy_domain::Timestamp,
) -> Certificate {
    Certificate {
        device,
        issuer: issued.issuer.clone(),
        serial: issued.serial.clone(),
        not_before: issued.not_before,
        not_after: issued.not_after,
        state: CertificateState::Active,
        created_at: now,
        retires_at: None,
        expired_until: None,
    }
}

fn checked_patch(mut patch: DevicePatch) -> EngineResult<DevicePatch> {
    if let Some(name) = &patch.name {
        patch.name = Some(checked_name("name", name)?);
    }
    if let Some(attributes) = &patch.attributes {
        checked_attributes(attributes)?;
    }
    Ok(patch)
}

const fn action_of(patch: &DevicePatch) -> &'static str {
    match patch.state {
        Some(DeviceState::Suspended) => "device.suspend",
        Some(DeviceState::Active) => "device.activate",
        _ => "device.update",
    }
}
