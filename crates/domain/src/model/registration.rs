//! Registration by a one-time code: what an operator gives out, and how often a device may be wrong.

use std::time::Duration;

use argosy_proto::{DeviceId, DeviceKey, GroupId, ProductId, RegionId, RegistrationCodeId, UserId};

use super::{UnknownWord, text_enum};
use crate::Timestamp;

text_enum! {
    /// What has become of a code.
    RegistrationCodeState {
        /// It can be used.
        Open = "open",
        /// A device was registered with it.
        Used = "used",
        /// Nobody used it in time.
        Expired = "expired",
        /// An operator took it back.
        Revoked = "revoked",
    }
}

/// A code that is to be kept. The code itself is not in it: only its keyed hash, which says nothing to who lacks the server's key.
#[derive(Clone, PartialEq, Eq)]
pub struct NewRegistrationCode {
    /// HMAC-SHA-256 of the code under the server's key, lower-case hexadecimal.
    pub mac: String,
    /// Only a device of this product can use it.
    pub product: ProductId,
    /// Where the device is placed.
    pub group: GroupId,
    /// Where the device is placed.
    pub region: RegionId,
    /// What the device is called; `None`: as the registry or the device itself calls it.
    pub device_name: Option<String>,
    /// On whose behalf it was made.
    pub created_by: UserId,
    /// Who made it, as the audit trail names it.
    pub actor: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it cannot be used.
    pub expires_at: Timestamp,
}

impl core::fmt::Debug for NewRegistrationCode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // A million codes are tried out in a moment by who has the key too: the hash is not shown.
        f.debug_struct("NewRegistrationCode")
            .field("product", &self.product)
            .field("group", &self.group)
            .field("region", &self.region)
            .field("actor", &self.actor)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// How a code ended, if it did by somebody's doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeFate {
    /// Nobody has used it or taken it back.
    Untouched,
    /// A device was registered with it.
    Used {
        /// When.
        at: Timestamp,
        /// Which device.
        device: DeviceId,
        /// Its key.
        key: DeviceKey,
    },
    /// An operator took it back.
    Revoked {
        /// When.
        at: Timestamp,
        /// Who, as the audit trail names it.
        by: String,
    },
}

/// A code that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationCode {
    /// Row id.
    pub id: RegistrationCodeId,
    /// What it was made with.
    pub spec: NewRegistrationCode,
    /// How it ended.
    pub fate: CodeFate,
}

impl RegistrationCode {
    /// What has become of it by `now`.
    pub fn state(&self, now: Timestamp) -> RegistrationCodeState {
        match self.fate {
            CodeFate::Used { .. } => RegistrationCodeState::Used,
            CodeFate::Revoked { .. } => RegistrationCodeState::Revoked,
            CodeFate::Untouched if self.spec.expires_at <= now => RegistrationCodeState::Expired,
            CodeFate::Untouched => RegistrationCodeState::Open,
        }
    }
}

/// How many wrong codes a device may send, and how long it is locked then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRule {
    /// Wrong tries that lock the device.
    pub tries: u32,
    /// For how long; and wrong tries are forgotten after as long without another one.
    pub lock: Duration,
}

/// The wrong codes that a device has sent of late.
///
/// Whatever the order and the pace, no stretch of time as long as the rule's lock has more than the rule's tries in it: a run of
/// tries ends only by a pause of that length, or by the lock, which is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongTries {
    /// How many in this run.
    pub count: u32,
    /// When the last one was.
    pub last_at: Timestamp,
}

impl WrongTries {
    /// Until when the device is locked, if it is at `now`.
    pub fn locked_until(&self, rule: LockRule, now: Timestamp) -> Option<Timestamp> {
        let until = self.last_at + rule.lock;
        (self.count >= rule.tries && now < until).then_some(until)
    }

    /// One more wrong try at `now`, of a device that is not locked.
    #[must_use]
    pub fn one_more(before: Option<Self>, rule: LockRule, now: Timestamp) -> Self {
        match before {
            // A clock that was set back must not make a run look over.
            Some(run) if now < run.last_at + rule.lock => {
                Self { count: run.count.saturating_add(1), last_at: now.max(run.last_at) }
            }
            _ => Self { count: 1, last_at: now },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: LockRule = LockRule { tries: 5, lock: Duration::from_secs(900) };

    #[test]
    fn the_fifth_wrong_try_locks_and_the_lock_ends() {
        let mut run = None;
        for second in 0..5 {
            let now = Timestamp(second * 1000);
            assert_eq!(run.and_then(|r: WrongTries| r.locked_until(RULE, now)), None);
            run = Some(WrongTries::one_more(run, RULE, now));
        }
        let run = run.unwrap();
        assert_eq!(run.locked_until(RULE, Timestamp(5000)), Some(Timestamp(904_000)));
        assert_eq!(run.locked_until(RULE, Timestamp(903_999)), Some(Timestamp(904_000)));
        assert_eq!(run.locked_until(RULE, Timestamp(904_000)), None);
        assert_eq!(
            run.locked_until(RULE, Timestamp(-60_000)),
            Some(Timestamp(904_000)),
            "the clock was set back"
        );
        assert_eq!(WrongTries::one_more(Some(run), RULE, Timestamp(904_000)).count, 1);
    }

    proptest! {
        /// A device that tries whenever it likes is judged no more than five times in any stretch as long as the lock.
        #[test]
        fn no_stretch_has_more_wrong_tries_than_the_rule_allows(
            tries in 1_u32..8,
            lock_s in 1_u64..2000,
            pauses in prop::collection::vec(prop_oneof![0_i64..50, 0_i64..5_000, 0_i64..3_000_000], 1..200),
        ) {
            let rule = LockRule { tries, lock: Duration::from_secs(lock_s) };
            let (mut now, mut run, mut judged) = (Timestamp(0), None::<WrongTries>, Vec::new());
            for pause in pauses {
                now = Timestamp(now.0 + pause);
                if run.and_then(|r| r.locked_until(rule, now)).is_none() {
                    run = Some(WrongTries::one_more(run, rule, now));
                    judged.push(now);
                }
            }
            for (at, first) in judged.iter().enumerate() {
                let within = judged[at..].iter().take_while(|t| **t < *first + rule.lock).count();
                prop_assert!(within <= tries as usize, "{within} tries within {lock_s} s");
            }
        }
    }
}
