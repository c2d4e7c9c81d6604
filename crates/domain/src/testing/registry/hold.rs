//! The hold of a restored server, and what waits for its end.

use super::fixture::{NOW, begin, key, read};
use super::list_cases;
use crate::Timestamp;
use crate::model::{DeferredMessage, Hold};
use crate::ports::{MAX_DEFERRED, Registry};

list_cases!("hold":
    a_hold_stays_until_it_is_ended,
    messages_wait_in_order_and_are_bounded,
);

async fn a_hold_stays_until_it_is_ended(registry: &dyn Registry) {
    assert_eq!(read(registry).await.hold().await.expect("read"), None);
    let first = Hold { since: NOW, reason: "백업에서 복원: 'x'".to_owned(), backup_at: None };
    let second = Hold { since: Timestamp(NOW.0 + 1), backup_at: Some(NOW), ..first.clone() };
    for hold in [&first, &second] {
        let mut unit = begin(registry).await;
        unit.set_hold(hold).await.expect("hold");
        unit.commit().await.expect("commit");
        assert_eq!(read(registry).await.hold().await.expect("read").as_ref(), Some(hold));
    }
    let mut unit = begin(registry).await;
    assert!(unit.clear_hold().await.expect("clear"));
    assert!(!unit.clear_hold().await.expect("again"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.hold().await.expect("read"), None);
}

fn message(device: &str, number: u8) -> DeferredMessage {
    DeferredMessage {
        id: 0,
        key: key(device),
        topic: format!("v1/{device}/cert/request"),
        payload: vec![number, 0, 255],
        context: "{\"door\":\"mtls\"}".to_owned(),
        received_at: Timestamp(NOW.0 + i64::from(number)),
    }
}

async fn messages_wait_in_order_and_are_bounded(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    for number in 0..=u8::try_from(MAX_DEFERRED).expect("small") {
        unit.insert_deferred(&message("vm-1", number)).await.expect("insert");
    }
    unit.insert_deferred(&message("vm-2", 77)).await.expect("insert");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(session.deferred_count().await.expect("count"), MAX_DEFERRED as u64 + 1);
    let found = session.deferred(0, 100).await.expect("read");
    let numbers: Vec<u8> = found.iter().map(|m| m.payload[0]).collect();
    let mut expected: Vec<u8> = (1..=u8::try_from(MAX_DEFERRED).expect("small")).collect();
    expected.push(77);
    assert_eq!(numbers, expected, "the oldest of the one that sent too many is gone");
    assert_eq!(DeferredMessage { id: 0, ..found[0].clone() }, message("vm-1", 1));
    let rest = session.deferred(found[0].id, 2).await.expect("read");
    assert_eq!(rest, found[1..3]);
    drop(session);
    let mut unit = begin(registry).await;
    assert!(unit.delete_deferred(found[0].id).await.expect("delete"));
    assert!(!unit.delete_deferred(found[0].id).await.expect("again"));
    assert_eq!(unit.delete_deferred_of(&key("vm-1")).await.expect("delete"), MAX_DEFERRED as u64 - 1);
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    assert_eq!(session.deferred_count().await.expect("count"), 1);
    assert_eq!(session.outbox_count().await.expect("count"), 0);
}
