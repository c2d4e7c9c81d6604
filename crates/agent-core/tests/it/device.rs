//! A device around the core: boots, "runs" its image, talks to a server that keeps offering until it is told how it went.

use std::collections::VecDeque;

use argosy_agent_core::{
    Action, Actions, Agent, CommandId, Event, FetchError, Image, Jitter, Offer, Outcome, Policy, Report,
    Slot, Version, boot, provision, stored_state,
};

use crate::chip::{Board, SharedChip, hash};

pub(crate) const TRIAL_BOOTS: u8 = 3;

/// How an image behaves once it runs; its first byte says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    Good = 1,
    /// Resets before it reaches the broker.
    Crashes = 2,
    /// Never reaches the broker.
    Hangs = 3,
    /// Fails its self-test.
    Ill = 4,
}

/// A firmware image of `length` bytes that behaves so.
pub(crate) fn firmware(behaviour: Behaviour, seed: u8, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
    bytes[0] = behaviour as u8;
    bytes
}

pub(crate) fn image_of(bytes: &[u8]) -> Image {
    Image { hash: hash(bytes), size: bytes.len() as u32, version: Version::cut("v") }
}

/// What happens to the link while a piece is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The piece and everything asked for are lost.
    LinkLost,
    /// One byte of the piece is wrong.
    Corrupt,
    /// The request arrives once more.
    Again,
    /// The power goes between two operations.
    PowerCut,
    /// The broker comes and goes.
    Flap,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chip: SharedChip,
    /// What ran before.
    pub(crate) old: Vec<u8>,
    known: Vec<Vec<u8>>,
    pub(crate) offered: Vec<u8>,
    pub(crate) policy: Policy,
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) reports: Vec<Report>,
    now: u64,
    pub(crate) boots: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum After {
    Reboot,
    Settled,
}

impl World {
    /// A device that came with one image, was updated to a second (`old`), and is now offered a third that behaves so.
    /// Thus the other slot holds a good image when the update begins.
    pub(crate) fn new(behaviour: Behaviour, faults: Vec<Fault>) -> Self {
        let factory = firmware(Behaviour::Good, 0, 300);
        let old = firmware(Behaviour::Good, 40, 700);
        let offered = firmware(behaviour, 77, 1_500);
        let chip = SharedChip::new(&factory);
        provision(&mut Board::new(&chip), Slot::A, image_of(&factory)).expect("provisioned");
        let mut world = Self {
            chip,
            known: vec![factory, old.clone(), offered.clone()],
            offered: old.clone(),
            old,
            policy: Policy { chunk: 256, ..Policy::default() },
            faults: VecDeque::new(),
            reports: Vec::new(),
            now: 0,
            boots: 0,
        };
        assert_eq!(world.live(), image_of(&world.old));
        world.chip.0.borrow_mut().operations = 0;
        world.reports.clear();
        world.policy.self_test = behaviour == Behaviour::Ill;
        Self { offered, faults: faults.into(), now: 0, boots: 0, ..world }
    }

    /// Lives until the device runs the offer, or reported that it will not, and nothing more is to happen. Checks at
    /// every boot that what is started is complete: the heart of these tests.
    pub(crate) fn live(&mut self) -> Image {
        loop {
            self.boots += 1;
            assert!(self.boots < 64, "the device boots for ever; reports: {:?}", self.reports);
            self.chip.power_on();
            let mut board = Board::new(&self.chip);
            self.check_state(&mut board);
            let boot = match boot(&mut board, TRIAL_BOOTS) {
                Ok(boot) => boot,
                Err(error) => {
                    assert!(!self.chip.powered(), "the device is a brick: {error:?}");
                    continue;
                }
            };
            let slot = self.chip.0.borrow().slots[boot.slot.index()].clone();
            let running = &slot[..boot.image.size as usize];
            assert!(
                self.known.iter().any(|known| known == running),
                "an image that nobody offered was started"
            );
            let first = running[0];
            let trial = boot.trial;
            if trial && first == Behaviour::Crashes as u8 {
                continue;
            }
            let mut agent: Agent<Board, ()> =
                Agent::start(self.now, board, boot, self.policy, Jitter::new(u64::from(self.boots)));
            match self.run(&mut agent, trial && first == Behaviour::Hangs as u8) {
                After::Reboot => {}
                After::Settled => return agent.boot_report().image,
            }
        }
    }

    /// Rule 1 of the core: what the state says of a slot is true.
    fn check_state(&self, board: &mut Board) {
        let state = stored_state(board).expect("powered").expect("one copy of the state is always valid");
        for (slot, image) in state.images.iter().enumerate() {
            let Some(image) = image else { continue };
            let bytes = &self.chip.0.borrow().slots[slot][..image.size as usize];
            assert_eq!(hash(bytes), image.hash, "the state praises slot {slot}, which holds something else");
        }
    }

    fn run(&mut self, agent: &mut Agent<Board, ()>, hangs: bool) -> After {
        let mut ranges: VecDeque<(u32, u32)> = VecDeque::new();
        if hangs {
            self.now = agent.deadline().expect("a trial has a deadline");
            let actions = agent.step(self.now, Event::Tick);
            return self.carry_out(agent, actions, &mut ranges).unwrap_or(After::Reboot);
        }
        let actions = agent.step(self.now, Event::BrokerUp);
        if let Some(after) = self.carry_out(agent, actions, &mut ranges) {
            return after;
        }
        for round in 0..10_000 {
            if !self.chip.powered() {
                return After::Reboot;
            }
            if agent.busy_with().is_none() {
                if self.settled(agent) {
                    return After::Settled;
                }
                let actions = agent.step(self.now, Event::Request(self.offer()));
                if let Some(after) = self.carry_out(agent, actions, &mut ranges) {
                    return after;
                }
                continue;
            }
            let Some((from, to)) = ranges.pop_front() else {
                self.now = agent.deadline().unwrap_or_else(|| panic!("round {round}: waits for nothing"));
                let actions = agent.step(self.now, Event::Tick);
                if let Some(after) = self.carry_out(agent, actions, &mut ranges) {
                    return after;
                }
                continue;
            };
            let end = to.min(from + 100);
            if end < to {
                ranges.push_front((end, to));
            }
            if let Some(after) = self.deliver(agent, from as usize..end as usize, &mut ranges) {
                return after;
            }
        }
        panic!("the device never settles");
    }

    fn deliver(
        &mut self,
        agent: &mut Agent<Board, ()>,
        range: std::ops::Range<usize>,
        ranges: &mut VecDeque<(u32, u32)>,
    ) -> Option<After> {
        let mut piece = self.offered[range].to_vec();
        self.now += 10;
        let actions = match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => agent.step(self.now, Event::Data(&piece)),
            Fault::Corrupt => {
                piece[0] ^= 0x10;
                agent.step(self.now, Event::Data(&piece))
            }
            Fault::LinkLost => {
                ranges.clear();
                agent.step(self.now, Event::FetchFailed(FetchError::Link))
            }
            Fault::Again => {
                let actions = agent.step(self.now, Event::Request(self.offer()));
                if let Some(after) = self.carry_out(agent, actions, ranges) {
                    return Some(after);
                }
                agent.step(self.now, Event::Data(&piece))
            }
            Fault::PowerCut => return Some(After::Reboot),
            Fault::Flap => {
                agent.step(self.now, Event::BrokerDown);
                let actions = agent.step(self.now, Event::BrokerUp);
                if let Some(after) = self.carry_out(agent, actions, ranges) {
                    return Some(after);
                }
                agent.step(self.now, Event::Data(&piece))
            }
        };
        self.carry_out(agent, actions, ranges)
    }

    fn carry_out(
        &mut self,
        agent: &mut Agent<Board, ()>,
        actions: Actions,
        ranges: &mut VecDeque<(u32, u32)>,
    ) -> Option<After> {
        for action in actions {
            if !self.chip.powered() {
                return Some(After::Reboot);
            }
            match action {
                Action::Send(report) => self.reports.push(report),
                Action::Fetch { from, to } => ranges.push_back((from, to)),
                Action::StopFetch => ranges.clear(),
                Action::Reboot => return Some(After::Reboot),
                Action::SelfTest => {
                    let slot = agent.boot_report().slot;
                    let healthy = self.chip.0.borrow().slots[slot.index()][0] == Behaviour::Good as u8;
                    let actions = agent.step(self.now, Event::SelfTest(healthy));
                    if let Some(after) = self.carry_out(agent, actions, ranges) {
                        return Some(after);
                    }
                }
            }
        }
        (!self.chip.powered()).then_some(After::Reboot)
    }

    fn settled(&self, agent: &Agent<Board, ()>) -> bool {
        let report = agent.boot_report();
        let done = report.confirmed && report.image.hash == hash(&self.offered);
        let refused = self.reports.iter().any(|r| {
            matches!(
                r,
                Report::Result { outcome: Outcome::RolledBack | Outcome::Error | Outcome::Timeout, .. }
            )
        });
        report.confirmed && (done || refused)
    }

    pub(crate) fn offer(&self) -> Offer<()> {
        Offer { command: CommandId::cut("FW-1-1-1"), image: image_of(&self.offered), locator: () }
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.reports
            .iter()
            .filter_map(|r| match r {
                Report::Result { outcome, .. } => Some(*outcome),
                _ => None,
            })
            .collect()
    }
}
