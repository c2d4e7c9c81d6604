//! Device updates as rows: what every statement on them shares.

use argosy_domain::model::{DeviceUpdate, UpdateState};
use argosy_proto::{DeploymentId, DeviceId};
use serde::Serialize;

use super::dialect::{Column, int, text};
use super::query::{ANY, clean};
use super::row::{Columns, Decoded};

/// The columns of `device_updates AS u`, in the order [`update`] reads them.
pub(super) const COLUMNS: &str = "u.deployment_id, u.device_id, u.device_key, u.state, u.attempt, u.progress, \
     u.downloaded_bytes, u.total_bytes, u.message, u.dispatched_at, u.download_started_at, u.last_event_at, \
     u.finished_at, u.revision";

pub(super) fn update(row: &mut Columns<'_>) -> Decoded<DeviceUpdate> {
    Ok(DeviceUpdate {
        deployment: DeploymentId(row.int()?),
        device: DeviceId(row.int()?),
        key: row.key()?,
        state: row.word()?,
        attempt: row.number()?,
        progress: row.number()?,
        downloaded_bytes: row.int()?,
        total_bytes: row.int()?,
        message: row.opt_text()?,
        dispatched_at: row.opt_time()?,
        download_started_at: row.opt_time()?,
        last_event_at: row.opt_time()?,
        finished_at: row.opt_time()?,
        revision: row.int()?,
    })
}

/// The members of a [`UpdateRow`] that are columns.
pub(super) const ROW: &[Column] = &[
    int("deployment_id"),
    int("device_id"),
    text("device_key"),
    text("state"),
    int("attempt"),
    int("progress"),
    int("downloaded_bytes"),
    int("total_bytes"),
    text("message"),
    int("dispatched_at"),
    int("download_started_at"),
    int("last_event_at"),
    int("finished_at"),
    int("revision"),
];

/// A device update on its way into the database.
#[derive(Serialize)]
pub(super) struct UpdateRow<'a> {
    deployment_id: i64,
    device_id: i64,
    device_key: &'a str,
    state: &'a str,
    attempt: u32,
    progress: u8,
    downloaded_bytes: i64,
    total_bytes: i64,
    message: Option<std::borrow::Cow<'a, str>>,
    dispatched_at: Option<i64>,
    download_started_at: Option<i64>,
    last_event_at: Option<i64>,
    finished_at: Option<i64>,
    revision: i64,
    /// The revision that was read, for a conditional write.
    #[serde(rename = "was")]
    read: i64,
    /// Its place in the bulk call.
    n: usize,
}

impl<'a> UpdateRow<'a> {
    pub(super) fn new(n: usize, update: &'a DeviceUpdate, read: i64) -> Self {
        Self {
            deployment_id: update.deployment.get(),
            device_id: update.device.get(),
            device_key: update.key.as_str(),
            state: update.state.as_str(),
            attempt: update.attempt,
            progress: update.progress,
            downloaded_bytes: update.downloaded_bytes,
            total_bytes: update.total_bytes,
            message: update.message.as_deref().map(|m| clean(m, ANY)),
            dispatched_at: update.dispatched_at.map(|t| t.as_millis()),
            download_started_at: update.download_started_at.map(|t| t.as_millis()),
            last_event_at: update.last_event_at.map(|t| t.as_millis()),
            finished_at: update.finished_at.map(|t| t.as_millis()),
            revision: update.revision,
            read,
            n,
        }
    }
}

/// A device update's key.
#[derive(Serialize)]
pub(super) struct Pair {
    pub(super) deployment_id: i64,
    pub(super) device_id: i64,
}

/// The members of a [`Pair`].
pub(super) const PAIR: &[Column] = &[int("deployment_id"), int("device_id")];

/// The states that are not final.
pub(super) fn open_states() -> impl Iterator<Item = UpdateState> {
    UpdateState::ALL.iter().copied().filter(|state| !state.is_final())
}

/// The states that hold a slot.
pub(super) fn in_flight_states() -> impl Iterator<Item = UpdateState> {
    UpdateState::ALL.iter().copied().filter(|state| state.in_flight())
}
