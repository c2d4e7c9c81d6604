//! What devices tell over time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{NamedRef, RegionRef, Time};

/// The last that a device said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LatestView {
    /// Its last `status/system`, in the words of the protocol, with `received_at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub status: Option<serde_json::Value>,
    /// The last row of each of its streams, by name.
    pub streams: BTreeMap<String, StreamRowView>,
}

/// One row of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamRowView {
    /// When it came, by the server's clock.
    pub at: Time,
    /// When it was made, by the device's clock, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_time: Option<Time>,
    /// Its columns: numbers, texts, booleans.
    #[schema(value_type = Object)]
    pub values: BTreeMap<String, serde_json::Value>,
}

/// A time range and a page of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SpanQuery {
    /// From then (inclusive), by the server's clock; from the beginning if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// To before then; to now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Which curves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MetricsQuery {
    /// 1 to 16 of them, separated by commas: `cpu_0`, `cpu_1`, `memory`, `storage`, `uptime`, `signal`, or `STREAM.COLUMN`.
    pub metric: String,
    /// From then (inclusive); a day before `to` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// To before then; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// Points of a curve at most, 1 to 10,000; 300 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 10000)]
    pub points: Option<u32>,
}

/// Curves of a device, down-sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsView {
    /// When the first point's time begins.
    pub from: Time,
    /// When the last one's ends.
    pub to: Time,
    /// Milliseconds of a point.
    pub step_ms: i64,
    /// The curves, in the order asked.
    pub curves: Vec<CurveView>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CurveView {
    /// As asked.
    pub metric: String,
    /// One after the other; null is a gap: the device said nothing then.
    pub points: Vec<Option<PointView>>,
}

/// One point: the values of its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PointView {
    /// The least.
    pub min: f64,
    /// The mean.
    pub avg: f64,
    /// The greatest.
    pub max: f64,
    /// How many.
    pub count: u64,
}

/// Which error logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    /// Whose text or tag contains it; ASCII case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// With exactly this tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// From then (inclusive), by the server's clock; from the beginning if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// To before then; to now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// Of the devices in this group (name or `id:42`; 10,000 devices at most).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Of the devices in this region (code or `id:42`; 10,000 devices at most).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// One error log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Row id.
    pub id: i64,
    /// Whose.
    pub device: String,
    /// When it came, by the server's clock.
    pub at: Time,
    /// When it was made, by the device's clock, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_time: Option<Time>,
    /// The part of the firmware that speaks.
    pub tag: String,
    /// What it says.
    pub text: String,
}

/// Which steps of downloads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DownloadQuery {
    /// Only this step: `dispatched`, `acknowledged`, `rejected`, `started`, `progress`, `downloaded`, `installed`, `failed`, `timed_out` or
    /// `rolled_back`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// From then (inclusive), by the server's clock; from the beginning if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// To before then; to now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Rows at most, 1 to 1000; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// A step of a download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DownloadEventView {
    /// Row id.
    pub id: i64,
    /// Whose.
    pub device: String,
    /// Of which deployment.
    pub deployment_id: i64,
    /// When it came, by the server's clock.
    pub at: Time,
    /// When it was made, by the device's clock, if it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_time: Option<Time>,
    /// What happened.
    pub step: String,
    /// Bytes that the device had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<i64>,
    /// Percent of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// The speed as the device told it, in its own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_kbps: Option<f64>,
    /// The time that it took as the device told it, in its own unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_ms: Option<u64>,
    /// What the device said to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A device came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PresenceView {
    /// Row id.
    pub id: i64,
    /// When.
    pub at: Time,
    /// Connected since then, or gone.
    pub online: bool,
}

/// Which sales, and by what they are summed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SalesQuery {
    /// By what, separated by commas: any of `device`, `group`, `region`, `item`, and one of `hour` and `day`. Absent: one sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// From then (inclusive), by the server's clock; from the beginning if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Time>,
    /// To before then; to now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// Where hours and days begin: how far local time is ahead of UTC, such as `+09:00`; `+00:00` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
    /// Only of this device (key or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Only of the devices in this group (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Only of the devices in this region (code or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Only of the devices of this product (name or `id:42`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
}

/// Sums of sales.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesView {
    /// The sums, by time and then by what else they are summed by.
    pub sums: Vec<SalesSumView>,
    /// There were more sums than an answer may have: ask for a shorter time, or by less.
    pub truncated: bool,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SalesSumView {
    /// When its hour or day begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The device, if summed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The group its device is in now; absent too for those in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<NamedRef>,
    /// The region its device is in now; absent too for those in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<RegionRef>,
    /// What was sold (`type`), if summed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// Which variety (`sub_type`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variety: Option<String>,
    /// How many.
    pub count: u64,
}
