//! Images and the two slots they live in.

use argosy_proto::Sha256Hash;

use crate::Text;

/// A `command_id`; empty where there is none.
pub type CommandId = Text<64>;

/// A version label. Only shown: what an image *is* is decided by its hash.
pub type Version = Text<48>;

/// One of the two places a firmware image can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The first slot, number 0.
    A,
    /// The second slot, number 1.
    B,
}

impl Slot {
    /// The slot that this one is not.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 or 1.
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// The word on the wire: `a` or `b`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

/// A complete image, known by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// SHA-256 of all its bytes.
    pub hash: Sha256Hash,
    /// Its length in bytes, at least 1.
    pub size: u32,
    /// Its label; empty if the server sent none.
    pub version: Version,
}
