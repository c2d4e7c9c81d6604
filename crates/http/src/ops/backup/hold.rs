//! `GET /hold`

use argosy_domain::model::UpdateState;

use crate::ops::prelude::*;

/// Whether the server is held (after a restore), and what it would send if it were resumed.
#[utoipa::path(get, path = "/api/v1/hold", operation_id = "getHold", tag = "system",
    responses((status = 200, description = "The hold", body = api::HoldView)))]
pub(crate) async fn handle(State(app): State<Arc<App>>, _caller: Caller) -> ApiResult<Answer<api::HoldView>> {
    let Some(work) = app.engine.held_work().await? else {
        return Ok(Answer(api::HoldView {
            held: false,
            since: None,
            reason: None,
            backup_at: None,
            deployments: Vec::new(),
            outbox: 0,
            certificate_requests: 0,
        }));
    };
    let deployments = work.deployments.into_iter().map(|(deployment, counts)| {
        let of = |wanted: fn(UpdateState) -> bool| {
            UpdateState::ALL.iter().filter(|s| wanted(**s)).map(|s| counts.of(*s)).sum::<u64>()
        };
        api::HeldDeployment {
            id: deployment.id.0,
            name: deployment.spec.name,
            state: present::deployment_state(deployment.state),
            pending: of(|s| s == UpdateState::Pending),
            in_flight: of(|s| s.in_flight()),
            done: of(|s| s.is_final()),
        }
    });
    Ok(Answer(api::HoldView {
        held: true,
        since: Some(present::time(work.hold.since)),
        reason: Some(work.hold.reason),
        backup_at: work.hold.backup_at.map(present::time),
        deployments: deployments.collect(),
        outbox: work.outbox,
        certificate_requests: work.deferred,
    }))
}
