//! `PATCH /devices`

use argosy_domain::model::DeviceFilter;
use argosy_proto::DeviceKey;

use crate::ops::prelude::*;

/// Devices that may be named by key.
const MAX_KEYS: usize = 1000;

/// Changes the registration of many devices: those named, or all that a filter selects. In chunks: an error leaves the ones before it changed.
#[utoipa::path(patch, path = "/api/v1/devices", operation_id = "changeDevices", tag = "devices",
    request_body = api::ChangeDevicesRequest,
    responses((status = 200, description = "Changed", body = api::ChangeDevicesResponse)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<api::ChangeDevicesRequest>,
) -> ApiResult<Answer<api::ChangeDevicesResponse>> {
    if value.change.name.is_some() {
        let detail = "a name belongs to one device; change it with PATCH /devices/{key}";
        return Err(Problem::new(ProblemCode::Invalid, detail).about("change.name").into());
    }
    let mut read = app.engine.registry().read().await?;
    let filter = match (value.keys, value.filter) {
        (Some(keys), None) => named(&mut *read, keys).await?,
        // An empty filter selects every device: too easily sent by mistake.
        (None, Some(selection)) if selection != api::DeviceSelection::default() => {
            super::filter_of(&mut *read, selection).await?
        }
        _ => {
            let detail = "give either `keys` or a `filter` with a field set";
            return Err(Problem::new(ProblemCode::Invalid, detail).about("keys").into());
        }
    };
    let patch = super::patch_of(&mut *read, value.change).await?;
    drop(read);
    let changed = app.engine.patch_devices(&actor, &filter, patch).await?;
    Ok(Answer(api::ChangeDevicesResponse { changed }))
}

async fn named(read: &mut dyn ReadSession, keys: Vec<String>) -> ApiResult<DeviceFilter> {
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(Problem::new(ProblemCode::Invalid, format!("give 1 to {MAX_KEYS} keys"))
            .about("keys")
            .into());
    }
    let mut parsed = Vec::with_capacity(keys.len());
    for (index, key) in keys.iter().enumerate() {
        parsed.push(resolve::device_key(key, || format!("keys.{index}"))?);
    }
    let briefs = read.device_briefs(&parsed).await?;
    let known: std::collections::HashSet<&DeviceKey> = briefs.iter().map(|b| &b.key).collect();
    if let Some(unknown) = parsed.iter().find(|key| !known.contains(key)) {
        let detail = format!("the device {unknown} does not exist; nothing was changed");
        return Err(Problem::new(ProblemCode::UnknownReference, detail).about("keys").into());
    }
    Ok(DeviceFilter { devices: briefs.iter().map(|b| b.id).collect(), ..DeviceFilter::default() })
}
