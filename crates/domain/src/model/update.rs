//! One device's way through one deployment, and the only function that moves it.

use argosy_proto::{DeploymentId, DeviceId, DeviceKey, Sha256Hash, UpdateKind};
use serde::{Deserialize, Serialize};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// The states of a device in a deployment.
    UpdateState {
        /// Waits for a slot, or for the device to come online.
        Pending = "pending",
        /// The request was decided and is being sent.
        Dispatched = "dispatched",
        /// The device said that it has the request.
        Acknowledged = "acknowledged",
        /// Bytes are flowing.
        Downloading = "downloading",
        /// Downloaded and verified; the device confirms by `hello` after its trial boot.
        Downloaded = "downloaded",
        /// Written to the other slot; rebooting.
        Installing = "installing",
        /// Runs it.
        Succeeded = "succeeded",
        /// The device said that it failed.
        Failed = "failed",
        /// Nothing came in time, or the device said so.
        TimedOut = "timed_out",
        /// Canceled by an operator, or superseded by a newer deployment.
        Canceled = "canceled",
        /// The device refused the request.
        Rejected = "rejected",
        /// The new image did not hold; the old one runs again.
        RolledBack = "rolled_back",
    }
}

impl UpdateState {
    /// Never changes any more.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Succeeded
                | Self::Failed
                | Self::TimedOut
                | Self::Canceled
                | Self::Rejected
                | Self::RolledBack
        )
    }

    /// Holds one of the deployment's slots.
    pub const fn in_flight(self) -> bool {
        !self.is_final() && !matches!(self, Self::Pending)
    }

    /// How far along: a message never moves a device to a lower rank.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Dispatched => 1,
            Self::Acknowledged => 2,
            Self::Downloading => 3,
            Self::Downloaded => 4,
            Self::Installing => 5,
            _ => 9,
        }
    }
}

/// One device in one deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceUpdate {
    /// Which deployment.
    pub deployment: DeploymentId,
    /// Which device.
    pub device: DeviceId,
    /// Its key.
    pub key: DeviceKey,
    /// Where it stands.
    pub state: UpdateState,
    /// Attempts begun (0: never dispatched). It is the last part of the command id.
    pub attempt: u32,
    /// Percent, 0…100.
    pub progress: u8,
    /// Bytes downloaded, by the device's word, clamped to `total_bytes`.
    pub downloaded_bytes: i64,
    /// Bytes to download.
    pub total_bytes: i64,
    /// Files of a content update; 0: it is a firmware update.
    pub files: u32,
    /// Files that the device said it has downloaded and verified in the current attempt (boards send a result for each).
    pub files_done: u32,
    /// What the device or the server says of a bad end.
    pub message: Option<String>,
    /// When the current attempt was dispatched.
    pub dispatched_at: Option<Timestamp>,
    /// When the first byte was reported in the current attempt.
    pub download_started_at: Option<Timestamp>,
    /// The last message on the command.
    pub last_event_at: Option<Timestamp>,
    /// When it became final.
    pub finished_at: Option<Timestamp>,
    /// Counts every write; a stale executor's conditional write misses.
    pub revision: i64,
}

/// What happened to a device update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateEvent {
    /// The executor gave it a slot.
    Dispatch,
    /// `update/request/ack` ACKNOWLEDGED.
    Acknowledged,
    /// `update/request/ack` REJECTED.
    Rejected {
        /// The device's reason.
        message: Option<String>,
    },
    /// `update/progress`.
    Progress {
        /// Percent, already clamped to 0…100.
        percent: u8,
        /// Bytes, not negative.
        downloaded_bytes: i64,
    },
    /// `update/result` SUCCESS from a device that does (`true`) or does not confirm its boot.
    Downloaded {
        /// The device has `boot-confirm`.
        confirms_boot: bool,
    },
    /// `update/result` SUCCESS of a content update: of one of its files, or of all when every byte was reported before.
    FileDone,
    /// The device reports that it shows exactly the deployed contents.
    Shown,
    /// The device has downloaded all contents and says nothing of what it shows: its results count.
    Settle,
    /// `update/result` INSTALLED.
    Installed,
    /// `hello`, confirmed, with this image.
    Booted {
        /// The image that runs, confirmed.
        image_hash: Sha256Hash,
        /// The deployed image.
        deployed: Sha256Hash,
    },
    /// `update/result` ROLLED_BACK.
    RolledBack {
        /// The device's reason.
        message: Option<String>,
    },
    /// `update/result` ERROR or FAILED.
    Failed {
        /// The device's reason.
        message: Option<String>,
    },
    /// `update/result` TIMEOUT.
    TimedOut {
        /// The device's reason.
        message: Option<String>,
    },
    /// It already runs the image (by hash).
    AlreadyRuns,
    /// Its slot's lease ran out, or its device stayed offline: pending again, or `timed_out` after the last attempt.
    Release {
        /// Attempts allowed.
        max_attempts: u32,
        /// Why.
        message: &'static str,
    },
    /// The deployment expired.
    Expire,
    /// An operator canceled, or a newer deployment superseded it.
    Cancel {
        /// Why.
        message: String,
    },
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The row changed and must be written.
    Changed,
    /// Late, repeated or reordered: nothing to write.
    Ignored,
}

/// The longest message kept, in characters.
pub const MAX_UPDATE_MESSAGE: usize = 512;

impl DeviceUpdate {
    /// A device that has just been planned into a deployment.
    pub const fn planned(
        deployment: DeploymentId,
        device: DeviceId,
        key: DeviceKey,
        total_bytes: i64,
    ) -> Self {
        Self {
            deployment,
            device,
            key,
            state: UpdateState::Pending,
            attempt: 0,
            progress: 0,
            downloaded_bytes: 0,
            total_bytes,
            files: 0,
            files_done: 0,
            message: None,
            dispatched_at: None,
            download_started_at: None,
            last_event_at: None,
            finished_at: None,
            revision: 0,
        }
    }

    /// The same update as one of `files` contents.
    #[must_use]
    pub const fn of_contents(mut self, files: u32) -> Self {
        self.files = files;
        self
    }

    /// What is updated.
    pub const fn kind(&self) -> UpdateKind {
        if self.files == 0 { UpdateKind::Firmware } else { UpdateKind::Advertisement }
    }

    /// Applies one event at server time `now`. A final state is never left, a rank never falls (but by `Release`),
    /// and [`Applied::Ignored`] leaves `self` untouched. Raises `revision` when something changed.
    pub fn apply(&mut self, event: &UpdateEvent, now: Timestamp) -> Applied {
        if self.state.is_final() {
            return Applied::Ignored;
        }
        let applied = match event {
            UpdateEvent::Dispatch => self.dispatch(now),
            UpdateEvent::Acknowledged => self.advance(UpdateState::Acknowledged, now),
            UpdateEvent::Progress { percent, downloaded_bytes } => {
                self.progressed(*percent, *downloaded_bytes, now)
            }
            UpdateEvent::Downloaded { confirms_boot } => self.downloaded(*confirms_boot, now),
            UpdateEvent::FileDone => self.file_done(now),
            UpdateEvent::Shown => self.succeed(now),
            UpdateEvent::Settle => self.settle(now),
            UpdateEvent::Installed => self.whole(UpdateState::Installing, now),
            UpdateEvent::Booted { image_hash, deployed } => self.booted(image_hash == deployed, now),
            UpdateEvent::Rejected { message } => self.end(UpdateState::Rejected, message.as_deref(), now),
            UpdateEvent::RolledBack { message } => self.end(UpdateState::RolledBack, message.as_deref(), now),
            UpdateEvent::Failed { message } => self.end(UpdateState::Failed, message.as_deref(), now),
            UpdateEvent::TimedOut { message } => self.end(UpdateState::TimedOut, message.as_deref(), now),
            UpdateEvent::AlreadyRuns => self.succeed(now),
            UpdateEvent::Release { max_attempts, message } => self.release(*max_attempts, message, now),
            UpdateEvent::Expire => self.end(UpdateState::TimedOut, Some("the deployment expired"), now),
            UpdateEvent::Cancel { message } => self.end(UpdateState::Canceled, Some(message), now),
        };
        if applied == Applied::Changed {
            self.revision += 1;
        }
        applied
    }

    fn dispatch(&mut self, now: Timestamp) -> Applied {
        if self.state != UpdateState::Pending {
            return Applied::Ignored;
        }
        self.state = UpdateState::Dispatched;
        self.attempt += 1;
        self.progress = 0;
        self.downloaded_bytes = 0;
        self.files_done = 0;
        self.message = None;
        self.dispatched_at = Some(now);
        self.download_started_at = None;
        self.last_event_at = Some(now);
        Applied::Changed
    }

    /// A message on the command keeps the lease alive even when it moves nothing.
    fn advance(&mut self, to: UpdateState, now: Timestamp) -> Applied {
        self.last_event_at = Some(now);
        if to.rank() > self.state.rank() {
            self.state = to;
        }
        Applied::Changed
    }

    fn progressed(&mut self, percent: u8, bytes: i64, now: Timestamp) -> Applied {
        self.advance(UpdateState::Downloading, now);
        self.download_started_at.get_or_insert(now);
        self.progress = self.progress.max(percent.min(100));
        self.downloaded_bytes = self.downloaded_bytes.max(bytes.clamp(0, self.total_bytes));
        Applied::Changed
    }

    fn downloaded(&mut self, confirms_boot: bool, now: Timestamp) -> Applied {
        if !confirms_boot {
            return self.succeed(now);
        }
        self.whole(UpdateState::Downloaded, now)
    }

    /// One more result: it speaks for the whole set when it is the last of as many as files, or when every byte was reported before.
    fn file_done(&mut self, now: Timestamp) -> Applied {
        self.files_done = self.files_done.saturating_add(1).min(self.files.max(1));
        if self.files_done >= self.files || self.progress == 100 {
            return self.whole(UpdateState::Downloaded, now);
        }
        self.advance(UpdateState::Downloading, now);
        self.download_started_at.get_or_insert(now);
        Applied::Changed
    }

    fn settle(&mut self, now: Timestamp) -> Applied {
        if self.state != UpdateState::Downloaded || self.kind() != UpdateKind::Advertisement {
            return Applied::Ignored;
        }
        self.succeed(now)
    }

    /// An advance that only a whole download makes possible, even if what said so before was lost.
    fn whole(&mut self, to: UpdateState, now: Timestamp) -> Applied {
        self.progress = 100;
        self.downloaded_bytes = self.total_bytes;
        self.advance(to, now)
    }

    fn booted(&mut self, runs_deployed: bool, now: Timestamp) -> Applied {
        if runs_deployed {
            return self.succeed(now);
        }
        // Before INSTALLED an old image is just a device that rebooted on its way: its lease decides.
        if self.state == UpdateState::Installing {
            return self.end(UpdateState::RolledBack, Some("the device runs its old image again"), now);
        }
        Applied::Ignored
    }

    fn succeed(&mut self, now: Timestamp) -> Applied {
        self.progress = 100;
        self.downloaded_bytes = self.total_bytes;
        self.end(UpdateState::Succeeded, None, now)
    }

    fn end(&mut self, state: UpdateState, message: Option<&str>, now: Timestamp) -> Applied {
        self.state = state;
        self.message = message.map(|m| m.chars().take(MAX_UPDATE_MESSAGE).collect());
        self.last_event_at = Some(now);
        self.finished_at = Some(now);
        Applied::Changed
    }

    fn release(&mut self, max_attempts: u32, message: &str, now: Timestamp) -> Applied {
        if !self.state.in_flight() {
            return Applied::Ignored;
        }
        if self.attempt >= max_attempts {
            return self.end(UpdateState::TimedOut, Some(message), now);
        }
        self.state = UpdateState::Pending;
        self.message = Some(message.to_owned());
        Applied::Changed
    }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
