//! Renewal of the device's certificate: when a request is made, how often it is sent, and what follows an answer. Keys and
//! certificates stay with the driver.
//!
//! Until a new certificate is in use the session that stands goes on with the old one. A request is made once and sent until it is
//! answered, over every session: the server answers the same request the same way.

use crate::{Backoff, Jitter};

/// When and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewalPolicy {
    /// A new certificate is asked for when the old one has no more than so many milliseconds to run.
    pub before_ms: u64,
    /// The wait for an answer, and after a refusal.
    pub resend: Backoff,
    /// The private key in flash is overwritten before the request is sent, as the old boards do: a restart before the answer then
    /// leaves a key that fits no certificate. Otherwise both are replaced together.
    pub key_first: bool,
}

impl Default for RenewalPolicy {
    fn default() -> Self {
        const DAY: u64 = 86_400_000;
        Self {
            before_ms: 30 * DAY,
            resend: Backoff { first_ms: 30_000, max_ms: 3_600_000 },
            key_first: false,
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalEvent {
    /// The broker is reached.
    BrokerUp,
    /// The broker is lost.
    BrokerDown,
    /// The key and the request are made.
    RequestMade,
    /// The server refused.
    Refused,
    /// The server gave a certificate that fits the key, and it is stored.
    Stored,
    /// Time passed: due at [`Renewal::deadline`].
    Tick,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalAction {
    /// Make a key and a request, and report [`RenewalEvent::RequestMade`].
    MakeRequest {
        /// Overwrite the key in flash with it at once.
        overwrite_key: bool,
    },
    /// Send the request.
    SendRequest,
    /// Restart as soon as nothing else is under way: the new certificate is used from then on.
    Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing to do before then.
    Resting {
        until: u64,
    },
    Making,
    Asking {
        again_at: u64,
    },
    /// The new certificate waits for the restart.
    Stored,
}

/// The renewal of one device, from one start to the next.
#[derive(Debug, Clone)]
pub struct Renewal {
    policy: RenewalPolicy,
    state: State,
    online: bool,
    /// Requests without a certificate.
    tries: u32,
    jitter: Jitter,
}

impl Renewal {
    /// Of a device whose certificate ends at `expires_ms`.
    pub const fn start(expires_ms: u64, policy: RenewalPolicy, jitter: Jitter) -> Self {
        let until = expires_ms.saturating_sub(policy.before_ms);
        Self { policy, state: State::Resting { until }, online: false, tries: 0, jitter }
    }

    /// Of a device that restarted with a request that is made and not answered.
    pub const fn resume(now_ms: u64, policy: RenewalPolicy, jitter: Jitter) -> Self {
        Self { policy, state: State::Asking { again_at: now_ms }, online: false, tries: 0, jitter }
    }

    /// When [`RenewalEvent::Tick`] is due.
    pub const fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Resting { until } if self.online => Some(until),
            State::Asking { again_at } if self.online => Some(again_at),
            _ => None,
        }
    }

    /// Takes one event and says what to do.
    pub fn step(&mut self, now_ms: u64, event: RenewalEvent) -> Option<RenewalAction> {
        match event {
            RenewalEvent::BrokerUp => {
                self.online = true;
                match self.state {
                    State::Asking { .. } => Some(self.ask(now_ms)),
                    _ => self.tick(now_ms),
                }
            }
            RenewalEvent::BrokerDown => {
                self.online = false;
                None
            }
            RenewalEvent::RequestMade => Some(self.ask(now_ms)),
            RenewalEvent::Refused => {
                if let State::Asking { .. } = self.state {
                    self.state = State::Asking { again_at: self.next(now_ms) };
                }
                None
            }
            RenewalEvent::Stored => {
                self.state = State::Stored;
                Some(RenewalAction::Restart)
            }
            RenewalEvent::Tick => self.tick(now_ms),
        }
    }

    fn tick(&mut self, now_ms: u64) -> Option<RenewalAction> {
        match self.state {
            State::Resting { until } if self.online && now_ms >= until => {
                self.state = State::Making;
                Some(RenewalAction::MakeRequest { overwrite_key: self.policy.key_first })
            }
            State::Asking { again_at } if self.online && now_ms >= again_at => Some(self.ask(now_ms)),
            _ => None,
        }
    }

    fn ask(&mut self, now_ms: u64) -> RenewalAction {
        self.tries += 1;
        self.state = State::Asking { again_at: self.next(now_ms) };
        RenewalAction::SendRequest
    }

    fn next(&mut self, now_ms: u64) -> u64 {
        now_ms.saturating_add(self.policy.resend.wait_ms(self.tries, &mut self.jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RenewalAction::{MakeRequest, Restart, SendRequest};
    use RenewalEvent as Event;

    const POLICY: RenewalPolicy =
        RenewalPolicy { before_ms: 1_000, resend: Backoff { first_ms: 100, max_ms: 1_000 }, key_first: true };

    #[test]
    fn a_certificate_is_asked_for_in_time_and_only_while_there_is_a_session() {
        let mut renewal = Renewal::start(10_000, POLICY, Jitter::new(1));
        assert_eq!(renewal.step(9_500, Event::Tick), None, "no session");
        assert_eq!(renewal.step(8_000, Event::BrokerUp), None);
        assert_eq!(renewal.deadline(), Some(9_000));
        assert_eq!(renewal.step(8_999, Event::Tick), None);
        assert_eq!(renewal.step(9_000, Event::Tick), Some(MakeRequest { overwrite_key: true }));
        assert_eq!(renewal.step(9_001, Event::Tick), None, "once");
        assert_eq!(renewal.step(9_002, Event::RequestMade), Some(SendRequest));
        assert_eq!(renewal.step(9_010, Event::Stored), Some(Restart));
        assert_eq!((renewal.deadline(), renewal.step(99_000, Event::BrokerUp)), (None, None));
    }

    #[test]
    fn the_same_request_is_sent_until_it_is_answered() {
        let mut renewal = Renewal::start(0, POLICY, Jitter::new(1));
        assert_eq!(renewal.step(1, Event::BrokerUp), Some(MakeRequest { overwrite_key: true }));
        assert_eq!(renewal.step(2, Event::RequestMade), Some(SendRequest));
        let again = renewal.deadline().expect("it waits for an answer");
        assert!(again > 2);
        assert_eq!(renewal.step(again, Event::Tick), Some(SendRequest));
        assert_eq!(renewal.step(again + 1, Event::BrokerDown), None);
        assert_eq!((renewal.deadline(), renewal.step(again + 9_999, Event::Tick)), (None, None));
        assert_eq!(renewal.step(again + 10_000, Event::BrokerUp), Some(SendRequest));
        assert_eq!(renewal.step(again + 10_001, Event::Refused), None);
        let later = renewal.deadline().expect("it tries again");
        assert_eq!(renewal.step(later, Event::Tick), Some(SendRequest));
    }

    #[test]
    fn a_restart_in_between_goes_on_with_the_request_that_is_made() {
        let mut renewal = Renewal::resume(50, POLICY, Jitter::new(1));
        assert_eq!(renewal.step(60, Event::BrokerUp), Some(SendRequest));
    }
}
