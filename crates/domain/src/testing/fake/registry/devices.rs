//! Devices, certificates, firmware history.

use std::collections::BTreeMap;

use argosy_proto::{DeviceId, DeviceKey, GroupId, HistoryId, RegionId};
use async_trait::async_trait;

use super::table::{Order, begins, contains, page};
use super::{Session, State};
use crate::Timestamp;
use crate::model::{
    Admission, Certificate, Device, DeviceFilter, DevicePatch, DeviceTouch, FirmwareChange, NewDevice,
};
use crate::page::{Page, PageRequest};
use crate::ports::{
    CountScope, DeviceBrief, DeviceCounts, DeviceTally, DevicesRead, DevicesWrite, PortError, PortResult,
};

impl State {
    pub(super) fn whole(&self, device: &Device) -> Device {
        let firmware =
            device.image_hash.and_then(|hash| self.firmware_with(device.spec.product, &hash)).map(|f| f.id);
        Device { firmware, contents_mismatch: self.mismatch(device.id), ..device.clone() }
    }

    fn check_places(&self, operation: &'static str, device: &NewDevice) -> PortResult<()> {
        if !self.products.contains_key(&device.product) {
            return Err(PortError::reference(operation, "device.product"));
        }
        if device.group.is_some_and(|group| !self.groups.contains_key(&group)) {
            return Err(PortError::reference(operation, "device.group"));
        }
        if device.region.is_some_and(|region| !self.regions.contains_key(&region)) {
            return Err(PortError::reference(operation, "device.region"));
        }
        Ok(())
    }
}

impl State {
    /// Whether the filter selects the device.
    pub(super) fn selects(&self, filter: &DeviceFilter, device: &Device) -> bool {
        selects(filter, device)
            && filter.contents_mismatch.is_none_or(|wanted| self.mismatch(device.id) == wanted)
    }
}

fn selects(filter: &DeviceFilter, device: &Device) -> bool {
    filter.product.is_none_or(|product| device.spec.product == product)
        && (filter.groups.is_empty() || device.spec.group.is_some_and(|g| filter.groups.contains(&g)))
        && (filter.regions.is_empty() || device.spec.region.is_some_and(|r| filter.regions.contains(&r)))
        && (filter.devices.is_empty() || filter.devices.contains(&device.id))
        && filter.state.is_none_or(|state| device.spec.state == state)
        && filter.online.is_none_or(|online| device.online == online)
        && filter.firmware_version.as_ref().is_none_or(|v| device.firmware_version.as_ref() == Some(v))
        && filter.search.as_ref().is_none_or(|search| {
            begins(device.spec.key.as_str(), search) || contains(&device.spec.name, search)
        })
}

fn tally<K: Ord>(devices: impl Iterator<Item = (K, bool)>) -> BTreeMap<K, DeviceTally> {
    let mut counts: BTreeMap<K, DeviceTally> = BTreeMap::new();
    for (key, online) in devices {
        let count = counts.entry(key).or_default();
        count.devices += 1;
        count.online += u64::from(online);
    }
    counts
}

#[async_trait]
impl DevicesRead for Session {
    async fn device(&mut self, id: DeviceId) -> PortResult<Option<Device>> {
        Ok(self.state.devices.get(&id).map(|d| self.state.whole(d)))
    }

    async fn device_by_key(&mut self, key: &DeviceKey) -> PortResult<Option<Device>> {
        let id = self.state.device_keys.get(key);
        Ok(id.and_then(|id| self.state.devices.get(id)).map(|d| self.state.whole(d)))
    }

    async fn device_briefs(&mut self, keys: &[DeviceKey]) -> PortResult<Vec<DeviceBrief>> {
        let ids = keys.iter().filter_map(|key| self.state.device_keys.get(key));
        let devices = ids.filter_map(|id| self.state.devices.get(id)).cloned();
        Ok(devices
            .map(|d| DeviceBrief {
                id: d.id,
                key: d.spec.key,
                product: d.spec.product,
                state: d.spec.state,
                capabilities: d.capabilities,
                firmware_version: d.firmware_version,
                image_hash: d.image_hash,
            })
            .collect())
    }

    async fn devices(&mut self, filter: &DeviceFilter, request: &PageRequest) -> PortResult<Page<Device>> {
        let rows =
            self.state.devices.values().filter(|d| self.state.selects(filter, d)).map(|d| (d.id.get(), d));
        Ok(page("devices", rows, Order::OldestFirst, request)?.map(|d| self.state.whole(d)))
    }

    async fn count_devices(&mut self, filter: &DeviceFilter) -> PortResult<u64> {
        Ok(self.state.devices.values().filter(|d| self.state.selects(filter, d)).count() as u64)
    }

    async fn device_counts(&mut self, scope: &CountScope) -> PortResult<DeviceCounts> {
        let filter = DeviceFilter {
            product: scope.product,
            groups: scope.group.into_iter().collect(),
            regions: scope.region.into_iter().collect(),
            ..DeviceFilter::default()
        };
        let devices: Vec<_> =
            self.state.devices.values().filter(|d| self.state.selects(&filter, d)).collect();
        let mut by_version: Vec<_> =
            tally(devices.iter().map(|d| (d.firmware_version.clone(), d.online))).into_iter().collect();
        by_version.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.devices));
        by_version.truncate(100);
        Ok(DeviceCounts {
            total: devices.len() as u64,
            online: devices.iter().filter(|d| d.online).count() as u64,
            by_state: tally(devices.iter().map(|d| (d.spec.state, d.online))).into_iter().collect(),
            by_version,
            by_product: tally(devices.iter().map(|d| (d.spec.product, d.online))).into_iter().collect(),
            by_group: tally(devices.iter().map(|d| (d.spec.group, d.online))).into_iter().collect(),
            by_region: tally(devices.iter().map(|d| (d.spec.region, d.online))).into_iter().collect(),
        })
    }

    async fn group_tallies(&mut self, groups: &[GroupId]) -> PortResult<Vec<(GroupId, DeviceTally)>> {
        let found = self.state.devices.values().filter_map(|d| Some((d.spec.group?, d.online)));
        Ok(tally(found.filter(|(id, _)| groups.contains(id))).into_iter().collect())
    }

    async fn region_tallies(&mut self, regions: &[RegionId]) -> PortResult<Vec<(RegionId, DeviceTally)>> {
        let found = self.state.devices.values().filter_map(|d| Some((d.spec.region?, d.online)));
        Ok(tally(found.filter(|(id, _)| regions.contains(id))).into_iter().collect())
    }

    async fn admission(&mut self, issuer: &str, serial: &str) -> PortResult<Option<Admission>> {
        let found = self.state.certificates.get(&(issuer.to_owned(), serial.to_owned()));
        Ok(found.and_then(|(_, certificate)| {
            let device = self.state.devices.get(&certificate.device)?;
            Some(Admission {
                device: device.id,
                key: device.spec.key.clone(),
                device_state: device.spec.state,
                certificate_state: certificate.state,
                retires_at: certificate.retires_at,
                expired_until: certificate.expired_until,
            })
        }))
    }

    async fn certificates(&mut self, device: DeviceId) -> PortResult<Vec<Certificate>> {
        let mut own: Vec<_> =
            self.state.certificates.values().filter(|(_, c)| c.device == device).cloned().collect();
        own.sort_by_key(|(order, c)| std::cmp::Reverse((c.created_at, *order)));
        Ok(own.into_iter().map(|(_, c)| c).collect())
    }

    async fn has_certificate(&mut self, device: DeviceId) -> PortResult<bool> {
        let imported = self.state.imported.values().any(|i| i.device == device);
        Ok(imported || self.state.certificates.values().any(|(_, c)| c.device == device))
    }

    async fn firmware_history(
        &mut self,
        device: DeviceId,
        request: &PageRequest,
    ) -> PortResult<Page<FirmwareChange>> {
        let rows = self.state.history.values().filter(|c| c.device == device);
        page("firmware_history", rows.map(|c| (c.id.get(), c.clone())), Order::NewestFirst, request)
    }
}

#[async_trait]
impl DevicesWrite for Session {
    async fn insert_devices(&mut self, new: &[NewDevice], now: Timestamp) -> PortResult<Vec<DeviceId>> {
        let mut state = self.state.clone();
        let mut ids = Vec::with_capacity(new.len());
        for spec in new {
            state.check_places("insert_devices", spec)?;
            let id = DeviceId(state.new_id());
            if state.device_keys.insert(spec.key.clone(), id).is_some() {
                return Err(PortError::conflict("insert_devices", "device.key"));
            }
            let device = Device {
                id,
                spec: spec.clone(),
                firmware_version: None,
                image_hash: None,
                firmware: None,
                capabilities: Vec::new(),
                contents_mismatch: false,
                online: false,
                online_changed_at: None,
                last_seen_at: None,
                created_at: now,
                updated_at: now,
            };
            state.devices.insert(id, device);
            ids.push(id);
        }
        self.state = state;
        Ok(ids)
    }

    async fn patch_device(&mut self, id: DeviceId, patch: &DevicePatch, now: Timestamp) -> PortResult<bool> {
        let Some(mut device) = self.state.devices.get(&id).cloned() else { return Ok(false) };
        let DevicePatch { name, group, region, attributes, state } = patch.clone();
        let spec = &mut device.spec;
        spec.name = name.unwrap_or_else(|| spec.name.clone());
        spec.group = group.unwrap_or(spec.group);
        spec.region = region.unwrap_or(spec.region);
        spec.attributes = attributes.unwrap_or_else(|| spec.attributes.clone());
        spec.state = state.unwrap_or(spec.state);
        self.state.check_places("patch_device", spec)?;
        device.updated_at = now;
        self.state.devices.insert(id, device);
        Ok(true)
    }

    async fn touch_devices(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        for touch in touches {
            let Some(device) = self.state.devices.get_mut(&touch.device) else { continue };
            device.last_seen_at = device.last_seen_at.max(Some(touch.seen_at));
            if let Some(online) = touch.online
                && (online != device.online || device.online_changed_at.is_none())
            {
                device.online = online;
                device.online_changed_at = Some(touch.online_at.unwrap_or(touch.seen_at));
            }
            if let Some(version) = &touch.firmware_version {
                device.firmware_version = Some(version.clone());
            }
            if let Some(hash) = touch.image_hash {
                device.image_hash = hash;
            }
            if let Some(capabilities) = &touch.capabilities {
                device.capabilities.clone_from(capabilities);
            }
        }
        Ok(())
    }

    async fn all_offline(&mut self, now: Timestamp) -> PortResult<u64> {
        let mut changed = 0;
        for device in self.state.devices.values_mut().filter(|d| d.online) {
            device.online = false;
            device.online_changed_at = Some(now);
            changed += 1;
        }
        Ok(changed)
    }

    async fn insert_certificates(&mut self, certificates: &[Certificate]) -> PortResult<()> {
        for certificate in certificates {
            if !self.state.devices.contains_key(&certificate.device) {
                return Err(PortError::reference("insert_certificates", "certificate.device"));
            }
            let key = (certificate.issuer.clone(), certificate.serial.clone());
            let order = self.state.new_id();
            if self.state.certificates.insert(key, (order, certificate.clone())).is_some() {
                return Err(PortError::conflict("insert_certificates", "certificate.serial"));
            }
        }
        Ok(())
    }

    async fn insert_firmware_changes(&mut self, changes: &[FirmwareChange]) -> PortResult<()> {
        for change in changes {
            let id = HistoryId(self.state.new_id());
            self.state.history.insert(id, FirmwareChange { id, ..change.clone() });
        }
        Ok(())
    }
}
