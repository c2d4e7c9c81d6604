//! Creating deployments, steering them, and the one place that says how they stand.

use argosy_domain::Timestamp;
use argosy_domain::model::{
    Content, ContentState, Deployment, DeploymentPayload, DeploymentPolicy, DeploymentState, DeviceFilter,
    FirmwareState, MAX_CONTENTS, MAX_NAME, NewDeployment, OutboxKind, OutboxRow, UpdateCounts, UpdateState,
    checked_name,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{ReadSession, UnitOfWork};
use argosy_proto::{ContentId, DeploymentId, FirmwareId, OutboxId, ProductId};
use serde::Serialize;
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::dispatch::command_id;
use crate::error::{EngineError, EngineResult};

/// Device updates that one transaction of a cancel touches at most.
const CANCEL_CHUNK: u32 = 2_000;

/// Why updates were canceled when the operator did not say.
pub(crate) const CANCELED: &str = "canceled by an operator";

/// Which firmware to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirmwareChoice {
    /// By row.
    Id(FirmwareId),
    /// By product and version; refused when several files have that version.
    Version(ProductId, String),
}

/// What to deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentChoice {
    /// A firmware.
    Firmware(FirmwareChoice),
    /// Contents, in the order in which they are shown.
    Contents(Vec<ContentId>),
}

/// What was chosen, checked.
struct Chosen {
    payload: DeploymentPayload,
    product: ProductId,
    /// The deployment's name if none is given.
    name: String,
    /// Bytes of all of its files.
    bytes: i64,
    detail: serde_json::Value,
}

impl Chosen {
    async fn of(read: &mut dyn ReadSession, choice: DeploymentChoice) -> EngineResult<Self> {
        match choice {
            DeploymentChoice::Firmware(choice) => chosen_firmware(read, choice).await,
            DeploymentChoice::Contents(ids) => chosen_contents(read, ids).await,
        }
    }

    /// The stored selection: the target's devices of the product that take part.
    fn target(&self, mut target: DeviceFilter) -> EngineResult<DeviceFilter> {
        if target.product.is_some_and(|p| p != self.product) {
            return Err(EngineError::invalid(
                "target",
                "the target names another product than that of what is deployed",
            ));
        }
        target.product = Some(self.product);
        target.state = Some(argosy_domain::model::DeviceState::Active);
        Ok(target)
    }
}

/// What a deployment would do, were it made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The name that it would have.
    pub name: String,
    /// Active devices of the product in the target.
    pub devices: u64,
    /// Those of them that are connected.
    pub online: u64,
    /// Bytes that a device downloads.
    pub bytes_per_device: i64,
}

/// A deployment that is asked for.
#[derive(Debug, Clone)]
pub struct DeploymentRequest {
    /// Its name; made from the firmware's version or the contents' titles if none.
    pub name: Option<String>,
    /// What.
    pub payload: DeploymentChoice,
    /// To which devices; only those of its product that are active are taken.
    pub target: DeviceFilter,
    /// How.
    pub policy: DeploymentPolicy,
}

/// The console's words for the states of a device in a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FiveWords {
    /// pending, dispatched
    pub waiting: u64,
    /// acknowledged … installing
    pub in_progress: u64,
    /// succeeded
    pub success: u64,
    /// failed, rejected, rolled back
    pub failed: u64,
    /// timed out
    pub timeout: u64,
    /// canceled
    pub canceled: u64,
}

impl From<&UpdateCounts> for FiveWords {
    fn from(counts: &UpdateCounts) -> Self {
        let mut words = Self::default();
        for (state, n) in &counts.0 {
            *match state {
                UpdateState::Pending | UpdateState::Dispatched => &mut words.waiting,
                UpdateState::Acknowledged
                | UpdateState::Downloading
                | UpdateState::Downloaded
                | UpdateState::Installing => &mut words.in_progress,
                UpdateState::Succeeded => &mut words.success,
                UpdateState::Failed | UpdateState::Rejected | UpdateState::RolledBack => &mut words.failed,
                UpdateState::TimedOut => &mut words.timeout,
                UpdateState::Canceled => &mut words.canceled,
            } += n;
        }
        words
    }
}

/// How a deployment stands, all of it read in one session.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentSummary {
    /// The deployment.
    pub deployment: Deployment,
    /// Its device updates by state.
    pub counts: UpdateCounts,
    /// The same in the console's words.
    pub words: FiveWords,
    /// Bytes downloaded and to download, all targets.
    pub downloaded_bytes: i64,
    /// Bytes of all targets.
    pub total_bytes: i64,
    /// Bytes a second, by server time since the first dispatch; `None` before any byte.
    pub bytes_per_s: Option<f64>,
    /// Seconds until every byte is down at that speed; `None` when it cannot be said.
    pub eta_s: Option<u64>,
    /// Succeeded of all that ended by themselves (canceled ones do not count), 0…1; `None` before the first end.
    pub success_rate: Option<f64>,
}

impl Engine {
    /// Creates a deployment. Its targets are fixed as a stored selection and planned in chunks in the background.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], [`EngineError::NotFound`], `firmware_not_released`, `firmware_ambiguous`, `content_withdrawn`,
    /// `no_targets`.
    pub async fn create_deployment(
        &self,
        actor: &Actor,
        request: DeploymentRequest,
    ) -> EngineResult<Deployment> {
        actor.may_change()?;
        request.policy.check()?;
        let now = self.now();
        if request.policy.expires_at.is_some_and(|at| at <= now) {
            return Err(EngineError::invalid(
                "expires_at",
                "the deployment would be expired already; give a time to come",
            ));
        }
        let mut work = self.ports.registry.begin("deployment").await?;
        let chosen = Chosen::of(&mut *work, request.payload).await?;
        let target = chosen.target(request.target)?;
        if work.devices(&target, &PageRequest::first(1)).await?.items.is_empty() {
            let message =
                "no active device of the product is in the target; check the groups, regions or keys";
            return Err(EngineError::conflict("no_targets", message));
        }
        let spec = NewDeployment {
            name: checked_name("name", request.name.as_deref().unwrap_or(&chosen.name))?,
            payload: chosen.payload,
            target,
            policy: request.policy,
            created_by: actor.user,
        };
        let id = work.insert_deployment(&spec, now).await?;
        let deployment =
            work.deployment(id).await?.ok_or_else(|| EngineError::not_found("deployment", id))?;
        let mut detail = chosen.detail;
        detail["name"] = spec.name.clone().into();
        audit(&mut *work, actor, "deployment.create", format!("deployment:{id}"), detail, now).await?;
        work.commit().await?;
        self.feed.deployment(id);
        self.wake();
        Ok(deployment)
    }

    /// What [`Engine::create_deployment`] would do, without doing it. A target without a device is no error here.
    ///
    /// # Errors
    /// As [`Engine::create_deployment`], but for `no_targets`.
    pub async fn preview_deployment(&self, request: DeploymentRequest) -> EngineResult<Preview> {
        request.policy.check()?;
        let mut read = self.ports.registry.read().await?;
        let chosen = Chosen::of(&mut *read, request.payload).await?;
        let target = chosen.target(request.target)?;
        let devices = read.count_devices(&target).await?;
        let online = read.count_devices(&DeviceFilter { online: Some(true), ..target }).await?;
        let name = checked_name("name", request.name.as_deref().unwrap_or(&chosen.name))?;
        Ok(Preview { name, devices, online, bytes_per_device: chosen.bytes })
    }

    /// Stops dispatching; what is on its way ends by itself. `reason` (may be empty) is for the audit trail.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `deployment_finished`.
    pub async fn pause_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: &str,
    ) -> EngineResult<Deployment> {
        self.steer(actor, id, "deployment.pause", reason, |d| d.state = DeploymentState::Paused).await
    }

    /// Goes on dispatching. `reason` (may be empty) is for the audit trail.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `deployment_finished`.
    pub async fn resume_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: &str,
    ) -> EngineResult<Deployment> {
        let resume = |d: &mut Deployment| {
            d.state = if d.planned { DeploymentState::Running } else { DeploymentState::Planning }
        };
        self.steer(actor, id, "deployment.resume", reason, resume).await
    }

    async fn steer(
        &self,
        actor: &Actor,
        id: DeploymentId,
        action: &'static str,
        reason: &str,
        change: impl Fn(&mut Deployment) + Send,
    ) -> EngineResult<Deployment> {
        actor.may_change()?;
        let detail = match reason.trim() {
            "" => json!({}),
            reason => json!({ "reason": checked_name("reason", reason)? }),
        };
        let mut work = self.ports.registry.begin("deployment").await?;
        let mut deployment = steerable(&mut *work, id).await?;
        let before = deployment.state;
        change(&mut deployment);
        if deployment.state == before {
            return Ok(deployment);
        }
        if !work.save_deployment(&deployment).await? {
            return Err(changed_meanwhile(id));
        }
        audit(&mut *work, actor, action, format!("deployment:{id}"), detail, self.now()).await?;
        work.commit().await?;
        self.feed.deployment(id);
        self.wake();
        Ok(deployment)
    }

    /// Cancels: first the deployment (from this commit on nothing is dispatched), then its device updates in chunks; devices that hold a
    /// slot are told, but nobody's answer is waited for. A crash in between is taken up by the dispatcher.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `deployment_finished`.
    pub async fn cancel_deployment(
        &self,
        actor: &Actor,
        id: DeploymentId,
        reason: &str,
    ) -> EngineResult<Deployment> {
        let told = if reason.trim().is_empty() { CANCELED } else { reason };
        let told = checked_name("reason", told)?;
        let cancel = |d: &mut Deployment| d.state = DeploymentState::Canceled;
        self.steer(actor, id, "deployment.cancel", reason, cancel).await?;
        self.finish_cancel(id, &told).await?;
        let found = self.ports.registry.read().await?.deployment(id).await?;
        found.ok_or_else(|| EngineError::not_found("deployment", id))
    }

    /// Cancels what is not final of a canceled deployment, chunk by chunk, and writes its end.
    pub(crate) async fn finish_cancel(&self, id: DeploymentId, reason: &str) -> EngineResult<()> {
        loop {
            let now = self.now();
            let mut work = self.ports.registry.begin("cancel").await?;
            let chunk = work.cancel_updates(id, reason, now, CANCEL_CHUNK).await?;
            if chunk.canceled == 0 {
                if let Some(mut deployment) = work.deployment(id).await?
                    && deployment.finished_at.is_none()
                {
                    deployment.finished_at = Some(now);
                    work.save_deployment(&deployment).await?;
                    work.commit().await?;
                }
                break;
            }
            let rows: Vec<OutboxRow> = chunk
                .in_flight
                .iter()
                .map(|update| OutboxRow {
                    id: OutboxId(0),
                    device: update.device,
                    key: update.key.clone(),
                    kind: OutboxKind::Cancel,
                    deployment: id,
                    command_id: command_id(update),
                    created_at: now,
                })
                .collect();
            if !rows.is_empty() {
                work.insert_outbox(&rows).await?;
            }
            work.commit().await?;
            self.ring_sender();
        }
        self.feed.deployment(id);
        Ok(())
    }

    /// How a deployment stands.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn deployment_summary(&self, id: DeploymentId) -> EngineResult<DeploymentSummary> {
        let mut read = self.ports.registry.read().await?;
        let deployment =
            read.deployment(id).await?.ok_or_else(|| EngineError::not_found("deployment", id))?;
        let counts = read.update_counts(id).await?;
        let bytes = read.update_bytes(id).await?;
        drop(read);
        Ok(summarize(deployment, counts, bytes.downloaded, bytes.total, self.now()))
    }
}

fn summarize(
    deployment: Deployment,
    counts: UpdateCounts,
    downloaded: i64,
    total: i64,
    now: Timestamp,
) -> DeploymentSummary {
    let until = deployment.finished_at.unwrap_or(now);
    let seconds = deployment.started_at.map(|at| until.since(at).as_secs_f64()).filter(|s| *s > 0.0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a speed for people; bytes of a fleet stay far below 2^52"
    )]
    let bytes_per_s = seconds.filter(|_| downloaded > 0).map(|s| downloaded as f64 / s);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as above"
    )]
    let eta_s = bytes_per_s
        .filter(|_| !deployment.state.is_final())
        .map(|speed| ((total - downloaded).max(0) as f64 / speed) as u64);
    let words = FiveWords::from(&counts);
    let ended = words.success + words.failed + words.timeout;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let success_rate = (ended > 0).then(|| words.success as f64 / ended as f64);
    DeploymentSummary {
        deployment,
        counts,
        words,
        downloaded_bytes: downloaded,
        total_bytes: total,
        bytes_per_s,
        eta_s,
        success_rate,
    }
}

async fn chosen_firmware(work: &mut dyn ReadSession, choice: FirmwareChoice) -> EngineResult<Chosen> {
    let firmware = match choice {
        FirmwareChoice::Id(id) => {
            work.firmware(id).await?.ok_or_else(|| EngineError::not_found("firmware", id))?
        }
        FirmwareChoice::Version(product, version) => {
            let mut found = work.firmware_by_version(product, &version).await?;
            found.retain(|f| f.spec.state != FirmwareState::Withdrawn);
            if found.len() > 1 {
                let message =
                    format!("{} files have the version {version}; name the firmware by its id", found.len());
                return Err(EngineError::conflict("firmware_ambiguous", message));
            }
            found.pop().ok_or_else(|| EngineError::not_found("firmware", version))?
        }
    };
    if firmware.spec.state != FirmwareState::Released {
        let message =
            format!("firmware {} is {}; release it first", firmware.spec.version, firmware.spec.state);
        return Err(EngineError::conflict("firmware_not_released", message));
    }
    Ok(Chosen {
        payload: DeploymentPayload::Firmware(firmware.id),
        product: firmware.spec.product,
        name: format!("{} {}", firmware.spec.file_name, firmware.spec.version),
        bytes: firmware.size,
        detail: json!({ "firmware": firmware.id, "version": firmware.spec.version }),
    })
}

async fn chosen_contents(work: &mut dyn ReadSession, ids: Vec<ContentId>) -> EngineResult<Chosen> {
    let invalid = |message: String| EngineError::invalid("contents", message);
    if ids.is_empty() || ids.len() > MAX_CONTENTS {
        return Err(invalid(format!("a deployment has 1 to {MAX_CONTENTS} contents, not {}", ids.len())));
    }
    let found = work.contents_by_id(&ids).await?;
    let mut contents: Vec<&Content> = Vec::with_capacity(ids.len());
    for id in &ids {
        let content =
            found.iter().find(|c| c.id == *id).ok_or_else(|| EngineError::not_found("content", id))?;
        if contents.iter().any(|other| other.id == *id) {
            return Err(invalid(format!("{:?} is named twice; name each content once", content.spec.title)));
        }
        if content.spec.state != ContentState::Available {
            let message =
                format!("content {:?} is withdrawn; make it available again first", content.spec.title);
            return Err(EngineError::conflict("content_withdrawn", message));
        }
        if let Some(first) = contents.first()
            && first.spec.product != content.spec.product
        {
            let message = format!(
                "{:?} and {:?} are made for different products; deploy them one after the other",
                first.spec.title, content.spec.title
            );
            return Err(invalid(message));
        }
        contents.push(content);
    }
    let Some(first) = contents.first() else { return Err(invalid("name a content".to_owned())) };
    let rest = contents.len() - 1;
    // Cut, since a title may be as long as a name.
    let mut name: String = first.spec.title.chars().take(MAX_NAME - 8).collect();
    if rest > 0 {
        name.push_str(&format!(" +{rest}"));
    }
    let product = first.spec.product;
    let titles: Vec<&str> = contents.iter().map(|c| c.spec.title.as_str()).collect();
    let detail = json!({ "contents": ids, "titles": titles });
    let bytes = contents.iter().map(|c| c.size).sum();
    Ok(Chosen { product, name, bytes, detail, payload: DeploymentPayload::Contents(ids) })
}

async fn steerable(work: &mut dyn UnitOfWork, id: DeploymentId) -> EngineResult<Deployment> {
    let deployment = work.deployment(id).await?.ok_or_else(|| EngineError::not_found("deployment", id))?;
    if deployment.state.is_final() {
        let message = format!("deployment {id} is {} already", deployment.state);
        return Err(EngineError::conflict("deployment_finished", message));
    }
    Ok(deployment)
}

fn changed_meanwhile(id: DeploymentId) -> EngineError {
    EngineError::conflict(
        "deployment_changed",
        format!("deployment {id} was changed at the same moment; look at it and try again"),
    )
}
