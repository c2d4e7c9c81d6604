//! How devices are shown.

use argosy_api::{DeviceCounts, DeviceUpdateView, DeviceView, FirmwareChangeView};

use crate::args::Failure;
use crate::cli::context::Context;
use crate::cli::output::{bytes, opt};

pub(in super::super) const DEVICE_COLUMNS: &[&str] =
    &["key", "name", "product", "group", "region", "state", "online", "firmware", "last seen"];

pub(in super::super) fn device_row(device: &DeviceView) -> Vec<String> {
    vec![
        device.key.clone(),
        device.name.clone(),
        device.product.name.clone(),
        device.group.as_ref().map(|group| group.name.clone()).unwrap_or_default(),
        device.region.as_ref().map(|region| region.code.clone()).unwrap_or_default(),
        device.state.to_string(),
        if device.online { "yes" } else { "no" }.to_owned(),
        device.firmware_version.clone().unwrap_or_default(),
        opt(device.last_seen_at.as_ref()),
    ]
}

pub(super) fn show_device(context: &Context, device: &DeviceView) -> Result<(), Failure> {
    let attributes: Vec<String> =
        device.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let fields = [
        ("key", device.key.clone()),
        ("id", device.id.to_string()),
        ("name", device.name.clone()),
        ("product", device.product.name.clone()),
        ("group", device.group.as_ref().map(|group| group.name.clone()).unwrap_or_default()),
        ("region", device.region.as_ref().map(|r| format!("{} ({})", r.code, r.name)).unwrap_or_default()),
        ("attributes", attributes.join(", ")),
        ("state", device.state.to_string()),
        ("online", if device.online { "yes" } else { "no" }.to_owned()),
        ("since", opt(device.online_changed_at.as_ref())),
        ("last seen", opt(device.last_seen_at.as_ref())),
        ("firmware", device.firmware_version.clone().unwrap_or_default()),
        ("image", device.image_hash.clone().unwrap_or_default()),
        ("capabilities", device.capabilities.join(", ")),
        ("contents", if device.contents_mismatch { "not those that it was sent" } else { "" }.to_owned()),
        ("status", device.status.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("registered", device.created_at.to_string()),
        ("changed", device.updated_at.to_string()),
    ];
    context.out.record(device, &fields)
}

pub(super) async fn counts(context: &mut Context) -> Result<(), Failure> {
    let counts: DeviceCounts = context.client.get("devices/counts").await?;
    if context.out.is_json() {
        return context.out.done(&counts, "");
    }
    let mut rows = vec![
        ("all".to_owned(), String::new(), counts.total),
        ("online".to_owned(), String::new(), counts.online),
        ("other contents".to_owned(), String::new(), counts.contents_mismatch),
    ];
    rows.extend(counts.by_state.iter().map(|(state, n)| ("state".to_owned(), state.to_string(), *n)));
    let versions = counts.by_version.iter();
    rows.extend(
        versions
            .map(|v| ("firmware".to_owned(), v.version.clone().unwrap_or_else(|| "-".to_owned()), v.count)),
    );
    let groups = counts.by_group.iter();
    rows.extend(
        groups.map(|g| {
            ("group".to_owned(), g.group.as_ref().map_or("-".to_owned(), |g| g.name.clone()), g.count)
        }),
    );
    let regions = counts.by_region.iter();
    rows.extend(regions.map(|r| {
        ("region".to_owned(), r.region.as_ref().map_or("-".to_owned(), |r| r.code.clone()), r.count)
    }));
    context.out.rows(&rows, &["what", "which", "devices"], |(what, which, n)| {
        vec![what.clone(), which.clone(), n.to_string()]
    })
}

pub(super) const HISTORY_COLUMNS: &[&str] = &["at", "kind", "from", "to", "deployment"];

pub(super) fn history_row(change: &FirmwareChangeView) -> Vec<String> {
    vec![
        change.at.to_string(),
        change.kind.to_string(),
        change.from_version.clone().unwrap_or_default(),
        change.to_version.clone().unwrap_or_default(),
        change.deployment_id.map(|id| format!("id:{id}")).unwrap_or_default(),
    ]
}

pub(super) const UPDATE_COLUMNS: &[&str] =
    &["deployment", "state", "attempt", "done", "bytes", "finished", "message"];

pub(super) fn update_row(update: &DeviceUpdateView) -> Vec<String> {
    vec![
        format!("id:{}", update.deployment_id),
        update.state.to_string(),
        update.attempt.to_string(),
        format!("{} %", update.progress),
        bytes(update.downloaded_bytes as f64),
        opt(update.finished_at.as_ref()),
        update.message.clone().unwrap_or_default(),
    ]
}
