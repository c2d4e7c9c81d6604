//! Registration by code, and renewal of the certificate.

use argosy_agent_core::{Event, RegistrationAnswer, RenewalAction, RenewalEvent};
use argosy_proto::UpMessage;
use argosy_proto::message::{CertAck, CertRequest, CertStatus, Regist, RegistAck, RegistStatus};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Life;
use crate::counters::Counters;
use crate::device::lasting::Pending;
use crate::device::words::Note;
use crate::enrol::make_key;
use crate::identity::Identity;

impl Life<'_> {
    /// A session stands: an unregistered device speaks of its registration only.
    pub(super) fn arrive(&mut self) {
        if self.ledger.lasting.is_registered() {
            self.step(Event::BrokerUp);
        }
        let now = self.context.now_ms();
        if let Some(registration) = &mut self.ledger.lasting.registration
            && (registration.broker_up(now) || registration.code_typed(now))
        {
            self.send_code();
        }
        self.renewal_step(RenewalEvent::BrokerUp);
    }

    /// What is due of both by now; `true` if something was.
    pub(super) fn identity_due(&mut self, now: u64) -> bool {
        let may_try = self.tries_left();
        if let Some(registration) = &mut self.ledger.lasting.registration {
            let typed = may_try
                && registration.takes_code_at().is_some_and(|at| now >= at)
                && registration.code_typed(now);
            if typed || registration.tick(now) {
                self.send_code();
                return true;
            }
        }
        if self.renewal.as_ref().and_then(|renewal| renewal.deadline()).is_some_and(|at| now >= at) {
            self.renewal_step(RenewalEvent::Tick);
            return true;
        }
        if self.restart_when_idle
            && self.agent.busy_with().is_none()
            && !self.content_busy()
            && self.outbox.is_empty()
        {
            self.restart_when_idle = false;
            self.leave_ms = Some(now);
            return true;
        }
        false
    }

    /// When [`Self::identity_due`] is due. A restart that waits is looked at with every event.
    pub(super) fn identity_deadline(&self) -> Option<u64> {
        let registration = self.ledger.lasting.registration.as_ref();
        let typed = registration.filter(|_| self.tries_left()).and_then(|r| r.takes_code_at());
        let asked = registration.and_then(|r| r.deadline());
        let renewal = self.renewal.as_ref().and_then(|renewal| renewal.deadline());
        [typed, asked, renewal].into_iter().flatten().min()
    }

    /// Whether the person at the device has not given up.
    fn tries_left(&self) -> bool {
        let registering = self.context.config.features.registration.as_ref();
        registering
            .is_some_and(|r| r.code_of(self.key()).is_some() && self.ledger.lasting.refused < r.tries.max(1))
    }

    fn send_code(&mut self) {
        let registering = self.context.config.features.registration.as_ref();
        let Some(code) = registering.and_then(|registering| registering.code_of(self.key())) else { return };
        let regist = Regist {
            device_name: format!("sim {}", self.key()),
            auth_key: code.clone(),
            timestamp: Some(self.time()),
        };
        // One that waits for its acknowledgement would be sent twice.
        let message = UpMessage::Regist(regist);
        self.outbox.withdraw(&message.topic().topic(self.key()));
        self.publish(&message, Note::Nothing);
    }

    pub(super) fn registration_answered(&mut self, ack: &RegistAck) {
        let now = self.context.now_ms();
        let Some(registration) = &mut self.ledger.lasting.registration else { return };
        let before = registration.is_registered();
        let answer = match ack.status {
            RegistStatus::Ok | RegistStatus::AlreadyRegistered => RegistrationAnswer::Registered,
            RegistStatus::AuthFailed | RegistStatus::Expired => RegistrationAnswer::WrongCode,
            RegistStatus::Locked => RegistrationAnswer::Locked {
                for_ms: ack.retry_after_s.map(|seconds| u64::from(seconds) * 1_000),
            },
        };
        registration.answered(now, answer);
        match (before, answer) {
            (true, _) => {}
            (false, RegistrationAnswer::Registered) => {
                Counters::add(&self.context.counters.registered, 1);
                self.context.counters.look_again();
                self.step(Event::BrokerUp);
            }
            (false, _) => {
                self.ledger.lasting.refused += 1;
                self.context.counters.retry(&format!("registration: {}", word(ack.status)));
            }
        }
    }

    pub(super) fn renewal_step(&mut self, event: RenewalEvent) {
        let now = self.context.now_ms();
        let Some(action) = self.renewal.as_mut().and_then(|renewal| renewal.step(now, event)) else { return };
        match action {
            RenewalAction::MakeRequest { overwrite_key } => match make_key(self.key()) {
                Ok(made) => {
                    self.ledger.lasting.pending = Some(Pending { made, overwritten: overwrite_key });
                    self.renewal_step(RenewalEvent::RequestMade);
                }
                Err(error) => {
                    tracing::error!(key = %self.key(), %error, "device {} cannot make a key", self.key());
                }
            },
            RenewalAction::SendRequest => {
                let Some(pending) = &self.ledger.lasting.pending else { return };
                let request = CertRequest { csr: pending.made.csr.clone(), timestamp: Some(self.time()) };
                let message = UpMessage::CertRequest(request);
                self.outbox.withdraw(&message.topic().topic(self.key()));
                self.publish(&message, Note::Nothing);
            }
            RenewalAction::Restart => self.restart_when_idle = true,
        }
    }

    pub(super) fn certificate_answered(&mut self, ack: &CertAck) {
        if let CertStatus::Refused(code) = &ack.status {
            self.context.counters.retry(&format!("renewal: refused with {code}"));
            return self.renewal_step(RenewalEvent::Refused);
        }
        let Some(pending) = &self.ledger.lasting.pending else { return };
        let pem = ack.client_ca.as_deref().unwrap_or_default().as_bytes();
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let new = chain.ok().filter(|chain| !chain.is_empty()).and_then(|chain| {
            let chain = chain.iter().map(|der| der.to_vec()).collect();
            let identity = Identity { private_key: pending.made.private_key.clone(), chain };
            let certified = identity.certified(self.key()).ok()?;
            certified.keys_match().is_ok().then_some((identity, certified))
        });
        // An answer to an earlier request: that key is gone.
        let Some((identity, certified)) = new else {
            return self.context.counters.retry("renewal: a certificate that does not fit the key");
        };
        // From the restart on; the session that stands was opened with the old one.
        self.ledger.lasting.identity = Some(certified);
        self.ledger.lasting.pending = None;
        Counters::add(&self.context.counters.renewed, 1);
        self.context.renewed(self.key(), identity);
        self.renewal_step(RenewalEvent::Stored);
    }
}

fn word(status: RegistStatus) -> &'static str {
    match status {
        RegistStatus::Ok => "OK",
        RegistStatus::AuthFailed => "AUTH_FAILED",
        RegistStatus::Expired => "EXPIRED",
        RegistStatus::Locked => "LOCKED",
        RegistStatus::AlreadyRegistered => "ALREADY_REGISTERED",
    }
}
