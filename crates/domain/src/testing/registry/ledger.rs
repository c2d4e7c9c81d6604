//! Outbox, inbox, audit, idempotency.

use argosy_proto::{AuditId, DeploymentId, OutboxId};

use super::fixture::{HOSTILE, NOW, World, begin, conflicts, outbox_row, read, walk};
use super::list_cases;
use crate::Timestamp;
use crate::model::{AuditEntry, IdempotencyRecord, OutboxKind, OutboxRow};
use crate::page::PageRequest;
use crate::ports::{AuditFilter, MAX_BULK, Registry};

list_cases!("ledger":
    the_outbox_keeps_its_order,
    ten_thousand_outbox_rows_in_one_call,
    the_inbox_of_an_earlier_version_is_empty_here_and_goes,
    the_audit_trail_comes_newest_first,
    an_answer_is_kept_once,
    a_record_without_its_answer_is_completed,
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

async fn the_inbox_of_an_earlier_version_is_empty_here_and_goes(registry: &dyn Registry) {
    assert_eq!(read(registry).await.old_inbox(10).await.expect("read"), []);
    let mut unit = begin(registry).await;
    assert_eq!(unit.old_inbox(10).await.expect("read"), []);
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

async fn a_record_without_its_answer_is_completed(registry: &dyn Registry) {
    const ANSWER: &str = r#"{"name":"it's ready: 50 % ✓"}"#;
    let mut unit = begin(registry).await;
    assert!(!unit.answer_idempotency("k", 201, "{}").await.expect("there is none"));
    let begun = IdempotencyRecord { status: 0, body: "deployment:1".into(), ..answer("k", 1) };
    unit.insert_idempotency(&begun).await.expect("insert");
    unit.insert_idempotency(&answer("other", 1)).await.expect("insert");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.idempotency("k").await.expect("read"), Some(begun.clone()));
    let mut unit = begin(registry).await;
    assert!(unit.answer_idempotency("k", 201, ANSWER).await.expect("completed"));
    unit.commit().await.expect("commit");
    let whole = IdempotencyRecord { status: 201, body: ANSWER.into(), ..begun };
    assert_eq!(read(registry).await.idempotency("k").await.expect("read"), Some(whole));
    let mut unit = begin(registry).await;
    unit.forget_idempotency("k").await.expect("forgotten");
    unit.forget_idempotency("k").await.expect("nothing to forget");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.idempotency("k").await.expect("read"), None);
    assert!(read(registry).await.idempotency("other").await.expect("read").is_some());
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
