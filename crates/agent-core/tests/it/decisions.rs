//! What the core decides, event by event.

use argosy_agent_core::{
    Action, Agent, CancelStatus, CommandId, Event, FetchError, Jitter, Offer, Outcome, Policy, Reason,
    Rejection, Report, boot,
};

use crate::chip::{Board, CAPACITY};
use crate::device::{Behaviour, TRIAL_BOOTS, World, firmware, image_of};

type TestAgent = Agent<Board, &'static str>;

fn agent(world: &World, policy: Policy) -> TestAgent {
    let mut board = Board::new(&world.chip);
    let boot = boot(&mut board, TRIAL_BOOTS).expect("the device boots");
    Agent::start(0, board, boot, policy, Jitter::new(1))
}

fn new_agent(policy: Policy) -> (World, TestAgent) {
    let world = World::new(Behaviour::Good, vec![]);
    let agent = agent(&world, policy);
    (world, agent)
}

fn offer(command: &str, bytes: &[u8]) -> Offer<&'static str> {
    Offer { command: CommandId::cut(command), image: image_of(bytes), locator: "first" }
}

fn policy() -> Policy {
    Policy { chunk: 500, ..Policy::default() }
}

fn actions(agent: &mut TestAgent, now: u64, event: Event<'_, &'static str>) -> Vec<Action> {
    agent.step(now, event).collect()
}

const C: &str = "FW-1-1-1";

fn command() -> CommandId {
    CommandId::cut(C)
}

#[test]
fn an_update_asks_for_its_ranges_one_ahead_and_ends_in_a_restart() {
    let (world, mut agent) = new_agent(policy());
    assert_eq!(actions(&mut agent, 0, Event::BrokerUp), [Action::Send(Report::Hello)]);
    let accepted = Action::Send(Report::Accepted { command: command() });
    assert_eq!(
        actions(&mut agent, 0, Event::Request(offer(C, &world.offered))),
        [accepted, Action::Fetch { from: 0, to: 500 }, Action::Fetch { from: 500, to: 1_000 }]
    );
    assert_eq!(agent.busy_with(), Some(command()));
    assert_eq!(
        actions(&mut agent, 1, Event::Data(&world.offered[..500])),
        [Action::Fetch { from: 1_000, to: 1_500 }]
    );
    assert_eq!(actions(&mut agent, 2, Event::Data(&world.offered[500..1_400])), []);
    let end = actions(&mut agent, 9, Event::Data(&world.offered[1_400..]));
    let result = |outcome, reason| {
        Action::Send(Report::Result { command: command(), outcome, reason, download_ms: 9 })
    };
    assert_eq!(
        end,
        [
            result(Outcome::Success, Reason::Verified),
            result(Outcome::Installed, Reason::Installed),
            Action::Reboot
        ]
    );
    // The link breaks and comes back before the restart: a hello of the old image would now read as a rollback.
    assert_eq!(actions(&mut agent, 10, Event::BrokerDown), []);
    assert_eq!(actions(&mut agent, 11, Event::BrokerUp), []);
}

#[test]
fn a_lost_link_goes_on_where_it_was_after_a_wait() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    agent.step(1, Event::Data(&world.offered[..700]));
    assert_eq!(actions(&mut agent, 2, Event::FetchFailed(FetchError::Link)), []);
    let at = agent.deadline().unwrap();
    assert!(at > 2, "a failed fetch is not repeated at once");
    assert_eq!(actions(&mut agent, at - 1, Event::Tick), []);
    assert_eq!(
        actions(&mut agent, at, Event::Tick),
        [Action::Fetch { from: 700, to: 1_200 }, Action::Fetch { from: 1_200, to: 1_500 }]
    );
}

#[test]
fn a_link_that_never_works_ends_in_a_timeout() {
    let (world, mut agent) = new_agent(Policy { max_failures: 3, ..policy() });
    agent.step(0, Event::Request(offer(C, &world.offered)));
    let mut now = 0;
    for _ in 0..3 {
        assert_eq!(actions(&mut agent, now, Event::FetchFailed(FetchError::Link)), []);
        now = agent.deadline().unwrap();
        agent.step(now, Event::Tick);
    }
    let end = actions(&mut agent, now, Event::FetchFailed(FetchError::Link));
    let reason = Reason::NoProgress { failures: 3 };
    let result =
        Report::Result { command: command(), outcome: Outcome::Timeout, reason, download_ms: now as u32 };
    assert_eq!(end, [Action::StopFetch, Action::Send(result)]);
    assert_eq!(agent.busy_with(), None);
}

#[test]
fn a_refused_url_ends_the_update_at_once() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    let end = actions(&mut agent, 5, Event::FetchFailed(FetchError::Refused { status: 403 }));
    let reason = Reason::Refused { status: 403 };
    let result = Report::Result { command: command(), outcome: Outcome::Error, reason, download_ms: 5 };
    assert_eq!(end, [Action::StopFetch, Action::Send(result)]);
}

#[test]
fn an_expired_url_is_waited_out_and_a_fresh_one_goes_on_behind_what_is_here() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    agent.step(1, Event::Data(&world.offered[..700]));
    assert_eq!(actions(&mut agent, 5, Event::FetchFailed(FetchError::Expired)), []);
    assert_eq!((agent.busy_with(), agent.received()), (Some(command()), 700));
    assert_eq!(agent.deadline(), None, "nothing is tried until the server sends a fresh URL");
    assert_eq!(actions(&mut agent, 1_000_000, Event::Tick), []);

    let next = Offer { locator: "second", ..offer("FW-1-1-2", &world.offered) };
    let again = actions(&mut agent, 1_000_001, Event::Request(next));
    let accepted = Action::Send(Report::Accepted { command: CommandId::cut("FW-1-1-2") });
    let rest = [Action::Fetch { from: 700, to: 1_200 }, Action::Fetch { from: 1_200, to: 1_500 }];
    assert_eq!(again[0], accepted);
    assert_eq!(again[1..], rest);
    assert_eq!(agent.locator(), Some(&"second"));
    let end = actions(&mut agent, 1_000_002, Event::Data(&world.offered[700..]));
    assert!(end.contains(&Action::Reboot), "{end:?}");
}

#[test]
fn an_expired_url_can_be_canceled_or_superseded() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    agent.step(5, Event::FetchFailed(FetchError::Expired));
    let end = actions(&mut agent, 6, Event::Cancel(command()));
    let report = Report::CancelAck { command: command(), status: CancelStatus::Canceled };
    assert_eq!(end, [Action::StopFetch, Action::Send(report)]);
    assert_eq!(agent.busy_with(), None);
}

#[test]
fn wrong_bytes_are_fetched_again_and_given_up_in_the_end() {
    let (world, mut agent) = new_agent(Policy { max_bad_images: 2, chunk: 2_000, ..policy() });
    let mut wrong = world.offered.clone();
    wrong[1_000] ^= 1;
    agent.step(0, Event::Request(offer(C, &world.offered)));
    assert_eq!(actions(&mut agent, 1, Event::Data(&wrong)), []);
    let at = agent.deadline().unwrap();
    assert_eq!(actions(&mut agent, at, Event::Tick), [Action::Fetch { from: 0, to: 1_500 }]);
    let end = actions(&mut agent, at, Event::Data(&wrong));
    let reason = Reason::HashMismatch { downloads: 2 };
    let result =
        Report::Result { command: command(), outcome: Outcome::Error, reason, download_ms: at as u32 };
    assert_eq!(end, [Action::StopFetch, Action::Send(result)]);
}

#[test]
fn the_same_image_under_a_new_command_keeps_what_is_there() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    agent.step(1, Event::Data(&world.offered[..300]));
    let again = Offer { locator: "second", ..offer("FW-1-1-2", &world.offered) };
    let newer = CommandId::cut("FW-1-1-2");
    assert_eq!(
        actions(&mut agent, 2, Event::Request(again)),
        [Action::Send(Report::Accepted { command: newer })]
    );
    assert_eq!((agent.received(), agent.locator(), agent.busy_with()), (300, Some(&"second"), Some(newer)));
}

#[test]
fn another_image_takes_the_place_of_the_running_download() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    let newer = firmware(Behaviour::Good, 5, 400);
    let list = actions(&mut agent, 7, Event::Request(offer("FW-2-1-1", &newer)));
    let superseded = Report::Result {
        command: command(),
        outcome: Outcome::Error,
        reason: Reason::Superseded,
        download_ms: 7,
    };
    let accepted = Report::Accepted { command: CommandId::cut("FW-2-1-1") };
    assert_eq!(
        list,
        [
            Action::StopFetch,
            Action::Send(superseded),
            Action::Send(accepted),
            Action::Fetch { from: 0, to: 400 }
        ]
    );
}

#[test]
fn the_running_image_is_not_downloaded_again() {
    let (world, mut agent) = new_agent(policy());
    let list = actions(&mut agent, 0, Event::Request(offer(C, &world.old)));
    let result = Report::Result {
        command: command(),
        outcome: Outcome::Success,
        reason: Reason::AlreadyRuns,
        download_ms: 0,
    };
    let accepted = Report::Accepted { command: command() };
    assert_eq!(list, [Action::Send(accepted), Action::Send(result), Action::Send(Report::Hello)]);
    assert_eq!(agent.boot_report().command, command());
}

#[test]
fn an_image_that_does_not_fit_is_rejected_with_both_sizes() {
    let (world, mut agent) = new_agent(policy());
    let mut large = offer(C, &world.offered);
    large.image.size = CAPACITY as u32 + 1;
    let reason = Rejection::TooLarge { size: CAPACITY as u32 + 1, capacity: CAPACITY as u32 };
    let rejected = Action::Send(Report::Rejected { command: command(), reason });
    assert_eq!(actions(&mut agent, 0, Event::Request(large.clone())), [rejected]);
    large.image.size = 0;
    let rejected = Action::Send(Report::Rejected { command: command(), reason: Rejection::Empty });
    assert_eq!(actions(&mut agent, 0, Event::Request(large)), [rejected]);
}

#[test]
fn a_cancel_stops_a_download_and_only_its_own() {
    let (world, mut agent) = new_agent(policy());
    agent.step(0, Event::Request(offer(C, &world.offered)));
    let other = CommandId::cut("FW-9-9-9");
    let unknown = Report::CancelAck { command: other, status: CancelStatus::Unknown };
    assert_eq!(actions(&mut agent, 1, Event::Cancel(other)), [Action::Send(unknown)]);
    let canceled = Report::CancelAck { command: command(), status: CancelStatus::Canceled };
    assert_eq!(actions(&mut agent, 1, Event::Cancel(command())), [Action::StopFetch, Action::Send(canceled)]);
    assert_eq!(actions(&mut agent, 2, Event::Data(&world.offered[..100])), [], "late bytes change nothing");
    // The slot was begun and is not bootable; the next update uses it again.
    agent.step(3, Event::Request(offer("FW-1-1-2", &world.offered)));
    agent.step(4, Event::Data(&world.offered[..1_000]));
    let end = actions(&mut agent, 5, Event::Data(&world.offered[1_000..]));
    assert_eq!(end.last(), Some(&Action::Reboot));
}

#[test]
fn a_cancel_after_the_trial_mark_comes_too_late() {
    let (world, mut agent) = new_agent(Policy { chunk: 2_000, ..policy() });
    agent.step(0, Event::Request(offer(C, &world.offered)));
    agent.step(1, Event::Data(&world.offered));
    let late = Report::CancelAck { command: command(), status: CancelStatus::TooLate };
    assert_eq!(actions(&mut agent, 2, Event::Cancel(command())), [Action::Send(late)]);
}

#[test]
fn a_request_during_a_trial_waits_until_it_is_confirmed() {
    let (world, mut first) = new_agent(Policy { chunk: 2_000, ..policy() });
    first.step(0, Event::Request(offer(C, &world.offered)));
    first.step(1, Event::Data(&world.offered));
    let mut second = agent(&world, Policy { self_test: true, chunk: 2_000, ..policy() });
    assert_eq!(actions(&mut second, 2, Event::BrokerUp), [Action::Send(Report::Hello), Action::SelfTest]);
    assert!(!second.boot_report().confirmed);
    let third = firmware(Behaviour::Good, 9, 800);
    assert_eq!(actions(&mut second, 3, Event::Request(offer("FW-2-1-1", &third))), []);
    let accepted = Report::Accepted { command: CommandId::cut("FW-2-1-1") };
    assert_eq!(
        actions(&mut second, 4, Event::SelfTest(true)),
        [Action::Send(Report::Hello), Action::Send(accepted), Action::Fetch { from: 0, to: 800 }]
    );
    assert!(second.boot_report().confirmed);
}

#[test]
fn the_pause_between_chunks_is_kept() {
    let (world, mut agent) = new_agent(Policy { chunk: 1_000, pause_ms: 50, ..policy() });
    let list = actions(&mut agent, 0, Event::Request(offer(C, &world.offered)));
    assert_eq!(list.last(), Some(&Action::Fetch { from: 0, to: 1_000 }));
    assert_eq!(list.len(), 2, "nothing is asked for ahead");
    assert_eq!(actions(&mut agent, 10, Event::Data(&world.offered[..1_000])), []);
    assert_eq!(agent.deadline(), Some(60));
    assert_eq!(actions(&mut agent, 60, Event::Tick), [Action::Fetch { from: 1_000, to: 1_500 }]);
}

#[test]
fn progress_is_told_by_percent_and_by_time() {
    let (world, mut agent) = new_agent(Policy { chunk: 2_000, ..policy() });
    agent.step(0, Event::Request(offer(C, &world.offered)));
    assert_eq!(actions(&mut agent, 999, Event::Data(&world.offered[..600])), [], "too early");
    let report =
        Report::Progress { command: command(), percent: 50, downloaded: 750, total: 1_500, kbit_per_s: 6 };
    assert_eq!(actions(&mut agent, 1_000, Event::Data(&world.offered[600..750])), [Action::Send(report)]);
    assert_eq!(actions(&mut agent, 9_000, Event::Data(&world.offered[750..800])), [], "too little");
}

#[test]
fn a_worn_chip_ends_the_update_and_keeps_what_runs() {
    let (world, mut agent) = new_agent(policy());
    world.chip.0.borrow_mut().worn = true;
    let list = actions(&mut agent, 0, Event::Request(offer(C, &world.offered)));
    let result = Report::Result {
        command: command(),
        outcome: Outcome::Error,
        reason: Reason::StateFailed,
        download_ms: 0,
    };
    assert_eq!(list.last(), Some(&Action::Send(result)));
    world.chip.0.borrow_mut().worn = false;
    assert_eq!(boot(&mut Board::new(&world.chip), TRIAL_BOOTS).unwrap().image, image_of(&world.old));
}

#[test]
fn a_rolled_back_image_is_told_once_a_session_and_named_in_hello() {
    let mut world = World::new(Behaviour::Crashes, vec![]);
    world.live();
    assert_eq!(world.outcomes(), [Outcome::Success, Outcome::Installed, Outcome::RolledBack]);
    let mut agent = agent(&world, policy());
    let report = agent.boot_report();
    assert_eq!(report.rolled_back_from, Some(image_of(&world.offered)));
    assert_eq!((report.command, report.confirmed), (command(), true));
    assert_eq!(actions(&mut agent, 0, Event::BrokerUp).len(), 2);
    assert_eq!(actions(&mut agent, 0, Event::BrokerUp), [Action::Send(Report::Hello)]);
}
