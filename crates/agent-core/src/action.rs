//! What the core asks its driver to do.

use core::fmt;

use crate::CommandId;

/// One thing to do. They are carried out in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Tell the server. If the link is down, keep it (bounded) and send it in order later.
    Send(Report),
    /// Ask for the bytes `from..to` of the image at [`crate::Agent::locator`] and hand them in, in order, as
    /// [`crate::Event::Data`]. Two ranges may be asked for at a time; the second follows the first without a gap.
    Fetch {
        /// First byte.
        from: u32,
        /// One past the last byte.
        to: u32,
    },
    /// Forget every range asked for; their bytes are not wanted any more.
    StopFetch,
    /// Run the self-test and report [`crate::Event::SelfTest`].
    SelfTest,
    /// Deliver what was sent if possible within a few seconds, then restart through the boot loader.
    Reboot,
}

/// A message for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// A request was taken.
    Accepted {
        /// Its command.
        command: CommandId,
    },
    /// A request was not taken.
    Rejected {
        /// Its command.
        command: CommandId,
        /// Why.
        reason: Rejection,
    },
    /// How far the download is.
    Progress {
        /// Its command.
        command: CommandId,
        /// 0-100.
        percent: u8,
        /// Bytes written and hashed.
        downloaded: u32,
        /// Bytes of the image.
        total: u32,
        /// Mean speed since the download began.
        kbit_per_s: u32,
    },
    /// How an update went.
    Result {
        /// Its command.
        command: CommandId,
        /// How.
        outcome: Outcome,
        /// In words.
        reason: Reason,
        /// Milliseconds from the first range asked for to the last byte; 0 if nothing was downloaded.
        download_ms: u32,
    },
    /// The answer to a cancel.
    CancelAck {
        /// The command to cancel.
        command: CommandId,
        /// What became of it.
        status: CancelStatus,
    },
    /// What runs here: see [`crate::Agent::boot_report`].
    Hello,
    /// How the device is, with what it shows: see [`crate::ContentAgent::shown`]. Sent when that has changed.
    Status,
}

/// The word for how an update, or a step of it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Downloaded and verified.
    Success,
    /// Marked for trial; the restart follows.
    Installed,
    /// Given up; what ran before runs again or still.
    Error,
    /// Given up because no byte came for too long.
    Timeout,
    /// The new image was tried and did not prove itself.
    RolledBack,
}

/// What became of a command that was to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelStatus {
    /// It was running or waiting and is not any more.
    Canceled,
    /// No such command here.
    Unknown,
    /// The image is already marked for trial.
    TooLate,
}

/// Why a request was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// An image of no bytes.
    Empty,
    /// It does not fit a slot.
    TooLarge {
        /// Its size.
        size: u32,
        /// The slot's.
        capacity: u32,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the image is empty"),
            Self::TooLarge { size, capacity } => {
                write!(f, "the image has {size} bytes, a slot of this device holds {capacity}")
            }
        }
    }
}

/// Why an update went as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Size and SHA-256 are right.
    Verified,
    /// This image runs here already.
    AlreadyRuns,
    /// The new image starts after the next reset.
    Installed,
    /// Every download had another hash than the request said.
    HashMismatch {
        /// Downloads tried.
        downloads: u8,
    },
    /// The server would not give the bytes.
    Refused {
        /// Its HTTP status.
        status: u16,
    },
    /// The link failed this often in a row without one byte.
    NoProgress {
        /// Failures in a row.
        failures: u16,
    },
    /// The slot could not be written.
    SlotFailed,
    /// The boot state could not be written.
    StateFailed,
    /// A newer request took its place.
    Superseded,
    /// The new image did not come up, or never reached the server.
    NotConfirmed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified => f.write_str("downloaded and verified"),
            Self::AlreadyRuns => f.write_str("this image is already running"),
            Self::Installed => f.write_str("the new image starts after the restart"),
            Self::HashMismatch { downloads } => {
                write!(f, "the SHA-256 of the image differed from the request's after {downloads} downloads")
            }
            Self::Refused { status } => write!(f, "the download was refused with HTTP status {status}"),
            Self::NoProgress { failures } => {
                write!(f, "the download failed {failures} times without progress")
            }
            Self::SlotFailed => f.write_str("the firmware slot could not be written"),
            Self::StateFailed => f.write_str("the boot state could not be written"),
            Self::Superseded => f.write_str("a newer request took its place"),
            Self::NotConfirmed => f.write_str("the new image did not prove itself; the old one runs again"),
        }
    }
}

/// The actions of one step: at most [`Actions::CAPACITY`], in order.
#[derive(Debug, Clone, Copy)]
pub struct Actions {
    list: [Option<Action>; Self::CAPACITY],
    next: usize,
    len: usize,
}

impl Actions {
    /// More than any step produces (the most is a superseding request: stop, result, ack, two ranges).
    pub const CAPACITY: usize = 8;

    pub(crate) const fn none() -> Self {
        Self { list: [None; Self::CAPACITY], next: 0, len: 0 }
    }

    pub(crate) fn push(&mut self, action: Action) {
        debug_assert!(self.len < Self::CAPACITY, "a step produced too many actions");
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Some(action);
            self.len += 1;
        }
    }

    pub(crate) fn send(&mut self, report: Report) {
        self.push(Action::Send(report));
    }

    pub(crate) fn result(&mut self, command: CommandId, outcome: Outcome, reason: Reason, download_ms: u32) {
        self.send(Report::Result { command, outcome, reason, download_ms });
    }
}

impl Iterator for Actions {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        let action = self.list.get(self.next)?.as_ref()?;
        self.next += 1;
        Some(*action)
    }
}
