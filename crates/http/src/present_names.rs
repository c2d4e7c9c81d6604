//! What is shown with the names of what it refers to.

use std::collections::HashMap;

use argosy_api as api;
use argosy_domain::model as m;
use argosy_domain::page::{MAX_PAGE, PageRequest};
use argosy_domain::ports::{PortResult, ReadSession};
use argosy_engine::DeploymentSummary;
use argosy_proto::{GroupId, ProductId, RegionId};

use crate::present::*;
use crate::present_content::deployed_contents;

/// Names of what rows refer to, each looked up once an answer. A row that vanished meanwhile shows its id.
#[derive(Debug, Default)]
pub(crate) struct Names {
    products: HashMap<ProductId, String>,
    groups: HashMap<GroupId, String>,
    regions: HashMap<RegionId, (String, String)>,
}

impl Names {
    /// Reads the names of all groups and regions in a few statements, where many will be asked for.
    pub(crate) async fn know_places(&mut self, read: &mut dyn ReadSession) -> PortResult<()> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let found = read.groups(None, &page).await?;
            self.groups.extend(found.items.into_iter().map(|g| (g.id, g.name)));
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        loop {
            let found = read.regions(None, &page).await?;
            self.regions.extend(found.items.into_iter().map(|r| (r.id, (r.code, r.name))));
            page.after = found.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    pub(crate) async fn product(
        &mut self,
        read: &mut dyn ReadSession,
        id: ProductId,
    ) -> PortResult<api::NamedRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.products.entry(id) {
            let found = read.product(id).await?;
            vacant.insert(found.map_or_else(|| format!("id:{id}"), |p| p.spec.name));
        }
        Ok(api::NamedRef { id: id.0, name: self.products.get(&id).cloned().unwrap_or_default() })
    }

    pub(crate) async fn group(
        &mut self,
        read: &mut dyn ReadSession,
        id: GroupId,
    ) -> PortResult<api::NamedRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.groups.entry(id) {
            let found = read.group(id).await?;
            vacant.insert(found.map_or_else(|| format!("id:{id}"), |g| g.name));
        }
        Ok(api::NamedRef { id: id.0, name: self.groups.get(&id).cloned().unwrap_or_default() })
    }

    pub(crate) async fn region(
        &mut self,
        read: &mut dyn ReadSession,
        id: RegionId,
    ) -> PortResult<api::RegionRef> {
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.regions.entry(id) {
            let found = read.region(id).await?;
            vacant.insert(found.map_or_else(|| (format!("id:{id}"), String::new()), |r| (r.code, r.name)));
        }
        let (code, name) = self.regions.get(&id).cloned().unwrap_or_default();
        Ok(api::RegionRef { id: id.0, code, name })
    }

    pub(crate) async fn device(
        &mut self,
        read: &mut dyn ReadSession,
        device: m::Device,
    ) -> PortResult<api::DeviceView> {
        let product = self.product(read, device.spec.product).await?;
        let group = match device.spec.group {
            Some(id) => Some(self.group(read, id).await?),
            None => None,
        };
        let region = match device.spec.region {
            Some(id) => Some(self.region(read, id).await?),
            None => None,
        };
        Ok(api::DeviceView {
            id: device.id.0,
            key: device.spec.key.to_string(),
            name: device.spec.name,
            product,
            group,
            region,
            attributes: device.spec.attributes,
            state: device_state(device.spec.state),
            online: device.online,
            online_changed_at: device.online_changed_at.map(time),
            last_seen_at: device.last_seen_at.map(time),
            firmware_version: device.firmware_version,
            firmware_id: device.firmware.map(|f| f.0),
            image_hash: device.image_hash.map(|h| h.to_string()),
            capabilities: device.capabilities,
            contents_mismatch: device.contents_mismatch,
            // The series store has it: see `live`.
            status: None,
            created_at: time(device.created_at),
            updated_at: time(device.updated_at),
        })
    }

    pub(crate) async fn firmware(
        &mut self,
        read: &mut dyn ReadSession,
        firmware: m::Firmware,
    ) -> PortResult<api::FirmwareView> {
        let product = self.product(read, firmware.spec.product).await?;
        let facts = firmware.spec.facts;
        Ok(api::FirmwareView {
            id: firmware.id.0,
            product,
            version: firmware.spec.version,
            file_name: firmware.spec.file_name,
            state: firmware_state(firmware.spec.state),
            release_notes: firmware.spec.release_notes,
            sha256: firmware.hash.to_string(),
            size: firmware.size,
            image: api::ImageFacts {
                format: image_format(facts.format),
                chip: facts.chip,
                project: facts.project,
                app_version: facts.app_version,
                idf_version: facts.idf_version,
                segments: facts.segments,
            },
            created_at: time(firmware.created_at),
        })
    }

    pub(crate) async fn deployment(
        &mut self,
        read: &mut dyn ReadSession,
        summary: DeploymentSummary,
    ) -> PortResult<api::DeploymentView> {
        let product = self.product(read, summary.deployment.product).await?;
        Ok(deployment_view(summary, product))
    }
}

fn deployment_view(summary: DeploymentSummary, product: api::NamedRef) -> api::DeploymentView {
    let words = summary.words;
    let deployment = summary.deployment;
    let contents = deployed_contents(&deployment);
    let firmware =
        deployment.spec.payload.firmware().zip(deployment.image()).map(|(id, hash)| api::DeployedFirmware {
            id: id.0,
            product: product.clone(),
            version: deployment.version,
            sha256: hash.to_string(),
            size: deployment.size,
        });
    let kind = if firmware.is_some() { api::DeploymentKind::Firmware } else { api::DeploymentKind::Content };
    let policy = deployment.spec.policy;
    let by_state =
        summary.counts.0.iter().filter(|(_, n)| **n > 0).map(|(s, n)| (update_state(*s), *n)).collect();
    api::DeploymentView {
        id: deployment.id.0,
        name: deployment.spec.name,
        kind,
        product,
        firmware,
        contents,
        state: deployment_state(deployment.state),
        planned: deployment.planned,
        policy: api::PolicyView {
            max_in_flight: policy.max_in_flight,
            rate_per_s: policy.rate_per_s,
            attempt_timeout_s: policy.attempt_timeout_s,
            offline_grace_s: policy.offline_grace_s,
            max_attempts: policy.max_attempts,
            expires_at: policy.expires_at.map(time),
        },
        progress: api::DeploymentProgress {
            total: summary.counts.total(),
            finished: summary.counts.finished(),
            by_state,
            by_outcome: [
                (api::Outcome::Waiting, words.waiting),
                (api::Outcome::InProgress, words.in_progress),
                (api::Outcome::Success, words.success),
                (api::Outcome::Failed, words.failed),
                (api::Outcome::Timeout, words.timeout),
                (api::Outcome::Canceled, words.canceled),
            ]
            .into(),
            downloaded_bytes: summary.downloaded_bytes,
            total_bytes: summary.total_bytes,
            speed_bytes_per_s: summary.bytes_per_s,
            #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
            eta_s: summary.eta_s.map(|s| s as f64),
            success_rate: summary.success_rate,
        },
        created_at: time(deployment.created_at),
        started_at: deployment.started_at.map(time),
        finished_at: deployment.finished_at.map(time),
    }
}
