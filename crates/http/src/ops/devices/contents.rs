//! `GET /devices/{key}/contents`

use argosy_domain::model::DeployedFile;

use crate::ops::prelude::*;
use crate::present_content::Shown;

/// What the device shows, against what it was last sent.
#[utoipa::path(get, path = "/api/v1/devices/{key}/contents", operation_id = "deviceContents", tag = "devices",
    params(("key" = String, Path, description = "Device key, or `id:42`")),
    responses((status = 200, description = "What it shows", body = api::DeviceContentsView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(key): Segment,
) -> ApiResult<Answer<api::DeviceContentsView>> {
    let mut read = app.engine.registry().read().await?;
    let device = resolve::device(&mut *read, &key, Place::Path).await?;
    let display = read.product(device.spec.product).await?.and_then(|p| p.spec.display).map(present::display);
    let Some(row) = read.shown_contents(&[device.id]).await?.pop() else {
        return Ok(Answer(api::DeviceContentsView {
            shown: None,
            since: None,
            reported: false,
            expected: None,
            deployment_id: None,
            mismatch: false,
            display,
        }));
    };
    // What was sent has an order; what is shown is a set.
    let sent = match row.deployment {
        Some(id) => read.deployment(id).await?.map_or_else(Vec::new, |deployment| deployment.files),
        None => Vec::new(),
    };
    let sent: Vec<_> = sent.iter().map(|DeployedFile { artifact, .. }| *artifact).collect();
    let place = |id: &argosy_proto::ArtifactId| sent.iter().position(|s| s == id).unwrap_or(usize::MAX);
    let mut shown = row.shown.as_slice().to_vec();
    shown.sort_by_key(|id| (place(id), *id));
    let mut known = Shown::default();
    known.learn(&mut *read, device.spec.product, shown.iter().chain(&sent).copied()).await?;
    Ok(Answer(api::DeviceContentsView {
        mismatch: row.mismatch(),
        shown: Some(known.files(shown.into_iter())),
        since: Some(present::time(row.since)),
        reported: row.reported,
        expected: row.expected.is_some().then(|| known.files(sent.into_iter())),
        deployment_id: row.deployment.map(|id| id.0),
        display,
    }))
}
