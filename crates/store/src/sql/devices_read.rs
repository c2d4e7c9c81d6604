//! Devices, certificates, firmware history: reading.

use argosy_domain::model::{Admission, Certificate, Device, DeviceFilter, FirmwareChange, NewDevice};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{DeviceBrief, DeviceCounts, DevicesRead, PortResult};
use argosy_proto::{DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, HistoryId, ProductId, RegionId};
use async_trait::async_trait;

use super::batch::Batch;
use super::dialect::text;
use super::query::Query;
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

/// A whole device. Its firmware is the newest one of its product with the image that it runs.
pub(super) const DEVICE: &str = "SELECT d.id, d.device_key, d.name, d.product_id, d.group_id, d.region_id, d.attributes, d.state, \
     d.firmware_version, d.image_hash, \
     (SELECT MAX(f.id) FROM artifacts a JOIN firmware f ON f.artifact_id = a.id \
      WHERE a.hash = d.image_hash AND f.product_id = d.product_id), \
     d.capabilities, COALESCE((SELECT m.mismatch FROM device_shown m WHERE m.device_id = d.id), 0), s.online, s.online_changed_at, s.last_seen_at, s.status, d.created_at, d.updated_at";

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
        status: row.opt_text()?,
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

    /// Devices by the values of a column of theirs, most first.
    async fn tally<T>(
        &mut self,
        column: &str,
        limit: i64,
        decode: fn(&mut Columns<'_>) -> Decoded<(T, u64)>,
    ) -> PortResult<Vec<(T, u64)>> {
        let query =
            format!("SELECT {column}, COUNT(*) AS n FROM devices GROUP BY {column} ORDER BY n DESC LIMIT ?");
        self.all("device_counts", Query::new(query).bind(limit), decode).await
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
        let filtered = self.filtered(OPERATION, filter).await?;
        let id = if filtered.by_presence { "s.device_id" } else { "d.id" };
        // The page's ids first, then their rows: PostgreSQL does not carry a range over a join.
        let mut query = Query::new(DEVICE);
        query.push(&format!(" FROM (SELECT {id} AS id FROM devices d"));
        if filtered.needs_status {
            query.push(" JOIN device_status s ON s.device_id = d.id");
        }
        query.push(" WHERE 1 = 1").append(filtered.conditions);
        if let Some(after) = Order::OldestFirst.after(OPERATION, id, page)? {
            query.push(" AND ").append(after);
        }
        query.append(Order::OldestFirst.limit(id, page));
        query.push(
            ") AS p JOIN devices d ON d.id = p.id JOIN device_status s ON s.device_id = p.id ORDER BY p.id",
        );
        self.page(OPERATION, page, query, device, |d| d.id.get()).await
    }

    async fn count_devices(&mut self, filter: &DeviceFilter) -> PortResult<u64> {
        const OPERATION: &str = "count_devices";
        let filtered = self.filtered(OPERATION, filter).await?;
        let tables = match (filtered.needs_status, filtered.by_presence) {
            (_, true) => "device_status s",
            (true, false) => "devices d JOIN device_status s ON s.device_id = d.id",
            (false, false) => "devices d",
        };
        let mut query = Query::new(format!("SELECT COUNT(*) FROM {tables} WHERE 1 = 1"));
        query.append(filtered.conditions);
        self.count(OPERATION, query).await
    }

    async fn device_counts(&mut self) -> PortResult<DeviceCounts> {
        const ALL: i64 = i64::MAX;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        let online = Query::new("SELECT COUNT(*) FROM device_status WHERE online = 1");
        let online = self.count("device_counts", online).await?;
        let mut by_state = self.tally("state", ALL, |row| Ok((row.word()?, row.number()?))).await?;
        by_state.sort_unstable_by_key(|(state, _): &(argosy_domain::model::DeviceState, u64)| *state);
        let by_version =
            self.tally("firmware_version", 100, |row| Ok((row.opt_text()?, row.number()?))).await?;
        let mut by_group =
            self.tally("group_id", ALL, |row| Ok((row.opt_int()?.map(GroupId), row.number()?))).await?;
        by_group.sort_unstable_by_key(|(group, _)| *group);
        let mut by_region =
            self.tally("region_id", ALL, |row| Ok((row.opt_int()?.map(RegionId), row.number()?))).await?;
        by_region.sort_unstable_by_key(|(region, _)| *region);
        let total = by_state.iter().map(|(_, n)| *n).sum::<u64>().max(count(0));
        Ok(DeviceCounts { total, online, by_state, by_version, by_group, by_region })
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
