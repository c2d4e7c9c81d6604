//! One-time codes: unique while open, capped, used once; wrong tries written only over what was read.

use argosy_proto::{DeviceId, RegistrationCodeId};

use super::fixture::{HOSTILE, NOBODY, NOW, World, begin, key, read, walk};
use super::list_cases;
use crate::Timestamp;
use crate::model::{CodeFate, NewRegistrationCode, RegistrationCode, RegistrationCodeState, WrongTries};
use crate::page::PageRequest;
use crate::ports::{CodeInsert, RegistrationCodeFilter, Registry};
use crate::testing::join_all;

list_cases!("registration":
    a_code_is_kept_as_it_was_made,
    a_code_is_unique_while_it_is_open,
    open_codes_are_capped,
    a_code_is_used_once,
    of_many_devices_with_one_code_one_wins,
    a_code_that_ended_is_neither_used_nor_revoked,
    a_code_is_found_by_its_hash_the_open_one_first,
    codes_are_listed_by_state,
    wrong_tries_are_written_over_what_was_read,
    old_codes_are_removed,
);

/// How long a code lives here, in milliseconds.
const LIFE: i64 = 300_000;

fn at(millis: i64) -> Timestamp {
    Timestamp(NOW.0 + millis)
}

fn code(world: &World, mac: &str, made: i64) -> NewRegistrationCode {
    NewRegistrationCode {
        mac: mac.to_owned(),
        product: world.product,
        group: world.group,
        region: world.region,
        device_name: None,
        created_by: world.user,
        actor: "user:operator".to_owned(),
        created_at: at(made),
        expires_at: at(made + LIFE),
    }
}

#[track_caller]
fn kept(insert: CodeInsert) -> RegistrationCodeId {
    match insert {
        CodeInsert::Kept(id) => id,
        other => panic!("the code was not kept: {other:?}"),
    }
}

/// Makes a code, committed.
async fn insert(registry: &dyn Registry, new: &NewRegistrationCode) -> RegistrationCodeId {
    let mut unit = begin(registry).await;
    let id = kept(unit.insert_registration_code(new, 1000).await.expect("insert"));
    unit.commit().await.expect("commit");
    id
}

async fn the_code(registry: &dyn Registry, id: RegistrationCodeId) -> RegistrationCode {
    read(registry).await.registration_code(id).await.expect("read").expect("the code is there")
}

async fn a_code_is_kept_as_it_was_made(registry: &dyn Registry) {
    let world = World::make(registry).await;
    for (number, text) in HOSTILE.iter().enumerate() {
        let new = NewRegistrationCode {
            device_name: Some((*text).to_owned()),
            actor: format!("user:{text}"),
            ..code(&world, &format!("{number:064x}"), 0)
        };
        let id = insert(registry, &new).await;
        let found = the_code(registry, id).await;
        assert_eq!(found, RegistrationCode { id, spec: new, fate: CodeFate::Untouched });
    }
    let nobody = read(registry).await.registration_code(RegistrationCodeId(NOBODY)).await.expect("read");
    assert_eq!(nobody, None);
}

async fn a_code_is_unique_while_it_is_open(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let device = world.devices(registry, 1).await[0];
    let first = insert(registry, &code(&world, "aa", 0)).await;
    let mut unit = begin(registry).await;
    let again = |made| code(&world, "aa", made);
    assert_eq!(unit.insert_registration_code(&again(1), 9).await.expect("insert"), CodeInsert::Taken);
    assert_eq!(
        unit.insert_registration_code(&again(LIFE - 1), 9).await.expect("insert"),
        CodeInsert::Taken,
        "open to its last millisecond"
    );
    let second = kept(unit.insert_registration_code(&again(LIFE), 9).await.expect("the first has expired"));
    assert!(second > first);
    assert!(unit.use_registration_code(second, device, &key("d0"), at(LIFE)).await.expect("use"));
    let third = kept(unit.insert_registration_code(&again(LIFE + 1), 9).await.expect("the second is used"));
    assert!(unit.revoke_registration_code(third, "user:x", at(LIFE + 2)).await.expect("revoke"));
    kept(unit.insert_registration_code(&again(LIFE + 3), 9).await.expect("the third is revoked"));
    unit.commit().await.expect("commit");
}

async fn open_codes_are_capped(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let mut unit = begin(registry).await;
    for number in 0..3 {
        let new = code(&world, &format!("{number}"), number);
        kept(unit.insert_registration_code(&new, 3).await.expect("insert"));
    }
    let one_more = code(&world, "more", 10);
    assert_eq!(unit.insert_registration_code(&one_more, 3).await.expect("insert"), CodeInsert::Full);
    assert_eq!(unit.open_registration_codes(at(10)).await.expect("count"), 3);
    assert_eq!(unit.open_registration_codes(at(LIFE)).await.expect("count"), 2, "one has expired");
    let later = code(&world, "more", LIFE);
    kept(unit.insert_registration_code(&later, 3).await.expect("an expired one makes room"));
    assert_eq!(
        unit.insert_registration_code(&code(&world, "z", LIFE), 0).await.expect("none"),
        CodeInsert::Full
    );
    unit.commit().await.expect("commit");
}

async fn a_code_is_used_once(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let id = insert(registry, &code(&world, "aa", 0)).await;
    let mut unit = begin(registry).await;
    assert!(unit.use_registration_code(id, devices[0], &key("d0"), at(5)).await.expect("use"));
    assert!(!unit.use_registration_code(id, devices[1], &key("d1"), at(6)).await.expect("a second time"));
    assert!(!unit.use_registration_code(id, devices[0], &key("d0"), at(6)).await.expect("not by the same"));
    unit.commit().await.expect("commit");
    let fate = CodeFate::Used { at: at(5), device: devices[0], key: key("d0") };
    assert_eq!(the_code(registry, id).await.fate, fate);
}

async fn of_many_devices_with_one_code_one_wins(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 12).await;
    let id = insert(registry, &code(&world, "aa", 0)).await;
    let tries = devices.iter().enumerate().map(|(number, device)| async move {
        let mut unit = begin(registry).await;
        let won =
            unit.use_registration_code(id, *device, &key(&format!("d{number}")), at(1)).await.expect("use");
        unit.commit().await.expect("commit");
        won
    });
    let won = join_all(tries).await;
    assert_eq!(won.iter().filter(|w| **w).count(), 1, "exactly one wins: {won:?}");
    let winner = devices[won.iter().position(|w| *w).expect("one")];
    assert!(matches!(the_code(registry, id).await.fate, CodeFate::Used { device, .. } if device == winner));
}

async fn a_code_that_ended_is_neither_used_nor_revoked(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let device = world.devices(registry, 1).await[0];
    let expired = insert(registry, &code(&world, "aa", 0)).await;
    let revoked = insert(registry, &code(&world, "bb", 0)).await;
    let used = insert(registry, &code(&world, "cc", 0)).await;
    let mut unit = begin(registry).await;
    assert!(unit.revoke_registration_code(revoked, "user:\u{d55c}", at(1)).await.expect("revoke"));
    assert!(unit.use_registration_code(used, device, &key("d0"), at(LIFE - 1)).await.expect("use"));
    for (id, now) in [(expired, at(LIFE)), (revoked, at(2)), (used, at(2))] {
        assert!(!unit.use_registration_code(id, device, &key("d0"), now).await.expect("use"));
        assert!(!unit.revoke_registration_code(id, "user:late", now).await.expect("revoke"));
    }
    let nobody = RegistrationCodeId(NOBODY);
    assert!(!unit.use_registration_code(nobody, device, &key("d0"), at(1)).await.expect("use"));
    assert!(!unit.revoke_registration_code(nobody, "x", at(1)).await.expect("revoke"));
    unit.commit().await.expect("commit");
    assert_eq!(the_code(registry, expired).await.fate, CodeFate::Untouched);
    let fate = CodeFate::Revoked { at: at(1), by: "user:\u{d55c}".to_owned() };
    assert_eq!(the_code(registry, revoked).await.fate, fate);
}

async fn a_code_is_found_by_its_hash_the_open_one_first(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let first = insert(registry, &code(&world, "aa", 0)).await;
    let second = insert(registry, &code(&world, "aa", LIFE)).await;
    insert(registry, &code(&world, "AA", LIFE)).await;
    let mut session = read(registry).await;
    for (now, expected) in [(LIFE, second), (LIFE * 3, second)] {
        let found = session.registration_code_by_mac("aa", at(now)).await.expect("read").expect("there");
        assert_eq!(found.id, expected, "at {now}");
    }
    assert_eq!(session.registration_code_by_mac("ab", at(0)).await.expect("read"), None);
    assert!(first < second);
}

async fn codes_are_listed_by_state(registry: &dyn Registry) {
    use RegistrationCodeState::{Expired, Open, Revoked, Used};
    let world = World::make(registry).await;
    let device = world.devices(registry, 1).await[0];
    let mut ids = Vec::new();
    for number in 0..8 {
        ids.push(insert(registry, &code(&world, &format!("{number}"), number)).await);
    }
    let mut unit = begin(registry).await;
    assert!(unit.use_registration_code(ids[1], device, &key("d0"), at(10)).await.expect("use"));
    assert!(unit.use_registration_code(ids[4], device, &key("d0"), at(10)).await.expect("use"));
    assert!(unit.revoke_registration_code(ids[2], "user:x", at(10)).await.expect("revoke"));
    unit.commit().await.expect("commit");
    // 0 and 3 have expired by then.
    let now = at(LIFE + 3);
    let mut session = read(registry).await;
    for (state, expected) in [
        (None, vec![7, 6, 5, 4, 3, 2, 1, 0]),
        (Some(Open), vec![7, 6, 5]),
        (Some(Used), vec![4, 1]),
        (Some(Expired), vec![3, 0]),
        (Some(Revoked), vec![2]),
    ] {
        let filter = RegistrationCodeFilter { state, product: Some(world.product) };
        let found = walk!(2, |page| session.registration_codes(&filter, now, &page));
        let found: Vec<_> = found.iter().map(|c| c.id).collect();
        assert_eq!(found, expected.iter().map(|n| ids[*n]).collect::<Vec<_>>(), "{state:?}");
    }
    let other =
        RegistrationCodeFilter { product: Some(argosy_proto::ProductId(NOBODY)), ..Default::default() };
    let found = session.registration_codes(&other, now, &PageRequest::first(10)).await.expect("read");
    assert!(found.items.is_empty());
}

async fn wrong_tries_are_written_over_what_was_read(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let devices = world.devices(registry, 2).await;
    let tries = |count, millis| WrongTries { count, last_at: at(millis) };
    let (one, two) = (tries(1, 1), tries(2, 2));
    let mut unit = begin(registry).await;
    assert_eq!(unit.wrong_tries(devices[0]).await.expect("read"), None);
    assert!(!unit.save_wrong_tries(devices[0], Some(one), two).await.expect("there is none"));
    assert!(unit.save_wrong_tries(devices[0], None, one).await.expect("the first"));
    unit.commit().await.expect("commit");
    let mut unit = begin(registry).await;
    assert!(!unit.save_wrong_tries(devices[0], None, two).await.expect("somebody was faster"));
    assert!(!unit.save_wrong_tries(devices[0], Some(tries(1, 0)), two).await.expect("of another time"));
    assert!(unit.save_wrong_tries(devices[0], Some(one), two).await.expect("what was read"));
    assert!(unit.save_wrong_tries(devices[0], Some(two), two).await.expect("the same again"));
    assert!(unit.save_wrong_tries(devices[1], None, one).await.expect("another device"));
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.wrong_tries(devices[0]).await.expect("read"), Some(two));
    let mut unit = begin(registry).await;
    unit.clear_wrong_tries(devices[0]).await.expect("clear");
    unit.clear_wrong_tries(DeviceId(NOBODY)).await.expect("clear nothing");
    unit.commit().await.expect("commit");
    assert_eq!(read(registry).await.wrong_tries(devices[0]).await.expect("read"), None);
    assert_eq!(read(registry).await.wrong_tries(devices[1]).await.expect("read"), Some(one));
}

async fn old_codes_are_removed(registry: &dyn Registry) {
    let world = World::make(registry).await;
    let device = world.devices(registry, 1).await[0];
    for number in 0..4 {
        insert(registry, &code(&world, &format!("{number}"), number)).await;
    }
    let mut unit = begin(registry).await;
    let tries = WrongTries { count: 1, last_at: at(0) };
    assert!(unit.save_wrong_tries(device, None, tries).await.expect("save"));
    assert_eq!(unit.delete_registration_history(at(LIFE + 2)).await.expect("delete"), 2, "before, not at");
    unit.commit().await.expect("commit");
    let mut session = read(registry).await;
    let left = walk!(9, |page| session.registration_codes(&RegistrationCodeFilter::default(), NOW, &page));
    assert_eq!(left.len(), 2);
    assert_eq!(session.wrong_tries(device).await.expect("read"), None);
}
