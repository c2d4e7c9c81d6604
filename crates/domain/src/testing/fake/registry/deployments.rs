//! Deployments and device updates.

use std::collections::BTreeSet;

use argosy_proto::{DeploymentId, DeviceId};
use async_trait::async_trait;

use super::table::{Order, begins, contains, page};
use super::{Session, State};
use crate::Timestamp;
use crate::model::{
    Deployment, DeploymentState, DeviceState, DeviceUpdate, NewDeployment, UpdateBytes, UpdateCounts,
    UpdateEvent, UpdateState,
};
use crate::page::{Page, PageRequest};
use crate::ports::{
    CancelChunk, DeploymentFilter, DeploymentsRead, DeploymentsWrite, PortError, PortResult, Target,
    UpdateFilter,
};

impl State {
    fn updates_of(&self, id: DeploymentId) -> impl DoubleEndedIterator<Item = &DeviceUpdate> {
        self.updates.range((id, DeviceId(i64::MIN))..=(id, DeviceId(i64::MAX))).map(|(_, update)| update)
    }

    fn some_updates(
        &self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
        wanted: impl Fn(UpdateState) -> bool,
    ) -> Vec<DeviceUpdate> {
        let rows = self.updates_of(id).filter(|u| u.device > after && wanted(u.state));
        rows.take(limit as usize).cloned().collect()
    }

    /// Applies an event to up to `limit` updates that `wanted` selects; returns them as they were before.
    fn end_updates(
        &mut self,
        wanted: impl Fn(&DeviceUpdate) -> bool,
        limit: usize,
        event: &UpdateEvent,
        now: Timestamp,
    ) -> Vec<DeviceUpdate> {
        let chosen = self.updates.values().filter(|u| !u.state.is_final() && wanted(u)).take(limit);
        let before: Vec<_> = chosen.cloned().collect();
        for update in &before {
            if let Some(row) = self.updates.get_mut(&(update.deployment, update.device)) {
                row.apply(event, now);
            }
        }
        before
    }
}

#[async_trait]
impl DeploymentsRead for Session {
    async fn deployment(&mut self, id: DeploymentId) -> PortResult<Option<Deployment>> {
        Ok(self.state.deployments.get(&id).cloned())
    }

    async fn deployments(
        &mut self,
        filter: &DeploymentFilter,
        request: &PageRequest,
    ) -> PortResult<Page<Deployment>> {
        let rows = self.state.deployments.values().filter(|d| {
            (filter.states.is_empty() || filter.states.contains(&d.state))
                && filter.search.as_ref().is_none_or(|search| contains(&d.spec.name, search))
        });
        page("deployments", rows.map(|d| (d.id.get(), d.clone())), Order::NewestFirst, request)
    }

    async fn active_deployments(&mut self) -> PortResult<Vec<Deployment>> {
        Ok(self.state.deployments.values().filter(|d| !d.state.is_final()).cloned().collect())
    }

    async fn plan_targets(
        &mut self,
        deployment: &Deployment,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<Target>> {
        let chosen = self.state.devices.values().filter(|d| {
            d.id > after
                && d.spec.product == deployment.product
                && d.spec.state == DeviceState::Active
                && self.state.selects(&deployment.spec.target, d)
        });
        Ok(chosen
            .take(limit as usize)
            .map(|d| Target { device: d.id, key: d.spec.key.clone(), image_hash: d.image_hash })
            .collect())
    }

    async fn planned_by_newer(
        &mut self,
        deployment: &Deployment,
        devices: &[DeviceId],
    ) -> PortResult<Vec<DeviceId>> {
        let kind = deployment.spec.payload.kind();
        let newer = |u: &&DeviceUpdate| {
            u.deployment > deployment.id && u.kind() == kind && u.state != UpdateState::Canceled
        };
        let planned: BTreeSet<_> = self.state.updates.values().filter(newer).map(|u| u.device).collect();
        Ok(devices.iter().copied().filter(|device| planned.contains(device)).collect())
    }

    async fn update_counts(&mut self, id: DeploymentId) -> PortResult<UpdateCounts> {
        let mut counts = UpdateCounts::default();
        for update in self.state.updates_of(id) {
            *counts.0.entry(update.state).or_insert(0) += 1;
        }
        Ok(counts)
    }

    async fn update_bytes(&mut self, id: DeploymentId) -> PortResult<UpdateBytes> {
        let mut bytes = UpdateBytes::default();
        for update in self.state.updates_of(id) {
            bytes.downloaded += update.downloaded_bytes;
            bytes.total += update.total_bytes;
        }
        Ok(bytes)
    }

    async fn device_update(
        &mut self,
        deployment: DeploymentId,
        device: DeviceId,
    ) -> PortResult<Option<DeviceUpdate>> {
        Ok(self.state.updates.get(&(deployment, device)).cloned())
    }

    async fn device_updates_by_id(
        &mut self,
        ids: &[(DeploymentId, DeviceId)],
    ) -> PortResult<Vec<DeviceUpdate>> {
        Ok(ids.iter().filter_map(|id| self.state.updates.get(id)).cloned().collect())
    }

    async fn device_updates(
        &mut self,
        id: DeploymentId,
        filter: &UpdateFilter,
        request: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>> {
        let rows = self.state.updates_of(id).filter(|u| {
            (filter.states.is_empty() || filter.states.contains(&u.state))
                && filter.search.as_ref().is_none_or(|search| begins(u.key.as_str(), search))
        });
        page("device_updates", rows.map(|u| (u.device.get(), u.clone())), Order::OldestFirst, request)
    }

    async fn pending_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>> {
        Ok(self.state.some_updates(id, after, limit, |state| state == UpdateState::Pending))
    }

    async fn in_flight_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>> {
        Ok(self.state.some_updates(id, after, limit, UpdateState::in_flight))
    }

    async fn open_updates_of(&mut self, devices: &[DeviceId]) -> PortResult<Vec<DeviceUpdate>> {
        let devices: BTreeSet<_> = devices.iter().collect();
        let open = |id: DeploymentId| self.state.deployments.get(&id).is_some_and(|d| !d.state.is_final());
        let rows = self.state.updates.values();
        let mut found: Vec<_> = rows
            .filter(|u| devices.contains(&u.device) && !u.state.is_final() && open(u.deployment))
            .cloned()
            .collect();
        found.sort_by_key(|u| (u.device, u.deployment));
        Ok(found)
    }

    async fn updates_of_device(
        &mut self,
        device: DeviceId,
        request: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>> {
        let rows = self.state.updates.values().filter(|u| u.device == device);
        page("updates_of_device", rows.map(|u| (u.deployment.get(), u.clone())), Order::NewestFirst, request)
    }
}

#[async_trait]
impl DeploymentsWrite for Session {
    async fn insert_deployment(&mut self, new: &NewDeployment, now: Timestamp) -> PortResult<DeploymentId> {
        let (product, files, version) = self.state.deployed(&new.payload)?;
        let id = DeploymentId(self.state.new_id());
        let deployment = Deployment {
            id,
            spec: new.clone(),
            product,
            size: files.iter().map(|file| file.size).sum(),
            files,
            version,
            state: DeploymentState::Planning,
            planned: false,
            plan_cursor: 0,
            generation: 0,
            created_at: now,
            started_at: None,
            finished_at: None,
        };
        self.state.deployments.insert(id, deployment);
        Ok(id)
    }

    async fn save_deployment(&mut self, deployment: &Deployment) -> PortResult<bool> {
        let Some(stored) = self.state.deployments.get_mut(&deployment.id) else { return Ok(false) };
        if stored.generation != deployment.generation {
            return Ok(false);
        }
        stored.state = deployment.state;
        stored.planned = deployment.planned;
        stored.plan_cursor = deployment.plan_cursor;
        stored.started_at = deployment.started_at;
        stored.finished_at = deployment.finished_at;
        stored.generation += 1;
        Ok(true)
    }

    async fn insert_device_updates(&mut self, updates: &[DeviceUpdate]) -> PortResult<()> {
        for update in updates {
            if !self.state.deployments.contains_key(&update.deployment) {
                return Err(PortError::reference("insert_device_updates", "update.deployment"));
            }
            if !self.state.devices.contains_key(&update.device) {
                return Err(PortError::reference("insert_device_updates", "update.device"));
            }
            let key = (update.deployment, update.device);
            self.state.updates.entry(key).or_insert_with(|| update.clone());
        }
        Ok(())
    }

    async fn save_device_updates(&mut self, updates: &[(DeviceUpdate, i64)]) -> PortResult<u64> {
        let mut matched = 0;
        for (update, read) in updates {
            let row = self.state.updates.get_mut(&(update.deployment, update.device));
            if let Some(row) = row.filter(|row| row.revision == *read) {
                row.clone_from(update);
                matched += 1;
            }
        }
        Ok(matched)
    }

    async fn cancel_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<CancelChunk> {
        let event = UpdateEvent::Cancel { message: message.to_owned() };
        let before = self.state.end_updates(|u| u.deployment == id, limit as usize, &event, now);
        Ok(CancelChunk {
            canceled: before.len() as u64,
            in_flight: before.into_iter().filter(|u| u.state.in_flight()).collect(),
        })
    }

    async fn expire_updates(
        &mut self,
        id: DeploymentId,
        message: &str,
        now: Timestamp,
        limit: u32,
    ) -> PortResult<u64> {
        let event = UpdateEvent::TimedOut { message: Some(message.to_owned()) };
        Ok(self.state.end_updates(|u| u.deployment == id, limit as usize, &event, now).len() as u64)
    }

    async fn supersede_pending(
        &mut self,
        newer: DeploymentId,
        after: DeviceId,
        upto: DeviceId,
        message: &str,
        now: Timestamp,
    ) -> PortResult<u64> {
        let planned: BTreeSet<_> =
            self.state.updates_of(newer).map(|u| u.device).filter(|d| *d > after && *d <= upto).collect();
        let event = UpdateEvent::Cancel { message: message.to_owned() };
        let kind_of =
            |state: &State, id: DeploymentId| state.deployments.get(&id).map(|d| d.spec.payload.kind());
        let kind = kind_of(&self.state, newer);
        let same: BTreeSet<_> =
            self.state.deployments.keys().copied().filter(|id| kind_of(&self.state, *id) == kind).collect();
        let older = |u: &DeviceUpdate| {
            u.deployment < newer
                && same.contains(&u.deployment)
                && u.state == UpdateState::Pending
                && planned.contains(&u.device)
        };
        Ok(self.state.end_updates(older, usize::MAX, &event, now).len() as u64)
    }
}
