//! What is known of devices sooner than, or elsewhere than, in the registry: who is connected, and the last status.

use argosy_domain::model::{Device, SampleRow, StatusSample};
use argosy_domain::ports::ReadSession;
use argosy_proto::DeviceId;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::error::ApiResult;
use crate::present::{Names, time};
use argosy_api as api;

/// Devices as the API shows them.
pub(crate) async fn devices(
    app: &App,
    read: &mut dyn ReadSession,
    mut devices: Vec<Device>,
) -> ApiResult<Vec<api::DeviceView>> {
    app.engine.freshen(&mut devices);
    let ids: Vec<DeviceId> = devices.iter().map(|device| device.id).collect();
    let latest = app.engine.series().latest(&ids).await?;
    let (mut names, mut views) = (Names::default(), Vec::with_capacity(devices.len()));
    for (device, latest) in devices.into_iter().zip(latest) {
        let mut view = names.device(read, device).await?;
        view.status = latest.status.as_ref().map(status);
        views.push(view);
    }
    Ok(views)
}

/// One of them.
pub(crate) async fn device(app: &App, read: &mut dyn ReadSession, one: Device) -> ApiResult<api::DeviceView> {
    let mut view = Names::default().device(read, one.clone()).await?;
    if let Some(full) = devices(app, read, vec![one]).await?.pop() {
        view = full;
    }
    Ok(view)
}

/// A status as the device said it, in the words of the protocol; and when it came.
pub(crate) fn status(row: &SampleRow<StatusSample>) -> Value {
    let values = &row.values;
    let object = |fields: Vec<(&str, Option<Value>)>| {
        let said: Map<String, Value> =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        (!said.is_empty()).then_some(Value::Object(said))
    };
    let cpu =
        object(vec![("core_0", values.cpu_0.map(Into::into)), ("core_1", values.cpu_1.map(Into::into))]);
    let system = object(vec![
        ("cpu_usage", cpu),
        ("memory_usage", values.memory.map(Into::into)),
        ("storage_usage", values.storage.map(Into::into)),
        ("uptime", values.uptime.map(Into::into)),
    ]);
    let network = object(vec![
        ("connection_type", values.connection.clone().map(Into::into)),
        ("signal_strength", values.signal.map(Into::into)),
        ("local_ip", values.local_ip.clone().map(Into::into)),
        ("gateway_ip", values.gateway_ip.clone().map(Into::into)),
    ]);
    let shown = values.advertisements.as_ref();
    let shown = shown.map(|ids| ids.iter().map(|id| json!({ "id": id })).collect::<Value>());
    let all = object(vec![
        ("firmware_version", values.firmware_version.clone().map(Into::into)),
        ("advertisements", shown),
        ("system", system),
        ("network", network),
        ("timestamp", row.device_time.map(|at| json!(time(at)))),
        ("received_at", Some(json!(time(row.at)))),
    ]);
    all.unwrap_or(Value::Null)
}
