//! Devices, certificates, firmware history: reading.

use argosy_domain::model::{Admission, Certificate, Device, DeviceFilter, FirmwareChange, NewDevice};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{CountScope, DeviceBrief, DeviceCounts, DeviceTally, DevicesRead, PortResult};
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, HistoryId, ProductId, RegionId};
use async_trait::async_trait;

use super::batch::Batch;
use super::dialect::{int, text};
use super::query::Query;
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

/// A whole device. Its firmware is the newest one of its product with the image that it runs.
pub(super) const DEVICE: &str = "SELECT d.id, d.device_key, d.name, d.product_id, d.group_id, d.region_id, d.attributes, d.state, \
     d.firmware_version, d.image_hash, \
     (SELECT MAX(f.id) FROM artifacts a JOIN firmware f ON f.artifact_id = a.id \
      WHERE a.hash = d.image_hash AND f.product_id = d.product_id), \
     d.capabilities, COALESCE((SELECT m.mismatch FROM device_shown m WHERE m.device_id = d.id), 0), s.online, s.online_changed_at, s.last_seen_at, d.created_at, d.updated_at";

pub(super) fn device(row: &mut Columns<'_>) -> Decoded<Device> {
    Ok(Device {
        id: DeviceId(row.int()?),
        spec: NewDevice {
            key: row.key()?,
            name: row.text()?,
            product: ProductId(row.int()?),
            group: row.opt_int()?.map(GroupId),
            region: row.opt_int()?.map(RegionId),
            attributes: row.json()?,
            state: row.word()?,
        },
        firmware_version: row.opt_text()?,
        image_hash: row.opt_word()?,
        firmware: row.opt_int()?.map(FirmwareId),
        capabilities: row.json()?,
        contents_mismatch: row.flag()?,
        online: row.flag()?,
        online_changed_at: row.opt_time()?,
        last_seen_at: row.opt_time()?,
        created_at: row.time()?,
        updated_at: row.time()?,
    })
}

fn brief(row: &mut Columns<'_>) -> Decoded<DeviceBrief> {
    Ok(DeviceBrief {
        id: DeviceId(row.int()?),
        key: row.key()?,
        product: ProductId(row.int()?),
        state: row.word()?,
        capabilities: row.json()?,
        firmware_version: row.opt_text()?,
        image_hash: row.opt_word()?,
    })
}

const CERTIFICATE: &str = "SELECT device_id, issuer, serial, not_before, not_after, state, created_at, retires_at, expired_until \
     FROM certificates";

fn certificate(row: &mut Columns<'_>) -> Decoded<Certificate> {
    Ok(Certificate {
        device: DeviceId(row.int()?),
        issuer: row.text()?,
        serial: row.text()?,
        not_before: row.time()?,
        not_after: row.time()?,
        state: row.word()?,
        created_at: row.time()?,
        retires_at: row.opt_time()?,
        expired_until: row.opt_time()?,
    })
}

fn admission(row: &mut Columns<'_>) -> Decoded<Admission> {
    Ok(Admission {
        device: DeviceId(row.int()?),
        key: row.key()?,
        device_state: row.word()?,
        certificate_state: row.word()?,
        retires_at: row.opt_time()?,
        expired_until: row.opt_time()?,
    })
}

fn change(row: &mut Columns<'_>) -> Decoded<FirmwareChange> {
    Ok(FirmwareChange {
        id: HistoryId(row.int()?),
        device: DeviceId(row.int()?),
        at: row.time()?,
        from_version: row.opt_text()?,
        to_version: row.opt_text()?,
        image_hash: row.opt_word()?,
        deployment: row.opt_int()?.map(DeploymentId),
        kind: row.word()?,
    })
}

impl Session {
    async fn one_device(&mut self, operation: &'static str, condition: Query) -> PortResult<Option<Device>> {
        let mut query = Query::new(DEVICE);
        query.push(" FROM devices d JOIN device_status s ON s.device_id = d.id WHERE ").append(condition);
        self.one(operation, query, device).await
    }
}

#[async_trait]
impl DevicesRead for Session {
    async fn device(&mut self, id: DeviceId) -> PortResult<Option<Device>> {
        self.one_device("device", Query::new("d.id = ?").bind(id.get())).await
    }

    async fn device_by_key(&mut self, key: &DeviceKey) -> PortResult<Option<Device>> {
        self.one_device("device_by_key", Query::new("d.device_key = ?").bind(key.as_str())).await
    }

    async fn device_briefs(&mut self, keys: &[DeviceKey]) -> PortResult<Vec<DeviceBrief>> {
        const OPERATION: &str = "device_briefs";
        let mut batch = Batch::new(self.dialect, &[text("k")]);
        keys.iter().for_each(|key| batch.row(&[key.as_str().into()]));
        let rows = self.dialect.rows(batch.columns());
        let lead = self.dialect.lead_join();
        let query = format!(
            "SELECT d.id, d.device_key, d.product_id, d.state, d.capabilities, d.firmware_version, d.image_hash \
             FROM {rows} {lead} devices d ON d.device_key = e.k"
        );
        let mut briefs = Vec::with_capacity(keys.len());
        for rows in batch.arguments() {
            briefs.extend(self.all(OPERATION, Query::new(query.clone()).bind(rows), brief).await?);
        }
        Ok(briefs)
    }

    async fn devices(&mut self, filter: &DeviceFilter, page: &PageRequest) -> PortResult<Page<Device>> {
        const OPERATION: &str = "devices";
        let mut ids = self.device_ids(OPERATION, filter, page).await?;
        let limit = usize::try_from(page.bounded()).unwrap_or(usize::MAX);
        let more = ids.len() > limit;
        ids.truncate(limit);
        // The page's ids first, then their rows: PostgreSQL does not carry a range over a join.
        let mut batch = Batch::new(self.dialect, &[int("id")]);
        ids.iter().for_each(|id| batch.row(&[(*id).into()]));
        let lead = self.dialect.lead_join();
        let query = format!(
            "{DEVICE} FROM {} {lead} devices d ON d.id = e.id {lead} device_status s ON s.device_id = e.id ORDER BY d.id",
            self.dialect.rows(batch.columns()),
        );
        let mut items = Vec::with_capacity(ids.len());
        for rows in batch.arguments() {
            items.extend(self.all(OPERATION, Query::new(query.clone()).bind(rows), device).await?);
        }
        let next = if more { ids.last().map(i64::to_string) } else { None };
        Ok(Page { items, next })
    }

    async fn count_devices(&mut self, filter: &DeviceFilter) -> PortResult<u64> {
        const OPERATION: &str = "count_devices";
        if let Some(size) = self.fleet_size(OPERATION, filter).await? {
            return Ok(size);
        }
        let filtered = self.filtered(OPERATION, filter, i64::MAX).await?;
        let mut query = Query::new("SELECT COUNT(*) FROM ");
        query.push(&filtered.tables).push(" WHERE 1 = 1").append(filtered.conditions);
        self.count(OPERATION, query).await
    }

    async fn device_counts(&mut self, scope: &CountScope) -> PortResult<DeviceCounts> {
        self.fleet_counts(scope).await
    }

    async fn group_tallies(&mut self, groups: &[GroupId]) -> PortResult<Vec<(GroupId, DeviceTally)>> {
        let ids: Vec<_> = groups.iter().map(|id| id.get()).collect();
        let found = self.fleet_sizes("group_tallies", ("group_id", "region_id"), &ids).await?;
        Ok(found.into_iter().map(|(id, tally)| (GroupId(id), tally)).collect())
    }

    async fn region_tallies(&mut self, regions: &[RegionId]) -> PortResult<Vec<(RegionId, DeviceTally)>> {
        let ids: Vec<_> = regions.iter().map(|id| id.get()).collect();
        let found = self.fleet_sizes("region_tallies", ("region_id", "group_id"), &ids).await?;
        Ok(found.into_iter().map(|(id, tally)| (RegionId(id), tally)).collect())
    }

    async fn admission(&mut self, issuer: &str, serial: &str) -> PortResult<Option<Admission>> {
        let query = Query::new(
            "SELECT d.id, d.device_key, d.state, c.state, c.retires_at, c.expired_until \
             FROM certificates c JOIN devices d ON d.id = c.device_id \
             WHERE c.issuer = ? AND c.serial = ?",
        );
        self.one("admission", query.bind(issuer).bind(serial), admission).await
    }

    async fn certificates(&mut self, device: DeviceId) -> PortResult<Vec<Certificate>> {
        let query = format!("{CERTIFICATE} WHERE device_id = ? ORDER BY created_at DESC, id DESC");
        self.all("certificates", Query::new(query).bind(device.get()), certificate).await
    }

    async fn has_certificate(&mut self, device: DeviceId) -> PortResult<bool> {
        let query = Query::new(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM certificates WHERE device_id = ?) \
             OR EXISTS (SELECT 1 FROM imported_identities WHERE device_id = ?) THEN 1 ELSE 0 END",
        );
        let query = query.bind(device.get()).bind(device.get());
        Ok(self.count("has_certificate", query).await? > 0)
    }

    async fn firmware_history(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<FirmwareChange>> {
        const OPERATION: &str = "firmware_history";
        let mut query = Query::new(
            "SELECT id, device_id, changed_at, from_version, to_version, image_hash, deployment_id, kind \
             FROM firmware_history WHERE device_id = ?",
        )
        .bind(device.get());
        if let Some(before) = Order::NewestFirst.after(OPERATION, "id", page)? {
            query.push(" AND ").append(before);
        }
        query.append(Order::NewestFirst.limit("id", page));
        self.page(OPERATION, page, query, change, |c| c.id.get()).await
    }
}
