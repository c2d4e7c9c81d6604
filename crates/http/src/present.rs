//! From the domain to the words of the API.

use std::collections::HashMap;

use argosy_api as api;
use argosy_domain::Timestamp;
use argosy_domain::model as m;
use argosy_domain::page::Page;
use argosy_domain::ports::{DeviceTally, Door, IssuedCertificate, LiveSession, PortResult, ReadSession};

pub(crate) use crate::present_identity::{imported_ca, imported_identity, revocation};
pub(crate) use crate::present_names::Names;

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
