//! Content: several files that are shown together, or not at all.
//!
//! [`ContentAgent`] is to a display's files what [`crate::Agent`] is to firmware: the same events and actions, no network and no
//! clock of its own. One rule holds at every instant, whatever loses power when: what is shown is a set of which every file was
//! hashed and found right, and it changes from one such set to the next in one step.

mod set;

use crate::action::Actions;
use crate::download::Download;
use crate::{
    Action, CancelStatus, CommandId, Digest, FetchError, Image, Jitter, Offer, Outcome, Policy, Reason,
    Rejection, Report, Text,
};

pub use set::{ContentFile, ContentOffer, ContentSet, FileIdentity, MAX_FILES, TooManyFiles};

/// Where a device keeps what it shows. Implementations block: a write has happened when the call returns.
pub trait ContentStore {
    /// Why an operation failed.
    type Error;
    /// The hash.
    type Digest: Digest;

    /// Bytes that the files of one set may have together.
    fn capacity(&self) -> u32;

    /// What is shown now; after a restart, too.
    ///
    /// # Errors
    /// The store cannot be read.
    fn shown(&mut self) -> Result<ContentSet, Self::Error>;

    /// Whether this file is among what is shown, complete: then it need not be fetched again.
    ///
    /// # Errors
    /// The store cannot be read.
    fn has(&mut self, file: &FileIdentity) -> Result<bool, Self::Error>;

    /// Makes room for a file of a set to come, and forgets what was written of it before. What is shown stays.
    ///
    /// # Errors
    /// The store refused.
    fn stage(&mut self, file: &FileIdentity) -> Result<(), Self::Error>;

    /// Writes the next bytes of the file staged last. Offsets come in order and without gaps.
    ///
    /// # Errors
    /// The store refused.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Shows a set whose files were all staged whole, or shown before; what is in no set any more may go. A power cut leaves the
    /// old set or the new one shown, never a mixture.
    ///
    /// # Errors
    /// The store refused: the old set is shown.
    fn show(&mut self, set: &ContentSet) -> Result<(), Self::Error>;

    /// A digest of nothing yet. An earlier one may be abandoned unfinished.
    fn digest(&mut self) -> Self::Digest;
}

/// How a device goes about its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentPolicy {
    /// Ranges, pauses, failures, progress: as for firmware.
    pub download: Policy,
    /// A result for every file as it is verified, as the old boards do; otherwise one at the end, as the old simulator does.
    pub result_per_file: bool,
    /// A request that comes while one runs is ignored, as old boards do; otherwise it takes its place.
    pub ignore_second: bool,
    /// A file that is shown already is not fetched again.
    pub reuse: bool,
}

impl Default for ContentPolicy {
    fn default() -> Self {
        Self { download: Policy::default(), result_per_file: false, ignore_second: false, reuse: true }
    }
}

/// What happened.
#[derive(Debug)]
pub enum ContentEvent<'a, L> {
    /// A request arrived.
    Request(ContentOffer<L>),
    /// A cancel arrived. One that is not for this agent's command is for the firmware's.
    Cancel(CommandId),
    /// The next bytes of the ranges asked for.
    Data(&'a [u8]),
    /// All ranges asked for and not yet received are lost.
    FetchFailed(FetchError),
    /// Time passed: due at [`ContentAgent::deadline`].
    Tick,
}

#[derive(Debug)]
struct Loading<D, L> {
    offer: ContentOffer<L>,
    set: ContentSet,
    /// Which file is under way.
    place: usize,
    /// Bytes of the files before it.
    before: u32,
    current: Option<Download<D, L>>,
}

/// The content machine of one device.
#[derive(Debug)]
pub struct ContentAgent<S: ContentStore, L> {
    store: S,
    shown: ContentSet,
    loading: Option<Loading<S::Digest, L>>,
    policy: ContentPolicy,
    jitter: Jitter,
}

impl<S: ContentStore, L: Clone> ContentAgent<S, L> {
    /// The agent of a device that has just started.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(mut store: S, policy: ContentPolicy, jitter: Jitter) -> Result<Self, S::Error> {
        let shown = store.shown()?;
        Ok(Self { store, shown, loading: None, policy, jitter })
    }

    /// Ends the agent and gives the store back: the moment of a restart. A set that was being loaded is forgotten.
    pub fn into_store(self) -> S {
        self.store
    }

    /// What is shown.
    pub fn shown(&self) -> &ContentSet {
        &self.shown
    }

    /// The command being carried out.
    pub fn busy_with(&self) -> Option<CommandId> {
        self.loading.as_ref().map(|loading| loading.offer.command)
    }

    /// Where the file being fetched is; `None` when none is.
    pub fn locator(&self) -> Option<&L> {
        self.loading.as_ref()?.current.as_ref().map(|download| &download.offer.locator)
    }

    /// When [`ContentEvent::Tick`] is due, in the caller's milliseconds.
    pub fn deadline(&self) -> Option<u64> {
        match &self.loading {
            None => None,
            // The next file has not been begun.
            Some(Loading { current: None, .. }) => Some(0),
            Some(Loading { current: Some(download), .. }) => download.resume_at,
        }
    }

    /// Takes one event and says what to do.
    pub fn step(&mut self, now_ms: u64, event: ContentEvent<'_, L>) -> Actions {
        let mut actions = Actions::none();
        match event {
            ContentEvent::Request(offer) => self.request(now_ms, offer, &mut actions),
            ContentEvent::Cancel(command) => self.cancel(command, &mut actions),
            ContentEvent::Data(bytes) => self.data(now_ms, bytes, &mut actions),
            ContentEvent::FetchFailed(error) => self.fetch_failed(now_ms, error, &mut actions),
            ContentEvent::Tick => self.tick(now_ms, &mut actions),
        }
        actions
    }

    fn request(&mut self, now_ms: u64, offer: ContentOffer<L>, actions: &mut Actions) {
        let (command, set, capacity) = (offer.command, offer.set(), self.store.capacity());
        if let Some(loading) = &mut self.loading {
            if loading.set == set {
                // The same files again, perhaps under a new command or fresh URLs: what is here of them stays.
                actions.send(Report::Accepted { command });
                if let Some(download) = &mut loading.current {
                    download.offer.command = command;
                    if let Some(file) = offer.file(loading.place) {
                        download.offer.locator = file.locator.clone();
                    }
                    download.readdressed(now_ms, &self.policy.download, actions);
                }
                loading.offer = offer;
                return;
            }
            if self.policy.ignore_second {
                return;
            }
        }
        match set.total_size() {
            Some(size) if size <= capacity => {}
            size => {
                let size = size.unwrap_or(u32::MAX);
                actions.send(Report::Rejected { command, reason: Rejection::TooLarge { size, capacity } });
                return;
            }
        }
        if set.files().iter().any(|file| file.size == 0) {
            actions.send(Report::Rejected { command, reason: Rejection::Empty });
            return;
        }
        self.give_up(now_ms, Outcome::Error, Reason::Superseded, actions);
        actions.send(Report::Accepted { command });
        self.loading = Some(Loading { offer, set, place: 0, before: 0, current: None });
        self.go_on(now_ms, actions);
    }

    /// Begins the next file, or shows the set when there is none. One file a step: what a step says is bounded.
    fn go_on(&mut self, now_ms: u64, actions: &mut Actions) {
        let Some(loading) = &mut self.loading else { return };
        let Some(file) = loading.set.files().get(loading.place).copied() else {
            // A set without files.
            return self.finish(Reason::Verified, 0, actions);
        };
        if self.policy.reuse && matches!(self.store.has(&file), Ok(true)) {
            return self.file_done(now_ms, Reason::AlreadyRuns, 0, actions);
        }
        if self.store.stage(&file).is_err() {
            return self.give_up(now_ms, Outcome::Error, Reason::SlotFailed, actions);
        }
        let Some(locator) = loading.offer.file(loading.place).map(|file| file.locator.clone()) else {
            return;
        };
        let image = Image { hash: file.hash, size: file.size, version: Text::EMPTY };
        let offer = Offer { command: loading.offer.command, image, locator };
        // Its sum was found to fit.
        let total = loading.set.total_size().unwrap_or(u32::MAX);
        let mut download = Download::new(now_ms, offer, self.store.digest()).part_of(loading.before, total);
        download.fetch_next(now_ms, &self.policy.download, actions);
        loading.current = Some(download);
    }

    /// The file under way is here, whole and right.
    fn file_done(&mut self, now_ms: u64, reason: Reason, elapsed_ms: u32, actions: &mut Actions) {
        let Some(loading) = &mut self.loading else { return };
        let size = loading.set.files().get(loading.place).map_or(0, |file| file.size);
        loading.current = None;
        loading.before += size;
        loading.place += 1;
        if loading.place >= loading.set.files().len() {
            return self.finish(reason, elapsed_ms, actions);
        }
        if self.policy.result_per_file {
            actions.result(loading.offer.command, Outcome::Success, reason, elapsed_ms);
        }
        // After a file that was here already the next one waits for its tick: what a step says is bounded.
        if reason == Reason::Verified {
            self.go_on_after_file(now_ms, actions);
        }
    }

    /// After a file that was fetched the next is asked for at once, unless it is here already.
    fn go_on_after_file(&mut self, now_ms: u64, actions: &mut Actions) {
        let Some(loading) = &self.loading else { return };
        let next = loading.set.files().get(loading.place).copied();
        let here = self.policy.reuse && next.is_some_and(|file| matches!(self.store.has(&file), Ok(true)));
        if !here {
            self.go_on(now_ms, actions);
        }
    }

    /// Every file is here: shows them, and says so.
    fn finish(&mut self, reason: Reason, elapsed_ms: u32, actions: &mut Actions) {
        let Some(loading) = self.loading.take() else { return };
        let command = loading.offer.command;
        if loading.set != self.shown && self.store.show(&loading.set).is_err() {
            actions.result(command, Outcome::Error, Reason::StateFailed, elapsed_ms);
            return;
        }
        self.shown = loading.set;
        if !self.policy.result_per_file {
            // With it the one result speaks for all of them.
            let total = loading.set.total_size().unwrap_or(u32::MAX);
            actions.send(Report::Progress { command, percent: 100, downloaded: total, total, kbit_per_s: 0 });
        }
        actions.result(command, Outcome::Success, reason, elapsed_ms);
        actions.send(Report::Status);
    }

    fn data(&mut self, now_ms: u64, bytes: &[u8], actions: &mut Actions) {
        let Some(Loading { current: Some(download), .. }) = &mut self.loading else { return };
        let wanted = download.wanted(bytes.len());
        if wanted == 0 {
            return;
        }
        let bytes = &bytes[..wanted];
        if self.store.write(download.received, bytes).is_err() {
            return self.give_up(now_ms, Outcome::Error, Reason::SlotFailed, actions);
        }
        download.digest.update(bytes);
        download.advance(now_ms, wanted as u32, &self.policy.download, actions);
        if download.received == download.offer.image.size {
            self.complete(now_ms, actions);
        }
    }

    fn complete(&mut self, now_ms: u64, actions: &mut Actions) {
        let Some(Loading { current: Some(download), set, place, .. }) = &mut self.loading else { return };
        let digest = core::mem::replace(&mut download.digest, self.store.digest());
        if digest.finish() == download.offer.image.hash {
            let elapsed = download.elapsed_ms(now_ms);
            return self.file_done(now_ms, Reason::Verified, elapsed, actions);
        }
        download.bad_images += 1;
        if download.bad_images >= self.policy.download.max_bad_images {
            let downloads = download.bad_images;
            return self.give_up(now_ms, Outcome::Error, Reason::HashMismatch { downloads }, actions);
        }
        let staged = set.files().get(*place).is_some_and(|file| self.store.stage(file).is_ok());
        if staged {
            download.start_over(now_ms, &self.policy.download, &mut self.jitter);
        } else {
            self.give_up(now_ms, Outcome::Error, Reason::SlotFailed, actions);
        }
    }

    fn fetch_failed(&mut self, now_ms: u64, error: FetchError, actions: &mut Actions) {
        let Some(Loading { current: Some(download), .. }) = &mut self.loading else { return };
        match error {
            FetchError::Expired => download.expired(),
            FetchError::Refused { status } => {
                self.give_up(now_ms, Outcome::Error, Reason::Refused { status }, actions);
            }
            FetchError::Link if download.failures >= self.policy.download.max_failures => {
                let failures = download.failures;
                self.give_up(now_ms, Outcome::Timeout, Reason::NoProgress { failures }, actions);
            }
            FetchError::Link => download.interrupted(now_ms, &self.policy.download, &mut self.jitter),
        }
    }

    fn cancel(&mut self, command: CommandId, actions: &mut Actions) {
        let status = if self.busy_with() == Some(command) {
            self.loading = None;
            actions.push(Action::StopFetch);
            CancelStatus::Canceled
        } else {
            CancelStatus::Unknown
        };
        actions.send(Report::CancelAck { command, status });
    }

    fn tick(&mut self, now_ms: u64, actions: &mut Actions) {
        match &mut self.loading {
            None => {}
            Some(Loading { current: Some(download), .. }) => {
                download.fetch_next(now_ms, &self.policy.download, actions);
            }
            Some(Loading { current: None, .. }) => self.go_on(now_ms, actions),
        }
    }

    fn give_up(&mut self, now_ms: u64, outcome: Outcome, reason: Reason, actions: &mut Actions) {
        if let Some(loading) = self.loading.take() {
            actions.push(Action::StopFetch);
            let elapsed = loading.current.map_or(0, |download| download.elapsed_ms(now_ms));
            actions.result(loading.offer.command, outcome, reason, elapsed);
        }
    }
}
