//! Words with a fixed set of values. The same texts stand in the database and the logs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:tt),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The text.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result { f.pad(self.as_str()) }
        }

        impl core::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(format!("{:?} is not one of {}", text, [$($text),*].join(", "))),
                }
            }
        }
    )*};
}

words! {
    /// What a user may do.
    Role {
        /// Everything.
        Admin = "admin",
        /// Everything but users and other people's tokens.
        Operator = "operator",
        /// Reads.
        Viewer = "viewer",
    }

    /// Why a certificate was revoked, in the words of RFC 5280.
    RevocationReason {
        /// Nobody said.
        Unspecified = "unspecified",
        /// The private key is, or may be, in other hands.
        KeyCompromise = "key_compromise",
        /// What the certificate says of its holder is no longer true.
        AffiliationChanged = "affiliation_changed",
        /// A newer one took its place.
        Superseded = "superseded",
        /// The device is out of service.
        CessationOfOperation = "cessation_of_operation",
        /// Its holder may no longer use it.
        PrivilegeWithdrawn = "privilege_withdrawn",
    }

    /// How a product's image is built, which decides how it is checked.
    ImageFormat {
        /// An ESP-IDF application image.
        EspIdf = "esp-idf",
        /// Any bytes.
        Raw = "raw",
    }

    /// Whether a content may be deployed.
    ContentState {
        /// May be deployed.
        Available = "available",
        /// May not be deployed any more.
        Withdrawn = "withdrawn",
    }

    /// How a picture that has not the display's shape is brought onto it.
    ContentFit {
        /// Whole picture, bars where it does not reach.
        Fit = "fit",
        /// Whole display, what hangs over is cut off evenly.
        Fill = "fill",
    }

    /// What was uploaded.
    ContentSource {
        /// A PNG picture.
        Png = "png",
        /// A JPEG picture.
        Jpeg = "jpeg",
        /// A WebP picture.
        Webp = "webp",
        /// An LVGL 8 binary image.
        Lvgl = "lvgl",
    }

    /// How a content's binary came to be.
    ContentMade {
        /// The server made it from a picture.
        Converted = "converted",
        /// It was uploaded ready.
        Ready = "ready",
    }

    /// How a device came to show what it shows.
    ContentChangeKind {
        /// A deployment succeeded.
        Updated = "updated",
        /// The device reported it.
        Reported = "reported",
    }

    /// What a deployment carries.
    DeploymentKind {
        /// A firmware.
        Firmware = "firmware",
        /// Contents.
        Content = "content",
    }

    /// What has become of a registration code.
    RegistrationCodeState {
        /// It can be used.
        Open = "open",
        /// A device was registered with it.
        Used = "used",
        /// Nobody used it in time.
        Expired = "expired",
        /// It was taken back.
        Revoked = "revoked",
    }

    /// Whether a device may take part.
    DeviceState {
        /// Known, not yet registered.
        Unregistered = "unregistered",
        /// Takes part.
        Active = "active",
        /// Refused and cut off.
        Suspended = "suspended",
    }

    /// Whether a certificate lets its device in.
    CertificateState {
        /// Lets it in.
        Active = "active",
        /// Refused for ever.
        Revoked = "revoked",
    }

    /// Whether a firmware may be deployed.
    FirmwareState {
        /// Not for deployment yet.
        Draft = "draft",
        /// May be deployed.
        Released = "released",
        /// May not be deployed any more.
        Withdrawn = "withdrawn",
    }

    /// Where a deployment stands.
    DeploymentState {
        /// Its targets are being worked out.
        Planning = "planning",
        /// Being dispatched.
        Running = "running",
        /// Nothing new is dispatched.
        Paused = "paused",
        /// Every device update is final.
        Finished = "finished",
        /// Ended by an operator.
        Canceled = "canceled",
    }

    /// The states of a device in a deployment.
    UpdateState {
        /// Waits for a slot or for the device.
        Pending = "pending",
        /// The request is sent.
        Dispatched = "dispatched",
        /// The device has it.
        Acknowledged = "acknowledged",
        /// Bytes are flowing.
        Downloading = "downloading",
        /// Downloaded and verified.
        Downloaded = "downloaded",
        /// Written; rebooting.
        Installing = "installing",
        /// Runs it.
        Succeeded = "succeeded",
        /// The device said that it failed.
        Failed = "failed",
        /// Nothing came in time.
        TimedOut = "timed_out",
        /// Canceled or superseded.
        Canceled = "canceled",
        /// The device refused.
        Rejected = "rejected",
        /// The old image runs again.
        RolledBack = "rolled_back",
    }

    /// The words of the console for the states of a device in a deployment.
    Outcome {
        /// `pending`, `dispatched`.
        Waiting = "waiting",
        /// `acknowledged`, `downloading`, `downloaded`, `installing`.
        InProgress = "in_progress",
        /// `succeeded`.
        Success = "success",
        /// `failed`, `rejected`, `rolled_back`.
        Failed = "failed",
        /// `timed_out`.
        Timeout = "timeout",
        /// `canceled`.
        Canceled = "canceled",
    }

    /// How a device came to run what it runs.
    FirmwareChangeKind {
        /// A deployment succeeded.
        Updated = "updated",
        /// The old image runs again.
        RolledBack = "rolled_back",
        /// The device reported it.
        Reported = "reported",
    }

    /// Through which door a device came.
    Door {
        /// The listener with mutual TLS.
        Mtls = "mtls",
        /// The plain listener.
        Plain = "plain",
    }
}

impl UpdateState {
    /// The console's word for it.
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Pending | Self::Dispatched => Outcome::Waiting,
            Self::Acknowledged | Self::Downloading | Self::Downloaded | Self::Installing => {
                Outcome::InProgress
            }
            Self::Succeeded => Outcome::Success,
            Self::Failed | Self::Rejected | Self::RolledBack => Outcome::Failed,
            Self::TimedOut => Outcome::Timeout,
            Self::Canceled => Outcome::Canceled,
        }
    }

    /// Never changes any more.
    pub const fn is_final(self) -> bool {
        !matches!(self.outcome(), Outcome::Waiting | Outcome::InProgress)
    }
}

impl DeploymentState {
    /// Never changes any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled)
    }
}
