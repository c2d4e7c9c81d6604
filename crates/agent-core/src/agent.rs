//! The update machine of a running application.

use crate::action::Actions;
use crate::download::Download;
use crate::state::{self, Journal};
use crate::{
    Action, Boot, BootReport, BootState, CancelStatus, CommandId, Digest, Event, FetchError, Hardware, Image,
    Jitter, Offer, Outcome, Policy, Reason, Rejection, Report, RolledBack, Slot, Slots, Trial,
};

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is no heap to put it on, and one a device")]
enum Phase<D, L> {
    Idle,
    Downloading(Download<D, L>),
    /// An image is marked for trial and the restart was asked for.
    Restarting,
}

/// The update machine of one device, from one start to the next.
#[derive(Debug)]
pub struct Agent<H: Hardware, L> {
    hardware: H,
    state: BootState,
    journal: Journal,
    running: Slot,
    image: Image,
    on_trial: bool,
    confirm_by: u64,
    phase: Phase<H::Digest, L>,
    /// A request that came while an image was on trial: taken up when that is settled. A newer one replaces it.
    queued: Option<Offer<L>>,
    /// The command that `hello` names.
    command: CommandId,
    rollback_told: bool,
    /// A save failed: the flash may hold what was to be saved, so the next update must write what is true.
    unsure: bool,
    policy: Policy,
    jitter: Jitter,
}

impl<H: Hardware, L> Agent<H, L> {
    /// The agent of an application that the boot loader started as `boot` says.
    pub fn start(now_ms: u64, hardware: H, boot: Boot, policy: Policy, jitter: Jitter) -> Self {
        let command = match (boot.trial, &boot.state.trial, &boot.state.rolled_back) {
            (true, Some(trial), _) => trial.command,
            (false, _, Some(rolled_back)) => rolled_back.command,
            _ => boot.state.command,
        };
        Self {
            hardware,
            state: boot.state,
            journal: boot.journal,
            running: boot.slot,
            image: boot.image,
            on_trial: boot.trial,
            confirm_by: now_ms.saturating_add(policy.confirm_within_ms),
            phase: Phase::Idle,
            queued: None,
            command,
            rollback_told: boot.state.rolled_back.is_none(),
            unsure: false,
            policy,
            jitter,
        }
    }

    /// Ends the agent and gives the hardware back: the moment of a restart.
    pub fn into_hardware(self) -> H {
        self.hardware
    }

    /// How it goes about its updates.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The hardware.
    pub fn hardware(&self) -> &H {
        &self.hardware
    }

    /// What runs here.
    pub fn boot_report(&self) -> BootReport {
        BootReport {
            slot: self.running,
            image: self.image,
            confirmed: !self.on_trial,
            rolled_back_from: self.state.rolled_back.map(|r| r.image),
            command: self.command,
        }
    }

    /// Where the image being downloaded is; `None` when nothing is.
    pub fn locator(&self) -> Option<&L> {
        match &self.phase {
            Phase::Downloading(download) => Some(&download.offer.locator),
            Phase::Idle | Phase::Restarting => None,
        }
    }

    /// The command being carried out.
    pub fn busy_with(&self) -> Option<CommandId> {
        match &self.phase {
            Phase::Downloading(download) => Some(download.offer.command),
            Phase::Idle => None,
            Phase::Restarting => self.state.trial.map(|trial| trial.command),
        }
    }

    /// Bytes of the running download that are written and hashed.
    pub fn received(&self) -> u32 {
        match &self.phase {
            Phase::Downloading(download) => download.received,
            Phase::Idle | Phase::Restarting => 0,
        }
    }

    /// When [`Event::Tick`] is due, in the caller's milliseconds.
    pub fn deadline(&self) -> Option<u64> {
        let resume = match &self.phase {
            Phase::Downloading(download) => download.resume_at,
            Phase::Idle | Phase::Restarting => None,
        };
        let confirm = (self.on_trial && !matches!(self.phase, Phase::Restarting)).then_some(self.confirm_by);
        resume.into_iter().chain(confirm).min()
    }

    /// Takes one event and says what to do.
    pub fn step(&mut self, now_ms: u64, event: Event<'_, L>) -> Actions {
        let mut actions = Actions::none();
        match event {
            Event::BrokerUp => self.broker_up(now_ms, &mut actions),
            // Downloads have a link of their own; what is sent meanwhile the driver keeps.
            Event::BrokerDown => {}
            Event::Request(offer) => self.request(now_ms, offer, &mut actions),
            Event::Cancel(command) => self.cancel(command, &mut actions),
            Event::Data(bytes) => self.data(now_ms, bytes, &mut actions),
            Event::FetchFailed(error) => self.fetch_failed(now_ms, error, &mut actions),
            Event::SelfTest(passed) => self.self_tested(now_ms, passed, &mut actions),
            Event::Tick => self.tick(now_ms, &mut actions),
        }
        actions
    }

    fn broker_up(&mut self, now_ms: u64, actions: &mut Actions) {
        // After INSTALLED a hello of the old image means that the device fell back to it. This one has not left it yet.
        if matches!(self.phase, Phase::Restarting) {
            return;
        }
        if self.on_trial {
            if self.policy.self_test {
                actions.send(Report::Hello);
                actions.push(Action::SelfTest);
            } else {
                self.confirm(now_ms, actions);
            }
            return;
        }
        actions.send(Report::Hello);
        if let (false, Some(rolled_back)) = (self.rollback_told, self.state.rolled_back) {
            self.rollback_told = true;
            actions.result(rolled_back.command, Outcome::RolledBack, Reason::NotConfirmed, 0);
        }
    }

    fn self_tested(&mut self, now_ms: u64, passed: bool, actions: &mut Actions) {
        if !self.on_trial || matches!(self.phase, Phase::Restarting) {
            return;
        }
        if passed {
            self.confirm(now_ms, actions);
            return;
        }
        // No further start for this image. If that cannot be saved, its starts are still counted.
        if let Some(trial) = self.state.trial {
            let next = BootState { trial: Some(Trial { boots: u8::MAX, ..trial }), ..self.state };
            let _ = self.save(next);
        }
        self.restart(actions);
    }

    fn confirm(&mut self, now_ms: u64, actions: &mut Actions) {
        let next = BootState { confirmed: self.running, trial: None, command: self.command, ..self.state };
        if self.save(next).is_err() {
            // Still on trial, and says so; the next broker session or the deadline decides.
            actions.send(Report::Hello);
            return;
        }
        self.on_trial = false;
        actions.send(Report::Hello);
        if let Some(offer) = self.queued.take() {
            self.request(now_ms, offer, actions);
        }
    }

    fn request(&mut self, now_ms: u64, offer: Offer<L>, actions: &mut Actions) {
        let command = offer.command;
        let capacity = self.hardware.slots().capacity();
        let rejection = match offer.image.size {
            0 => Some(Rejection::Empty),
            size if size > capacity => Some(Rejection::TooLarge { size, capacity }),
            _ => None,
        };
        if let Some(reason) = rejection {
            actions.send(Report::Rejected { command, reason });
            return;
        }
        if self.on_trial || matches!(self.phase, Phase::Restarting) {
            self.queued = Some(offer);
            return;
        }
        if let Phase::Downloading(download) = &mut self.phase {
            if download.offer.image.hash == offer.image.hash && download.offer.image.size == offer.image.size
            {
                // The same image again, perhaps under a new command or a fresh URL: what is here of it stays.
                download.offer = offer;
                actions.send(Report::Accepted { command });
                download.readdressed(now_ms, &self.policy, actions);
                return;
            }
            let (old, elapsed) = (download.offer.command, download.elapsed_ms(now_ms));
            self.phase = Phase::Idle;
            actions.push(Action::StopFetch);
            actions.result(old, Outcome::Error, Reason::Superseded, elapsed);
        }
        actions.send(Report::Accepted { command });
        if offer.image.hash == self.image.hash {
            self.command = command;
            actions.result(command, Outcome::Success, Reason::AlreadyRuns, 0);
            actions.send(Report::Hello);
            return;
        }
        self.begin(now_ms, offer, actions);
    }

    fn begin(&mut self, now_ms: u64, offer: Offer<L>, actions: &mut Actions) {
        let slot = self.running.other();
        // What the state says of the slot is taken back before the slot is touched: rule 1 of the crate. The running
        // slot is what is confirmed even if the boot loader could not save that it fell back to it.
        let mut next = BootState { confirmed: self.running, trial: None, rolled_back: None, ..self.state };
        next.images[slot.index()] = None;
        if (self.unsure || next != self.state) && self.save(next).is_err() {
            actions.result(offer.command, Outcome::Error, Reason::StateFailed, 0);
            return;
        }
        if self.hardware.slots().erase(slot).is_err() {
            actions.result(offer.command, Outcome::Error, Reason::SlotFailed, 0);
            return;
        }
        let mut download = Download::new(now_ms, offer, self.hardware.digest());
        download.fetch_next(now_ms, &self.policy, actions);
        self.phase = Phase::Downloading(download);
    }

    fn data(&mut self, now_ms: u64, bytes: &[u8], actions: &mut Actions) {
        let Phase::Downloading(download) = &mut self.phase else { return };
        let wanted = download.wanted(bytes.len());
        if wanted == 0 {
            return;
        }
        let bytes = &bytes[..wanted];
        if self.hardware.slots().write(self.running.other(), download.received, bytes).is_err() {
            self.give_up(now_ms, Outcome::Error, Reason::SlotFailed, actions);
            return;
        }
        download.digest.update(bytes);
        download.advance(now_ms, wanted as u32, &self.policy, actions);
        if download.received == download.offer.image.size {
            self.complete(now_ms, actions);
        }
    }

    fn complete(&mut self, now_ms: u64, actions: &mut Actions) {
        let Phase::Downloading(download) = &mut self.phase else { return };
        let slot = self.running.other();
        let digest = core::mem::replace(&mut download.digest, self.hardware.digest());
        if digest.finish() != download.offer.image.hash {
            download.bad_images += 1;
            if download.bad_images >= self.policy.max_bad_images {
                let downloads = download.bad_images;
                self.give_up(now_ms, Outcome::Error, Reason::HashMismatch { downloads }, actions);
            } else if self.hardware.slots().erase(slot).is_err() {
                self.give_up(now_ms, Outcome::Error, Reason::SlotFailed, actions);
            } else {
                download.start_over(now_ms, &self.policy, &mut self.jitter);
            }
            return;
        }
        let (command, image, elapsed) =
            (download.offer.command, download.offer.image, download.elapsed_ms(now_ms));
        let mut next = BootState { trial: Some(Trial { slot, boots: 0, command }), ..self.state };
        next.images[slot.index()] = Some(image);
        if self.save(next).is_err() {
            self.give_up(now_ms, Outcome::Error, Reason::StateFailed, actions);
            return;
        }
        actions.result(command, Outcome::Success, Reason::Verified, elapsed);
        actions.result(command, Outcome::Installed, Reason::Installed, elapsed);
        self.restart(actions);
    }

    fn fetch_failed(&mut self, now_ms: u64, error: FetchError, actions: &mut Actions) {
        let Phase::Downloading(download) = &mut self.phase else { return };
        match error {
            FetchError::Expired => download.expired(),
            FetchError::Refused { status } => {
                self.give_up(now_ms, Outcome::Error, Reason::Refused { status }, actions);
            }
            FetchError::Link if download.failures >= self.policy.max_failures => {
                let failures = download.failures;
                self.give_up(now_ms, Outcome::Timeout, Reason::NoProgress { failures }, actions);
            }
            FetchError::Link => download.interrupted(now_ms, &self.policy, &mut self.jitter),
        }
    }

    fn cancel(&mut self, command: CommandId, actions: &mut Actions) {
        let mut status = CancelStatus::Unknown;
        if self.queued.as_ref().is_some_and(|offer| offer.command == command) {
            self.queued = None;
            status = CancelStatus::Canceled;
        } else if self.busy_with() == Some(command) {
            match self.phase {
                Phase::Downloading(_) => {
                    self.phase = Phase::Idle;
                    actions.push(Action::StopFetch);
                    status = CancelStatus::Canceled;
                }
                Phase::Restarting | Phase::Idle => status = CancelStatus::TooLate,
            }
        } else if self.on_trial && self.command == command {
            status = CancelStatus::TooLate;
        }
        actions.send(Report::CancelAck { command, status });
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Actions) {
        if let Phase::Downloading(download) = &mut self.phase {
            download.fetch_next(now_ms, &self.policy, actions);
        }
        if self.on_trial && now_ms >= self.confirm_by && !matches!(self.phase, Phase::Restarting) {
            self.restart(actions);
        }
    }

    fn give_up(&mut self, now_ms: u64, outcome: Outcome, reason: Reason, actions: &mut Actions) {
        if let Phase::Downloading(download) = core::mem::replace(&mut self.phase, Phase::Idle) {
            actions.push(Action::StopFetch);
            actions.result(download.offer.command, outcome, reason, download.elapsed_ms(now_ms));
        }
    }

    fn restart(&mut self, actions: &mut Actions) {
        self.phase = Phase::Restarting;
        actions.push(Action::Reboot);
    }

    fn save(&mut self, next: BootState) -> Result<(), H::Error> {
        self.unsure = true;
        state::save(self.hardware.state(), &mut self.journal, &next)?;
        self.unsure = false;
        self.state = next;
        Ok(())
    }

    /// The last image that was tried and given up.
    pub fn rolled_back(&self) -> Option<&RolledBack> {
        self.state.rolled_back.as_ref()
    }
}
