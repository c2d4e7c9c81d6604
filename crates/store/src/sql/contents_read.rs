//! Contents, and what devices show of them: reading.

use argosy_domain::model::{Content, ContentChange, Device, NewContent, ShownContents};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{ContentFilter, ContentRead, PortResult};
use argosy_proto::{ArtifactId, ContentId, DeploymentId, DeviceId, HistoryId, ProductId};
use async_trait::async_trait;

use super::batch::Batch;
use super::devices_read::{DEVICE, device};
use super::dialect::int;
use super::query::{Conditions, Query, json};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

const CONTENT: &str = "SELECT c.id, c.title, c.description, c.product_id, c.file_name, c.original_id, c.binary_id, c.preview_id, \
                       c.thumbnail_id, c.facts, c.state, a.hash, a.size, c.created_at \
                       FROM contents c JOIN artifacts a ON a.id = c.binary_id";

fn content(row: &mut Columns<'_>) -> Decoded<Content> {
    Ok(Content {
        id: ContentId(row.int()?),
        spec: NewContent {
            title: row.text()?,
            description: row.text()?,
            product: ProductId(row.int()?),
            file_name: row.text()?,
            original: row.opt_int()?.map(ArtifactId),
            binary: ArtifactId(row.int()?),
            preview: ArtifactId(row.int()?),
            thumbnail: ArtifactId(row.int()?),
            facts: row.json()?,
            state: row.word()?,
        },
        hash: row.word()?,
        size: row.int()?,
        created_at: row.time()?,
    })
}

fn shown(row: &mut Columns<'_>) -> Decoded<ShownContents> {
    Ok(ShownContents {
        device: DeviceId(row.int()?),
        shown: row.json()?,
        since: row.time()?,
        reported: row.flag()?,
        expected: row.opt_json()?,
        deployment: row.opt_int()?.map(DeploymentId),
    })
}

fn change(row: &mut Columns<'_>) -> Decoded<ContentChange> {
    Ok(ContentChange {
        id: HistoryId(row.int()?),
        device: DeviceId(row.int()?),
        at: row.time()?,
        shown: row.json()?,
        deployment: row.opt_int()?.map(DeploymentId),
        kind: row.word()?,
    })
}

#[async_trait]
impl ContentRead for Session {
    async fn content(&mut self, id: ContentId) -> PortResult<Option<Content>> {
        self.one("content", Query::new(format!("{CONTENT} WHERE c.id = ?")).bind(id.get()), content).await
    }

    async fn content_by_title(&mut self, title: &str) -> PortResult<Option<Content>> {
        let query = Query::new(format!("{CONTENT} WHERE c.title_lower = ?")).bind(title.to_ascii_lowercase());
        self.one("content_by_title", query, content).await
    }

    async fn contents_by_id(&mut self, ids: &[ContentId]) -> PortResult<Vec<Content>> {
        const OPERATION: &str = "contents_by_id";
        let query = Query::new(format!("{CONTENT} WHERE c.id IN {}", self.dialect.ids()));
        self.all(OPERATION, query.bind(json(OPERATION, ids)?), content).await
    }

    async fn contents_by_binary(
        &mut self,
        product: ProductId,
        binaries: &[ArtifactId],
    ) -> PortResult<Vec<Content>> {
        const OPERATION: &str = "contents_by_binary";
        let query =
            Query::new(format!("{CONTENT} WHERE c.product_id = ? AND c.binary_id IN {}", self.dialect.ids()));
        self.all(OPERATION, query.bind(product.get()).bind(json(OPERATION, binaries)?), content).await
    }

    async fn contents(&mut self, filter: &ContentFilter, page: &PageRequest) -> PortResult<Page<Content>> {
        const OPERATION: &str = "contents";
        let mut conditions = Conditions::default();
        if let Some(product) = filter.product {
            conditions.and(Query::new("c.product_id = ?").bind(product.get()));
        }
        if let Some(state) = filter.state {
            conditions.and(Query::new("c.state = ?").bind(state.as_str()));
        }
        if let Some(search) = &filter.search {
            conditions.and(self.searched(&["c.title_lower", "c.file_name_lower"], search));
        }
        if let Some(after) = Order::NewestFirst.after(OPERATION, "c.id", page)? {
            conditions.and(after);
        }
        let mut query = Query::new(CONTENT);
        query.append(conditions.clause()).append(Order::NewestFirst.limit("c.id", page));
        self.page(OPERATION, page, query, content, |c| c.id.get()).await
    }

    async fn shown_contents(&mut self, devices: &[DeviceId]) -> PortResult<Vec<ShownContents>> {
        let mut batch = Batch::new(self.dialect, &[int("id")]);
        devices.iter().for_each(|device| batch.row(&[device.get().into()]));
        let query = format!(
            "SELECT s.device_id, s.shown, s.since, s.reported, s.expected, s.deployment_id \
             FROM {} {} device_shown s ON s.device_id = e.id",
            self.dialect.rows(batch.columns()),
            self.dialect.lead_join(),
        );
        let mut found = Vec::new();
        for chunk in batch.arguments() {
            found.extend(self.all("shown_contents", Query::new(query.clone()).bind(chunk), shown).await?);
        }
        Ok(found)
    }

    async fn devices_showing(
        &mut self,
        product: ProductId,
        binary: ArtifactId,
        page: &PageRequest,
    ) -> PortResult<Page<Device>> {
        const OPERATION: &str = "devices_showing";
        // The page's ids first, in the order of the index, then their rows.
        let mut query = Query::new(DEVICE);
        query
            .push(" FROM (SELECT x.device_id AS id FROM device_contents x WHERE x.product_id = ? AND x.artifact_id = ?");
        query.arg(product.get()).arg(binary.get());
        if let Some(after) = Order::OldestFirst.after(OPERATION, "x.device_id", page)? {
            query.push(" AND ").append(after);
        }
        query.append(Order::OldestFirst.limit("x.device_id", page));
        query.push(
            ") AS p JOIN devices d ON d.id = p.id JOIN device_status s ON s.device_id = p.id ORDER BY p.id",
        );
        self.page(OPERATION, page, query, device, |d| d.id.get()).await
    }

    async fn count_devices_showing(&mut self, product: ProductId, binary: ArtifactId) -> PortResult<u64> {
        let query =
            Query::new("SELECT COUNT(*) FROM device_contents WHERE product_id = ? AND artifact_id = ?");
        let query = query.bind(product.get()).bind(binary.get());
        self.count("count_devices_showing", query).await
    }

    async fn count_contents_mismatches(&mut self) -> PortResult<u64> {
        let query = Query::new("SELECT COUNT(*) FROM device_shown WHERE mismatch = 1");
        self.count("count_contents_mismatches", query).await
    }

    async fn content_history(
        &mut self,
        device: DeviceId,
        page: &PageRequest,
    ) -> PortResult<Page<ContentChange>> {
        const OPERATION: &str = "content_history";
        let mut query = Query::new(
            "SELECT id, device_id, changed_at, shown, deployment_id, kind FROM content_history WHERE device_id = ?",
        )
        .bind(device.get());
        if let Some(before) = Order::NewestFirst.after(OPERATION, "id", page)? {
            query.push(" AND ").append(before);
        }
        query.append(Order::NewestFirst.limit("id", page));
        self.page(OPERATION, page, query, change, |c| c.id.get()).await
    }
}
