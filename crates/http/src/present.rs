//! From the domain to the words of the API.

use std::collections::HashMap;

use argosy_api as api;
use argosy_domain::Timestamp;
use argosy_domain::model as m;
use argosy_domain::page::{MAX_PAGE, Page, PageRequest};
use argosy_domain::ports::{DeviceTally, Door, IssuedCertificate, LiveSession, PortResult, ReadSession};
use argosy_engine::DeploymentSummary;
use argosy_proto::{GroupId, ProductId, RegionId};

use crate::present_content::deployed_contents;
pub(crate) use crate::present_identity::{imported_ca, imported_identity, revocation};

/// Both sides spell a word alike; a test walks all of them.
macro_rules! same_words {
    ($($function:ident: $from:path => $to:path { $($variant:ident),* $(,)? })*) => {$(
        pub(crate) const fn $function(word: $from) -> $to {
            use $from as From;
            use $to as To;
            match word { $(From::$variant => To::$variant),* }
        }
    )*};
}

same_words! {
    role: m::Role => api::Role { Admin, Operator, Viewer }
    image_format: m::ImageFormat => api::ImageFormat { EspIdf, Raw }
    device_state: m::DeviceState => api::DeviceState { Unregistered, Active, Suspended }
    certificate_state: m::CertificateState => api::CertificateState { Active, Revoked }
    revocation_reason: m::RevocationReason => api::RevocationReason {
        Unspecified, KeyCompromise, AffiliationChanged, Superseded, CessationOfOperation, PrivilegeWithdrawn,
    }
    domain_revocation_reason: api::RevocationReason => m::RevocationReason {
        Unspecified, KeyCompromise, AffiliationChanged, Superseded, CessationOfOperation, PrivilegeWithdrawn,
    }
    firmware_state: m::FirmwareState => api::FirmwareState { Draft, Released, Withdrawn }
    deployment_state: m::DeploymentState => api::DeploymentState { Planning, Running, Paused, Finished, Canceled }
    change_kind: m::FirmwareChangeKind => api::FirmwareChangeKind { Updated, RolledBack, Reported }
    update_state: m::UpdateState => api::UpdateState {
        Pending, Dispatched, Acknowledged, Downloading, Downloaded, Installing,
        Succeeded, Failed, TimedOut, Canceled, Rejected, RolledBack,
    }
    door: Door => api::Door { Mtls, Plain }
    content_state: m::ContentState => api::ContentState { Available, Withdrawn }
    content_fit: m::ContentFit => api::ContentFit { Fit, Fill }
    content_source: m::ContentSource => api::ContentSource { Png, Jpeg, Webp, Lvgl }
    content_made: m::ContentMade => api::ContentMade { Converted, Ready }
    content_change_kind: m::ContentChangeKind => api::ContentChangeKind { Updated, Reported }
    domain_content_state: api::ContentState => m::ContentState { Available, Withdrawn }
    domain_content_fit: api::ContentFit => m::ContentFit { Fit, Fill }
    registration_code_state: m::RegistrationCodeState => api::RegistrationCodeState { Open, Used, Expired, Revoked }
    domain_registration_code_state: api::RegistrationCodeState => m::RegistrationCodeState { Open, Used, Expired, Revoked }
    domain_device_state: api::DeviceState => m::DeviceState { Unregistered, Active, Suspended }
    domain_firmware_state: api::FirmwareState => m::FirmwareState { Draft, Released, Withdrawn }
    domain_image_format: api::ImageFormat => m::ImageFormat { EspIdf, Raw }
}

pub(crate) const fn time(at: Timestamp) -> api::Time {
    api::Time(at.0)
}

pub(crate) fn page<T, U>(page: Page<T>, map: impl FnMut(T) -> U) -> api::Page<U> {
    api::Page { items: page.items.into_iter().map(map).collect(), next: page.next }
}

pub(crate) fn user(user: &m::User) -> api::UserView {
    api::UserView {
        id: user.id.0,
        name: user.name.clone(),
        role: role(user.role),
        created_at: time(user.created_at),
    }
}

pub(crate) fn product(product: m::Product) -> api::ProductView {
    let m::NewProduct { name, chip, image_format: format, slot_size, display } = product.spec;
    api::ProductView {
        id: product.id.0,
        name,
        chip,
        image_format: image_format(format),
        slot_size,
        display: display.map(self::display),
        created_at: time(product.created_at),
    }
}

pub(crate) fn display(display: m::DisplayProfile) -> api::DisplayProfile {
    api::DisplayProfile {
        width: display.width,
        height: display.height,
        color_depth: display.color_depth,
        swap_bytes: display.swap_bytes,
        alpha: display.alpha,
    }
}

pub(crate) fn new_product(spec: api::ProductSpec) -> m::NewProduct {
    m::NewProduct {
        name: spec.name,
        chip: spec.chip,
        image_format: domain_image_format(spec.image_format),
        slot_size: spec.slot_size,
        display: spec.display.map(|d| m::DisplayProfile {
            width: d.width,
            height: d.height,
            color_depth: d.color_depth,
            swap_bytes: d.swap_bytes,
            alpha: d.alpha,
        }),
    }
}

/// Groups, each with its devices.
pub(crate) async fn groups(
    read: &mut dyn ReadSession,
    groups: Vec<m::Group>,
) -> PortResult<Vec<api::GroupView>> {
    let ids: Vec<_> = groups.iter().map(|g| g.id).collect();
    let tallies: HashMap<_, _> = read.group_tallies(&ids).await?.into_iter().collect();
    Ok(groups.into_iter().map(|g| (tallies.get(&g.id).copied(), g)).map(|(t, g)| group(g, t)).collect())
}

/// Regions, each with its devices.
pub(crate) async fn regions(
    read: &mut dyn ReadSession,
    regions: Vec<m::Region>,
) -> PortResult<Vec<api::RegionView>> {
    let ids: Vec<_> = regions.iter().map(|r| r.id).collect();
    let tallies: HashMap<_, _> = read.region_tallies(&ids).await?.into_iter().collect();
    Ok(regions.into_iter().map(|r| (tallies.get(&r.id).copied(), r)).map(|(t, r)| region(r, t)).collect())
}

/// A group; without a tally no device is in it.
pub(crate) fn group(group: m::Group, tally: Option<DeviceTally>) -> api::GroupView {
    let tally = tally.unwrap_or_default();
    api::GroupView {
        id: group.id.0,
        name: group.name,
        devices: tally.devices,
        online: tally.online,
        created_at: time(group.created_at),
    }
}

/// A region; without a tally no device is in it.
pub(crate) fn region(region: m::Region, tally: Option<DeviceTally>) -> api::RegionView {
    let tally = tally.unwrap_or_default();
    api::RegionView {
        id: region.id.0,
        code: region.code,
        name: region.name,
        devices: tally.devices,
        online: tally.online,
        created_at: time(region.created_at),
    }
}

pub(crate) fn issued(certificate: IssuedCertificate) -> api::IssuedCertificate {
    api::IssuedCertificate {
        serial: certificate.serial,
        not_before: time(certificate.not_before),
        not_after: time(certificate.not_after),
        certificate_pem: certificate.certificate_pem,
        chain_pem: certificate.chain_pem,
    }
}

pub(crate) fn certificate(row: m::Certificate) -> api::CertificateView {
    api::CertificateView {
        issuer: row.issuer,
        serial: row.serial,
        not_before: time(row.not_before),
        not_after: time(row.not_after),
        state: certificate_state(row.state),
        created_at: time(row.created_at),
        retires_at: row.retires_at.map(time),
        expired_allowed_until: row.expired_until.map(time),
    }
}

pub(crate) fn firmware_change(change: m::FirmwareChange) -> api::FirmwareChangeView {
    api::FirmwareChangeView {
        at: time(change.at),
        kind: change_kind(change.kind),
        from_version: change.from_version,
        to_version: change.to_version,
        image_hash: change.image_hash.map(|h| h.to_string()),
        deployment_id: change.deployment.map(|d| d.0),
    }
}

pub(crate) fn device_event(device: m::Device) -> api::DeviceEvent {
    api::DeviceEvent {
        key: device.spec.key.to_string(),
        id: device.id.0,
        online: device.online,
        state: device_state(device.spec.state),
        firmware_version: device.firmware_version,
        contents_mismatch: device.contents_mismatch,
        last_seen_at: device.last_seen_at.map(time),
    }
}

#[expect(clippy::cast_precision_loss, reason = "speeds for people; one file is below 2^31 bytes")]
pub(crate) fn device_update(update: m::DeviceUpdate, now: Timestamp) -> api::DeviceUpdateView {
    let state = update_state(update.state);
    let until = update.finished_at.unwrap_or(now);
    let seconds = update.download_started_at.map(|at| until.since(at).as_secs_f64()).filter(|s| *s > 0.0);
    let downloading = state == api::UpdateState::Downloading;
    // Past the download the clock runs on for the installation: a speed would fall with nothing being slower.
    let speed = seconds
        .filter(|_| downloading && update.downloaded_bytes > 0)
        .map(|s| update.downloaded_bytes as f64 / s);
    let left = (update.total_bytes - update.downloaded_bytes).max(0) as f64;
    let contents = update.files > 0;
    api::DeviceUpdateView {
        deployment_id: update.deployment.0,
        device_id: update.device.0,
        key: update.key.to_string(),
        kind: if contents { api::DeploymentKind::Content } else { api::DeploymentKind::Firmware },
        files: contents.then_some(update.files),
        files_done: contents.then_some(update.files_done),
        state,
        outcome: state.outcome(),
        attempt: update.attempt,
        progress: update.progress,
        downloaded_bytes: update.downloaded_bytes,
        total_bytes: update.total_bytes,
        speed_bytes_per_s: speed,
        eta_s: speed.map(|s| left / s),
        message: update.message,
        dispatched_at: update.dispatched_at.map(time),
        last_event_at: update.last_event_at.map(time),
        finished_at: update.finished_at.map(time),
    }
}

pub(crate) fn live_session(session: LiveSession) -> api::SessionView {
    api::SessionView {
        key: session.key.to_string(),
        client_id: session.client_id,
        address: session.address.to_string(),
        door: door(session.door),
        tls_version: session.tls_version,
        certificate_serial: session.certificate_serial,
        mqtt_version: session.mqtt_version,
        subscriptions: session.subscriptions,
        connected_at: time(session.connected_at),
    }
}

/// `None` for an event that is none.
pub(crate) fn dead_letter(row: m::EventRow) -> Option<api::DeadLetterView> {
    let m::Event::DeadLetter { key, topic, reason, payload } = row.event else { return None };
    Some(api::DeadLetterView {
        id: row.id,
        key: key.to_string(),
        topic,
        reason,
        payload: String::from_utf8_lossy(&payload).into_owned(),
        received_at: time(row.at),
    })
}

pub(crate) fn audit_entry(entry: m::AuditEntry) -> api::AuditView {
    let detail = serde_json::from_str(&entry.detail).unwrap_or(serde_json::Value::String(entry.detail));
    api::AuditView {
        id: entry.id.0,
        at: time(entry.at),
        actor: entry.actor,
        action: entry.action,
        subject: entry.subject,
        detail,
    }
}

/// Names of what rows refer to, each looked up once an answer. A row that vanished meanwhile shows its id.
#[derive(Debug, Default)]
pub(crate) struct Names {
    products: HashMap<ProductId, String>,
    groups: HashMap<GroupId, String>,
    regions: HashMap<RegionId, (String, String)>,
}

impl Names {
    /// Reads the names of all groups and regions in a few statements, where many will be asked for.
    pub(crate) async fn know_places(&mut self, read: &mut dyn ReadSession) -> PortResult<()> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let found = read.groups(None, &page).await?;
            self.groups.extend(found.items.into_iter().map(|g| (g.id, g.name)));
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        loop {
            let found = read.regions(None, &page).await?;
            self.regions.extend(found.items.into_iter().map(|r| (r.id, (r.code, r.name))));
            page.after = found.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    pub(crate) async fn product(
        &mut self,
        read: &mut dyn ReadSession,
        id: ProductId,
    ) -> PortResult<api::NamedRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.products.entry(id) {
            let found = read.product(id).await?;
            vacant.insert(found.map_or_else(|| format!("id:{id}"), |p| p.spec.name));
        }
        Ok(api::NamedRef { id: id.0, name: self.products.get(&id).cloned().unwrap_or_default() })
    }

    pub(crate) async fn group(
        &mut self,
        read: &mut dyn ReadSession,
        id: GroupId,
    ) -> PortResult<api::NamedRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.groups.entry(id) {
            let found = read.group(id).await?;
            vacant.insert(found.map_or_else(|| format!("id:{id}"), |g| g.name));
        }
        Ok(api::NamedRef { id: id.0, name: self.groups.get(&id).cloned().unwrap_or_default() })
    }

    pub(crate) async fn region(
        &mut self,
        read: &mut dyn ReadSession,
        id: RegionId,
    ) -> PortResult<api::RegionRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.regions.entry(id) {
            let found = read.region(id).await?;
            vacant.insert(found.map_or_else(|| (format!("id:{id}"), String::new()), |r| (r.code, r.name)));
        }
        let (code, name) = self.regions.get(&id).cloned().unwrap_or_default();
        Ok(api::RegionRef { id: id.0, code, name })
    }

    pub(crate) async fn device(
        &mut self,
        read: &mut dyn ReadSession,
        device: m::Device,
    ) -> PortResult<api::DeviceView> {
        let product = self.product(read, device.spec.product).await?;
        let group = match device.spec.group {
            Some(id) => Some(self.group(read, id).await?),
            None => None,
        };
        let region = match device.spec.region {
            Some(id) => Some(self.region(read, id).await?),
            None => None,
        };
        Ok(api::DeviceView {
            id: device.id.0,
            key: device.spec.key.to_string(),
            name: device.spec.name,
            product,
            group,
            region,
            attributes: device.spec.attributes,
            state: device_state(device.spec.state),
            online: device.online,
            online_changed_at: device.online_changed_at.map(time),
            last_seen_at: device.last_seen_at.map(time),
            firmware_version: device.firmware_version,
            firmware_id: device.firmware.map(|f| f.0),
            image_hash: device.image_hash.map(|h| h.to_string()),
            capabilities: device.capabilities,
            contents_mismatch: device.contents_mismatch,
            // The series store has it: see `live`.
            status: None,
            created_at: time(device.created_at),
            updated_at: time(device.updated_at),
        })
    }

    pub(crate) async fn firmware(
        &mut self,
        read: &mut dyn ReadSession,
        firmware: m::Firmware,
    ) -> PortResult<api::FirmwareView> {
        let product = self.product(read, firmware.spec.product).await?;
        let facts = firmware.spec.facts;
        Ok(api::FirmwareView {
            id: firmware.id.0,
            product,
            version: firmware.spec.version,
            file_name: firmware.spec.file_name,
            state: firmware_state(firmware.spec.state),
            release_notes: firmware.spec.release_notes,
            sha256: firmware.hash.to_string(),
            size: firmware.size,
            image: api::ImageFacts {
                format: image_format(facts.format),
                chip: facts.chip,
                project: facts.project,
                app_version: facts.app_version,
                idf_version: facts.idf_version,
                segments: facts.segments,
            },
            created_at: time(firmware.created_at),
        })
    }

    pub(crate) async fn deployment(
        &mut self,
        read: &mut dyn ReadSession,
        summary: DeploymentSummary,
    ) -> PortResult<api::DeploymentView> {
        let product = self.product(read, summary.deployment.product).await?;
        Ok(deployment_view(summary, product))
    }
}

fn deployment_view(summary: DeploymentSummary, product: api::NamedRef) -> api::DeploymentView {
    let words = summary.words;
    let deployment = summary.deployment;
    let contents = deployed_contents(&deployment);
    let firmware =
        deployment.spec.payload.firmware().zip(deployment.image()).map(|(id, hash)| api::DeployedFirmware {
            id: id.0,
            product: product.clone(),
            version: deployment.version,
            sha256: hash.to_string(),
            size: deployment.size,
        });
    let kind = if firmware.is_some() { api::DeploymentKind::Firmware } else { api::DeploymentKind::Content };
    let policy = deployment.spec.policy;
    let by_state =
        summary.counts.0.iter().filter(|(_, n)| **n > 0).map(|(s, n)| (update_state(*s), *n)).collect();
    api::DeploymentView {
        id: deployment.id.0,
        name: deployment.spec.name,
        kind,
        product,
        firmware,
        contents,
        state: deployment_state(deployment.state),
        planned: deployment.planned,
        policy: api::PolicyView {
            max_in_flight: policy.max_in_flight,
            rate_per_s: policy.rate_per_s,
            attempt_timeout_s: policy.attempt_timeout_s,
            offline_grace_s: policy.offline_grace_s,
            max_attempts: policy.max_attempts,
            expires_at: policy.expires_at.map(time),
        },
        progress: api::DeploymentProgress {
            total: summary.counts.total(),
            finished: summary.counts.finished(),
            by_state,
            by_outcome: [
                (api::Outcome::Waiting, words.waiting),
                (api::Outcome::InProgress, words.in_progress),
                (api::Outcome::Success, words.success),
                (api::Outcome::Failed, words.failed),
                (api::Outcome::Timeout, words.timeout),
                (api::Outcome::Canceled, words.canceled),
            ]
            .into(),
            downloaded_bytes: summary.downloaded_bytes,
            total_bytes: summary.total_bytes,
            speed_bytes_per_s: summary.bytes_per_s,
            #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
            eta_s: summary.eta_s.map(|s| s as f64),
            success_rate: summary.success_rate,
        },
        created_at: time(deployment.created_at),
        started_at: deployment.started_at.map(time),
        finished_at: deployment.finished_at.map(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_spell_every_word_alike() {
        macro_rules! alike {
            ($($name:ident => $function:ident),* $(,)?) => {$(
                for word in m::$name::ALL {
                    assert_eq!($function(*word).as_str(), word.as_str());
                }
                assert_eq!(m::$name::ALL.len(), api::$name::ALL.len());
            )*};
        }
        alike!(Role => role, ImageFormat => image_format, DeviceState => device_state, FirmwareState => firmware_state,
            CertificateState => certificate_state, RevocationReason => revocation_reason, DeploymentState => deployment_state, UpdateState => update_state,
            FirmwareChangeKind => change_kind, ContentState => content_state, ContentFit => content_fit,
            ContentSource => content_source, ContentMade => content_made, ContentChangeKind => content_change_kind);
    }
}
