//! The transitions against PROTOCOL.md's table, and against every order of events.

use argosy_proto::{DeploymentId, DeviceId, DeviceKey, Sha256Hash};
use proptest::prelude::*;

use super::*;

const TOTAL: i64 = 1000;
const IMAGE: Sha256Hash = Sha256Hash([1; 32]);
const OLD_IMAGE: Sha256Hash = Sha256Hash([2; 32]);
const NOW: Timestamp = Timestamp(1_000_000);

fn planned() -> DeviceUpdate {
    DeviceUpdate::planned(DeploymentId(1), DeviceId(1), DeviceKey::new("d").unwrap(), TOTAL)
}

fn booted(image_hash: Sha256Hash) -> UpdateEvent {
    UpdateEvent::Booted { image_hash, deployed: IMAGE }
}

fn progress(percent: u8, downloaded_bytes: i64) -> UpdateEvent {
    UpdateEvent::Progress { percent, downloaded_bytes }
}

fn downloaded(confirms_boot: bool) -> UpdateEvent {
    UpdateEvent::Downloaded { confirms_boot }
}

fn release() -> UpdateEvent {
    UpdateEvent::Release { max_attempts: 3, message: "quiet" }
}

/// An update that was brought to `state` by the shortest way.
fn standing(state: UpdateState) -> DeviceUpdate {
    use UpdateState as S;
    let mut update = planned();
    let dispatch = UpdateEvent::Dispatch;
    let way: Vec<UpdateEvent> = match state {
        S::Pending => vec![],
        S::Dispatched => vec![dispatch],
        S::Acknowledged => vec![dispatch, UpdateEvent::Acknowledged],
        S::Downloading => vec![dispatch, progress(10, 100)],
        S::Downloaded => vec![dispatch, downloaded(true)],
        S::Installing => vec![dispatch, UpdateEvent::Installed],
        S::Succeeded => vec![UpdateEvent::AlreadyRuns],
        S::Failed => vec![dispatch, UpdateEvent::Failed { message: None }],
        S::TimedOut => vec![UpdateEvent::Expire],
        S::Canceled => vec![UpdateEvent::Cancel { message: "stop".to_owned() }],
        S::Rejected => vec![dispatch, UpdateEvent::Rejected { message: None }],
        S::RolledBack => vec![dispatch, UpdateEvent::RolledBack { message: None }],
    };
    for event in way {
        assert_eq!(update.apply(&event, NOW), Applied::Changed, "{event:?}");
    }
    assert_eq!(update.state, state);
    update
}

/// PROTOCOL.md's table: message, and where it leads from pending, dispatched, acknowledged, downloading, downloaded, installing.
/// A message reaches a pending update when an earlier attempt was released: it still counts.
#[test]
fn the_protocols_table() {
    use UpdateState::*;
    let open = [Pending, Dispatched, Acknowledged, Downloading, Downloaded, Installing];
    let ends = |state| [state; 6];
    let table: Vec<(UpdateEvent, [UpdateState; 6])> = vec![
        (UpdateEvent::Dispatch, [Dispatched, Dispatched, Acknowledged, Downloading, Downloaded, Installing]),
        (
            UpdateEvent::Acknowledged,
            [Acknowledged, Acknowledged, Acknowledged, Downloading, Downloaded, Installing],
        ),
        (UpdateEvent::Rejected { message: None }, ends(Rejected)),
        (progress(50, 500), [Downloading, Downloading, Downloading, Downloading, Downloaded, Installing]),
        (downloaded(false), ends(Succeeded)),
        (downloaded(true), [Downloaded, Downloaded, Downloaded, Downloaded, Downloaded, Installing]),
        (UpdateEvent::Installed, ends(Installing)),
        (booted(IMAGE), ends(Succeeded)),
        (booted(OLD_IMAGE), [Pending, Dispatched, Acknowledged, Downloading, Downloaded, RolledBack]),
        (UpdateEvent::RolledBack { message: None }, ends(RolledBack)),
        (UpdateEvent::Failed { message: None }, ends(Failed)),
        (UpdateEvent::TimedOut { message: None }, ends(TimedOut)),
        (UpdateEvent::AlreadyRuns, ends(Succeeded)),
        (release(), ends(Pending)),
        (UpdateEvent::Expire, ends(TimedOut)),
        (UpdateEvent::Cancel { message: "stop".to_owned() }, ends(Canceled)),
    ];
    for (event, leads) in &table {
        for (from, to) in open.into_iter().zip(leads) {
            let mut update = standing(from);
            update.apply(event, NOW);
            assert_eq!(update.state, *to, "{event:?} from {from}");
        }
        for from in UpdateState::ALL.iter().filter(|state| state.is_final()) {
            let mut update = standing(*from);
            let before = update.clone();
            assert_eq!(update.apply(event, NOW), Applied::Ignored, "{event:?} from {from}");
            assert_eq!(update, before);
        }
    }
}

#[test]
fn a_whole_way_keeps_its_facts() {
    let at = |ms| Timestamp(NOW.0 + ms);
    let mut update = planned();
    update.apply(&UpdateEvent::Dispatch, at(1));
    update.apply(&UpdateEvent::Acknowledged, at(2));
    update.apply(&progress(0, 0), at(3));
    update.apply(&progress(60, 600), at(4));
    update.apply(&progress(50, 500), at(5));
    assert_eq!((update.progress, update.downloaded_bytes), (60, 600), "progress never goes back");
    assert_eq!(update.last_event_at, Some(at(5)), "but it keeps the lease alive");
    update.apply(&progress(200, 99_999), at(6));
    assert_eq!((update.progress, update.downloaded_bytes), (100, TOTAL), "nor beyond the whole");
    update.apply(&downloaded(true), at(7));
    update.apply(&UpdateEvent::Installed, at(8));
    update.apply(&booted(IMAGE), at(9));
    assert_eq!(update.state, UpdateState::Succeeded);
    assert_eq!((update.dispatched_at, update.download_started_at), (Some(at(1)), Some(at(3))));
    assert_eq!((update.finished_at, update.attempt, update.message), (Some(at(9)), 1, None));
}

#[test]
fn an_installed_image_was_downloaded_whole() {
    let update = standing(UpdateState::Installing);
    assert_eq!((update.progress, update.downloaded_bytes), (100, TOTAL), "its SUCCESS may have been lost");
}

fn contents(files: u32) -> DeviceUpdate {
    let mut update = planned().of_contents(files);
    assert_eq!(update.kind(), UpdateKind::Advertisement);
    assert_eq!(update.apply(&UpdateEvent::Dispatch, NOW), Applied::Changed);
    update
}

#[test]
fn contents_are_downloaded_when_as_many_results_came_as_files() {
    let mut update = contents(3);
    for done in 1..=2 {
        update.apply(&UpdateEvent::FileDone, NOW);
        assert_eq!((update.state, update.files_done), (UpdateState::Downloading, done));
    }
    update.apply(&UpdateEvent::FileDone, NOW);
    assert_eq!(
        (update.state, update.downloaded_bytes, update.progress),
        (UpdateState::Downloaded, TOTAL, 100)
    );
    update.apply(&UpdateEvent::FileDone, NOW);
    assert_eq!((update.state, update.files_done), (UpdateState::Downloaded, 3), "one more changes nothing");
    update.apply(&UpdateEvent::Failed { message: None }, NOW);
    assert_eq!(update.state, UpdateState::Failed, "any file's failure is the update's, until it is shown");
}

#[test]
fn one_result_speaks_for_all_contents_once_every_byte_was_reported() {
    let mut update = contents(3);
    update.apply(&progress(100, TOTAL), NOW);
    update.apply(&progress(100, TOTAL), NOW);
    assert_eq!(update.state, UpdateState::Downloading, "progress alone ends nothing");
    update.apply(&UpdateEvent::FileDone, NOW);
    assert_eq!((update.state, update.files_done), (UpdateState::Downloaded, 1));
}

#[test]
fn contents_succeed_when_they_are_shown_or_have_settled() {
    let mut update = contents(2);
    assert_eq!(update.apply(&UpdateEvent::Settle, NOW), Applied::Ignored, "nothing has been downloaded");
    update.apply(&UpdateEvent::Shown, NOW);
    assert_eq!(
        (update.state, update.progress),
        (UpdateState::Succeeded, 100),
        "its results may have been lost"
    );
    let mut update = contents(1);
    update.apply(&UpdateEvent::FileDone, NOW);
    update.apply(&UpdateEvent::Settle, NOW);
    assert_eq!(update.state, UpdateState::Succeeded);
    let mut firmware = standing(UpdateState::Downloaded);
    assert_eq!(firmware.apply(&UpdateEvent::Settle, NOW), Applied::Ignored, "firmware proves itself");
}

#[test]
fn a_second_attempt_counts_files_anew() {
    let mut update = contents(2);
    update.apply(&UpdateEvent::FileDone, NOW);
    update.apply(&release(), NOW);
    update.apply(&UpdateEvent::Dispatch, NOW);
    assert_eq!(update.files_done, 0);
    update.apply(&UpdateEvent::FileDone, NOW);
    assert_eq!(update.state, UpdateState::Downloading);
}

#[test]
fn a_second_attempt_begins_anew() {
    let mut update = standing(UpdateState::Downloading);
    update.apply(&release(), NOW);
    assert_eq!((update.state, update.message.as_deref()), (UpdateState::Pending, Some("quiet")));
    update.apply(&UpdateEvent::Dispatch, NOW);
    assert_eq!((update.attempt, update.progress, update.downloaded_bytes), (2, 0, 0));
    assert_eq!((update.download_started_at, update.message), (None, None));
}

#[test]
fn the_last_attempt_times_out() {
    let mut update = planned();
    for attempt in 1..=3 {
        assert_eq!(update.state, UpdateState::Pending);
        update.apply(&UpdateEvent::Dispatch, NOW);
        assert_eq!(update.attempt, attempt);
        update.apply(&release(), NOW);
    }
    assert_eq!((update.state, update.message.as_deref()), (UpdateState::TimedOut, Some("quiet")));
}

#[test]
fn a_message_is_cut_at_characters() {
    let mut update = standing(UpdateState::Downloading);
    update.apply(&UpdateEvent::Failed { message: Some("가".repeat(5000)) }, NOW);
    assert_eq!(update.message.map(|m| m.chars().count()), Some(MAX_UPDATE_MESSAGE));
}

fn events() -> impl Strategy<Value = UpdateEvent> {
    let message = || prop::option::of("[a-z가-힣]{0,600}");
    let hash = || prop_oneof![Just(IMAGE), Just(OLD_IMAGE)];
    // What moves on is more frequent than what ends, so that sequences become long.
    prop_oneof![
        20 => Just(UpdateEvent::Dispatch),
        10 => Just(UpdateEvent::Acknowledged),
        20 => (any::<u8>(), any::<i64>()).prop_map(|(percent, bytes)| progress(percent, bytes)),
        10 => (0_u8..=100, 0..TOTAL).prop_map(|(percent, bytes)| progress(percent, bytes)),
        10 => Just(downloaded(true)),
        10 => Just(UpdateEvent::FileDone),
        2 => Just(UpdateEvent::Settle),
        1 => Just(UpdateEvent::Shown),
        10 => Just(UpdateEvent::Installed),
        10 => Just(release()),
        3 => Just(booted(OLD_IMAGE)),
        1 => Just(downloaded(false)),
        1 => hash().prop_map(booted),
        1 => message().prop_map(|message| UpdateEvent::Rejected { message }),
        1 => message().prop_map(|message| UpdateEvent::RolledBack { message }),
        1 => message().prop_map(|message| UpdateEvent::Failed { message }),
        1 => message().prop_map(|message| UpdateEvent::TimedOut { message }),
        1 => Just(UpdateEvent::AlreadyRuns),
        1 => Just(UpdateEvent::Expire),
        1 => message().prop_map(|m| UpdateEvent::Cancel { message: m.unwrap_or_default() }),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order(
        events in prop::collection::vec((events(), 0_i64..10_000), 0..60),
        total in prop_oneof![Just(TOTAL), Just(1_i64), Just(i64::from(i32::MAX))],
        files in 0_u32..4,
    ) {
        let mut update = DeviceUpdate { total_bytes: total, ..planned() }.of_contents(files);
        let mut dispatches = 0;
        for (event, ms) in events {
            let now = Timestamp(NOW.0 + ms);
            let before = update.clone();
            let applied = update.apply(&event, now);
            match applied {
                Applied::Ignored => prop_assert_eq!(&update, &before, "ignored, yet changed"),
                Applied::Changed => prop_assert_eq!(update.revision, before.revision + 1),
            }
            if before.state.is_final() {
                prop_assert_eq!(applied, Applied::Ignored, "a final state was left");
            }
            let released = matches!(event, UpdateEvent::Release { .. });
            prop_assert!(released || update.state.rank() >= before.state.rank(), "the rank fell");
            prop_assert!((0..=update.total_bytes).contains(&update.downloaded_bytes));
            prop_assert!(update.progress <= 100);
            prop_assert!(update.files_done <= files.max(1), "more results than files");
            let begins = matches!(event, UpdateEvent::Dispatch) && applied == Applied::Changed;
            dispatches += u32::from(begins);
            prop_assert_eq!(update.attempt, dispatches, "an attempt is a dispatch");
            prop_assert!(update.attempt <= 3, "more attempts than allowed");
            if before.state == update.state && !begins {
                prop_assert!(update.progress >= before.progress, "progress went back");
                prop_assert!(update.downloaded_bytes >= before.downloaded_bytes);
            }
            prop_assert_eq!(update.finished_at.is_some(), update.state.is_final());
            prop_assert!(update.message.as_ref().is_none_or(|m| m.chars().count() <= MAX_UPDATE_MESSAGE));
            if update.state == UpdateState::Succeeded {
                prop_assert_eq!((update.progress, update.downloaded_bytes), (100, total));
            }
            let three = [update.state == UpdateState::Pending, update.state.in_flight(), update.state.is_final()];
            prop_assert_eq!(three.into_iter().filter(|is| *is).count(), 1, "pending, in flight or final");
            if update.state.in_flight() {
                prop_assert!(update.last_event_at.is_some(), "a slot without a lease");
            }
        }
    }
}
