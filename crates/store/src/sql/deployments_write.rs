//! Deployments and device updates: writing. What must not happen twice is a conditional write: the stored generation, revision
//! or state must still be the one that was read.

use std::collections::{BTreeMap, HashSet};

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Deployment, DeploymentPayload, DeploymentState, DeviceUpdate, MAX_UPDATE_MESSAGE, NewDeployment,
    UpdateState,
};
use argosy_domain::ports::{CancelChunk, DeploymentsWrite, PortError, PortResult};
use argosy_proto::{DeploymentId, DeviceId};
use async_trait::async_trait;

use super::batch::{Batch, Cell, cut};
use super::dialect::{Existing, int};
use super::query::{Query, json};
use super::session::Session;
use super::update_rows::{COLUMNS, PAIR, Pair, ROW, cells, in_flight_states, open_states, pairs, update};

/// What a device update may change: all but its key.
const MUTABLE: &[&str] = &[
    "state",
    "attempt",
    "progress",
    "downloaded_bytes",
    "total_bytes",
    "files_done",
    "message",
    "dispatched_at",
    "download_started_at",
    "last_event_at",
    "finished_at",
    "revision",
];

impl Session {
    /// Whether every id is a row of `table`.
    async fn all_exist(&mut self, operation: &'static str, table: &str, ids: &[i64]) -> PortResult<bool> {
        let query = format!("SELECT COUNT(*) FROM {table} WHERE id IN {}", self.dialect.ids());
        let found = self.count(operation, Query::new(query).bind(json(operation, ids)?)).await?;
        Ok(found == ids.len() as u64)
    }

    /// Which of these updates exist: none, as a rule, and then one look at the range says so.
    async fn already_planned(
        &mut self,
        operation: &'static str,
        updates: &[DeviceUpdate],
    ) -> PortResult<HashSet<Pair>> {
        let mut ranges: BTreeMap<DeploymentId, (DeviceId, DeviceId)> = BTreeMap::new();
        for update in updates {
            let (first, last) = ranges.entry(update.deployment).or_insert((update.device, update.device));
            (*first, *last) = ((*first).min(update.device), (*last).max(update.device));
        }
        let mut known = HashSet::new();
        for (deployment, (first, last)) in ranges {
            let query = "SELECT device_id FROM device_updates WHERE deployment_id = ? AND device_id BETWEEN ? AND ? LIMIT 1";
            let query = Query::new(query).bind(deployment.get()).bind(first.get()).bind(last.get());
            if self.one(operation, query, |row| row.int()).await?.is_none() {
                continue;
            }
            let own = updates.iter().filter(|u| u.deployment == deployment).map(|u| (deployment, u.device));
            let query = format!(
                "SELECT t.deployment_id, t.device_id FROM {} {} device_updates t \
                 ON t.deployment_id = e.deployment_id AND t.device_id = e.device_id",
                self.dialect.rows(PAIR),
                self.dialect.lead_join(),
            );
            for chunk in pairs(self.dialect, own).arguments() {
                let query = Query::new(query.clone()).bind(chunk);
                let found = self
                    .all(operation, query, |row| Ok((DeploymentId(row.int()?), DeviceId(row.int()?))))
                    .await?;
                known.extend(found);
            }
        }
        Ok(known)
    }

    /// Up to `limit` updates in one of the states, off the index: key and state.
    async fn keys_in(
        &mut self,
        operation: &'static str,
        id: DeploymentId,
        states: impl Iterator<Item = UpdateState>,
        limit: u32,
    ) -> PortResult<Vec<(UpdateState, Pair)>> {
        let mut keys = Vec::new();
        let hint = self.dialect.use_index("device_updates_by_state");
        for state in states {
            let left = i64::from(limit) - i64::try_from(keys.len()).unwrap_or(i64::MAX);
            if left <= 0 {
                break;
            }
            let query = format!(
                "SELECT state, deployment_id, device_id FROM device_updates{hint} \
                 WHERE deployment_id = ? AND state = ? ORDER BY device_id LIMIT ?{}",
                self.dialect.for_update(),
            );
            let query = Query::new(query).bind(id.get()).bind(state.as_str()).bind(left);
            let found = self
                .all(operation, query, |row| {
                    Ok((row.word()?, (DeploymentId(row.int()?), DeviceId(row.int()?))))
                })
                .await?;
            keys.extend(found);
        }
        Ok(keys)
    }

    /// Ends the updates with these keys that are not final; how many.
    async fn end_updates(
        &mut self,
        operation: &'static str,
        keys: impl Iterator<Item = Pair>,
        state: UpdateState,
        message: &str,
        now: Timestamp,
    ) -> PortResult<u64> {
        let message = cut(message, MAX_UPDATE_MESSAGE);
        let set = [
            ("state", Query::new("?").bind(state.as_str())),
            ("message", Query::new("?").bind(message)),
            ("last_event_at", Query::new("?").bind(now)),
            ("finished_at", Query::new("?").bind(now)),
            ("revision", Query::new("t.revision + 1")),
        ];
        let on = "t.deployment_id = e.deployment_id AND t.device_id = e.device_id";
        let mut keys = pairs(self.dialect, keys);
        let tallied = self.tally_ended(operation, keys.clone(), state).await?;
        let mut ended = 0;
        for chunk in keys.arguments() {
            let only = Query::new("t.finished_at IS NULL");
            let query = self.dialect.update_rows("device_updates", PAIR, chunk, on, &set, only);
            ended += self.run(operation, query).await?;
        }
        Self::as_tallied(operation, tallied, ended)
    }
}

#[async_trait]
impl DeploymentsWrite for Session {
    async fn insert_deployment(&mut self, new: &NewDeployment, now: Timestamp) -> PortResult<DeploymentId> {
        const OPERATION: &str = "insert_deployment";
        let (product, files, version) = self.deployed(OPERATION, &new.payload).await?;
        let size: i64 = files.iter().map(|file| file.size).sum();
        let contents = match &new.payload {
            DeploymentPayload::Firmware(_) => None,
            DeploymentPayload::Contents(ids) => Some(json(OPERATION, ids)?),
        };
        let query = Query::new(
            "INSERT INTO deployments (name, name_lower, firmware_id, content_ids, product_id, files, target, policy, created_by, size, \
             version, state, planned, plan_cursor, generation, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)",
        )
        .bind(new.name.as_str())
        .bind(new.name.to_ascii_lowercase())
        .bind(new.payload.firmware().map(|id| id.get()))
        .bind(contents)
        .bind(product.get())
        .bind(json(OPERATION, &files)?)
        .bind(json(OPERATION, &new.target)?)
        .bind(json(OPERATION, &new.policy)?)
        .bind(new.created_by.get())
        .bind(size)
        .bind(version)
        .bind(DeploymentState::Planning.as_str())
        .bind(now);
        let id = self.insert_id(OPERATION, query).await?;
        self.insert_deployment_contents(OPERATION, id, new.payload.contents()).await?;
        Ok(DeploymentId(id))
    }

    async fn save_deployment(&mut self, deployment: &Deployment) -> PortResult<bool> {
        let query = Query::new(
            "UPDATE deployments SET state = ?, planned = ?, plan_cursor = ?, started_at = ?, finished_at = ?, \
             generation = generation + 1 WHERE id = ? AND generation = ?",
        )
        .bind(deployment.state.as_str())
        .bind(deployment.planned)
        .bind(deployment.plan_cursor)
        .bind(deployment.started_at)
        .bind(deployment.finished_at)
        .bind(deployment.id.get())
        .bind(deployment.generation);
        Ok(self.run("save_deployment", query).await? > 0)
    }

    async fn insert_device_updates(&mut self, updates: &[DeviceUpdate]) -> PortResult<()> {
        const OPERATION: &str = "insert_device_updates";
        if updates.is_empty() {
            return Ok(());
        }
        let distinct = |ids: &mut dyn Iterator<Item = i64>| {
            ids.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>()
        };
        let deployments = distinct(&mut updates.iter().map(|u| u.deployment.get()));
        // Held until the end, so that nobody else inserts the same updates meanwhile: who is new is counted.
        let held = format!(
            "SELECT id FROM deployments WHERE id IN {} ORDER BY id{}",
            self.dialect.ids(),
            self.dialect.for_update()
        );
        let held = Query::new(held).bind(json(OPERATION, &deployments)?);
        if self.all(OPERATION, held, |row| row.int()).await? != deployments {
            return Err(PortError::reference(OPERATION, "update.deployment"));
        }
        let known = self.already_planned(OPERATION, updates).await?;
        let devices = distinct(&mut updates.iter().map(|u| u.device.get()));
        if !self.all_exist(OPERATION, "devices", &devices).await? {
            return Err(PortError::reference(OPERATION, "update.device"));
        }
        let mut batch = Batch::numbered(self.dialect, ROW);
        updates.iter().for_each(|update| batch.row(&cells(update)));
        let keep = Existing::Keep("deployment_id, device_id");
        let statement = self.dialect.insert_rows("device_updates", batch.columns(), keep);
        for chunk in batch.arguments() {
            self.run(OPERATION, Query::new(statement.clone()).bind(chunk)).await?;
        }
        let mut known = known;
        self.tally_inserted(updates.iter().filter(|u| known.insert((u.deployment, u.device))));
        Ok(())
    }

    async fn save_device_updates(&mut self, updates: &[(DeviceUpdate, i64)]) -> PortResult<u64> {
        const OPERATION: &str = "save_device_updates";
        let mut columns = ROW.to_vec();
        columns.push(int("was"));
        let mut batch = Batch::new(self.dialect, &columns);
        for (update, read) in updates {
            let cells: Vec<_> = cells(update).into_iter().chain([Cell::Int(*read)]).collect();
            batch.row(&cells);
        }
        let values: Vec<_> = MUTABLE.iter().map(|column| format!("e.{column}")).collect();
        let set: Vec<_> =
            MUTABLE.iter().zip(values).map(|(column, value)| (*column, Query::new(value))).collect();
        let on = "t.deployment_id = e.deployment_id AND t.device_id = e.device_id";
        let tallied = self.tally_saved(OPERATION, updates).await?;
        let mut matched = 0;
        for chunk in batch.arguments() {
            let only = Query::new("t.revision = e.was");
            let query = self.dialect.update_rows("device_updates", &columns, chunk, on, &set, only);
            matched += self.run(OPERATION, query).await?;
        }
        Self::as_tallied(OPERATION, tallied, matched)
    }

    async fn cancel_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<CancelChunk> {
        const OPERATION: &str = "cancel_updates";
        let keys = self.keys_in(OPERATION, id, open_states(), limit).await?;
        let held = |state: &UpdateState| in_flight_states().any(|s| s == *state);
        let held = keys.iter().filter(|(state, _)| held(state)).map(|(_, pair)| *pair);
        let query = format!(
            "SELECT {COLUMNS} FROM {} {} device_updates u \
             ON u.deployment_id = e.deployment_id AND u.device_id = e.device_id",
            self.dialect.rows(PAIR),
            self.dialect.lead_join(),
        );
        let mut in_flight = Vec::new();
        for chunk in pairs(self.dialect, held).arguments() {
            in_flight.extend(self.all(OPERATION, Query::new(query.clone()).bind(chunk), update).await?);
        }
        let keys = keys.into_iter().map(|(_, pair)| pair);
        let canceled = self.end_updates(OPERATION, keys, UpdateState::Canceled, message, now).await?;
        Ok(CancelChunk { canceled, in_flight })
    }

    async fn expire_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<u64> {
        const OPERATION: &str = "expire_updates";
        let keys = self.keys_in(OPERATION, id, open_states(), limit).await?;
        let keys = keys.into_iter().map(|(_, pair)| pair);
        self.end_updates(OPERATION, keys, UpdateState::TimedOut, message, now).await
    }

    async fn supersede_pending(
        &mut self,
        newer: DeploymentId,
        after: DeviceId,
        upto: DeviceId,
        message: &str,
        now: Timestamp,
    ) -> PortResult<u64> {
        const OPERATION: &str = "supersede_pending";
        let query = format!(
            "SELECT u.deployment_id, u.device_id FROM device_updates n {lead} device_updates u ON u.device_id = n.device_id \
             AND u.finished_at IS NULL AND u.deployment_id < n.deployment_id AND {pending} AND (u.files = 0) = (n.files = 0) \
             WHERE n.deployment_id = ? AND n.device_id > ? AND n.device_id <= ?{keep}",
            lead = self.dialect.lead_join(),
            // The index by device leads; the state only checks.
            pending = format_args!("{} = 'pending'", self.dialect.unindexed("u.state")),
            keep = self.dialect.for_update(),
        );
        let query = Query::new(query).bind(newer.get()).bind(after.get()).bind(upto.get());
        let keys =
            self.all(OPERATION, query, |row| Ok((DeploymentId(row.int()?), DeviceId(row.int()?)))).await?;
        self.end_updates(OPERATION, keys.into_iter(), UpdateState::Canceled, message, now).await
    }
}
