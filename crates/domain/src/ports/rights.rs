//! What a session may do. The engine decides at CONNECT; the device plane enforces it on every message, both ways.

use argosy_proto::{DeviceKey, DownTopic, UpTopic};
use serde::{Deserialize, Serialize};

/// What a session of a device may do.
///
/// Subscribing is not restricted beyond the device's own topics: a subscription by itself brings nothing, since what is sent to
/// a device is decided message by message ([`Rights::may_receive`]), and an old board takes a refused one for a broken server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rights {
    /// Everything that a device may.
    Full,
    /// A device that is not registered yet: the code, and renewal.
    RegistrationAndRenewal,
    /// A certificate that has ended, let in for a limited time: renewal and nothing else.
    RenewalOnly,
}

impl Rights {
    /// Whether a session with these rights may send on `topic`; `None` is a topic of its own that the protocol does not know.
    pub const fn may_send(self, topic: Option<&UpTopic>) -> bool {
        match self {
            Self::Full => true,
            Self::RegistrationAndRenewal => {
                matches!(topic, Some(UpTopic::Regist | UpTopic::CertRequest))
            }
            Self::RenewalOnly => matches!(topic, Some(UpTopic::CertRequest)),
        }
    }

    /// Whether a session with these rights is sent messages on `topic`.
    pub const fn may_receive(self, topic: &DownTopic) -> bool {
        match self {
            Self::Full => true,
            Self::RegistrationAndRenewal => matches!(topic, DownTopic::RegistAck | DownTopic::CertAck),
            Self::RenewalOnly => matches!(topic, DownTopic::CertAck),
        }
    }
}

/// A device that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// As whom.
    pub key: DeviceKey,
    /// For what.
    pub rights: Rights,
}

impl Admitted {
    /// With every right.
    pub const fn fully(key: DeviceKey) -> Self {
        Self { key, rights: Rights::Full }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_session_has_exactly_its_topics() {
        let up = |rights: Rights| {
            UpTopic::FIXED.into_iter().filter(|t| rights.may_send(Some(t))).collect::<Vec<_>>()
        };
        let down =
            |rights: Rights| DownTopic::ALL.into_iter().filter(|t| rights.may_receive(t)).collect::<Vec<_>>();
        assert_eq!(up(Rights::Full).len(), UpTopic::FIXED.len());
        assert_eq!(up(Rights::RegistrationAndRenewal), [UpTopic::Regist, UpTopic::CertRequest]);
        assert_eq!(up(Rights::RenewalOnly), [UpTopic::CertRequest]);
        assert_eq!(down(Rights::Full).len(), DownTopic::ALL.len());
        assert_eq!(down(Rights::RegistrationAndRenewal), [DownTopic::RegistAck, DownTopic::CertAck]);
        assert_eq!(down(Rights::RenewalOnly), [DownTopic::CertAck]);
        assert!(Rights::Full.may_send(None));
        assert!(!Rights::RegistrationAndRenewal.may_send(None));
        assert!(!Rights::RenewalOnly.may_send(None));
    }
}
