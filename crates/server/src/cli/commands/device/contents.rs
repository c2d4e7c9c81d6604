//! What a device shows.

use argosy_api::{ContentChangeView, DeviceContentsView, PageQuery, ShownFile};

use super::path;
use crate::args::Failure;
use crate::cli::context::{Context, Take};
use crate::cli::output::opt;

fn name(file: &ShownFile) -> String {
    match &file.content {
        Some(content) => format!("{} (file {})", content.title, file.artifact),
        None => format!("unknown file {}", file.artifact),
    }
}

fn names(files: &[ShownFile]) -> String {
    if files.is_empty() {
        "nothing".to_owned()
    } else {
        files.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

/// `argosy device contents`.
pub(super) async fn show(context: &mut Context, device: &str) -> Result<(), Failure> {
    let found: DeviceContentsView = context.client.get(&format!("{}/contents", path(device))).await?;
    let known = |files: &Option<Vec<ShownFile>>| files.as_ref().map_or("not known".to_owned(), |f| names(f));
    let as_sent = match (found.mismatch, &found.expected) {
        (true, _) => "NO: it shows something else",
        (false, Some(_)) => "yes",
        (false, None) => "",
    };
    let fields = [
        ("shows", known(&found.shown)),
        ("since", opt(found.since.as_ref())),
        ("by", if found.reported { "the device's word" } else { "its download results" }.to_owned()),
        ("was sent", found.expected.as_ref().map_or("nothing by this server".to_owned(), |f| names(f))),
        ("deployment", found.deployment_id.map(|id| format!("id:{id}")).unwrap_or_default()),
        ("as sent", as_sent.to_owned()),
        ("display", found.display.as_ref().map(|d| format!("{}x{}", d.width, d.height)).unwrap_or_default()),
    ];
    // Of a device that never spoke of contents there is nothing to say.
    let fields = if found.shown.is_some() { &fields[..] } else { &fields[..1] };
    context.out.record(&found, fields)
}

/// `argosy device content-history`.
pub(super) async fn history(context: &mut Context, device: &str, take: Take) -> Result<(), Failure> {
    let row = |change: &ContentChangeView| {
        vec![
            change.at.to_string(),
            change.kind.to_string(),
            names(&change.shown),
            change.deployment_id.map(|id| format!("id:{id}")).unwrap_or_default(),
        ]
    };
    let path = format!("{}/content-history", path(device));
    context.list(&path, &PageQuery::default(), take, &["at", "kind", "shows", "deployment"], row).await
}
