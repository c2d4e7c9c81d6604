//! How devices are shown.

use argosy_api::{CountQuery, DeviceCounts, DeviceUpdateView, DeviceView, FirmwareChangeView};

use crate::args::Failure;
use crate::cli::client::query_of;
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

/// Which part of the fleet to count
#[derive(Debug, clap::Args)]
pub(crate) struct CountArgs {
    /// Of this product (name or id:42)
    #[arg(long)]
    product: Option<String>,
    /// In this group (name or id:42)
    #[arg(long)]
    group: Option<String>,
    /// In this region (code or id:42)
    #[arg(long)]
    region: Option<String>,
}

pub(super) async fn counts(context: &mut Context, args: CountArgs) -> Result<(), Failure> {
    let query = CountQuery { product: args.product, group: args.group, region: args.region };
    let counts: DeviceCounts = context.client.get(&format!("devices/counts{}", query_of(&query))).await?;
    if context.out.is_json() {
        return context.out.done(&counts, "");
    }
    let none = || "-".to_owned();
    let row = |what: &str, which: String, n: u64, online: Option<u64>| (what.to_owned(), which, n, online);
    let mut rows = vec![
        row("all", String::new(), counts.total, Some(counts.online)),
        row("other contents", String::new(), counts.contents_mismatch, None),
    ];
    rows.extend(counts.by_state.iter().map(|(state, n)| row("state", state.to_string(), *n, None)));
    rows.extend(
        counts
            .by_version
            .iter()
            .map(|v| row("firmware", v.version.clone().unwrap_or_else(none), v.count, Some(v.online))),
    );
    rows.extend(
        counts.by_product.iter().map(|p| row("product", p.product.name.clone(), p.count, Some(p.online))),
    );
    rows.extend(counts.by_group.iter().map(|g| {
        row("group", g.group.as_ref().map_or_else(none, |g| g.name.clone()), g.count, Some(g.online))
    }));
    rows.extend(counts.by_region.iter().map(|r| {
        row("region", r.region.as_ref().map_or_else(none, |r| r.code.clone()), r.count, Some(r.online))
    }));
    context.out.rows(&rows, &["what", "which", "devices", "online"], |(what, which, n, online)| {
        vec![what.clone(), which.clone(), n.to_string(), online.map(|n| n.to_string()).unwrap_or_default()]
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
    &["deployment", "kind", "state", "attempt", "done", "bytes", "finished", "message"];

pub(super) fn update_row(update: &DeviceUpdateView) -> Vec<String> {
    vec![
        format!("id:{}", update.deployment_id),
        update.kind.to_string(),
        update.state.to_string(),
        update.attempt.to_string(),
        format!("{} %", update.progress),
        bytes(update.downloaded_bytes as f64),
        opt(update.finished_at.as_ref()),
        update.message.clone().unwrap_or_default(),
    ]
}
