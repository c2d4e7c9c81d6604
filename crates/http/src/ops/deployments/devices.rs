//! `GET /deployments/{id}/devices`

use argosy_domain::model::UpdateState;
use argosy_domain::ports::UpdateFilter;

use crate::ops::prelude::*;

/// The device updates of a deployment, by device id.
#[utoipa::path(get, path = "/api/v1/deployments/{id}/devices", operation_id = "listDeploymentDevices", tag = "deployments",
    params(("id" = String, Path, description = "The deployment's id: `12` or `id:12`"), api::DeploymentDevicesQuery),
    responses((status = 200, description = "A page of device updates", body = api::Page<api::DeviceUpdateView>)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Segment(id): Segment,
    Params(query): Params<api::DeploymentDevicesQuery>,
) -> ApiResult<Answer<api::Page<api::DeviceUpdateView>>> {
    let (id, page) = (resolve::deployment_id(&id)?, resolve::page(query.cursor, query.limit)?);
    let filter = UpdateFilter { states: states(query.state.as_deref())?, search: query.search };
    let mut read = app.engine.registry().read().await?;
    if read.deployment(id).await?.is_none() {
        return Err(Problem::new(ProblemCode::NotFound, format!("the deployment {id} does not exist")).into());
    }
    let (found, now) = (read.device_updates(id, &filter, &page).await?, app.engine.now());
    Ok(Answer(present::page(found, |update| present::device_update(update, now))))
}

/// States and the console's words, mixed as one likes. `failed` and `canceled` are both: as a word it is the wider one.
fn states(text: Option<&str>) -> ApiResult<Vec<UpdateState>> {
    let mut states = Vec::new();
    for word in resolve::words::<String>(text, "state")? {
        let outcome: Result<api::Outcome, _> = word.parse();
        match (outcome, word.parse::<UpdateState>()) {
            (Ok(outcome), _) => {
                let all = UpdateState::ALL.iter().copied();
                states.extend(all.filter(|state| present::update_state(*state).outcome() == outcome));
            }
            (Err(_), Ok(state)) => states.push(state),
            (Err(_), Err(unknown)) => {
                return Err(Problem::new(ProblemCode::BadRequest, unknown.to_string()).about("state").into());
            }
        }
    }
    Ok(states)
}
