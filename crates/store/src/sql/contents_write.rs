//! Contents, and what devices show of them: writing.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Content, ContentChange, ContentState, DeployedFile, DeploymentPayload, NewContent, ShownContents,
};
use argosy_domain::ports::{CatalogRead as _, ContentRead as _, ContentWrite, PortError, PortResult};
use argosy_proto::{ContentId, ProductId};
use async_trait::async_trait;

use super::batch::Batch;
use super::dialect::{Column, Existing, int, text};
use super::query::{Query, json};
use super::session::Session;

const SHOWN: &[Column] = &[
    int("device_id"),
    text("shown"),
    int("since"),
    int("reported"),
    text("expected"),
    int("deployment_id"),
    int("mismatch"),
];

const CHANGE: &[Column] =
    &[int("device_id"), int("changed_at"), text("shown"), int("deployment_id"), text("kind")];

impl Session {
    /// Product, files and version of what is deployed. The deployment's row keeps them: it then says for ever what is sent.
    pub(super) async fn deployed(
        &mut self,
        operation: &'static str,
        payload: &DeploymentPayload,
    ) -> PortResult<(ProductId, Vec<DeployedFile>, String)> {
        let refused = |constraint| PortError::reference(operation, constraint);
        let ids = match payload {
            DeploymentPayload::Firmware(id) => {
                let firmware = self.firmware(*id).await?.ok_or_else(|| refused("deployment.firmware"))?;
                let file = DeployedFile {
                    artifact: firmware.spec.artifact,
                    hash: firmware.hash,
                    size: firmware.size,
                    name: firmware.spec.file_name,
                };
                return Ok((firmware.spec.product, vec![file], firmware.spec.version));
            }
            DeploymentPayload::Contents(ids) => ids,
        };
        let found = self.contents_by_id(ids).await?;
        let ordered: Option<Vec<&Content>> =
            ids.iter().map(|id| found.iter().find(|content| content.id == *id)).collect();
        let contents = ordered.ok_or_else(|| refused("deployment.content"))?;
        let product =
            contents.first().map(|c| c.spec.product).ok_or_else(|| refused("deployment.content"))?;
        if contents.iter().any(|c| c.spec.product != product) {
            return Err(refused("deployment.content"));
        }
        let files = contents.iter().map(|c| DeployedFile {
            artifact: c.spec.binary,
            hash: c.hash,
            size: c.size,
            name: c.spec.title.clone(),
        });
        Ok((product, files.collect(), String::new()))
    }

    /// Keeps the contents of a deployment from being removed.
    pub(super) async fn insert_deployment_contents(
        &mut self,
        operation: &'static str,
        deployment: i64,
        contents: &[ContentId],
    ) -> PortResult<()> {
        let mut batch = Batch::numbered(self.dialect, &[int("deployment_id"), int("content_id")]);
        contents.iter().for_each(|content| batch.row(&[deployment.into(), content.get().into()]));
        self.insert_all(operation, "deployment_contents", batch).await
    }

    /// Which of these devices show what: their rows are written anew.
    async fn index_shown(&mut self, operation: &'static str, rows: &[ShownContents]) -> PortResult<()> {
        let devices: Vec<i64> = rows.iter().map(|row| row.device.get()).collect();
        let delete = format!("DELETE FROM device_contents WHERE device_id IN {}", self.dialect.ids());
        self.run(operation, Query::new(delete).bind(json(operation, &devices)?)).await?;
        let mut batch = Batch::new(self.dialect, &[int("artifact_id"), int("device_id")]);
        for row in rows {
            for artifact in row.shown.as_slice() {
                batch.row(&[artifact.get().into(), row.device.get().into()]);
            }
        }
        // A device's product never changes.
        let insert = format!(
            "INSERT INTO device_contents (product_id, artifact_id, device_id) SELECT d.product_id, e.artifact_id, e.device_id \
             FROM {} {} devices d ON d.id = e.device_id",
            self.dialect.rows(batch.columns()),
            self.dialect.lead_join(),
        );
        for chunk in batch.arguments() {
            self.run(operation, Query::new(insert.clone()).bind(chunk)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl ContentWrite for Session {
    async fn insert_content(&mut self, new: &NewContent, now: Timestamp) -> PortResult<ContentId> {
        const OPERATION: &str = "insert_content";
        let query = Query::new(
            "INSERT INTO contents (title, title_lower, description, product_id, file_name, file_name_lower, original_id, binary_id, \
             preview_id, thumbnail_id, facts, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.title.as_str())
        .bind(new.title.to_ascii_lowercase())
        .bind(new.description.as_str())
        .bind(new.product.get())
        .bind(new.file_name.as_str())
        .bind(new.file_name.to_ascii_lowercase())
        .bind(new.original.map(|id| id.get()))
        .bind(new.binary.get())
        .bind(new.preview.get())
        .bind(new.thumbnail.get())
        .bind(json(OPERATION, &new.facts)?)
        .bind(new.state.as_str())
        .bind(now);
        match self.insert_id(OPERATION, query).await {
            Ok(id) => Ok(ContentId(id)),
            Err(error) => {
                let files = [new.original, Some(new.binary), Some(new.preview), Some(new.thumbnail)];
                let probes = [
                    ("content.product", "products", vec![new.product.get()]),
                    (
                        "content.artifact",
                        "artifacts",
                        files.into_iter().flatten().map(|id| id.get()).collect(),
                    ),
                ];
                Err(self.name_reference(error, &probes).await)
            }
        }
    }

    async fn update_content(
        &mut self,
        id: ContentId,
        title: &str,
        description: &str,
        state: ContentState,
    ) -> PortResult<bool> {
        let query = Query::new(
            "UPDATE contents SET title = ?, title_lower = ?, description = ?, state = ? WHERE id = ?",
        )
        .bind(title)
        .bind(title.to_ascii_lowercase())
        .bind(description)
        .bind(state.as_str())
        .bind(id.get());
        Ok(self.run("update_content", query).await? > 0)
    }

    async fn delete_content(&mut self, id: ContentId) -> PortResult<bool> {
        let query = Query::new("DELETE FROM contents WHERE id = ?").bind(id.get());
        Ok(self.run("delete_content", query).await? > 0)
    }

    async fn save_shown_contents(&mut self, rows: &[ShownContents]) -> PortResult<()> {
        const OPERATION: &str = "save_shown_contents";
        if rows.is_empty() {
            return Ok(());
        }
        let fill = |batch: &mut Batch| -> PortResult<()> {
            for row in rows {
                let expected = row.expected.as_ref().map(|set| json(OPERATION, set)).transpose()?;
                batch.row(&[
                    row.device.get().into(),
                    json(OPERATION, &row.shown)?.into(),
                    row.since.into(),
                    row.reported.into(),
                    expected.into(),
                    row.deployment.map(|id| id.get()).into(),
                    row.mismatch().into(),
                ]);
            }
            Ok(())
        };
        // First those that have no row yet, then the fields of all.
        let mut new = Batch::numbered(self.dialect, SHOWN);
        fill(&mut new)?;
        let statement = self.dialect.insert_rows("device_shown", new.columns(), Existing::Keep("device_id"));
        for chunk in new.arguments() {
            self.run(OPERATION, Query::new(statement.clone()).bind(chunk)).await?;
        }
        let mut all = Batch::new(self.dialect, SHOWN);
        fill(&mut all)?;
        let set: Vec<(&str, Query)> = SHOWN
            .iter()
            .skip(1)
            .map(|column| (column.name(), Query::new(format!("e.{}", column.name()))))
            .collect();
        for chunk in all.arguments() {
            let on = "t.device_id = e.device_id";
            let query = self.dialect.update_rows("device_shown", SHOWN, chunk, on, &set, Query::default());
            self.run(OPERATION, query).await?;
        }
        self.index_shown(OPERATION, rows).await
    }

    async fn insert_content_changes(&mut self, changes: &[ContentChange]) -> PortResult<()> {
        const OPERATION: &str = "insert_content_changes";
        let mut batch = Batch::numbered(self.dialect, CHANGE);
        for change in changes {
            batch.row(&[
                change.device.get().into(),
                change.at.into(),
                json(OPERATION, &change.shown)?.into(),
                change.deployment.map(|d| d.get()).into(),
                change.kind.as_str().into(),
            ]);
        }
        self.insert_all(OPERATION, "content_history", batch).await
    }
}
