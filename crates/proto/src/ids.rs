//! Identifiers. Each kind of row has its own integer type, so that a product's id can never be taken for a device's.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! row_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// The number as the database has it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

row_ids! {
    /// A product: a hardware model.
    ProductId,
    /// A group of devices.
    GroupId,
    /// A region.
    RegionId,
    /// A device (its database name; its wire name is the [`crate::DeviceKey`]).
    DeviceId,
    /// An artifact: one immutable binary. It is `file_info.id` on the wire, so it stays within 1…2^31-1.
    ArtifactId,
    /// A registered firmware: an artifact with a product and a version.
    FirmwareId,
    /// A registered content: a binary for a display, with a title and a product.
    ContentId,
    /// A deployment.
    DeploymentId,
    /// A user of the console or the API.
    UserId,
    /// An API token.
    TokenId,
    /// A row of the outbox.
    OutboxId,
    /// A row of the inbox.
    InboxId,
    /// A row of a device's firmware history.
    HistoryId,
    /// An audit entry.
    AuditId,
    /// A one-time code of registration (its row, not its digits).
    RegistrationCodeId,
}
