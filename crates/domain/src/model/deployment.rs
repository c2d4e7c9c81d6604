//! A deployment: which firmware or contents, to which devices, at what pace, until when.

use argosy_proto::{
    ArtifactId, ContentId, DeploymentId, FirmwareId, ProductId, Sha256Hash, UpdateKind, UserId,
};
use serde::{Deserialize, Serialize};

use super::{DeviceFilter, UnknownWord, UpdateState, text_enum};
use crate::Timestamp;

text_enum! {
    /// Where a deployment stands.
    DeploymentState {
        /// Its targets are being turned into device updates; dispatch begins when all are there.
        Planning = "planning",
        /// All targets are there; being dispatched.
        Running = "running",
        /// Nothing new is dispatched; what is on its way ends by itself.
        Paused = "paused",
        /// Ended: every device update is final.
        Finished = "finished",
        /// Ended by an operator: what was not final is `canceled`.
        Canceled = "canceled",
    }
}

impl DeploymentState {
    /// Nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled)
    }
}

/// How a deployment goes. Stages, gates and windows come into the same place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentPolicy {
    /// Devices that may hold a slot (dispatched to installing) at once; 1…100,000.
    pub max_in_flight: u32,
    /// Requests sent a second at most; 1…100,000.
    pub rate_per_s: u32,
    /// A slot without any message on its command for so long is released, in seconds; 10…86,400.
    pub attempt_timeout_s: u32,
    /// A slot whose device has been offline for so long is released, in seconds; 1…3,600.
    pub offline_grace_s: u32,
    /// Attempts a device; after the last one it is `timed_out`; 1…20.
    pub max_attempts: u32,
    /// What is not final at this moment becomes `timed_out`.
    pub expires_at: Option<Timestamp>,
}

impl Default for DeploymentPolicy {
    fn default() -> Self {
        Self {
            max_in_flight: 1000,
            rate_per_s: 1000,
            attempt_timeout_s: 600,
            offline_grace_s: 60,
            max_attempts: 3,
            expires_at: None,
        }
    }
}

/// A policy's number outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be within {min} and {max}, not {given}")]
pub struct PolicyError {
    /// The field as the API has it.
    pub field: &'static str,
    /// Smallest value.
    pub min: u32,
    /// Largest value.
    pub max: u32,
    /// What was given.
    pub given: u32,
}

impl DeploymentPolicy {
    /// Checks every bound; a limit that is out of bounds refuses the deployment instead of never biting.
    ///
    /// # Errors
    /// The first field that is out of bounds.
    pub fn check(&self) -> Result<(), PolicyError> {
        for (field, given, min, max) in [
            ("max_in_flight", self.max_in_flight, 1, 100_000),
            ("rate_per_s", self.rate_per_s, 1, 100_000),
            ("attempt_timeout_s", self.attempt_timeout_s, 10, 86_400),
            ("offline_grace_s", self.offline_grace_s, 1, 3_600),
            ("max_attempts", self.max_attempts, 1, 20),
        ] {
            if given < min || given > max {
                return Err(PolicyError { field, min, max, given });
            }
        }
        Ok(())
    }
}

/// What is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentPayload {
    /// A firmware.
    Firmware(FirmwareId),
    /// Contents, in the order in which they are downloaded and shown: 1 to [`MAX_CONTENTS`](super::MAX_CONTENTS), of one
    /// product, none twice. They replace whatever a device shows.
    Contents(Vec<ContentId>),
}

impl DeploymentPayload {
    /// Firmware or content.
    pub const fn kind(&self) -> UpdateKind {
        match self {
            Self::Firmware(_) => UpdateKind::Firmware,
            Self::Contents(_) => UpdateKind::Advertisement,
        }
    }

    /// The firmware, if it is one.
    pub const fn firmware(&self) -> Option<FirmwareId> {
        match self {
            Self::Firmware(id) => Some(*id),
            Self::Contents(_) => None,
        }
    }

    /// The contents; none of a firmware.
    pub fn contents(&self) -> &[ContentId] {
        match self {
            Self::Firmware(_) => &[],
            Self::Contents(ids) => ids,
        }
    }
}

/// A file that is deployed: as it was when the deployment was made, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployedFile {
    /// `file_info.id` on the wire.
    pub artifact: ArtifactId,
    /// SHA-256 of its bytes.
    pub hash: Sha256Hash,
    /// Bytes.
    pub size: i64,
    /// A firmware's file name; a content's title.
    pub name: String,
}

/// What a deployment is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDeployment {
    /// Name for people; need not be unique.
    pub name: String,
    /// What is deployed.
    pub payload: DeploymentPayload,
    /// The stored selection: which devices, fixed when the deployment is planned.
    pub target: DeviceFilter,
    /// How it goes.
    pub policy: DeploymentPolicy,
    /// Who made it.
    pub created_by: UserId,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Row id.
    pub id: DeploymentId,
    /// Everything it was made with.
    #[serde(flatten)]
    pub spec: NewDeployment,
    /// For devices of this product.
    pub product: ProductId,
    /// The files, in order: a firmware's one, or one for each content.
    pub files: Vec<DeployedFile>,
    /// Bytes of all files.
    pub size: i64,
    /// The firmware's version; empty for contents.
    pub version: String,
    /// Where it stands.
    pub state: DeploymentState,
    /// `Paused` while planning was not finished: resume goes back to planning.
    pub planned: bool,
    /// The device id up to which targets have been planned (a restart goes on from here).
    pub plan_cursor: i64,
    /// Counts every change of state; a stale executor's conditional write misses.
    pub generation: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the first request was dispatched.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Deployment {
    /// Hash of the image that a device runs afterwards; `None` for contents.
    pub fn image(&self) -> Option<Sha256Hash> {
        match self.spec.payload {
            DeploymentPayload::Firmware(_) => self.files.first().map(|file| file.hash),
            DeploymentPayload::Contents(_) => None,
        }
    }

    /// What a device shows afterwards; `None` for a firmware.
    pub fn shown_set(&self) -> Option<super::ShownFiles> {
        match self.spec.payload {
            DeploymentPayload::Firmware(_) => None,
            DeploymentPayload::Contents(_) => Some(self.files.iter().map(|file| file.artifact).collect()),
        }
    }
}

/// Device updates of one deployment by state. Always read from the rows themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCounts(pub std::collections::BTreeMap<UpdateState, u64>);

impl UpdateCounts {
    /// Devices in `state`.
    pub fn of(&self, state: UpdateState) -> u64 {
        self.0.get(&state).copied().unwrap_or(0)
    }

    /// All devices.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Devices that hold a slot.
    pub fn in_flight(&self) -> u64 {
        self.0.iter().filter(|(s, _)| s.in_flight()).map(|(_, n)| n).sum()
    }

    /// Devices whose update will not change any more.
    pub fn finished(&self) -> u64 {
        self.0.iter().filter(|(s, _)| s.is_final()).map(|(_, n)| n).sum()
    }
}

/// Bytes of one deployment, summed over its device updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateBytes {
    /// Bytes that devices reported as downloaded (full size for those past downloading).
    pub downloaded: i64,
    /// Bytes of all targets.
    pub total: i64,
}
