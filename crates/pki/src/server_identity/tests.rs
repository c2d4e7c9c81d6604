use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tempfile::TempDir;

use super::*;
use crate::AuthorityParams;
use crate::testing::{NOW, TestEntropy};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn authority() -> (TempDir, Arc<Authority>) {
    let dir = tempfile::tempdir().unwrap();
    let params = AuthorityParams::default();
    let authority = Authority::open_or_create(dir.path(), &params, NOW, TestEntropy::shared(9)).unwrap();
    (dir, Arc::new(authority))
}

fn names() -> ServerNames {
    ServerNames::new(["argosy.example", "127.0.0.1", "::1"]).unwrap()
}

fn current(
    authority: &Arc<Authority>,
    names: ServerNames,
    now: Timestamp,
) -> (ServerIdentity, IdentityOrigin) {
    ServerIdentity::current(Arc::clone(authority), names, ServingRules::default(), now).unwrap()
}

#[test]
fn it_is_made_once_and_found_again() {
    let (dir, authority) = authority();
    let (first, origin) = current(&authority, names(), NOW);
    assert_eq!(origin, IdentityOrigin::First);
    assert_eq!(first.facts().not_after, NOW + 90 * DAY);
    assert_eq!(fs::metadata(first.file()).unwrap().mode() & 0o777, 0o600);
    let (second, origin) = current(&authority, names(), NOW + 59 * DAY);
    assert_eq!((origin, second.facts()), (IdentityOrigin::Loaded, first.facts()));
    assert_eq!(second.certificate().own().cert, first.certificate().own().cert);
    drop(dir);
}

#[test]
fn it_renews_itself_at_two_thirds_and_listeners_follow() {
    let (_dir, authority) = authority();
    let (identity, _) = current(&authority, names(), NOW);
    let listener = identity.certificate();
    let old = listener.own();
    let due = identity.renew_at();
    assert!(due > NOW + 59 * DAY && due <= NOW + 60 * DAY, "{due}");
    assert_eq!(identity.renew_if_due(due - Duration::from_millis(1)).unwrap(), None);
    let fresh = identity.renew_if_due(due).unwrap().unwrap();
    assert_eq!(fresh.not_after, due + 90 * DAY);
    assert_ne!(listener.own().cert[0], old.cert[0]);
    assert_eq!(listener.own().cert[1], old.cert[1]);
    assert_eq!(identity.renew_if_due(due).unwrap(), None);
    let (again, origin) = current(&authority, names(), due);
    assert_eq!((origin, again.facts()), (IdentityOrigin::Loaded, fresh));
}

#[test]
fn one_that_does_not_serve_any_more_is_replaced() {
    let (_dir, authority) = authority();
    let (first, _) = current(&authority, names(), NOW);
    let replaced = |names: ServerNames, now: Timestamp| {
        let (identity, origin) = current(&authority, names, now);
        assert_eq!(origin, IdentityOrigin::Replaced);
        identity.facts()
    };
    let other = ServerNames::new(["other.example"]).unwrap();
    assert_eq!(replaced(other, NOW).common_name, "other.example");
    let fewer = ServerNames::new(["argosy.example", "127.0.0.1"]).unwrap();
    replaced(fewer.clone(), NOW);
    assert_eq!(current(&authority, fewer, NOW).1, IdentityOrigin::Loaded);
    replaced(names(), NOW);
    replaced(names(), NOW + 60 * DAY);
    replaced(names(), NOW);

    for damage in [&b""[..], b"rubbish", authority.server_roots_pem().as_bytes()] {
        fs::write(first.file(), damage).unwrap();
        replaced(names(), NOW);
    }
    let good = fs::read_to_string(first.file()).unwrap();
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    let chain = &good[good.find("-----BEGIN CERT").unwrap()..];
    fs::write(first.file(), other_key + chain).unwrap();
    replaced(names(), NOW);
    fs::write(first.file(), good + &authority.server_roots_pem()).unwrap();
    replaced(names(), NOW);
}

#[test]
fn one_of_another_authority_is_replaced() {
    let (_other_dir, other) = authority();
    let params = AuthorityParams::default();
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::open_or_create(dir.path(), &params, NOW, TestEntropy::shared(77)).unwrap();
    let (foreign, _) = current(&other, names(), NOW);
    fs::copy(foreign.file(), path(dir.path())).unwrap();
    assert_eq!(current(&Arc::new(ours), names(), NOW).1, IdentityOrigin::Replaced);
}

#[test]
fn one_that_others_can_read_is_refused() {
    let (_dir, authority) = authority();
    let (first, _) = current(&authority, names(), NOW);
    fs::set_permissions(first.file(), Permissions::from_mode(0o644)).unwrap();
    let error = ServerIdentity::current(authority, names(), ServingRules::default(), NOW).unwrap_err();
    assert!(matches!(error, IdentityError::File(KeyFileError::Exposed { .. })), "{error}");
}

#[test]
fn a_renewal_that_fails_leaves_the_old_one_in_use() {
    let (dir, authority) = authority();
    let (identity, _) = current(&authority, names(), NOW);
    let before = identity.facts();
    // A folder in the place of the file: works for root too, unlike permissions.
    fs::remove_file(identity.file()).unwrap();
    fs::create_dir(identity.file()).unwrap();
    fs::write(identity.file().join("x"), b"x").unwrap();
    let error = identity.renew_if_due(NOW + 61 * DAY).unwrap_err();
    assert!(matches!(error, IdentityError::File(KeyFileError::Write { .. })), "{error}");
    assert_eq!(identity.facts(), before);
    fs::remove_dir_all(identity.file()).unwrap();
    assert!(identity.renew_if_due(NOW + 61 * DAY).unwrap().is_some());
    drop(dir);
}
