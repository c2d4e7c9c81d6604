//! Content: what is shown is always a whole set, whatever fails when.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use argosy_agent_core::{
    Action, CancelStatus, CommandId, ContentAgent, ContentEvent, ContentFile, ContentOffer, ContentPolicy,
    ContentSet, ContentStore, FetchError, FileIdentity, Jitter, MAX_FILES, Outcome, Policy, Reason,
    Rejection, Report, TooManyFiles,
};
use argosy_proto::Sha256Hash;
use proptest::prelude::*;

use crate::chip::{NoPower, Sha256, hash};

/// Files by hash, those being written, and the set that is shown. Every operation may be the last.
#[derive(Debug)]
struct Card {
    files: BTreeMap<Sha256Hash, Vec<u8>>,
    pending: BTreeMap<Sha256Hash, Vec<u8>>,
    current: Sha256Hash,
    shown: ContentSet,
    cut: Option<u64>,
    powered: bool,
    operations: u64,
}

#[derive(Debug, Clone)]
struct Store(Rc<RefCell<Card>>);

impl Store {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(Card {
            files: BTreeMap::new(),
            pending: BTreeMap::new(),
            current: Sha256Hash([0; 32]),
            shown: ContentSet::EMPTY,
            cut: None,
            powered: true,
            operations: 0,
        })))
    }

    /// One operation; if the power goes in it, with its effect or without.
    fn operate<T>(&self, effect: impl FnOnce(&mut Card) -> T) -> Result<T, NoPower> {
        let mut card = self.0.borrow_mut();
        if !card.powered {
            return Err(NoPower);
        }
        card.operations += 1;
        match card.cut {
            Some(0) => {
                (card.powered, card.cut) = (false, None);
                // Every other cut comes after the effect.
                if card.operations.is_multiple_of(2) {
                    effect(&mut card);
                }
                Err(NoPower)
            }
            left => {
                card.cut = left.map(|left| left - 1);
                Ok(effect(&mut card))
            }
        }
    }

    fn power_on(&self) {
        self.0.borrow_mut().powered = true;
    }

    /// Every shown file is there, whole.
    fn check(&self) {
        let card = self.0.borrow();
        for file in card.shown.files() {
            let bytes = card.files.get(&file.hash).expect("a shown file is there");
            assert_eq!((hash(bytes), bytes.len() as u32), (file.hash, file.size));
        }
    }
}

impl ContentStore for Store {
    type Error = NoPower;
    type Digest = Sha256;

    fn capacity(&self) -> u32 {
        10_000
    }

    fn shown(&mut self) -> Result<ContentSet, NoPower> {
        Ok(self.0.borrow().shown)
    }

    fn has(&mut self, file: &FileIdentity) -> Result<bool, NoPower> {
        Ok(self.0.borrow().shown.files().iter().any(|shown| shown.hash == file.hash))
    }

    fn stage(&mut self, file: &FileIdentity) -> Result<(), NoPower> {
        self.operate(|card| {
            card.current = file.hash;
            card.pending.insert(file.hash, Vec::new());
        })
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NoPower> {
        self.operate(|card| {
            let staged = card.pending.get_mut(&card.current).expect("staged");
            assert_eq!(staged.len(), offset as usize, "in order, without gaps");
            staged.extend_from_slice(bytes);
        })
    }

    fn show(&mut self, set: &ContentSet) -> Result<(), NoPower> {
        self.operate(|card| {
            let pending = std::mem::take(&mut card.pending);
            let whole = |hash: &Sha256Hash, bytes: &Vec<u8>| {
                set.files().iter().any(|file| file.hash == *hash && file.size as usize == bytes.len())
            };
            card.files.extend(pending.into_iter().filter(|(hash, bytes)| whole(hash, bytes)));
            card.files.retain(|hash, _| set.files().iter().any(|file| file.hash == *hash));
            card.shown = *set;
        })
    }

    fn digest(&mut self) -> Sha256 {
        Sha256::new()
    }
}

type TestAgent = ContentAgent<Store, usize>;

fn agent(store: &Store, policy: ContentPolicy) -> TestAgent {
    ContentAgent::start(store.clone(), policy, Jitter::new(1)).expect("the store is read")
}

fn policy() -> ContentPolicy {
    let download = Policy { chunk: 100, progress_ms: 0, ..Policy::default() };
    ContentPolicy { download, ..ContentPolicy::default() }
}

fn boards() -> ContentPolicy {
    ContentPolicy { result_per_file: true, ignore_second: true, reuse: false, ..policy() }
}

fn files(sizes: &[usize]) -> Vec<Vec<u8>> {
    sizes.iter().enumerate().map(|(n, size)| (0..*size).map(|at| (at * 7 + n * 31) as u8).collect()).collect()
}

fn offer(command: &str, files: &[Vec<u8>]) -> ContentOffer<usize> {
    let file = |(place, bytes): (usize, &Vec<u8>)| ContentFile {
        identity: FileIdentity { id: hash(bytes).0[0].into(), hash: hash(bytes), size: bytes.len() as u32 },
        locator: place,
    };
    ContentOffer::new(CommandId::cut(command), files.iter().enumerate().map(file)).expect("few files")
}

/// Carries out what the agent asks for until it asks for nothing; what it said.
fn drive(
    agent: &mut TestAgent,
    files: &[Vec<u8>],
    mut todo: Vec<Action>,
    spoil: impl Fn(usize, u32) -> bool,
) -> Vec<Report> {
    let mut said = Vec::new();
    let mut now = 1_000;
    loop {
        while !todo.is_empty() {
            match todo.remove(0) {
                Action::Send(report) => said.push(report),
                Action::Fetch { from, to } => {
                    // Asked for before the set was given up.
                    let Some(&place) = agent.locator() else { continue };
                    let mut bytes = files[place][from as usize..to as usize].to_vec();
                    if spoil(place, from) {
                        bytes[0] ^= 1;
                    }
                    now += 10;
                    todo.extend(agent.step(now, ContentEvent::Data(&bytes)));
                }
                Action::StopFetch => {}
                other => panic!("{other:?}"),
            }
        }
        match agent.deadline() {
            Some(at) => {
                now = now.max(at);
                todo.extend(agent.step(now, ContentEvent::Tick));
            }
            None => return said,
        }
    }
}

fn ask(agent: &mut TestAgent, command: &str, files: &[Vec<u8>]) -> Vec<Report> {
    let todo = agent.step(0, ContentEvent::Request(offer(command, files))).collect();
    drive(agent, files, todo, |_, _| false)
}

fn results(said: &[Report]) -> Vec<(Outcome, Reason)> {
    let result = |report: &Report| match report {
        Report::Result { outcome, reason, .. } => Some((*outcome, *reason)),
        _ => None,
    };
    said.iter().filter_map(result).collect()
}

#[test]
fn a_set_is_fetched_in_order_and_shown_when_it_is_whole() {
    let store = Store::new();
    let mut agent = agent(&store, policy());
    let files = files(&[250, 90, 400]);
    let said = ask(&mut agent, "AD-1-1-1", &files);
    assert_eq!(said[0], Report::Accepted { command: CommandId::cut("AD-1-1-1") });
    assert_eq!(results(&said), [(Outcome::Success, Reason::Verified)]);
    // Progress speaks of all files together, never goes back, and ends with all of it before the result.
    let told: Vec<(u8, u32, u32)> = said
        .iter()
        .filter_map(|report| match report {
            Report::Progress { percent, downloaded, total, .. } => Some((*percent, *downloaded, *total)),
            _ => None,
        })
        .collect();
    assert!(told.is_sorted() && told.len() > 3 && told.iter().all(|(.., total)| *total == 740), "{told:?}");
    assert_eq!(told.last(), Some(&(100, 740, 740)));
    assert_eq!(said.last(), Some(&Report::Status));
    assert_eq!(*agent.shown(), offer("", &files).set());
    store.check();
}

#[test]
fn a_board_tells_of_every_file() {
    let store = Store::new();
    let mut agent = agent(&store, boards());
    let said = ask(&mut agent, "AD-1-1-1", &files(&[250, 90, 400]));
    assert_eq!(results(&said), [(Outcome::Success, Reason::Verified); 3]);
    let said = ask(&mut agent, "AD-2-1-1", &files(&[250]));
    assert_eq!(results(&said), [(Outcome::Success, Reason::Verified)]);
    assert_eq!(agent.shown().files().len(), 1);
}

#[test]
fn what_is_shown_already_is_not_fetched_again() {
    let store = Store::new();
    let mut agent = agent(&store, policy());
    let mut set = files(&[250, 90, 400]);
    ask(&mut agent, "AD-1-1-1", &set);
    let before = store.0.borrow().operations;
    assert_eq!(results(&ask(&mut agent, "AD-2-1-1", &set)), [(Outcome::Success, Reason::AlreadyRuns)]);
    assert_eq!(store.0.borrow().operations, before, "nothing was written");
    set.reverse();
    set.push(vec![9; 120]);
    assert_eq!(results(&ask(&mut agent, "AD-3-1-1", &set)), [(Outcome::Success, Reason::Verified)]);
    assert_eq!(*agent.shown(), offer("", &set).set());
    store.check();
    // And sixteen of them.
    let full = files(&[20; MAX_FILES]);
    ask(&mut agent, "AD-4-1-1", &full);
    assert_eq!(results(&ask(&mut agent, "AD-5-1-1", &full)), [(Outcome::Success, Reason::AlreadyRuns)]);
    assert_eq!(results(&ask(&mut agent, "AD-6-1-1", &[])), [(Outcome::Success, Reason::Verified)]);
    assert_eq!(*agent.shown(), ContentSet::EMPTY);
}

#[test]
fn a_wrong_file_is_fetched_again_and_given_up_at_last() {
    let store = Store::new();
    let mut agent = agent(&store, boards());
    let set = files(&[150, 150]);
    ask(&mut agent, "AD-1-1-1", &files(&[30]));
    let todo = agent.step(0, ContentEvent::Request(offer("AD-2-1-1", &set))).collect();
    let said = drive(&mut agent, &set, todo, |place, from| place == 1 && from == 100);
    assert_eq!(
        results(&said),
        [(Outcome::Success, Reason::Verified), (Outcome::Error, Reason::HashMismatch { downloads: 3 })]
    );
    assert_eq!(agent.shown().files().len(), 1, "what was shown stays");
    assert_eq!(agent.busy_with(), None);
    store.check();
}

#[test]
fn a_second_request_takes_its_place_or_is_ignored() {
    let (first, second) = (files(&[300]), files(&[40, 50]));
    for (policy, taken) in [(policy(), true), (boards(), false)] {
        let mut agent = agent(&Store::new(), policy);
        let _ = agent.step(0, ContentEvent::Request(offer("AD-1-1-1", &first)));
        let todo: Vec<Action> = agent.step(0, ContentEvent::Request(offer("AD-2-1-1", &second))).collect();
        assert_eq!(todo.is_empty(), !taken);
        if taken {
            let said = drive(&mut agent, &second, todo, |_, _| false);
            assert_eq!(
                results(&said),
                [(Outcome::Error, Reason::Superseded), (Outcome::Success, Reason::Verified)]
            );
        }
        // The same set under a new command goes on where it is.
        let todo: Vec<Action> = agent.step(0, ContentEvent::Request(offer("AD-3-1-1", &first))).collect();
        assert_eq!(todo[0], Action::Send(Report::Accepted { command: CommandId::cut("AD-3-1-1") }));
        assert_eq!(todo.len(), if taken { 3 } else { 1 });
    }
}

#[test]
fn a_cancel_leaves_what_is_shown() {
    let mut agent = agent(&Store::new(), policy());
    ask(&mut agent, "AD-1-1-1", &files(&[30]));
    let _ = agent.step(0, ContentEvent::Request(offer("AD-2-1-1", &files(&[300, 10]))));
    let cancel = |agent: &mut TestAgent, command: &str| {
        agent.step(0, ContentEvent::Cancel(CommandId::cut(command))).collect::<Vec<_>>()
    };
    let ack =
        |command: &str, status| Action::Send(Report::CancelAck { command: CommandId::cut(command), status });
    assert_eq!(cancel(&mut agent, "AD-9-1-1"), [ack("AD-9-1-1", CancelStatus::Unknown)]);
    assert_eq!(cancel(&mut agent, "AD-2-1-1"), [Action::StopFetch, ack("AD-2-1-1", CancelStatus::Canceled)]);
    assert_eq!((agent.shown().files().len(), agent.busy_with(), agent.deadline()), (1, None, None));
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let mut agent = agent(&Store::new(), policy());
    let reject = |agent: &mut TestAgent, sizes: &[usize]| match agent
        .step(0, ContentEvent::Request(offer("AD-1-1-1", &files(sizes))))
        .next()
    {
        Some(Action::Send(Report::Rejected { reason, .. })) => reason,
        other => panic!("{other:?}"),
    };
    let too_large = Rejection::TooLarge { size: 10_001, capacity: 10_000 };
    assert_eq!(reject(&mut agent, &[10_000, 1]), too_large);
    assert_eq!(reject(&mut agent, &[1, 0]), Rejection::Empty);
    let one = offer("", &files(&[1])).set().files()[0];
    let many = (0..=MAX_FILES).map(|locator| ContentFile { identity: one, locator });
    assert_eq!(ContentOffer::new(CommandId::EMPTY, many).err(), Some(TooManyFiles));
}

#[test]
fn a_refused_download_and_a_lost_link_end_the_set() {
    let mut agent = agent(&Store::new(), policy());
    let _ = agent.step(0, ContentEvent::Request(offer("AD-1-1-1", &files(&[300]))));
    let refused =
        agent.step(1, ContentEvent::FetchFailed(FetchError::Refused { status: 403 })).collect::<Vec<_>>();
    assert!(matches!(
        refused[1],
        Action::Send(Report::Result { reason: Reason::Refused { status: 403 }, .. })
    ));
    let _ = agent.step(0, ContentEvent::Request(offer("AD-2-1-1", &files(&[300]))));
    let mut ended = Vec::new();
    for _ in 0..=Policy::default().max_failures {
        ended = agent.step(0, ContentEvent::FetchFailed(FetchError::Link)).collect();
    }
    assert!(matches!(ended[1], Action::Send(Report::Result { outcome: Outcome::Timeout, .. })), "{ended:?}");
}

proptest! {
    /// The power goes at any operation: after it the old set or the new one is shown, whole, and the request made again succeeds.
    #[test]
    fn a_power_cut_leaves_a_whole_set(
        old in proptest::collection::vec(1..300_usize, 0..4),
        new in proptest::collection::vec(1..300_usize, 0..5),
        cut in 0..40_u64,
        per_file: bool, reuse: bool,
    ) {
        let (old, new) = (files(&old), files(&new).into_iter().map(|mut f| { f.push(1); f }).collect::<Vec<_>>());
        let policy = ContentPolicy { result_per_file: per_file, reuse, ..policy() };
        let store = Store::new();
        ask(&mut agent(&store, policy), "AD-1-1-1", &old);
        store.0.borrow_mut().cut = Some(cut);
        ask(&mut agent(&store, policy), "AD-2-1-1", &new);
        store.power_on();
        store.check();
        let mut again = agent(&store, policy);
        let (before, after) = (offer("", &old).set(), offer("", &new).set());
        prop_assert!(*again.shown() == before || *again.shown() == after);
        store.0.borrow_mut().cut = None;
        let said = ask(&mut again, "AD-3-1-1", &new);
        prop_assert_eq!(*again.shown(), after);
        prop_assert!(results(&said).iter().all(|(outcome, _)| *outcome == Outcome::Success));
        store.check();
    }
}
