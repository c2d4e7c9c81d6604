//! Products, groups, regions, artifacts, uploads, firmware: reading.

use argosy_domain::Timestamp;
use argosy_domain::model::{Artifact, Firmware, Group, NewFirmware, NewProduct, Product, Region, Upload};
use argosy_domain::page::{Page, PageRequest};
use argosy_domain::ports::{CatalogRead, FirmwareFilter, PortResult};
use argosy_proto::{ArtifactId, FirmwareId, GroupId, ProductId, RegionId, Sha256Hash, UserId};
use async_trait::async_trait;

use super::query::{Conditions, Query};
use super::row::{Columns, Decoded};
use super::session::{Order, Session};

const PRODUCT: &str = "SELECT id, name, chip, image_format, slot_size, display, created_at FROM products";

fn product(row: &mut Columns<'_>) -> Decoded<Product> {
    Ok(Product {
        id: ProductId(row.int()?),
        spec: NewProduct {
            name: row.text()?,
            chip: row.text()?,
            image_format: row.word()?,
            slot_size: row.int()?,
            display: row.opt_json()?,
        },
        created_at: row.time()?,
    })
}

const GROUP: &str = "SELECT id, name, created_at FROM device_groups";

fn group(row: &mut Columns<'_>) -> Decoded<Group> {
    Ok(Group { id: GroupId(row.int()?), name: row.text()?, created_at: row.time()? })
}

const REGION: &str = "SELECT id, code, name, created_at FROM regions";

fn region(row: &mut Columns<'_>) -> Decoded<Region> {
    Ok(Region { id: RegionId(row.int()?), code: row.text()?, name: row.text()?, created_at: row.time()? })
}

const ARTIFACT: &str = "SELECT id, hash, size, created_at FROM artifacts";

fn artifact(row: &mut Columns<'_>) -> Decoded<Artifact> {
    Ok(Artifact { id: ArtifactId(row.int()?), hash: row.word()?, size: row.int()?, created_at: row.time()? })
}

const UPLOAD: &str =
    "SELECT id, file_name, state, hash, size, created_by, created_at, expires_at FROM uploads";

fn upload(row: &mut Columns<'_>) -> Decoded<Upload> {
    Ok(Upload {
        id: row.text()?,
        file_name: row.text()?,
        state: row.word()?,
        hash: row.opt_word()?,
        size: row.opt_int()?,
        created_by: UserId(row.int()?),
        created_at: row.time()?,
        expires_at: row.time()?,
    })
}

const FIRMWARE: &str = "SELECT f.id, f.product_id, f.version, f.file_name, f.artifact_id, f.release_notes, f.facts, \
                        f.state, a.hash, a.size, f.created_at FROM firmware f JOIN artifacts a ON a.id = f.artifact_id";

fn firmware(row: &mut Columns<'_>) -> Decoded<Firmware> {
    Ok(Firmware {
        id: FirmwareId(row.int()?),
        spec: NewFirmware {
            product: ProductId(row.int()?),
            version: row.text()?,
            file_name: row.text()?,
            artifact: ArtifactId(row.int()?),
            release_notes: row.text()?,
            facts: row.json()?,
            state: row.word()?,
        },
        hash: row.word()?,
        size: row.int()?,
        created_at: row.time()?,
    })
}

impl Session {
    /// The condition that one of the lower-cased `columns` contains the search.
    pub(super) fn searched(&self, columns: &[&str], search: &str) -> Query {
        let search = search.to_ascii_lowercase();
        let any = columns.iter().map(|c| self.dialect.contains(c)).collect::<Vec<_>>().join(" OR ");
        columns.iter().fold(Query::new(format!("({any})")), |query, _| query.bind(search.clone()))
    }

    /// A page of one of the small lists by id.
    async fn small_list<T>(
        &mut self,
        operation: &'static str,
        select: &str,
        searched: (&[&str], Option<&str>),
        page: &PageRequest,
        decode: fn(&mut Columns<'_>) -> Decoded<T>,
        id: fn(&T) -> i64,
    ) -> PortResult<Page<T>> {
        let mut conditions = Conditions::default();
        if let (columns, Some(search)) = searched {
            conditions.and(self.searched(columns, search));
        }
        if let Some(after) = Order::OldestFirst.after(operation, "id", page)? {
            conditions.and(after);
        }
        let mut query = Query::new(select);
        query.append(conditions.clause()).append(Order::OldestFirst.limit("id", page));
        self.page(operation, page, query, decode, id).await
    }
}

#[async_trait]
impl CatalogRead for Session {
    async fn product(&mut self, id: ProductId) -> PortResult<Option<Product>> {
        self.one("product", Query::new(format!("{PRODUCT} WHERE id = ?")).bind(id.get()), product).await
    }

    async fn product_by_name(&mut self, name: &str) -> PortResult<Option<Product>> {
        self.one("product_by_name", Query::new(format!("{PRODUCT} WHERE name = ?")).bind(name), product).await
    }

    async fn products(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Product>> {
        self.small_list("products", PRODUCT, (&["name_lower"], search), page, product, |p| p.id.get()).await
    }

    async fn group(&mut self, id: GroupId) -> PortResult<Option<Group>> {
        self.one("group", Query::new(format!("{GROUP} WHERE id = ?")).bind(id.get()), group).await
    }

    async fn group_by_name(&mut self, name: &str) -> PortResult<Option<Group>> {
        self.one("group_by_name", Query::new(format!("{GROUP} WHERE name = ?")).bind(name), group).await
    }

    async fn groups(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Group>> {
        self.small_list("groups", GROUP, (&["name_lower"], search), page, group, |g| g.id.get()).await
    }

    async fn region(&mut self, id: RegionId) -> PortResult<Option<Region>> {
        self.one("region", Query::new(format!("{REGION} WHERE id = ?")).bind(id.get()), region).await
    }

    async fn region_by_code(&mut self, code: &str) -> PortResult<Option<Region>> {
        self.one("region_by_code", Query::new(format!("{REGION} WHERE code = ?")).bind(code), region).await
    }

    async fn regions(&mut self, search: Option<&str>, page: &PageRequest) -> PortResult<Page<Region>> {
        let columns = &["code_lower", "name_lower"];
        self.small_list("regions", REGION, (columns, search), page, region, |r| r.id.get()).await
    }

    async fn artifact(&mut self, id: ArtifactId) -> PortResult<Option<Artifact>> {
        self.one("artifact", Query::new(format!("{ARTIFACT} WHERE id = ?")).bind(id.get()), artifact).await
    }

    async fn artifact_by_hash(&mut self, hash: &Sha256Hash) -> PortResult<Option<Artifact>> {
        let query = Query::new(format!("{ARTIFACT} WHERE hash = ?")).bind(hash.to_string());
        self.one("artifact_by_hash", query, artifact).await
    }

    async fn upload(&mut self, id: &str) -> PortResult<Option<Upload>> {
        self.one("upload", Query::new(format!("{UPLOAD} WHERE id = ?")).bind(id), upload).await
    }

    async fn expired_uploads(&mut self, at: Timestamp, limit: u32) -> PortResult<Vec<Upload>> {
        let query = Query::new(format!("{UPLOAD} WHERE expires_at < ? ORDER BY expires_at, id LIMIT ?"));
        self.all("expired_uploads", query.bind(at).bind(i64::from(limit)), upload).await
    }

    async fn firmware(&mut self, id: FirmwareId) -> PortResult<Option<Firmware>> {
        self.one("firmware", Query::new(format!("{FIRMWARE} WHERE f.id = ?")).bind(id.get()), firmware).await
    }

    async fn firmware_by_hash(
        &mut self,
        product: ProductId,
        hash: &Sha256Hash,
    ) -> PortResult<Option<Firmware>> {
        let query = format!("{FIRMWARE} WHERE a.hash = ? AND f.product_id = ? ORDER BY f.id DESC LIMIT 1");
        self.one("firmware_by_hash", Query::new(query).bind(hash.to_string()).bind(product.get()), firmware)
            .await
    }

    async fn firmware_by_version(&mut self, product: ProductId, version: &str) -> PortResult<Vec<Firmware>> {
        let query = format!("{FIRMWARE} WHERE f.product_id = ? AND f.version = ? ORDER BY f.id DESC");
        self.all("firmware_by_version", Query::new(query).bind(product.get()).bind(version), firmware).await
    }

    async fn firmware_list(
        &mut self,
        filter: &FirmwareFilter,
        page: &PageRequest,
    ) -> PortResult<Page<Firmware>> {
        const OPERATION: &str = "firmware_list";
        let mut conditions = Conditions::default();
        if let Some(product) = filter.product {
            conditions.and(Query::new("f.product_id = ?").bind(product.get()));
        }
        if let Some(state) = filter.state {
            conditions.and(Query::new("f.state = ?").bind(state.as_str()));
        }
        if let Some(search) = &filter.search {
            conditions.and(self.searched(&["f.version_lower", "f.file_name_lower"], search));
        }
        if let Some(after) = Order::NewestFirst.after(OPERATION, "f.id", page)? {
            conditions.and(after);
        }
        let mut query = Query::new(FIRMWARE);
        query.append(conditions.clause()).append(Order::NewestFirst.limit("f.id", page));
        self.page(OPERATION, page, query, firmware, |f| f.id.get()).await
    }
}
