//! `POST /deployments`

use argosy_domain::model::{DeploymentPolicy, DeviceFilter, MAX_CONTENTS};
use argosy_engine::{DeploymentChoice, DeploymentRequest, FirmwareChoice};
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, FirmwareId};

use crate::ops::prelude::*;

/// Devices that may be named one by one.
const MAX_DEVICES: usize = 10_000;

/// Deploys a firmware, or contents. The target is fixed now and worked out in the background.
#[utoipa::path(post, path = "/api/v1/deployments", operation_id = "createDeployment", tag = "deployments",
    params(IdempotencyKey), request_body = api::CreateDeploymentRequest,
    responses((status = 201, description = "Made", body = api::DeploymentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::CreateDeploymentRequest>,
) -> ApiResult<Response> {
    let (shared, by) = (Arc::clone(&app), actor.clone());
    let work = async move {
        let mut read = shared.engine.registry().read().await?;
        let request = request(&mut *read, value).await?;
        drop(read);
        let made = shared.engine.create_deployment(&by, request).await?;
        super::view(&shared, made.id).await
    };
    let again = Arc::clone(&app);
    let find = |made: String| async move {
        let id = made.strip_prefix("deployment:").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Problem::new(ProblemCode::NotFound, "what this call made is gone"))?;
        super::view(&again, DeploymentId(id)).await
    };
    ticket.create_or_find(&app, &actor, work, find).await
}

/// What is asked for, with every name looked up.
pub(super) async fn request(
    read: &mut dyn ReadSession,
    value: api::CreateDeploymentRequest,
) -> ApiResult<DeploymentRequest> {
    Ok(DeploymentRequest {
        payload: payload(read, &value).await?,
        name: value.name,
        target: target(read, value.target).await?,
        policy: policy(&value.policy),
    })
}

async fn payload(
    read: &mut dyn ReadSession,
    asked: &api::CreateDeploymentRequest,
) -> ApiResult<DeploymentChoice> {
    match (asked.firmware, &asked.product, &asked.version, asked.contents.as_slice()) {
        (Some(id), None, None, []) => Ok(DeploymentChoice::Firmware(FirmwareChoice::Id(FirmwareId(id)))),
        (None, Some(product), Some(version), []) => {
            let product = resolve::product(read, product, Place::Field("product")).await?;
            Ok(DeploymentChoice::Firmware(FirmwareChoice::Version(product.id, version.clone())))
        }
        (None, None, None, names @ [_, ..]) if names.len() <= MAX_CONTENTS => {
            let mut contents = Vec::with_capacity(names.len());
            for name in names {
                contents.push(resolve::content(read, name, Place::Field("contents")).await?.id);
            }
            Ok(DeploymentChoice::Contents(contents))
        }
        (None, None, None, [_, ..]) => {
            let detail = format!("a deployment has {MAX_CONTENTS} contents at most");
            Err(Problem::new(ProblemCode::Invalid, detail).about("contents").into())
        }
        _ => {
            let detail = "give `firmware` (its id), or `product` and `version`, or `contents`";
            Err(Problem::new(ProblemCode::Invalid, detail).about("firmware").into())
        }
    }
}

async fn target(read: &mut dyn ReadSession, target: api::DeploymentTarget) -> ApiResult<DeviceFilter> {
    let invalid = |detail: &str| Problem::new(ProblemCode::Invalid, detail).about("target");
    let given =
        [target.all, !target.devices.is_empty(), !target.groups.is_empty(), !target.regions.is_empty()];
    if given.iter().filter(|given| **given).count() != 1 {
        return Err(invalid("give exactly one of `all`, `devices`, `groups` and `regions`").into());
    }
    if target.devices.len() > MAX_DEVICES {
        return Err(invalid("10,000 devices can be named at most; put them into a group").into());
    }
    let mut filter = DeviceFilter { devices: named(read, target.devices).await?, ..DeviceFilter::default() };
    for name in target.groups {
        filter.groups.push(resolve::group(read, &name, Place::Field("target.groups")).await?.id);
    }
    for code in target.regions {
        filter.regions.push(resolve::region(read, &code, Place::Field("target.regions")).await?.id);
    }
    Ok(filter)
}

async fn named(read: &mut dyn ReadSession, names: Vec<String>) -> ApiResult<Vec<DeviceId>> {
    let (mut ids, mut keys) = (Vec::with_capacity(names.len()), Vec::new());
    for (index, name) in names.iter().enumerate() {
        if name.starts_with("id:") {
            ids.push(resolve::device(read, name, Place::Field("target.devices")).await?.id);
        } else {
            keys.push(resolve::device_key(name, || format!("target.devices.{index}"))?);
        }
    }
    let briefs = if keys.is_empty() { Vec::new() } else { read.device_briefs(&keys).await? };
    let known: std::collections::HashSet<&DeviceKey> = briefs.iter().map(|b| &b.key).collect();
    if let Some(unknown) = keys.iter().find(|key| !known.contains(key)) {
        let detail = format!("the device {unknown} does not exist; nothing was deployed");
        return Err(Problem::new(ProblemCode::UnknownReference, detail).about("target.devices").into());
    }
    ids.extend(briefs.iter().map(|b| b.id));
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn policy(given: &api::PolicyRequest) -> DeploymentPolicy {
    let usual = DeploymentPolicy::default();
    DeploymentPolicy {
        max_in_flight: given.max_in_flight.unwrap_or(usual.max_in_flight),
        rate_per_s: given.rate_per_s.unwrap_or(usual.rate_per_s),
        attempt_timeout_s: given.attempt_timeout_s.unwrap_or(usual.attempt_timeout_s),
        offline_grace_s: given.offline_grace_s.unwrap_or(usual.offline_grace_s),
        max_attempts: given.max_attempts.unwrap_or(usual.max_attempts),
        expires_at: given.expires_at.map(|at| Timestamp(at.0)).or(usual.expires_at),
    }
}
