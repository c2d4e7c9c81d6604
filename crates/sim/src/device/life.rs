//! A device from one start to the next: its session, its download, its timers, around the core.

mod content;
mod habits;
mod identity;
mod talk;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use argosy_agent_core::{Action, Agent, ContentEvent, Event, FetchError, Jitter, Renewal, RenewalEvent};
use argosy_proto::{DeviceKey, DownTopic, Sha256Hash, UpTopic};
use tokio::time::{Instant, Sleep, sleep};

use super::Device;
use super::ledger::Ledger;
use super::words::{self, Note};
use crate::config::Mode;
use crate::context::Context;
use crate::counters::Counters;
use crate::hardware::VirtualFlash;
use crate::http::{Fetched, Fetcher, Range, Url};
use crate::mqtt::codec;
use crate::mqtt::{Connected, MqttError, Outbox, Session};

/// What is sent before a restart has so long to be acknowledged.
const LEAVE_WITHIN_MS: u64 = 5_000;
/// Rounds of one poll before others get their turn.
const ROUNDS: usize = 8;
/// Reads of a download in one round.
const READS: usize = 8;

type Opening = Pin<Box<dyn Future<Output = Result<Session, MqttError>> + Send>>;

enum Link {
    /// Not before then.
    Down(u64),
    Opening(Opening),
    Up(Box<Session>),
}

/// One life.
pub(crate) struct Life<'a> {
    context: &'a Arc<Context>,
    device: &'a Device,
    agent: Agent<VirtualFlash, Arc<Url>>,
    jitter: &'a mut Jitter,
    ledger: &'a mut Ledger,
    link: Link,
    /// Failed attempts to reach the broker in a row.
    failures: u32,
    /// An old board subscribes once after its start.
    subscribed: bool,
    outbox: Outbox<Note>,
    fetcher: Fetcher,
    /// When bytes last came.
    fetched_ms: u64,
    /// The image of the last request.
    image: Option<Sha256Hash>,
    began_ms: u64,
    ping_ms: u64,
    status_ms: Option<u64>,
    leave_ms: Option<u64>,
    content: Option<Box<content::ContentLife>>,
    renewal: Option<Box<Renewal>>,
    habits: Option<Box<habits::Habits>>,
    /// A new certificate waits for it.
    restart_when_idle: bool,
    timer: Pin<Box<Sleep>>,
    timer_ms: u64,
}

impl<'a> Life<'a> {
    pub(crate) fn begin(
        device: &'a Device,
        agent: Agent<VirtualFlash, Arc<Url>>,
        jitter: &'a mut Jitter,
        ledger: &'a mut Ledger,
    ) -> Self {
        let now = device.context.now_ms();
        // Spread over the period, so that a fleet that starts together does not speak together.
        let every = device.context.config.status_every.map(|every| every.as_millis() as u64);
        let status_ms = every.map(|every| now + jitter.up_to(every));
        let renewal = ledger.lasting.renewal(&device.context, jitter);
        let habits = habits::Habits::begin(&device.context.config.features, now, jitter);
        Self {
            context: &device.context,
            device,
            agent,
            jitter,
            ledger,
            link: Link::Down(now),
            failures: 0,
            subscribed: false,
            outbox: Outbox::new(),
            fetcher: Fetcher::new(),
            fetched_ms: now,
            image: None,
            began_ms: now,
            ping_ms: 0,
            status_ms,
            leave_ms: None,
            content: None,
            renewal,
            habits,
            restart_when_idle: false,
            timer: Box::pin(sleep(Duration::ZERO)),
            timer_ms: 0,
        }
    }

    /// The restart.
    pub(crate) fn end(self) -> VirtualFlash {
        Counters::add(&self.context.counters.dropped, self.outbox.dropped);
        self.agent.into_hardware()
    }

    fn key(&self) -> &DeviceKey {
        &self.device.key
    }

    fn legacy(&self) -> bool {
        self.context.config.mode == Mode::Legacy
    }

    /// Runs until the device restarts.
    pub(crate) fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        for _ in 0..ROUNDS {
            if let Some(leave_ms) = self.leave_ms
                && (self.outbox.is_empty() || self.context.now_ms() >= leave_ms)
            {
                if let Link::Up(session) = &mut self.link {
                    let _ = session.wire.send(&codec::DISCONNECT);
                    Counters::gone(&self.context.counters.online);
                }
                return Poll::Ready(());
            }
            let mut moved = self.poll_link(cx);
            // Bytes that are there are read before the other ends are looked at again.
            for _ in 0..READS {
                if !self.poll_fetch(cx) {
                    break;
                }
                moved = true;
            }
            moved |= self.poll_content(cx);
            moved |= self.poll_timer(cx);
            if !moved {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_link(&mut self, cx: &mut TaskContext<'_>) -> bool {
        match &mut self.link {
            Link::Down(_) => false,
            Link::Opening(opening) => match opening.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(Ok(session)) => {
                    self.link_up(session);
                    true
                }
                Poll::Ready(Err(error)) => {
                    self.link_failed(&error);
                    true
                }
            },
            Link::Up(session) => match session.poll_packet(cx) {
                Poll::Pending => false,
                Poll::Ready(Ok(packet)) => {
                    if let Err(error) = self.packet(packet) {
                        self.link_failed(&error);
                    }
                    true
                }
                Poll::Ready(Err(error)) => {
                    self.link_failed(&error);
                    true
                }
            },
        }
    }

    fn open(&mut self) {
        let how = Connected {
            client_id: self.key().as_str().to_owned(),
            clean_session: self.context.config.clean_session || self.legacy(),
            keep_alive_s: u16::try_from(self.context.config.keep_alive.as_secs()).unwrap_or(u16::MAX),
        };
        let (context, identity) = (Arc::clone(self.context), self.ledger.lasting.identity.clone());
        self.link = Link::Opening(Box::pin(async move { context.open_session(identity, how).await }));
    }

    fn link_up(&mut self, session: Session) {
        Counters::add(&self.context.counters.online, 1);
        self.failures = 0;
        self.link = Link::Up(Box::new(session));
        self.schedule_ping();
        let subscribe = self.context.config.subscribe && !(self.legacy() && self.subscribed);
        if subscribe {
            self.subscribed = true;
            let filters: &[DownTopic] = if self.legacy() {
                &[
                    DownTopic::UpdateFirmware,
                    DownTopic::UpdateAdvertisement,
                    DownTopic::RegistAck,
                    DownTopic::CertAck,
                ]
            } else {
                &[
                    DownTopic::UpdateFirmware,
                    DownTopic::UpdateAdvertisement,
                    DownTopic::UpdateCancel,
                    DownTopic::HelloAck,
                    DownTopic::RegistAck,
                    DownTopic::CertAck,
                ]
            };
            let filters: Vec<String> = filters.iter().map(|topic| topic.topic(self.key())).collect();
            let packet = codec::subscribe(self.outbox.next_id(), filters.iter().map(String::as_str));
            self.send(&packet);
        }
        // A hello that was not acknowledged tells of what ran then: repeated after INSTALLED it would read as a rollback.
        self.outbox.withdraw(&UpTopic::Hello.topic(self.key()));
        if let Link::Up(session) = &mut self.link
            && let Err(error) = self.outbox.resend(&mut session.wire)
        {
            return self.link_failed(&error.into());
        }
        self.arrive();
    }

    fn link_failed(&mut self, error: &MqttError) {
        if matches!(self.link, Link::Up(_)) {
            Counters::gone(&self.context.counters.online);
        }
        self.failures += 1;
        self.context.counters.retry(&format!("broker: {}", error.kind()));
        tracing::debug!(key = %self.key(), ?error, "device {} lost the broker", self.key());
        let backoff = self.context.config.reconnect.wait_ms(self.failures, self.jitter);
        let wait = backoff.max(self.jitter.up_to(self.ledger.reconnect_jitter_ms));
        self.link = Link::Down(self.context.now_ms() + wait);
        self.renewal_step(RenewalEvent::BrokerDown);
        self.step(Event::BrokerDown);
    }

    fn schedule_ping(&mut self) {
        self.ping_ms = self.context.now_ms() + self.context.config.keep_alive.as_millis() as u64 / 2;
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Link::Up(session) = &mut self.link
            && let Err(error) = session.wire.send(bytes)
        {
            self.link_failed(&error.into());
        }
    }

    fn step(&mut self, event: Event<'_, Arc<Url>>) {
        let actions = self.agent.step(self.context.now_ms(), event);
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: impl IntoIterator<Item = Action>) {
        for action in actions {
            match action {
                Action::Send(report) => self.report(&report),
                Action::Fetch { from, to } => {
                    if let Some(url) = self.agent.locator() {
                        self.fetcher.ask(url, Range { from, to });
                        self.fetched_ms = self.context.now_ms();
                        self.ledger.fetching();
                    }
                }
                Action::StopFetch => self.fetcher.hang_up(),
                // Simulated images are healthy; sick ones crash at the start.
                Action::SelfTest => self.self_test(),
                Action::Reboot => {
                    self.fetcher.hang_up();
                    self.leave_ms = Some(self.context.now_ms() + LEAVE_WITHIN_MS);
                }
            }
        }
    }

    fn self_test(&mut self) {
        self.step(Event::SelfTest(true));
    }

    fn poll_fetch(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let Self { fetcher, agent, ledger, context, .. } = self;
        let connect = |url| context.connect_http(url);
        let mut produced = Vec::new();
        let mut bytes_in = 0;
        let now = context.now_ms();
        let mut sink = |bytes: &[u8]| {
            bytes_in += bytes.len() as u64;
            let before = agent.received();
            let actions = match spoil(agent.received(), ledger, bytes) {
                Some(spoilt) => agent.step(now, Event::Data(&spoilt)),
                None => agent.step(now, Event::Data(bytes)),
            };
            if before > 0 && agent.received() == 0 && agent.locator().is_some() {
                Counters::add(&context.counters.corrupt_images, 1);
                context.counters.retry("download: wrong hash");
            }
            produced.extend(actions);
        };
        let polled = fetcher.poll(cx, &connect, &mut sink);
        if bytes_in > 0 {
            Counters::add(&self.context.counters.bytes_downloaded, bytes_in);
        }
        self.carry_out(produced);
        match polled {
            Poll::Pending => false,
            Poll::Ready(Fetched::Progress) => {
                self.fetched_ms = now;
                self.drop_link_if_due();
                true
            }
            Poll::Ready(Fetched::Failed(failure)) => {
                self.context.counters.retry(&format!("download: {}", failure.kind));
                let error = match failure.error {
                    // An old board knows of no difference.
                    FetchError::Expired if self.legacy() => FetchError::Refused { status: 403 },
                    error => error,
                };
                self.step(Event::FetchFailed(error));
                true
            }
        }
    }

    /// The fault "link lost in the middle of a download": everything breaks at once, without a goodbye.
    fn drop_link_if_due(&mut self) {
        let due = |at: f64| self.agent.received() as f64 >= at * f64::from(self.ledger.size());
        if self.agent.received() > 0 && self.ledger.drop_link_at.is_some_and(due) {
            self.ledger.drop_link_at = None;
            self.fetcher.hang_up();
            self.link_failed(&MqttError::Wire(crate::net::WireError::Simulated));
            self.step(Event::FetchFailed(FetchError::Link));
        }
    }

    fn poll_timer(&mut self, cx: &mut TaskContext<'_>) -> bool {
        let now = self.context.now_ms();
        let config = &self.context.config;
        let stall_after = config.stall_timeout.as_millis() as u64;
        let stall_ms = self.fetcher.awaits_bytes().then(|| self.fetched_ms + stall_after);
        let (link_ms, ping_ms, status_ms) = match &self.link {
            Link::Down(until) => (Some(*until), None, None),
            Link::Opening(_) => (None, None, None),
            Link::Up(_) => (None, Some(self.ping_ms), self.status_ms),
        };
        let due = |at: Option<u64>| at.is_some_and(|at| now >= at);
        if due(link_ms) {
            self.open();
            return true;
        }
        if due(ping_ms) {
            self.schedule_ping();
            if let Link::Up(session) = &mut self.link
                && let Err(error) = session.ping()
            {
                self.link_failed(&error);
            }
            return true;
        }
        if due(status_ms) {
            let every = config.status_every.map_or(u64::MAX, |every| every.as_millis() as u64);
            self.status_ms = Some(now.saturating_add(every.max(1)));
            self.send_status();
            return true;
        }
        if due(stall_ms) {
            self.fetcher.hang_up();
            self.context.counters.retry("download: stalled");
            self.step(Event::FetchFailed(FetchError::Link));
            return true;
        }
        if self.extras_due(now, &link_ms, stall_after) {
            return true;
        }
        let core_ms = self.agent.deadline();
        if due(core_ms) {
            self.step(Event::Tick);
            return true;
        }
        let extras_ms = self.extras_deadline(&link_ms, stall_after);
        let next = [link_ms, ping_ms, status_ms, stall_ms, core_ms, extras_ms, self.leave_ms]
            .into_iter()
            .flatten()
            .min();
        let Some(next) = next else { return false };
        // A timer that fires early only looks again: it need not be moved back when a deadline moves on.
        if next < self.timer_ms || self.timer_ms <= now {
            self.timer_ms = next;
            let wait = Duration::from_millis(next.saturating_sub(now));
            self.timer.as_mut().reset(Instant::now() + wait);
        }
        self.timer.as_mut().poll(cx).is_ready()
    }
}

impl Life<'_> {
    /// What is due beside firmware; `true` if something was.
    fn extras_due(&mut self, now: u64, down: &Option<u64>, stall_after: u64) -> bool {
        let content = self.content.as_ref();
        let stalled = content.and_then(|content| content.stall_ms(stall_after)).is_some_and(|at| now >= at);
        let due = content.and_then(|content| content.agent.deadline()).is_some_and(|at| now >= at);
        if stalled {
            self.content_stalled();
        } else if due {
            self.content_step(ContentEvent::Tick);
        } else if down.is_none() && matches!(self.link, Link::Up(_)) {
            return self.identity_due(now) || self.habits_due(now);
        }
        stalled || due
    }

    /// When [`Self::extras_due`] is.
    fn extras_deadline(&self, down: &Option<u64>, stall_after: u64) -> Option<u64> {
        let content = self.content.as_ref();
        let stall = content.and_then(|content| content.stall_ms(stall_after));
        let due = content.and_then(|content| content.agent.deadline());
        let up = down.is_none() && matches!(self.link, Link::Up(_));
        let identity = up.then(|| self.identity_deadline()).flatten();
        let habits = self.habits.as_ref().filter(|_| up).and_then(|habits| habits.deadline());
        [stall, due, identity, habits].into_iter().flatten().min()
    }

    /// How the device is, unless it has to be registered first.
    fn send_status(&mut self) {
        if !self.ledger.lasting.is_registered() {
            return;
        }
        let uptime = (self.context.now_ms() - self.began_ms) / 1_000;
        let version = self.agent.boot_report().image.version;
        let shown = self.ledger.lasting.shown();
        let message = words::status(&version, shown, self.device.choices.seed, uptime, self.time());
        self.publish(&message, Note::Nothing);
    }
}

/// The fault "one wrong byte": the bytes with it, if it is due in them.
fn spoil(received: u32, ledger: &mut Ledger, bytes: &[u8]) -> Option<Vec<u8>> {
    let at = (ledger.corrupt_at? * f64::from(ledger.size())) as u64;
    let place = usize::try_from(at.checked_sub(u64::from(received))?).ok()?;
    let mut spoilt = bytes.get(place).is_some().then(|| bytes.to_vec())?;
    spoilt[place] ^= 0x40;
    ledger.corrupt_at = None;
    Some(spoilt)
}
