//! Outbox, inbox, audit, idempotency.

use argosy_proto::{AuditId, DeploymentId, InboxId, OutboxId};

use super::fixture::{HOSTILE, NOW, World, begin, conflicts, key, outbox_row, read, walk};
use super::list_cases;
use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, InboxKind, InboxRow, OutboxKind, OutboxRow};
use crate::page::PageRequest;
use crate::ports::{AuditFilter, InboxFilter, MAX_BULK, Registry};

list_cases!("ledger":
    the_outbox_keeps_its_order,
    ten_thousand_outbox_rows_in_one_call,
    the_inbox_keeps_what_came,
    the_inbox_is_drained_by_kind,
    the_inbox_is_searched_by_device,
    the_inbox_is_bounded_by_kind,
    ten_thousand_inbox_rows_in_one_call,
    the_audit_trail_comes_newest_first,
    an_answer_is_kept_once,
    old_answers_are_removed,
);

async fn the_outbox_keeps_its_order(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 3).await;
    let deployment = world.deployment(registry, &devices).await;
    let mut new: Vec<_> =
        devices.iter().map(|d| outbox_row(*d, deployment, &format!("FW-{deployment}-{d}-1"))).collect();
    new[1].kind = OutboxKind::Cancel;
    let mut unit = begin(registry).await;
    assert_eq!(unit.outbox(OutboxId(0), 10).await.expect("read"), []);
    unit.insert_outbox(&[]).await.expect("insert");
    unit.delete_outbox(&[]).await.expect("delete");
    unit.insert_outbox(&new[..2]).await.expect("insert");
    unit.insert_outbox(&new[2..]).await.expect("insert");
    unit.commit().await.expect("commit");
    let rows = read(registry).await.outbox(OutboxId(0), 10).await.expect("read");
    let bare: Vec<_> = rows.iter().map(|r| OutboxRow { id: OutboxId(0), ..r.clone() }).collect();
    assert_eq!(bare, new, "in the order given");
    assert!(rows.is_sorted_by_key(|r| r.id));
    let mut session = read(registry).await;
    assert_eq!(session.outbox(OutboxId(0), 2).await.expect("read"), rows[..2]);
    assert_eq!(session.outbox(rows[0].id, 10).await.expect("read"), rows[1..]);
    drop(session);
    let mut unit = begin(registry).await;
    unit.delete_outbox(&[rows[0].id, rows[2].id]).await.expect("delete");
    unit.delete_outbox(&[rows[0].id]).await.expect("what is gone is gone");
    unit.insert_outbox(&new[..1]).await.expect("insert");
    unit.commit().await.expect("commit");
    let left = read(registry).await.outbox(OutboxId(0), 10).await.expect("read");
    assert_eq!((left.len(), &left[0]), (2, &rows[1]));
    assert!(left[1].id > rows[2].id, "an id is never given again: a cursor could pass over it");
}

async fn ten_thousand_outbox_rows_in_one_call(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 1).await;
    let deployment = world.deployment(registry, &devices).await;
    let new: Vec<_> =
        (0..MAX_BULK).map(|i| outbox_row(devices[0], deployment, &format!("FW-1-1-{i}"))).collect();
    let mut unit = begin(registry).await;
    unit.insert_outbox(&new).await.expect("insert");
    unit.commit().await.expect("commit");
    let limit = u32::try_from(MAX_BULK).expect("small");
    let rows = read(registry).await.outbox(OutboxId(0), limit).await.expect("read");
    assert!(rows.iter().map(|r| &r.command_id).eq(new.iter().map(|r| &r.command_id)));
    let ids: Vec<_> = rows.iter().map(|r| r.id).collect();
    let mut unit = begin(registry).await;
    unit.delete_outbox(&ids).await.expect("delete");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.outbox(OutboxId(0), 10).await.expect("read"), []);
}

fn message(kind: InboxKind, number: i64) -> InboxRow {
    InboxRow {
        id: InboxId(0),
        key: key("vm-1"),
        topic: "v1/vm-1/sales/data".to_owned(),
        kind,
        reason: (kind == InboxKind::DeadLetter).then(|| "잘못된 '값' \\ %".to_owned()),
        payload: number.to_string().into_bytes(),
        received_at: Timestamp(NOW.0 + number),
    }
}

async fn insert_inbox(registry: &dyn Registry, rows: &[InboxRow]) {
    let mut unit = begin(registry).await;
    unit.insert_inbox(rows).await.expect("insert");
    unit.commit().await.expect("commit");
}

async fn numbers(registry: &dyn Registry, kind: Option<InboxKind>) -> Vec<String> {
    let mut session = read(registry).await;
    let filter = InboxFilter { kind, key: None };
    let rows = walk!(3, |page| session.inbox(&filter, &page));
    assert!(rows.is_sorted_by(|a: &InboxRow, b: &InboxRow| a.id > b.id), "newest first");
    rows.into_iter().map(|r| String::from_utf8(r.payload).expect("digits")).collect()
}

async fn the_inbox_keeps_what_came(registry: &dyn Registry) {
    let mut new = vec![message(InboxKind::Message, 1), message(InboxKind::DeadLetter, 2)];
    new[0].payload = (0..=255).collect();
    new[1].payload = Vec::new();
    new[1].topic = "v1/vm-1/\u{1F525}/'\\%".to_owned();
    insert_inbox(registry, &[]).await;
    insert_inbox(registry, &new).await;
    let page =
        read(registry).await.inbox(&InboxFilter::default(), &PageRequest::first(10)).await.expect("read");
    let bare: Vec<_> = page.items.into_iter().map(|r| InboxRow { id: InboxId(0), ..r }).collect();
    new.reverse();
    assert_eq!(bare, new);
}

async fn the_inbox_is_drained_by_kind(registry: &dyn Registry) {
    use InboxKind::{DeadLetter, Message};
    let rows: Vec<_> = (1..=8).map(|i| message(if i % 4 == 0 { DeadLetter } else { Message }, i)).collect();
    insert_inbox(registry, &rows).await;
    assert_eq!(numbers(registry, None).await, ["8", "7", "6", "5", "4", "3", "2", "1"]);
    assert_eq!(numbers(registry, Some(DeadLetter)).await, ["8", "4"]);
    let page =
        read(registry).await.inbox(&InboxFilter::default(), &PageRequest::first(10)).await.expect("read");
    let fifth = page.items.iter().find(|r| r.payload == b"5").expect("there").id;
    let mut unit = begin(registry).await;
    assert_eq!(unit.trim_inbox(Message, Some(fifth), None).await.expect("trim"), 4);
    assert_eq!(unit.trim_inbox(Message, Some(fifth), None).await.expect("trim"), 0);
    assert_eq!(unit.trim_inbox(Message, None, None).await.expect("trim"), 0, "nothing asked for");
    unit.commit().await.expect("commit");
    assert_eq!(numbers(registry, None).await, ["8", "7", "6", "4"]);
}

async fn the_inbox_is_bounded_by_kind(registry: &dyn Registry) {
    use InboxKind::{DeadLetter, Message};
    let rows: Vec<_> = (1..=9).map(|i| message(if i % 3 == 0 { DeadLetter } else { Message }, i)).collect();
    insert_inbox(registry, &rows).await;
    let mut unit = begin(registry).await;
    assert_eq!(unit.trim_inbox(Message, None, Some(100)).await.expect("trim"), 0);
    assert_eq!(unit.trim_inbox(Message, None, Some(6)).await.expect("trim"), 0);
    assert_eq!(unit.trim_inbox(Message, None, Some(2)).await.expect("trim"), 4, "the oldest go");
    assert_eq!(unit.trim_inbox(DeadLetter, None, Some(1)).await.expect("trim"), 2);
    unit.commit().await.expect("commit");
    assert_eq!(numbers(registry, None).await, ["9", "8", "7"]);
    let mut unit = begin(registry).await;
    assert_eq!(unit.trim_inbox(Message, None, Some(0)).await.expect("trim"), 2);
    unit.commit().await.expect("commit");
    assert_eq!(numbers(registry, None).await, ["9"]);
}

async fn ten_thousand_inbox_rows_in_one_call(registry: &dyn Registry) {
    let count = i64::try_from(MAX_BULK).expect("small");
    let rows: Vec<_> = (0..count).map(|i| message(InboxKind::Message, i)).collect();
    insert_inbox(registry, &rows).await;
    let mut session = read(registry).await;
    let filter = InboxFilter::kind(InboxKind::Message);
    let found = walk!(1000, |page| session.inbox(&filter, &page));
    let found: Vec<_> = found.into_iter().rev().map(|r| InboxRow { id: InboxId(0), ..r }).collect();
    assert!(found == rows, "every row, in order");
    drop(session);
    let mut unit = begin(registry).await;
    assert_eq!(unit.trim_inbox(InboxKind::Message, None, Some(10)).await.expect("trim"), 9_990);
    unit.commit().await.expect("commit");
}

async fn the_audit_trail_comes_newest_first(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    let entries: Vec<_> = HOSTILE
        .iter()
        .enumerate()
        .map(|(number, text)| AuditEntry {
            id: AuditId(0),
            at: Timestamp(NOW.0 + i64::try_from(number).expect("small")),
            actor: format!("user:{text}"),
            action: "device.patch".to_owned(),
            subject: format!("device:{text}"),
            detail: "{\"이름\":\"'\\\\%_\"}".to_owned(),
        })
        .collect();
    for entry in &entries {
        unit.insert_audit(entry).await.expect("insert");
    }
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let all = AuditFilter::default();
    let found = walk!(3, |page| session.audit(&all, &page));
    let found: Vec<_> = found.into_iter().rev().map(|e| AuditEntry { id: AuditId(0), ..e }).collect();
    assert_eq!(found, entries);
    for entry in &entries {
        let by_actor = AuditFilter { actor: Some(entry.actor.clone()), ..AuditFilter::default() };
        let by_subject = AuditFilter { subject: Some(entry.subject.clone()), ..AuditFilter::default() };
        for filter in [by_actor, by_subject] {
            let found = session.audit(&filter, &PageRequest::first(10)).await.expect("read").items;
            let found: Vec<_> = found.into_iter().map(|e| AuditEntry { id: AuditId(0), ..e }).collect();
            assert_eq!(found, std::slice::from_ref(entry), "exactly what was asked for");
        }
    }
    for (action, count) in [("device.patch", entries.len()), ("DEVICE.PATCH", 0), ("device.%", 0)] {
        let filter = AuditFilter { action: Some(action.to_owned()), ..AuditFilter::default() };
        assert_eq!(walk!(3, |page| session.audit(&filter, &page)).len(), count, "{action}");
    }
}

async fn the_inbox_is_searched_by_device(registry: &dyn Registry) {
    let mut rows: Vec<_> = (1..=4).map(|i| message(InboxKind::DeadLetter, i)).collect();
    rows[1].key = key("other");
    rows[3].key = key("OTHER");
    insert_inbox(registry, &rows).await;
    let mut session = read(registry).await;
    let filter = InboxFilter { kind: Some(InboxKind::DeadLetter), key: Some(key("other")) };
    let found = session.inbox(&filter, &PageRequest::first(10)).await.expect("read").items;
    assert_eq!(found.into_iter().map(|r| r.payload).collect::<Vec<_>>(), [b"2".to_vec()]);
    let filter = InboxFilter { kind: Some(InboxKind::Message), key: Some(key("other")) };
    assert!(session.inbox(&filter, &PageRequest::first(10)).await.expect("read").items.is_empty());
}

fn answer(key: &str, at: i64) -> IdempotencyRecord {
    IdempotencyRecord {
        key: key.to_owned(),
        request_hash: "ab".repeat(32),
        status: 201,
        body: format!("{{\"id\":{},\"name\":\"보일러 '\\\\\"}}", DeploymentId(7)),
        created_at: Timestamp(NOW.0 + at),
    }
}

async fn an_answer_is_kept_once(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    assert_eq!(unit.idempotency("k").await.expect("read"), None);
    unit.insert_idempotency(&answer("k", 1)).await.expect("insert");
    unit.insert_idempotency(&answer("K", 1)).await.expect("another case is another key");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.idempotency("k").await.expect("read"), Some(answer("k", 1)));
    let mut unit = begin(registry).await;
    conflicts(unit.insert_idempotency(&answer("k", 2)).await, "idempotency.key");
    drop(unit);
    assert_eq!(read(registry).await.idempotency("k").await.expect("read"), Some(answer("k", 1)));
}

async fn old_answers_are_removed(registry: &dyn Registry) {
    let mut unit = begin(registry).await;
    for at in 1..=5 {
        unit.insert_idempotency(&answer(&format!("k{at}"), at)).await.expect("insert");
    }
    assert_eq!(unit.delete_idempotency(Timestamp(NOW.0 + 4)).await.expect("delete"), 3, "before, not at");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.idempotency("k3").await.expect("read"), None);
    assert!(read(registry).await.idempotency("k4").await.expect("read").is_some());
}
