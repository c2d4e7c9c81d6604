//! Deployments and device updates: reading.

use argosy_domain::model::{
    Deployment, DeploymentPayload, DeploymentState, DeviceState, DeviceUpdate, NewDeployment, UpdateBytes,
    UpdateCounts, UpdateState,
};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{DeploymentFilter, DeploymentsRead, PortResult, Target, UpdateFilter};
use argosy_proto::{DeploymentId, DeviceId, FirmwareId, ProductId, UserId};
use async_trait::async_trait;

use super::batch::Batch;
use super::device_filter::{STEPS, key_range};
use super::dialect::int;
use super::names::Sought;
use super::query::{Conditions, Query, cursor};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};
use super::update_rows::{COLUMNS, PAIR, in_flight_states, pairs, update};

/// A firmware's deployment names it; one of contents has their ids in order, as a JSON array.
const DEPLOYMENT: &str = "SELECT id, name, firmware_id, content_ids, target, policy, created_by, product_id, files, size, version, \
                          state, planned, plan_cursor, generation, created_at, started_at, finished_at FROM deployments";

fn deployment(row: &mut Columns<'_>) -> Decoded<Deployment> {
    Ok(Deployment {
        id: DeploymentId(row.int()?),
        spec: NewDeployment {
            name: row.text()?,
            payload: match (row.opt_int()?, row.opt_json()?) {
                (Some(firmware), _) => DeploymentPayload::Firmware(FirmwareId(firmware)),
                (None, contents) => DeploymentPayload::Contents(contents.unwrap_or_default()),
            },
            target: row.json()?,
            policy: row.json()?,
            created_by: UserId(row.int()?),
        },
        product: ProductId(row.int()?),
        files: row.json()?,
        size: row.int()?,
        version: row.text()?,
        state: row.word()?,
        planned: row.flag()?,
        plan_cursor: row.int()?,
        generation: row.int()?,
        created_at: row.time()?,
        started_at: row.opt_time()?,
        finished_at: row.opt_time()?,
    })
}

fn target(row: &mut Columns<'_>) -> Decoded<Target> {
    Ok(Target { device: DeviceId(row.int()?), key: row.key()?, image_hash: row.opt_word()? })
}

/// ` column IN ('…', …)` of states, whose words are ours.
fn states(column: &str, words: impl Iterator<Item = &'static str>) -> String {
    let words = words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    format!("{column} IN ({words})")
}

impl Session {
    /// Device updates of a deployment in these states, by device id: each state's part is read off the index in order, and the
    /// parts merged. (One `IN` over all states would read and sort everything in them for each page.)
    async fn updates_in(
        &mut self,
        operation: &'static str,
        id: DeploymentId,
        wanted: &[UpdateState],
        narrow: &Query,
        limit: i64,
    ) -> PortResult<Vec<DeviceUpdate>> {
        let hint = self.dialect.use_index("device_updates_by_state");
        let mut query = Query::default();
        for (i, state) in wanted.iter().enumerate() {
            query.push(if i > 0 { " UNION ALL " } else { "" });
            query.push(&format!("SELECT * FROM (SELECT {COLUMNS} FROM device_updates u{hint}"));
            query.push(" WHERE u.deployment_id = ? AND u.state = ?").arg(id.get()).arg(state.as_str());
            query.append(narrow.clone()).push(" ORDER BY u.device_id LIMIT ?").arg(limit);
            query.push(&format!(") AS part{i}"));
        }
        if wanted.len() > 1 {
            query.push(" ORDER BY device_id LIMIT ?").arg(limit);
        }
        self.all(operation, query, update).await
    }
}

/// The devices after `after`.
fn beyond(after: DeviceId) -> Query {
    Query::new(" AND u.device_id > ?").bind(after.get())
}

#[async_trait]
impl DeploymentsRead for Session {
    async fn deployment(&mut self, id: DeploymentId) -> PortResult<Option<Deployment>> {
        let query = Query::new(format!("{DEPLOYMENT} WHERE id = ?")).bind(id.get());
        self.one("deployment", query, deployment).await
    }

    async fn deployments(
        &mut self,
        filter: &DeploymentFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Deployment>> {
        const OPERATION: &str = "deployments";
        let mut conditions = Conditions::default();
        if !filter.states.is_empty() {
            let column = self.dialect.unindexed("state");
            conditions.and(Query::new(states(&column, filter.states.iter().map(|s| s.as_str()))));
        }
        if let Some(search) = &filter.search {
            conditions.and(self.searched(&["name_lower"], search));
        }
        if let Some(after) = Order::NewestFirst.after(OPERATION, "id", page)? {
            conditions.and(after);
        }
        let mut query = Query::new(DEPLOYMENT);
        query.append(conditions.clause()).append(Order::NewestFirst.limit("id", page));
        self.page(OPERATION, page, query, deployment, |d| d.id.get()).await
    }

    async fn active_deployments(&mut self) -> PortResult<Vec<Deployment>> {
        let active = DeploymentState::ALL.iter().filter(|s| !s.is_final()).map(|s| s.as_str());
        let query = Query::new(format!("{DEPLOYMENT} WHERE {} ORDER BY id", states("state", active)));
        self.all("active_deployments", query, deployment).await
    }

    async fn plan_targets(
        &mut self,
        deployment: &Deployment,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<Target>> {
        const OPERATION: &str = "plan_targets";
        let product = deployment.product;
        let filter = &deployment.spec.target;
        if filter.product.is_some_and(|p| p != product)
            || filter.state.is_some_and(|state| state != DeviceState::Active)
        {
            return Ok(Vec::new());
        }
        let filter = argosy_domain::model::DeviceFilter {
            product: Some(product),
            state: Some(DeviceState::Active),
            ..filter.clone()
        };
        let filtered = self.filtered(OPERATION, &filter, i64::from(limit)).await?;
        let mut query = Query::new("SELECT d.id, d.device_key, d.image_hash FROM ");
        query.push(&filtered.tables).push(" WHERE d.id > ?").arg(after.get());
        query.append(filtered.conditions).push(" ORDER BY d.id LIMIT ?").arg(i64::from(limit));
        self.all(OPERATION, query, target).await
    }

    async fn planned_by_newer(
        &mut self,
        deployment: &Deployment,
        devices: &[DeviceId],
    ) -> PortResult<Vec<DeviceId>> {
        const OPERATION: &str = "planned_by_newer";
        let contents = deployment.spec.payload.firmware().is_none();
        // As a rule there is none, and nobody is asked.
        let newer = format!(
            "SELECT id FROM deployments WHERE id > ? AND firmware_id IS {} LIMIT 1",
            if contents { "NULL" } else { "NOT NULL" }
        );
        let newer = Query::new(newer).bind(deployment.id.get());
        if self.one(OPERATION, newer, |row| row.int()).await?.is_none() {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT DISTINCT u.device_id FROM {} {} device_updates u ON u.device_id = e.id \
             AND u.deployment_id > ? AND u.files {} AND {} <> 'canceled'",
            self.dialect.rows(&[int("id")]),
            self.dialect.lead_join(),
            if contents { "> 0" } else { "= 0" },
            self.dialect.unindexed("u.state"),
        );
        let mut batch = Batch::new(self.dialect, &[int("id")]);
        devices.iter().for_each(|device| batch.row(&[device.get().into()]));
        let mut found = Vec::new();
        for chunk in batch.arguments() {
            let query = Query::new(query.clone()).bind(chunk).bind(deployment.id.get());
            found.extend(self.all(OPERATION, query, |row| row.int().map(DeviceId)).await?);
        }
        Ok(found)
    }

    async fn update_counts(&mut self, id: DeploymentId) -> PortResult<UpdateCounts> {
        let tallies = self.update_tallies("update_counts", id).await?;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        Ok(UpdateCounts(tallies.iter().map(|t| (t.state, count(t.updates))).collect()))
    }

    async fn update_bytes(&mut self, id: DeploymentId) -> PortResult<UpdateBytes> {
        let tallies = self.update_tallies("update_bytes", id).await?;
        Ok(UpdateBytes {
            downloaded: tallies.iter().map(|t| t.downloaded).sum(),
            total: tallies.iter().map(|t| t.total).sum(),
        })
    }

    async fn device_update(
        &mut self,
        deployment: DeploymentId,
        device: DeviceId,
    ) -> PortResult<Option<DeviceUpdate>> {
        let query =
            format!("SELECT {COLUMNS} FROM device_updates u WHERE u.deployment_id = ? AND u.device_id = ?");
        let query = Query::new(query).bind(deployment.get()).bind(device.get());
        self.one("device_update", query, update).await
    }

    async fn device_updates_by_id(
        &mut self,
        ids: &[(DeploymentId, DeviceId)],
    ) -> PortResult<Vec<DeviceUpdate>> {
        const OPERATION: &str = "device_updates_by_id";
        let query = format!(
            "SELECT {COLUMNS} FROM {} {} device_updates u \
             ON u.deployment_id = e.deployment_id AND u.device_id = e.device_id",
            self.dialect.rows(PAIR),
            self.dialect.lead_join(),
        );
        let mut found = Vec::with_capacity(ids.len());
        for chunk in pairs(self.dialect, ids.iter().copied()).arguments() {
            found.extend(self.all(OPERATION, Query::new(query.clone()).bind(chunk), update).await?);
        }
        Ok(found)
    }

    async fn device_updates(
        &mut self,
        id: DeploymentId,
        filter: &UpdateFilter,
        page: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>> {
        const OPERATION: &str = "device_updates";
        let limit = i64::from(page.bounded()) + 1;
        let mut after = cursor(OPERATION, page)?.unwrap_or(0);
        let mut wanted = filter.states.clone();
        wanted.sort_unstable();
        wanted.dedup();
        let Some(search) = filter.search.as_ref().filter(|s| !s.is_empty()) else {
            let narrow = beyond(DeviceId(after));
            let items = if wanted.is_empty() {
                let query = format!("SELECT {COLUMNS} FROM device_updates u WHERE u.deployment_id = ?");
                let mut query = Query::new(query).bind(id.get());
                query.append(narrow).push(" ORDER BY u.device_id LIMIT ?").arg(limit);
                self.all(OPERATION, query, update).await?
            } else {
                self.updates_in(OPERATION, id, &wanted, &narrow, limit).await?
            };
            return Ok(cut(items, page));
        };
        let Some((from, to)) = key_range(search) else { return Ok(Page { items: Vec::new(), next: None }) };
        // Keys are ASCII: every engine makes the same lower case of them.
        let mut conditions =
            Query::new(" AND LOWER(u.device_key) >= ? AND LOWER(u.device_key) < ?").bind(from).bind(to);
        if !wanted.is_empty() {
            let column = self.dialect.unindexed("u.state");
            conditions.push(" AND ").push(&states(&column, wanted.iter().map(|s| s.as_str())));
        }
        let found = format!(
            "SELECT {COLUMNS} FROM {} {} device_updates u ON u.deployment_id = ? AND u.device_id = e.id WHERE 1 = 1",
            self.dialect.rows(&[int("id")]),
            self.dialect.lead_join(),
        );
        let mut items = Vec::new();
        let mut walk = self.search(OPERATION, Sought::key(&search.to_ascii_lowercase()), after).await?;
        for step in STEPS {
            let ids = self.next_found(OPERATION, &mut walk, step).await?;
            let mut batch = Batch::new(self.dialect, &[int("id")]);
            ids.iter().for_each(|id| batch.row(&[(*id).into()]));
            for rows in batch.arguments() {
                let left = limit - i64::try_from(items.len()).unwrap_or(limit);
                let mut query = Query::new(found.clone()).bind(rows).bind(id.get());
                query.append(conditions.clone()).push(" ORDER BY u.device_id LIMIT ?").arg(left);
                items.extend(self.all(OPERATION, query, update).await?);
            }
            after = ids.last().copied().unwrap_or(after);
            if ids.len() < step || i64::try_from(items.len()).is_ok_and(|n| n >= limit) {
                return Ok(cut(items, page));
            }
        }
        // Very many devices have such a key, and few of them such an update: the rest is walked through.
        let left = limit - i64::try_from(items.len()).unwrap_or(limit);
        let query = format!("SELECT {COLUMNS} FROM device_updates u WHERE u.deployment_id = ?");
        let mut query = Query::new(query).bind(id.get());
        query
            .append(beyond(DeviceId(after)))
            .append(conditions)
            .push(" ORDER BY u.device_id LIMIT ?")
            .arg(left);
        items.extend(self.all(OPERATION, query, update).await?);
        Ok(cut(items, page))
    }

    async fn pending_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>> {
        let pending = [UpdateState::Pending];
        self.updates_in("pending_updates", id, &pending, &beyond(after), i64::from(limit)).await
    }

    async fn in_flight_updates(
        &mut self,
        id: DeploymentId,
        after: DeviceId,
        limit: u32,
    ) -> PortResult<Vec<DeviceUpdate>> {
        let wanted: Vec<_> = in_flight_states().collect();
        self.updates_in("in_flight_updates", id, &wanted, &beyond(after), i64::from(limit)).await
    }

    async fn open_updates_of(&mut self, devices: &[DeviceId]) -> PortResult<Vec<DeviceUpdate>> {
        const OPERATION: &str = "open_updates_of";
        let active = DeploymentState::ALL.iter().filter(|s| !s.is_final()).map(|s| s.as_str());
        // `finished_at` is NULL exactly while the update is open, and stands in the index.
        let query = format!(
            "SELECT {COLUMNS} FROM {} {lead} device_updates u ON u.device_id = e.id AND u.finished_at IS NULL \
             {lead} deployments p ON p.id = u.deployment_id AND {} ORDER BY u.device_id, u.deployment_id",
            self.dialect.rows(&[int("id")]),
            states(&self.dialect.unindexed("p.state"), active),
            lead = self.dialect.lead_join(),
        );
        let mut ids: Vec<_> = devices.iter().map(|id| id.get()).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        let mut batch = Batch::new(self.dialect, &[int("id")]);
        ids.into_iter().for_each(|id| batch.row(&[id.into()]));
        for chunk in batch.arguments() {
            found.extend(self.all(OPERATION, Query::new(query.clone()).bind(chunk), update).await?);
        }
        Ok(found)
    }

    async fn updates_of_device(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<DeviceUpdate>> {
        const OPERATION: &str = "updates_of_device";
        let hint = self.dialect.use_index("device_updates_by_device");
        let mut query =
            Query::new(format!("SELECT {COLUMNS} FROM device_updates u{hint} WHERE u.device_id = ?"))
                .bind(device.get());
        if let Some(before) = Order::NewestFirst.after(OPERATION, "u.deployment_id", page)? {
            query.push(" AND ").append(before);
        }
        query.append(Order::NewestFirst.limit("u.deployment_id", page));
        self.page(OPERATION, page, query, update, |u| u.deployment.get()).await
    }
}

/// A page out of one row more than it may have.
fn cut(mut items: Vec<DeviceUpdate>, page: &PageRequest) -> Page<DeviceUpdate> {
    let limit = usize::try_from(page.bounded()).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = if more { items.last().map(|u| u.device.to_string()) } else { None };
    Page { items, next }
}
