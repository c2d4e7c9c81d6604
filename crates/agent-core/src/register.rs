//! Registration by a one-time code: when the code is sent, how often, and what an answer means. The code itself stays with the
//! driver: it is a secret, and this is only about time.

use crate::{Backoff, Jitter};

/// What the server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationAnswer {
    /// `OK`, or `ALREADY_REGISTERED`.
    Registered,
    /// `AUTH_FAILED` or `EXPIRED`: this code will never do.
    WrongCode,
    /// `LOCKED`, and for how many milliseconds.
    Locked {
        /// `retry_after_s`; an old server says nothing.
        for_ms: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Registered,
    /// Nobody has typed a code, or the last one was wrong. None is taken before then.
    NeedsCode {
        not_before: u64,
    },
    /// Sent, or to be sent; sent again then if no answer came.
    Asking {
        again_at: u64,
    },
}

/// The registration of one device.
#[derive(Debug, Clone)]
pub struct Registration {
    state: State,
    /// Answers that did not come.
    silent: u32,
    resend: Backoff,
    jitter: Jitter,
}

impl Registration {
    /// How long a device that was told LOCKED without a time waits.
    pub const LOCKED_MS: u64 = 60_000;

    /// Of a device that has been registered.
    pub const fn done(resend: Backoff, jitter: Jitter) -> Self {
        Self { state: State::Registered, silent: 0, resend, jitter }
    }

    /// Of a device from the factory.
    pub const fn needed(resend: Backoff, jitter: Jitter) -> Self {
        Self { state: State::NeedsCode { not_before: 0 }, silent: 0, resend, jitter }
    }

    /// Whether the server has taken the device.
    pub const fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered)
    }

    /// When a code may be typed; `None` while one is on its way, and when none is needed.
    pub const fn takes_code_at(&self) -> Option<u64> {
        match self.state {
            State::NeedsCode { not_before } => Some(not_before),
            State::Registered | State::Asking { .. } => None,
        }
    }

    /// Somebody typed a code. `true`: send it now.
    pub fn code_typed(&mut self, now_ms: u64) -> bool {
        let taken = self.takes_code_at().is_some_and(|at| now_ms >= at);
        if taken {
            self.silent = 0;
            self.ask(now_ms);
        }
        taken
    }

    /// The broker is reached (again). `true`: send the code now; an earlier answer may have been lost.
    pub fn broker_up(&mut self, now_ms: u64) -> bool {
        let asking = matches!(self.state, State::Asking { .. });
        if asking {
            self.ask(now_ms);
        }
        asking
    }

    /// When [`Self::tick`] is due.
    pub const fn deadline(&self) -> Option<u64> {
        match self.state {
            State::Asking { again_at } => Some(again_at),
            State::Registered | State::NeedsCode { .. } => None,
        }
    }

    /// Time passed. `true`: no answer came, send the code again.
    pub fn tick(&mut self, now_ms: u64) -> bool {
        let due = self.deadline().is_some_and(|at| now_ms >= at);
        if due {
            self.ask(now_ms);
        }
        due
    }

    /// The server answered. An answer to nothing that was asked changes nothing, but that the device is registered.
    pub fn answered(&mut self, now_ms: u64, answer: RegistrationAnswer) {
        let asking = matches!(self.state, State::Asking { .. });
        self.state = match answer {
            RegistrationAnswer::Registered => State::Registered,
            _ if !asking => return,
            RegistrationAnswer::WrongCode => State::NeedsCode { not_before: now_ms },
            RegistrationAnswer::Locked { for_ms } => {
                State::NeedsCode { not_before: now_ms.saturating_add(for_ms.unwrap_or(Self::LOCKED_MS)) }
            }
        };
    }

    fn ask(&mut self, now_ms: u64) {
        self.silent += 1;
        let again_at = now_ms.saturating_add(self.resend.wait_ms(self.silent, &mut self.jitter));
        self.state = State::Asking { again_at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RegistrationAnswer as Answer;

    const RESEND: Backoff = Backoff { first_ms: 1_000, max_ms: 60_000 };

    fn new() -> Registration {
        Registration::needed(RESEND, Jitter::new(1))
    }

    #[test]
    fn a_code_is_sent_until_it_is_answered() {
        let mut device = new();
        assert!(!device.broker_up(0) && !device.tick(u64::MAX), "nobody has typed a code");
        assert!(device.code_typed(10));
        assert!(!device.code_typed(11), "one at a time");
        let again = device.deadline().expect("it waits for an answer");
        assert!(!device.tick(again - 1) && device.tick(again), "asked again in time");
        assert!(device.broker_up(again + 1), "asked again over the new session");
        device.answered(again + 2, Answer::Registered);
        assert!(device.is_registered());
        assert!(!device.broker_up(again + 3) && device.deadline().is_none());
    }

    #[test]
    fn a_wrong_code_waits_for_another_and_a_lock_for_its_end() {
        let mut device = new();
        assert!(device.code_typed(0));
        device.answered(1, Answer::WrongCode);
        assert_eq!((device.is_registered(), device.deadline()), (false, None));
        assert!(device.code_typed(2));
        device.answered(3, Answer::Locked { for_ms: Some(5_000) });
        assert!(!device.code_typed(5_002) && device.code_typed(5_003));
        device.answered(5_004, Answer::Locked { for_ms: None });
        assert_eq!(device.takes_code_at(), Some(5_004 + Registration::LOCKED_MS));
    }

    #[test]
    fn a_late_answer_never_undoes_a_registration() {
        let mut device = new();
        assert!(device.code_typed(0));
        device.answered(1, Answer::Registered);
        device.answered(2, Answer::WrongCode);
        device.answered(3, Answer::Locked { for_ms: None });
        assert!(device.is_registered());
    }
}
