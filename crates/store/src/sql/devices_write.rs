//! Devices, certificates, firmware history: writing.

use std::collections::HashMap;

use argosy_domain::Timestamp;
use argosy_domain::model::{Certificate, DevicePatch, DeviceTouch, FirmwareChange, NewDevice};
use argosy_domain::ports::{DevicesWrite, PortError, PortErrorKind, PortResult};
use argosy_proto::DeviceId;
use async_trait::async_trait;

use super::batch::{Batch, SHORT, cut};
use super::dialect::{Column, Existing, int, text};
use super::fleet::{STANDING, Standing, standing};
use super::query::{Query, json};
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

/// The table of live facts, and how a batch's rows find theirs in it.
const STATUS: (&str, &str) = ("device_status", "t.device_id = e.id");

/// The rows of a bulk call, each once: ids that a foreign key may miss.
fn distinct(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    ids.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

impl Session {
    /// Inserts a numbered batch.
    pub(super) async fn insert_all(
        &mut self,
        operation: &'static str,
        table: &str,
        mut batch: Batch,
    ) -> PortResult<()> {
        let statement = self.dialect.insert_rows(table, batch.columns(), Existing::Refuse);
        for rows in batch.arguments() {
            self.run(operation, Query::new(statement.clone()).bind(rows)).await?;
        }
        Ok(())
    }

    /// Updates the rows of `table AS t` by those of a batch.
    pub(super) async fn update_all(
        &mut self,
        operation: &'static str,
        (table, key): (&str, &str),
        mut batch: Batch,
        set: &[(&str, Query)],
        only: Query,
    ) -> PortResult<()> {
        for rows in batch.arguments() {
            let query = self.dialect.update_rows(table, batch.columns(), rows, key, set, only.clone());
            self.run(operation, query).await?;
        }
        Ok(())
    }

    /// Where those devices of a batch (member `id`) count for which `only` holds, as they are until the unit of work ends.
    async fn standings(
        &mut self,
        operation: &'static str,
        batch: &mut Batch,
        only: &str,
    ) -> PortResult<Vec<(i64, Standing)>> {
        let lead = self.dialect.lead_join();
        let query = format!(
            "SELECT d.id, {STANDING} FROM {} {lead} devices d ON d.id = e.id {lead} device_status s ON s.device_id = e.id \
             WHERE {only}{}",
            self.dialect.rows(batch.columns()),
            self.dialect.for_update_of("d, s"),
        );
        let mut found = Vec::new();
        for rows in batch.arguments() {
            let query = Query::new(query.clone()).bind(rows);
            found.extend(self.all(operation, query, |row| Ok((row.int()?, standing(row)?))).await?);
        }
        Ok(found)
    }

    /// Heard at.
    async fn touch_seen(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        let mut batch = Batch::new(self.dialect, &[int("id"), int("seen")]);
        for t in touches {
            batch.row(&[t.device.get().into(), t.seen_at.into()]);
        }
        let seen = "CASE WHEN t.last_seen_at > e.seen THEN t.last_seen_at ELSE e.seen END";
        let set = [("last_seen_at", Query::new(seen))];
        self.update_all("touch_devices", STATUS, batch, &set, Query::default()).await
    }

    /// Connected or gone: `online_changed_at` moves only when `online` does.
    async fn touch_online(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        let mut batch = Batch::new(self.dialect, &[int("id"), int("seen"), int("online")]);
        for t in touches {
            if let Some(online) = t.online {
                let at = t.online_at.unwrap_or(t.seen_at);
                batch.row(&[t.device.get().into(), at.into(), online.into()]);
            }
        }
        let changes = self.standings("touch_devices", &mut batch.clone(), "s.online <> e.online").await?;
        for (_, before) in changes {
            let after = Standing { online: !before.online, ..before.clone() };
            self.tally_device_moved(&before, &after);
        }
        let set = [("online", Query::new("e.online")), ("online_changed_at", Query::new("e.seen"))];
        let only = Query::new("(t.online <> e.online OR t.online_changed_at IS NULL)");
        self.update_all("touch_devices", STATUS, batch, &set, only).await
    }

    /// What it runs and can do. Most messages say what is known already, so only rows that differ are written.
    async fn touch_facts(&mut self, touches: &[DeviceTouch]) -> PortResult<()> {
        const OPERATION: &str = "touch_devices";
        let columns = [int("id"), text("version"), int("has_image"), text("image"), text("capabilities")];
        let mut batch = Batch::new(self.dialect, &columns);
        for t in touches {
            if t.firmware_version.is_none() && t.image_hash.is_none() && t.capabilities.is_none() {
                continue;
            }
            let capabilities = t.capabilities.as_ref().map(|c| json(OPERATION, c)).transpose()?;
            batch.row(&[
                t.device.get().into(),
                t.firmware_version.as_deref().map(|v| cut(v, SHORT)).into(),
                t.image_hash.is_some().into(),
                t.image_hash.flatten().map(|h| h.to_string()).into(),
                capabilities.into(),
            ]);
        }
        let image = "CASE WHEN e.has_image = 1 THEN e.image ELSE t.image_hash END";
        let set = [
            ("firmware_version", Query::new("COALESCE(e.version, t.firmware_version)")),
            ("image_hash", Query::new(image)),
            ("capabilities", Query::new("COALESCE(e.capabilities, t.capabilities)")),
        ];
        let differs = |t: &str| {
            format!(
                "((e.version IS NOT NULL AND {}) OR (e.has_image = 1 AND {}) OR e.capabilities <> {t}.capabilities)",
                self.dialect.differs(&format!("{t}.firmware_version"), "e.version"),
                self.dialect.differs(&format!("{t}.image_hash"), "e.image"),
            )
        };
        let (changed, only) = (differs("d"), Query::new(differs("t")));
        let changes = self.standings(OPERATION, &mut batch.clone(), &changed).await?;
        if changes.is_empty() {
            return Ok(());
        }
        let versions: HashMap<i64, &str> =
            touches.iter().filter_map(|t| Some((t.device.get(), t.firmware_version.as_deref()?))).collect();
        for (id, before) in changes {
            if let Some(version) = versions.get(&id) {
                let after = Standing { version: Some(cut(version, SHORT).to_owned()), ..before.clone() };
                self.tally_device_moved(&before, &after);
            }
        }
        self.update_all(OPERATION, ("devices", "t.id = e.id"), batch, &set, only).await
    }
}

#[async_trait]
impl DevicesWrite for Session {
    async fn insert_devices(&mut self, new: &[NewDevice], now: Timestamp) -> PortResult<Vec<DeviceId>> {
        const OPERATION: &str = "insert_devices";
        let mut batch = Batch::numbered(self.dialect, DEVICE);
        for device in new {
            batch.row(&[
                device.key.as_str().into(),
                device.key.as_str().to_ascii_lowercase().into(),
                device.name.as_str().into(),
                device.name.to_ascii_lowercase().into(),
                device.product.get().into(),
                device.group.map(|g| g.get()).into(),
                device.region.map(|r| r.get()).into(),
                json(OPERATION, &device.attributes)?.into(),
                device.state.as_str().into(),
                "[]".into(),
                now.into(),
                now.into(),
            ]);
        }
        if let Err(error) = self.insert_all(OPERATION, "devices", batch).await {
            let probes = [
                ("device.product", "products", distinct(new.iter().map(|d| d.product.get()))),
                ("device.group", "device_groups", distinct(new.iter().filter_map(|d| Some(d.group?.get())))),
                ("device.region", "regions", distinct(new.iter().filter_map(|d| Some(d.region?.get())))),
            ];
            return Err(self.name_reference(error, &probes).await);
        }

        let mut batch = Batch::numbered(self.dialect, &[text("k")]);
        new.iter().for_each(|device| batch.row(&[device.key.as_str().into()]));
        let lead = self.dialect.lead_join();
        let rows = self.dialect.rows(batch.columns());
        let source = format!("{rows} {lead} devices d ON d.device_key = e.k");
        let mut ids = Vec::with_capacity(new.len());
        for chunk in batch.arguments() {
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
        for (device, id) in new.iter().zip(&ids) {
            self.tally_device(&device.into(), 1);
            self.name_device(*id, &device.name, &device.key);
        }
        Ok(ids)
    }

    async fn patch_device(&mut self, id: DeviceId, patch: &DevicePatch, now: Timestamp) -> PortResult<bool> {
        const OPERATION: &str = "patch_device";
        let query = format!(
            "SELECT d.device_key, {STANDING} FROM devices d JOIN device_status s ON s.device_id = d.id WHERE d.id = ?{}",
            self.dialect.for_update_of("d, s"),
        );
        let query = Query::new(query).bind(id.get());
        let found = self.one(OPERATION, query, |row| Ok((row.key()?, standing(row)?))).await?;
        let Some((key, before)) = found else { return Ok(false) };
        let after = Standing {
            group: patch.group.map_or(before.group, |group| group.map(|g| g.get())),
            region: patch.region.map_or(before.region, |region| region.map(|r| r.get())),
            state: patch.state.unwrap_or(before.state),
            ..before.clone()
        };
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
            Ok(_) => {
                self.tally_device_moved(&before, &after);
                if let Some(name) = &patch.name {
                    self.name_device(id, name, &key);
                }
                Ok(true)
            }
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
        let rows = self.run("all_offline", query.bind(now)).await?;
        self.tally_all_offline("all_offline").await?;
        Ok(rows)
    }

    async fn insert_certificates(&mut self, certificates: &[Certificate]) -> PortResult<()> {
        const OPERATION: &str = "insert_certificates";
        let mut batch = Batch::numbered(self.dialect, CERTIFICATE);
        for certificate in certificates {
            batch.row(&[
                certificate.issuer.as_str().into(),
                certificate.serial.as_str().into(),
                certificate.device.get().into(),
                certificate.not_before.into(),
                certificate.not_after.into(),
                certificate.state.as_str().into(),
                certificate.created_at.into(),
            ]);
        }
        self.insert_all(OPERATION, "certificates", batch).await
    }

    async fn insert_firmware_changes(&mut self, changes: &[FirmwareChange]) -> PortResult<()> {
        const OPERATION: &str = "insert_firmware_changes";
        let mut batch = Batch::numbered(self.dialect, CHANGE);
        for change in changes {
            batch.row(&[
                change.device.get().into(),
                change.at.into(),
                change.from_version.as_deref().map(|v| cut(v, SHORT)).into(),
                change.to_version.as_deref().map(|v| cut(v, SHORT)).into(),
                change.image_hash.map(|h| h.to_string()).into(),
                change.deployment.map(|d| d.get()).into(),
                change.kind.as_str().into(),
            ]);
        }
        self.insert_all(OPERATION, "firmware_history", batch).await
    }
}
