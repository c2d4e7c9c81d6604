use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::OnceLock;

use argosy_proto::DeviceKey;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData};
use tempfile::TempDir;

use super::*;
use crate::leaf::parse;
use crate::testing::{NOW, TestEntropy};

const CA_FILES: [&str; 6] =
    ["device-ca.key", "device-ca.pem", "root.key", "root.pem", "server-ca.key", "server-ca.pem"];

fn open(dir: &Path) -> Result<Authority, AuthorityError> {
    Authority::open_or_create(dir, &AuthorityParams::default(), NOW, TestEntropy::shared(5))
}

fn made() -> (TempDir, Authority) {
    let dir = tempfile::tempdir().unwrap();
    let authority = open(&dir.path().join("pki")).unwrap();
    (dir, authority)
}

/// A hostile request: it asks to be a CA, for other names.
fn csr() -> &'static str {
    static CSR: OnceLock<String> = OnceLock::new();
    CSR.get_or_init(|| {
        // The name in it, the purpose and the subject are ignored.
        let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.distinguished_name.push(DnType::CommonName, "somebody else");
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    })
}

fn key(text: &str) -> DeviceKey {
    DeviceKey::new(text).unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_first_start_makes_a_private_authority_and_the_second_finds_it() {
    let (dir, first) = made();
    let folder = dir.path().join("pki");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("ca")), 0o700);
    assert_eq!(files(&folder), ["ca"]);
    assert_eq!(files(&folder.join("ca")), CA_FILES);
    for file in CA_FILES.iter().filter(|f| f.ends_with(".key")) {
        assert_eq!(mode(&folder.join("ca").join(file)), 0o600, "{file}");
    }
    let second = open(&folder).unwrap();
    assert_eq!(second.server_roots_pem(), first.server_roots_pem());
    assert_eq!(second.device_trust_pem(), first.device_trust_pem());
    assert_eq!(second.device_issuer(), first.device_issuer());
    assert!(first.device_issuer().starts_with("CN=Argosy Device CA "), "{}", first.device_issuer());
    assert!(first.ends_at() > NOW + 3650 * DAY);
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn a_device_certificate_says_what_we_decide() {
    let (_dir, authority) = made();
    let issued = authority.issue_device(&key("dev-1"), csr().as_bytes(), NOW).unwrap();
    assert_eq!(issued.facts.common_name, "dev-1");
    assert_eq!(issued.facts.device_key().unwrap(), key("dev-1"));
    assert_eq!(issued.facts.issuer, authority.device_issuer());
    assert_eq!(issued.facts.not_before, NOW - Duration::from_secs(3600));
    assert_eq!(issued.facts.not_after, NOW + 365 * DAY);
    assert_eq!(issued.facts.serial.as_str().len(), 32);
    assert_eq!(crate::leaf_facts(&issued.certificate).unwrap(), issued.facts);

    let leaf = parse(&issued.certificate).unwrap();
    assert!(!leaf.is_ca());
    assert!(leaf.subject_alternative_name().unwrap().is_none());
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && !usage.key_cert_sign());
    let purpose = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purpose.client_auth && !purpose.server_auth && !purpose.any);
    let issuer = parse(&issued.chain[0]).unwrap();
    leaf.verify_signature(Some(issuer.public_key())).unwrap();

    let again = authority.issue_device(&key("dev-1"), csr().as_bytes(), NOW).unwrap();
    assert_ne!(again.facts.serial, issued.facts.serial);
    assert_eq!(issued.full_chain_pem(), issued.certificate_pem() + &issued.chain_pem());
}

#[test]
fn the_port_gives_the_same_and_tells_a_bad_request_from_a_failure() {
    use argosy_domain::ports::{CertificateAuthority, IssueError};
    let (_dir, authority) = made();
    let port: &dyn CertificateAuthority = &authority;
    let issued = port.issue_device(&key("7"), csr().as_bytes(), NOW).unwrap();
    assert!(crate::Serial::parse(&issued.serial).is_ok());
    assert_eq!(issued.chain_pem.matches("BEGIN CERTIFICATE").count(), 1);
    assert_eq!(port.roots_pem(), authority.server_roots_pem());
    let error = port.issue_device(&key("7"), b"nonsense", NOW).unwrap_err();
    assert!(matches!(error, IssueError::BadRequest(_)), "{error}");
    let late = NOW + 3660 * DAY;
    let error = port.issue_device(&key("7"), csr().as_bytes(), late).unwrap_err();
    assert!(matches!(error, IssueError::Failed(_)), "{error}");
}

#[test]
fn a_certificate_never_outlives_its_issuer() {
    let (_dir, authority) = made();
    let late = authority.ends_at() - 10 * DAY;
    let issued = authority.issue_device(&key("a"), csr().as_bytes(), late).unwrap();
    assert_eq!(issued.facts.not_after, authority.ends_at());
    let error = authority.issue_device(&key("a"), csr().as_bytes(), authority.ends_at()).unwrap_err();
    assert!(matches!(error, AuthorityError::IssuerExpired { .. }), "{error}");
}

#[test]
fn an_impossible_clock_is_an_error() {
    let (_dir, authority) = made();
    for at in [Timestamp(i64::MIN), Timestamp(-1)] {
        let error = authority.issue_device(&key("a"), csr().as_bytes(), at).unwrap_err();
        assert!(matches!(error, AuthorityError::Clock(_)), "{error}");
    }
    let dir = tempfile::tempdir().unwrap();
    let params = AuthorityParams::default();
    let made = Authority::open_or_create(dir.path(), &params, Timestamp(i64::MAX), TestEntropy::shared(1));
    assert!(matches!(made, Err(AuthorityError::Clock(_))));
}

#[test]
fn a_crash_at_any_point_of_creation_is_made_good_by_the_next_start() {
    let (dir, _) = made();
    let whole = dir.path().join("pki/ca");
    for count in 0..=CA_FILES.len() {
        let crashed = tempfile::tempdir().unwrap();
        let folder = crashed.path().join("pki");
        let unfinished = folder.join("ca.new");
        fs::create_dir_all(&unfinished).unwrap();
        for file in &CA_FILES[..count] {
            fs::copy(whole.join(file), unfinished.join(file)).unwrap();
        }
        fs::write(unfinished.join(".root.key.tmp"), b"-----BEGIN PRIV").unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let authority = open(&folder).unwrap();
        authority.issue_device(&key("a"), csr().as_bytes(), NOW).unwrap();
        assert_eq!(files(&folder), ["ca"], "after a crash with {count} files written");
    }
}

#[test]
fn a_missing_file_is_damage_and_never_a_new_authority() {
    for file in CA_FILES.iter().filter(|f| **f != "root.key") {
        let (dir, authority) = made();
        let folder = dir.path().join("pki");
        fs::remove_file(folder.join("ca").join(file)).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(error, AuthorityError::Incomplete { .. }), "{file}: {error}");
        assert!(error.to_string().contains(file), "{error}");
        drop(authority);
    }
    let (dir, _) = made();
    let folder = dir.path().join("pki");
    fs::write(folder.join("server.pem"), b"x").unwrap();
    fs::remove_dir_all(folder.join("ca")).unwrap();
    assert!(matches!(open(&folder), Err(AuthorityError::Incomplete { .. })));
    assert!(!folder.join("ca").exists());
}

#[test]
fn the_root_key_may_be_kept_elsewhere() {
    let (dir, _) = made();
    let folder = dir.path().join("pki");
    fs::remove_file(folder.join("ca/root.key")).unwrap();
    open(&folder).unwrap().issue_device(&key("a"), csr().as_bytes(), NOW).unwrap();
}

#[test]
fn keys_open_to_others_are_refused() {
    for file in CA_FILES.iter().filter(|f| f.ends_with(".key")) {
        let (dir, _) = made();
        let folder = dir.path().join("pki");
        fs::set_permissions(folder.join("ca").join(file), Permissions::from_mode(0o640)).unwrap();
        let error = open(&folder).unwrap_err();
        assert!(matches!(error, AuthorityError::File(KeyFileError::Exposed { .. })), "{file}: {error}");
    }
}

#[test]
fn damaged_files_are_refused() {
    let rubbish: [&[u8]; 3] =
        [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];
    for file in CA_FILES {
        for content in rubbish {
            let (dir, _) = made();
            let folder = dir.path().join("pki");
            fs::write(folder.join("ca").join(file), content).unwrap();
            let error = open(&folder).unwrap_err();
            assert!(matches!(error, AuthorityError::File(KeyFileError::Damaged { .. })), "{file}: {error}");
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}

#[test]
fn files_of_two_authorities_are_not_mixed() {
    let (other, _) = made();
    let swap = |names: &[&str]| {
        let (dir, _) = made();
        for name in names {
            fs::copy(other.path().join("pki/ca").join(name), dir.path().join("pki/ca").join(name)).unwrap();
        }
        open(&dir.path().join("pki")).unwrap_err()
    };
    for name in ["root.key", "device-ca.key", "server-ca.key"] {
        let error = swap(&[name]);
        assert!(matches!(error, AuthorityError::KeyMismatch { .. }), "{name}: {error}");
    }
    let error = swap(&["device-ca.key", "device-ca.pem"]);
    assert!(matches!(error, AuthorityError::Unfit { .. }), "{error}");

    // The device intermediate put in the place of the root, and the two intermediates exchanged.
    let (dir, _) = made();
    let ca = dir.path().join("pki/ca");
    fs::copy(ca.join("device-ca.pem"), ca.join("root.pem")).unwrap();
    assert!(matches!(open(&dir.path().join("pki")), Err(AuthorityError::Unfit { .. })));
    let (dir, _) = made();
    let ca = dir.path().join("pki/ca");
    for end in ["pem", "key"] {
        fs::copy(ca.join(format!("device-ca.{end}")), ca.join(format!("server-ca.{end}"))).unwrap();
    }
    let error = open(&dir.path().join("pki")).unwrap_err();
    assert!(matches!(error, AuthorityError::Unfit { .. }), "{error}");
}

#[test]
fn parameters_have_limits() {
    let dir = tempfile::tempdir().unwrap();
    let open = |params: AuthorityParams| {
        Authority::open_or_create(dir.path(), &params, NOW, TestEntropy::shared(1)).map(drop)
    };
    let base = AuthorityParams::default();
    for organization in ["", "a\nb", &"x".repeat(65)] {
        let params = AuthorityParams { organization: organization.to_owned(), ..base.clone() };
        assert!(matches!(open(params), Err(AuthorityError::Params(_))));
    }
    for device_life in [Duration::from_secs(3599), 3651 * DAY] {
        let params = AuthorityParams { device_life, ..base.clone() };
        assert!(matches!(open(params), Err(AuthorityError::Params(_))));
    }
    assert!(!dir.path().join("ca").exists());
    let korean = AuthorityParams { organization: "아르고시, 주식회사".to_owned(), ..base };
    open(korean).unwrap();
}

#[test]
fn rsa_devices_get_certificates_too() {
    let (_dir, authority) = made();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let csr = CertificateParams::default().serialize_request(&rsa).unwrap();
    let issued = authority.issue_device(&key("r"), csr.der(), NOW).unwrap();
    assert_eq!(parse(&issued.certificate).unwrap().public_key().raw, rsa.subject_public_key_info());
}
