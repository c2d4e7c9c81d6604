//! Device updates as rows: what every statement on them shares.

use argosy_domain::model::{DeviceUpdate, UpdateState};
use argosy_proto::{DeploymentId, DeviceId};

use super::batch::{Batch, Cell};
use super::dialect::{Column, Dialect, int, text};
use super::row::{Columns, Decoded};

/// The columns of `device_updates AS u`, in the order [`update`] reads them.
pub(super) const COLUMNS: &str = "u.deployment_id, u.device_id, u.device_key, u.state, u.attempt, u.progress, \
     u.downloaded_bytes, u.total_bytes, u.files, u.files_done, u.message, u.dispatched_at, u.download_started_at, u.last_event_at, \
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
        files: row.number()?,
        files_done: row.number()?,
        message: row.opt_text()?,
        dispatched_at: row.opt_time()?,
        download_started_at: row.opt_time()?,
        last_event_at: row.opt_time()?,
        finished_at: row.opt_time()?,
        revision: row.int()?,
    })
}

/// The columns as members of a batch's rows.
pub(super) const ROW: &[Column] = &[
    int("deployment_id"),
    int("device_id"),
    text("device_key"),
    text("state"),
    int("attempt"),
    int("progress"),
    int("downloaded_bytes"),
    int("total_bytes"),
    int("files"),
    int("files_done"),
    text("message"),
    int("dispatched_at"),
    int("download_started_at"),
    int("last_event_at"),
    int("finished_at"),
    int("revision"),
];

/// The values of [`ROW`].
pub(super) fn cells(update: &DeviceUpdate) -> [Cell<'_>; ROW.len()] {
    [
        update.deployment.get().into(),
        update.device.get().into(),
        update.key.as_str().into(),
        update.state.as_str().into(),
        update.attempt.into(),
        u32::from(update.progress).into(),
        update.downloaded_bytes.into(),
        update.total_bytes.into(),
        update.files.into(),
        update.files_done.into(),
        update.message.as_deref().into(),
        update.dispatched_at.into(),
        update.download_started_at.into(),
        update.last_event_at.into(),
        update.finished_at.into(),
        update.revision.into(),
    ]
}

/// The key of a device update as a row.
pub(super) const PAIR: &[Column] = &[int("deployment_id"), int("device_id")];

/// A device update's key.
pub(super) type Pair = (DeploymentId, DeviceId);

/// Keys as a batch.
pub(super) fn pairs(dialect: Dialect, keys: impl IntoIterator<Item = Pair>) -> Batch {
    let mut batch = Batch::new(dialect, PAIR);
    keys.into_iter()
        .for_each(|(deployment, device)| batch.row(&[deployment.get().into(), device.get().into()]));
    batch
}

/// The states that are not final.
pub(super) fn open_states() -> impl Iterator<Item = UpdateState> {
    UpdateState::ALL.iter().copied().filter(|state| !state.is_final())
}

/// The states that hold a slot.
pub(super) fn in_flight_states() -> impl Iterator<Item = UpdateState> {
    UpdateState::ALL.iter().copied().filter(|state| state.in_flight())
}
