//! Devices, certificates, firmware history: writing.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Certificate, CertificateState, DevicePatch, DeviceTouch, FirmwareChange, NewDevice,
};
use argosy_domain::ports::{DevicesWrite, PortError, PortErrorKind, PortResult};
use argosy_proto::DeviceId;
use async_trait::async_trait;
use serde::Serialize;

use super::dialect::{Column, Existing, int, text};
use super::query::{ANY, Query, SHORT, clean, json, json_rows};
use super::session::Session;

const DEVICE: &[Column] = &[
    text("device_key"),
    text("key_lower"),
    text("name"),
    text("name_lower"),
    int("product_id"),
    int("group_id"),
    int("region_id"),
    text("attributes"),
    text("state"),
    text("capabilities"),
    int("created_at"),
    int("updated_at"),
];

#[derive(Serialize)]
struct DeviceRow<'a> {
    n: usize,
    device_key: &'a str,
    key_lower: String,
    name: std::borrow::Cow<'a, str>,
    name_lower: String,
    product_id: i64,
    group_id: Option<i64>,
    region_id: Option<i64>,
    attributes: String,
    state: &'a str,
    capabilities: &'a str,
    created_at: i64,
    updated_at: i64,
}

const CERTIFICATE: &[Column] = &[
    text("issuer"),
    text("serial"),
    int("device_id"),
    int("not_before"),
    int("not_after"),
    text("state"),
    int("created_at"),
];

const CHANGE: &[Column] = &[
    int("device_id"),
    int("changed_at"),
    text("from_version"),
    text("to_version"),
    text("image_hash"),
    int("deployment_id"),
    text("kind"),
];

/// The rows of a bulk call, each once: ids that a foreign key may miss.
fn distinct(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    ids.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

impl Session {
    /// Inserts the rows of each JSON array.
    pub(super) async fn insert_all(
        &mut self,
        operation: &'static str,
        table: &str,
        columns: &[Column],
        chunks: Vec<String>,
    ) -> PortResult<()> {
        let statement = self.dialect.insert_rows(table, columns, true, Existing::Refuse);
        for chunk in chunks {
            self.run(operation, Query::new(statement.clone()).bind(chunk)).await?;
        }
        Ok(())
    }

    async fn update_all(
        &mut self,
        operation: &'static str,
        table: &str,
        columns: &[Column],
        key: &str,
        set: &[(&str, Query)],
        only: Query,
        chunks: Vec<String>,
    ) -> PortResult<()> {
        for chunk in chunks {
            let query = self.dialect.update_rows(table, columns, chunk, key, set, only.clone());
            self.run(operation, query).await?;
        }
        Ok(())
    }

    /// Heard at, and the last status.
    async fn touch_seen(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        const OPERATION: &str = "touch_devices";
        #[derive(Serialize)]
        struct Row<'a> {
            id: i64,
            seen: i64,
            status: Option<std::borrow::Cow<'a, str>>,
        }
        let rows = touches.iter().map(|t| Row {
            id: t.device.get(),
            seen: t.seen_at.as_millis(),
            status: t.status.as_deref().map(|s| clean(s, ANY)),
        });
        let seen = "CASE WHEN t.last_seen_at > e.seen THEN t.last_seen_at ELSE e.seen END";
        let set =
            [("last_seen_at", Query::new(seen)), ("status", Query::new("COALESCE(e.status, t.status)"))];
        let columns = [int("id"), int("seen"), text("status")];
        let chunks = json_rows(OPERATION, rows)?;
        self.update_all(
            OPERATION,
            "device_status",
            &columns,
            "t.device_id = e.id",
            &set,
            Query::default(),
            chunks,
        )
        .await
    }

    /// Connected or gone: `online_changed_at` moves only when `online` does.
    async fn touch_online(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        const OPERATION: &str = "touch_devices";
        #[derive(Serialize)]
        struct Row {
            id: i64,
            seen: i64,
            online: i64,
        }
        let rows = touches.iter().filter_map(|t| {
            let online = i64::from(t.online?);
            Some(Row { id: t.device.get(), seen: t.seen_at.as_millis(), online })
        });
        let set = [("online", Query::new("e.online")), ("online_changed_at", Query::new("e.seen"))];
        let columns = [int("id"), int("seen"), int("online")];
        let only = Query::new("(t.online <> e.online OR t.online_changed_at IS NULL)");
        let chunks = json_rows(OPERATION, rows)?;
        self.update_all(OPERATION, "device_status", &columns, "t.device_id = e.id", &set, only, chunks).await
    }

    /// What it runs and can do. Most messages say what is known already, so only rows that differ are written.
    async fn touch_facts(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        const OPERATION: &str = "touch_devices";
        #[derive(Serialize)]
        struct Row<'a> {
            id: i64,
            version: Option<std::borrow::Cow<'a, str>>,
            has_image: i64,
            image: Option<String>,
            capabilities: Option<String>,
        }
        let mut rows = Vec::new();
        for t in touches {
            if t.firmware_version.is_none() && t.image_hash.is_none() && t.capabilities.is_none() {
                continue;
            }
            let capabilities = t.capabilities.as_ref().map(|c| json(OPERATION, c)).transpose()?;
            rows.push(Row {
                id: t.device.get(),
                version: t.firmware_version.as_deref().map(|v| clean(v, SHORT)),
                has_image: i64::from(t.image_hash.is_some()),
                image: t.image_hash.flatten().map(|h| h.to_string()),
                capabilities,
            });
        }
        let image = "CASE WHEN e.has_image = 1 THEN e.image ELSE t.image_hash END";
        let set = [
            ("firmware_version", Query::new("COALESCE(e.version, t.firmware_version)")),
            ("image_hash", Query::new(image)),
            ("capabilities", Query::new("COALESCE(e.capabilities, t.capabilities)")),
        ];
        let columns = [int("id"), text("version"), int("has_image"), text("image"), text("capabilities")];
        let only = Query::new(format!(
            "((e.version IS NOT NULL AND {}) OR (e.has_image = 1 AND {}) OR e.capabilities <> t.capabilities)",
            self.dialect.differs("t.firmware_version", "e.version"),
            self.dialect.differs("t.image_hash", "e.image"),
        ));
        let chunks = json_rows(OPERATION, rows)?;
        self.update_all(OPERATION, "devices", &columns, "t.id = e.id", &set, only, chunks).await
    }
}

#[async_trait]
impl DevicesWrite for Session {
    async fn insert_devices(&mut self, new: &[NewDevice], now: Timestamp) -> PortResult<Vec<DeviceId>> {
        const OPERATION: &str = "insert_devices";
        let mut rows = Vec::with_capacity(new.len());
        for (n, device) in new.iter().enumerate() {
            rows.push(DeviceRow {
                n,
                device_key: device.key.as_str(),
                key_lower: device.key.as_str().to_ascii_lowercase(),
                name: clean(&device.name, ANY),
                name_lower: clean(&device.name, ANY).to_ascii_lowercase(),
                product_id: device.product.get(),
                group_id: device.group.map(|g| g.get()),
                region_id: device.region.map(|r| r.get()),
                attributes: json(OPERATION, &device.attributes)?,
                state: device.state.as_str(),
                capabilities: "[]",
                created_at: now.as_millis(),
                updated_at: now.as_millis(),
            });
        }
        let chunks = json_rows(OPERATION, &rows)?;
        if let Err(error) = self.insert_all(OPERATION, "devices", DEVICE, chunks).await {
            let probes = [
                ("device.product", "products", distinct(new.iter().map(|d| d.product.get()))),
                ("device.group", "device_groups", distinct(new.iter().filter_map(|d| Some(d.group?.get())))),
                ("device.region", "regions", distinct(new.iter().filter_map(|d| Some(d.region?.get())))),
            ];
            return Err(self.name_reference(error, &probes).await);
        }

        #[derive(Serialize)]
        struct Key<'a> {
            n: usize,
            k: &'a str,
        }
        let keys = || new.iter().enumerate().map(|(n, device)| Key { n, k: device.key.as_str() });
        let lead = self.dialect.lead_join();
        let source =
            format!("{} {lead} devices d ON d.device_key = e.k", self.dialect.rows(&[int("n"), text("k")]));
        let mut ids = Vec::with_capacity(new.len());
        for chunk in json_rows(OPERATION, keys())? {
            let status = format!(
                "INSERT INTO device_status (device_id, online) SELECT d.id, 0 FROM {source} WHERE 1 = 1"
            );
            self.run(OPERATION, Query::new(status).bind(chunk.clone())).await?;
            let query = Query::new(format!("SELECT d.id FROM {source} ORDER BY e.n")).bind(chunk);
            ids.extend(self.all(OPERATION, query, |row| row.int().map(DeviceId)).await?);
        }
        if ids.len() != new.len() {
            let why = "the rows that were inserted are not there";
            return Err(PortError::new(OPERATION, PortErrorKind::Internal).with_source(why));
        }
        Ok(ids)
    }

    async fn patch_device(&mut self, id: DeviceId, patch: &DevicePatch, now: Timestamp) -> PortResult<bool> {
        const OPERATION: &str = "patch_device";
        let mut query = Query::new("UPDATE devices SET updated_at = ?").bind(now);
        if let Some(name) = &patch.name {
            query.push(", name = ?, name_lower = ?").arg(name.as_str()).arg(name.to_ascii_lowercase());
        }
        if let Some(group) = patch.group {
            query.push(", group_id = ?").arg(group.map(|g| g.get()));
        }
        if let Some(region) = patch.region {
            query.push(", region_id = ?").arg(region.map(|r| r.get()));
        }
        if let Some(attributes) = &patch.attributes {
            query.push(", attributes = ?").arg(json(OPERATION, attributes)?);
        }
        if let Some(state) = patch.state {
            query.push(", state = ?").arg(state.as_str());
        }
        query.push(" WHERE id = ?").arg(id.get());
        match self.run(OPERATION, query).await {
            Ok(rows) => Ok(rows > 0),
            Err(error) => {
                let probes = [
                    (
                        "device.group",
                        "device_groups",
                        patch.group.flatten().map(|g| g.get()).into_iter().collect(),
                    ),
                    (
                        "device.region",
                        "regions",
                        patch.region.flatten().map(|r| r.get()).into_iter().collect(),
                    ),
                ];
                Err(self.name_reference(error, &probes).await)
            }
        }
    }

    async fn touch_devices(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        self.touch_seen(touches).await?;
        self.touch_online(touches).await?;
        self.touch_facts(touches).await
    }

    async fn all_offline(&mut self, now: Timestamp) -> PortResult<u64> {
        let query = Query::new("UPDATE device_status SET online = 0, online_changed_at = ? WHERE online = 1");
        self.run("all_offline", query.bind(now)).await
    }

    async fn insert_certificates(&mut self, certificates: &[Certificate]) -> PortResult<()> {
        const OPERATION: &str = "insert_certificates";
        #[derive(Serialize)]
        struct Row<'a> {
            n: usize,
            issuer: &'a str,
            serial: &'a str,
            device_id: i64,
            not_before: i64,
            not_after: i64,
            state: &'a str,
            created_at: i64,
        }
        let rows = certificates.iter().enumerate().map(|(n, c)| Row {
            n,
            issuer: &c.issuer,
            serial: &c.serial,
            device_id: c.device.get(),
            not_before: c.not_before.as_millis(),
            not_after: c.not_after.as_millis(),
            state: c.state.as_str(),
            created_at: c.created_at.as_millis(),
        });
        self.insert_all(OPERATION, "certificates", CERTIFICATE, json_rows(OPERATION, rows)?).await
    }

    async fn revoke_certificate(&mut self, device: DeviceId, serial: &str) -> PortResult<bool> {
        let query = Query::new("UPDATE certificates SET state = ? WHERE device_id = ? AND serial = ?")
            .bind(CertificateState::Revoked.as_str())
            .bind(device.get())
            .bind(serial);
        Ok(self.run("revoke_certificate", query).await? > 0)
    }

    async fn insert_firmware_changes(&mut self, changes: &[FirmwareChange]) -> PortResult<()> {
        const OPERATION: &str = "insert_firmware_changes";
        #[derive(Serialize)]
        struct Row<'a> {
            n: usize,
            device_id: i64,
            changed_at: i64,
            from_version: Option<std::borrow::Cow<'a, str>>,
            to_version: Option<std::borrow::Cow<'a, str>>,
            image_hash: Option<String>,
            deployment_id: Option<i64>,
            kind: &'a str,
        }
        let rows = changes.iter().enumerate().map(|(n, c)| Row {
            n,
            device_id: c.device.get(),
            changed_at: c.at.as_millis(),
            from_version: c.from_version.as_deref().map(|v| clean(v, SHORT)),
            to_version: c.to_version.as_deref().map(|v| clean(v, SHORT)),
            image_hash: c.image_hash.map(|h| h.to_string()),
            deployment_id: c.deployment.map(|d| d.get()),
            kind: c.kind.as_str(),
        });
        self.insert_all(OPERATION, "firmware_history", CHANGE, json_rows(OPERATION, rows)?).await
    }
}
