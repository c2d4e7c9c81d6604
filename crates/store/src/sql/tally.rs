//! Tallies: exact counts that a unit of work keeps beside what it changes.
//!
//! A statement that changes device updates or devices first asks what it is about to change (keeping those rows as they are), and
//! notes the difference in [`Pending`]. The differences are written at the end of the unit of work, in the order of their keys, as
//! additions to what is stored: so the tallies are right in every snapshot, a unit that is given up leaves nothing, and of two
//! processes that commit at once one waits for the other's commit and for nothing else.

use std::collections::BTreeMap;

use argosy_domain::model::{DeviceUpdate, UpdateState};
use argosy_domain::ports::{PortError, PortErrorKind, PortResult};
use argosy_proto::DeploymentId;

use super::batch::Batch;
use super::dialect::{Column, int, text};
use super::fleet::Cell;
use super::query::Query;
use super::row::{Columns, Decoded};
use super::session::Session;
use super::update_rows::PAIR;

/// What a unit of work has changed and not yet written to the tallies and to the search index.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Updates, downloaded bytes, total bytes.
    updates: BTreeMap<(i64, UpdateState), [i64; 3]>,
    /// Devices, connected devices.
    pub(super) fleet: BTreeMap<Cell, [i64; 2]>,
    /// Lower-cased name and key of devices that are new or renamed.
    pub(super) names: BTreeMap<i64, (String, String)>,
}

impl Pending {
    fn update(&mut self, deployment: i64, state: UpdateState, by: [i64; 3]) {
        let sums = self.updates.entry((deployment, state)).or_default();
        sums.iter_mut().zip(by).for_each(|(sum, n)| *sum += n);
    }
}

/// The columns of the deployments' tallies: key, then sums.
const UPDATES: (&[Column], &[Column]) =
    (&[int("deployment_id"), text("state")], &[int("updates"), int("downloaded_bytes"), int("total_bytes")]);

/// What a bulk write needs to say of a device update for the tallies.
const SAVED: &[Column] = &[
    int("deployment_id"),
    int("device_id"),
    text("state"),
    int("downloaded_bytes"),
    int("total_bytes"),
    int("was"),
];

/// How rows find their device updates.
const ON: &str = "t.deployment_id = e.deployment_id AND t.device_id = e.device_id";

/// Rows of a deployment that go from one state to another.
struct Moved {
    deployment: i64,
    from: UpdateState,
    to: UpdateState,
    rows: i64,
    before: [i64; 2],
    after: [i64; 2],
}

fn moved(row: &mut Columns<'_>) -> Decoded<Moved> {
    Ok(Moved {
        deployment: row.int()?,
        from: row.word()?,
        to: row.word()?,
        rows: row.int()?,
        before: [row.int()?, row.int()?],
        after: [row.int()?, row.int()?],
    })
}

/// A row of the deployments' tallies.
pub(super) struct UpdateTally {
    pub(super) state: UpdateState,
    pub(super) updates: i64,
    pub(super) downloaded: i64,
    pub(super) total: i64,
}

fn update_tally(row: &mut Columns<'_>) -> Decoded<UpdateTally> {
    Ok(UpdateTally { state: row.word()?, updates: row.int()?, downloaded: row.int()?, total: row.int()? })
}

impl Session {
    /// A deployment's tallies.
    pub(super) async fn update_tallies(
        &mut self,
        operation: &'static str,
        id: DeploymentId,
    ) -> PortResult<Vec<UpdateTally>> {
        self.write_tallies().await?;
        let query = "SELECT state, updates, downloaded_bytes, total_bytes FROM deployment_tallies \
                     WHERE deployment_id = ? AND updates <> 0";
        self.all(operation, Query::new(query).bind(id.get()), update_tally).await
    }

    /// Notes that device updates which were not there before are inserted.
    pub(super) fn tally_inserted<'a>(&mut self, updates: impl Iterator<Item = &'a DeviceUpdate>) {
        for update in updates {
            let by = [1, update.downloaded_bytes, update.total_bytes];
            self.pending.update(update.deployment.get(), update.state, by);
        }
    }

    /// Notes what saving these device updates changes: those whose stored revision is the one that was read. Returns how many.
    pub(super) async fn tally_saved(
        &mut self,
        operation: &'static str,
        updates: &[(DeviceUpdate, i64)],
    ) -> PortResult<u64> {
        let mut batch = Batch::new(self.dialect, SAVED);
        for (update, read) in updates {
            batch.row(&[
                update.deployment.get().into(),
                update.device.get().into(),
                update.state.as_str().into(),
                update.downloaded_bytes.into(),
                update.total_bytes.into(),
                (*read).into(),
            ]);
        }
        let after = ["e.downloaded_bytes", "e.total_bytes"];
        self.tally_moved(operation, batch, "t.revision = e.was", "e.state", after, None).await
    }

    /// Notes that the updates with these keys which are not final end in `state`. Returns how many.
    pub(super) async fn tally_ended(
        &mut self,
        operation: &'static str,
        keys: Batch,
        state: UpdateState,
    ) -> PortResult<u64> {
        debug_assert!(keys.columns().len() == PAIR.len());
        let after = ["t.downloaded_bytes", "t.total_bytes"];
        self.tally_moved(operation, keys, "t.finished_at IS NULL", "t.state", after, Some(state)).await
    }

    async fn tally_moved(
        &mut self,
        operation: &'static str,
        mut batch: Batch,
        only: &str,
        to: &str,
        [downloaded, total]: [&str; 2],
        all_to: Option<UpdateState>,
    ) -> PortResult<u64> {
        let d = self.dialect;
        let inner = format!(
            "SELECT t.deployment_id, t.state AS was_state, {to} AS to_state, t.downloaded_bytes AS a, t.total_bytes AS b, \
             {downloaded} AS c, {total} AS d FROM {} {} device_updates t ON {ON} WHERE {only}{}",
            d.rows(batch.columns()),
            d.lead_join(),
            d.for_update_of("t"),
        );
        let query = format!(
            "SELECT deployment_id, was_state, to_state, COUNT(*), {}, {}, {}, {} FROM ({inner}) AS m \
             GROUP BY deployment_id, was_state, to_state",
            d.sum("a"),
            d.sum("b"),
            d.sum("c"),
            d.sum("d"),
        );
        let mut rows = 0;
        for chunk in batch.arguments() {
            for m in self.all(operation, Query::new(query.clone()).bind(chunk), moved).await? {
                let to = all_to.unwrap_or(m.to);
                self.pending.update(m.deployment, m.from, [-m.rows, -m.before[0], -m.before[1]]);
                self.pending.update(m.deployment, to, [m.rows, m.after[0], m.after[1]]);
                rows += u64::try_from(m.rows).unwrap_or(0);
            }
        }
        Ok(rows)
    }

    /// A write that must have concerned as many rows as were counted for the tallies.
    pub(super) fn as_tallied(operation: &'static str, tallied: u64, written: u64) -> PortResult<u64> {
        if tallied == written {
            return Ok(written);
        }
        let why = format!("{written} rows were written, {tallied} were counted just before");
        Err(PortError::new(operation, PortErrorKind::Internal).with_source(why))
    }

    /// Writes what is pending to the tallies: at the end of a unit of work, or before it reads them.
    pub(super) async fn write_tallies(&mut self) -> PortResult<()> {
        const OPERATION: &str = "tallies";
        let updates = std::mem::take(&mut self.pending.updates);
        let mut batch = Batch::numbered(self.dialect, &[UPDATES.0, UPDATES.1].concat());
        for ((deployment, state), [n, downloaded, total]) in updates {
            if (n, downloaded, total) != (0, 0, 0) {
                let cells =
                    [deployment.into(), state.as_str().into(), n.into(), downloaded.into(), total.into()];
                batch.row(&cells);
            }
        }
        let add = self.dialect.add_rows("deployment_tallies", UPDATES.0, UPDATES.1);
        for rows in batch.arguments() {
            self.run(OPERATION, Query::new(add.clone()).bind(rows)).await?;
        }
        self.write_fleet(OPERATION).await
    }
}
