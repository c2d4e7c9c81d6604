//! Lists of revocations, as OpenSSL reads them.

use argosy_domain::model::{CertificateName, Revocation, RevocationReason};
use argosy_domain::ports::{CertificateAuthority, CrlRequest};

use super::*;

fn revocation(issuer: &str, serial: &str, reason: RevocationReason) -> Revocation {
    Revocation {
        certificate: CertificateName { issuer: issuer.to_owned(), serial: serial.to_owned() },
        key: DeviceKey::new("dev-1").unwrap(),
        reason,
        revoked_at: NOW - Duration::from_secs(3600),
        not_after: None,
    }
}

fn request<'a>(issuer: &'a str, number: i64, revoked: &'a [Revocation]) -> CrlRequest<'a> {
    CrlRequest {
        issuer,
        number,
        revoked,
        this_update: NOW,
        next_update: NOW + Duration::from_secs(7 * 86_400),
    }
}

#[test]
fn openssl_verifies_the_list_and_refuses_what_stands_in_it() {
    let bench = Bench::new();
    let (revoked, issuer) = (bench.device(), bench.authority.device_issuer().to_owned());
    fs::rename(bench.path("device.pem"), bench.path("revoked.pem")).unwrap();
    let good = bench.device();
    assert_ne!(revoked.facts.serial, good.facts.serial);
    let list = [
        revocation(&issuer, revoked.facts.serial.as_str(), RevocationReason::KeyCompromise),
        revocation(&issuer, "0a", RevocationReason::Unspecified),
        revocation(&issuer, "not a serial number", RevocationReason::Unspecified),
    ];
    let der = bench.authority.sign_crl(&request(&issuer, 0x1234, &list)).unwrap();
    fs::write(bench.path("device.crl"), &der).unwrap();
    bench.run("crl -inform DER -in device.crl -out crl.pem");
    let said = bench.run("crl -in crl.pem -noout -verify -CAfile pki/ca/device-ca.pem");
    assert!(said.contains("verify OK"), "{said}");
    let shown = bench.run("crl -in crl.pem -noout -text -nameopt RFC2253");
    for part in [
        "Version 2",
        "4660",
        "Key Compromise",
        "Last Update: Dec 31 23:59:00 2025 GMT",
        "Next Update: Jan  8 00:00:00 2026 GMT",
        "Revocation Date: Dec 31 23:00:00 2025 GMT",
        &format!("Issuer: {issuer}"),
        &format!("Serial Number: {}", revoked.facts.serial.as_str().to_uppercase()),
    ] {
        assert!(shown.contains(part), "no `{part}` in {shown}");
    }
    assert_eq!(shown.matches("Serial Number:").count(), 2);
    assert_eq!(shown.matches("CRL Reason Code").count(), 1, "unspecified is left out");

    let check = "-crl_check -CRLfile crl.pem -CAfile root.pem -untrusted chain.pem";
    bench.verify(&format!("{check} device.pem")).unwrap();
    let refused = bench.verify(&format!("{check} revoked.pem")).unwrap_err();
    assert!(refused.contains("certificate revoked"), "{refused}");

    let empty = bench.authority.sign_crl(&request(&issuer, 1, &[])).unwrap();
    fs::write(bench.path("empty.crl"), empty).unwrap();
    let said = bench.run("crl -inform DER -in empty.crl -noout -verify -CAfile pki/ca/device-ca.pem");
    assert!(said.contains("verify OK"), "{said}");
    assert!(bench.authority.sign_crl(&request("CN=nobody", 1, &[])).is_err());
}

#[test]
fn an_imported_ca_with_its_key_has_a_list_too() {
    let bench = Bench::new();
    bench.run(
        "req -x509 -newkey rsa:2048 -nodes -keyout old.key -out old.pem -days 7300 -subj /C=KR/O=Old/CN=Root",
    );
    let read = |name: &str| fs::read_to_string(bench.path(name)).unwrap();
    bench.authority.import_ca(&read("old.pem"), None, NOW).unwrap();
    assert_eq!(bench.authority.crl_issuers().len(), 1, "nobody can sign it without the key");
    let about = bench.authority.import_ca(&read("old.pem"), Some(&read("old.key")), NOW).unwrap();
    let issuers = bench.authority.crl_issuers();
    assert_eq!((issuers[0].id.as_str(), issuers[1].id.as_str()), ("device", about.id.as_str()));
    let list = [revocation(&about.name, "61ac", RevocationReason::CessationOfOperation)];
    let der = bench.authority.sign_crl(&request(&about.name, 7, &list)).unwrap();
    fs::write(bench.path("old.crl"), der).unwrap();
    let said = bench.run("crl -inform DER -in old.crl -noout -verify -text -CAfile old.pem");
    assert!(said.contains("verify OK") && said.contains("Cessation Of Operation"), "{said}");
}

#[test]
fn where_the_list_is_stands_in_device_certificates_if_it_is_configured() {
    let bench = Bench::new();
    let shows = |bench: &Bench| {
        bench.device();
        bench.run("x509 -in device.pem -noout -text").contains("URI:http://argosy.example/crl/device.crl")
    };
    assert!(!shows(&bench));
    let params = AuthorityParams {
        crl_url: Some("http://argosy.example/crl/device.crl".to_owned()),
        ..AuthorityParams::default()
    };
    let Bench { dir, .. } = bench;
    let authority = Authority::open_or_create(&dir.path().join("pki"), &params, NOW, entropy()).unwrap();
    assert!(shows(&Bench { dir, authority: Arc::new(authority) }));
    let bad = AuthorityParams { crl_url: Some("ftp://x".to_owned()), ..AuthorityParams::default() };
    let dir = tempfile::tempdir().unwrap();
    assert!(Authority::open_or_create(dir.path(), &bad, NOW, entropy()).is_err());
}
