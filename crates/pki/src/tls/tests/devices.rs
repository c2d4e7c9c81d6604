//! What is special about devices' certificates: those that have ended, and boards that overwrote their key too early.

use std::sync::Mutex;

use argosy_domain::model::CertificateName;
use rcgen::{ExtendedKeyUsagePurpose, PKCS_RSA_SHA256, PublicKeyData as _, RsaKeySize};
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_certificate_that_has_ended_comes_to_the_gate_and_one_that_has_not_begun_does_not() {
    let world = world(1);
    for version in [&TLS12, &TLS13] {
        let credentials = world.device(true);
        let leaf = credentials.0[0].clone();
        let client = Arc::new(world.client(version, Some(credentials)));
        for late in [NOW + 364 * DAY, NOW + 366 * DAY, NOW + 3000 * DAY] {
            handshake(Arc::clone(&client), world.mqtt(late)).unwrap();
        }
        let shown = world.authority.presented(&leaf).unwrap();
        assert_eq!((shown.not_after, shown.imported), (NOW + 365 * DAY, false));
        let (whose, error) = handshake(client, world.mqtt(NOW - 2 * DAY)).err().unwrap();
        assert_eq!(whose, "server");
        assert!(error.to_string().contains("not valid yet"), "{error}");
    }
}

#[test]
fn an_ended_certificate_of_somebody_else_does_not_come_in() {
    let (ours, foreign) = (world(1), world(2));
    let client = Arc::new(ours.client(&TLS13, Some(foreign.device(true))));
    let (whose, _) = handshake(client, ours.mqtt(NOW + 400 * DAY)).err().unwrap();
    assert_eq!(whose, "server");
}

#[test]
fn a_certificate_of_ours_without_its_purpose_is_refused() {
    // Nothing of ours issues one; with the intermediate's key in a file, somebody could.
    let world = world(1);
    let file = |name: &str| std::fs::read_to_string(world.authority.folder().join("ca").join(name)).unwrap();
    let key = KeyPair::from_pem(&file("device-ca.key")).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&file("device-ca.pem"), key).unwrap();
    for (purposes, comes_in) in [(vec![], false), (vec![ExtendedKeyUsagePurpose::ClientAuth], true)] {
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = purposes;
        let leaf = params.signed_by(&own, &issuer).unwrap();
        let client = world.client(&TLS13, Some((vec![leaf.into()], pkcs8(&own))));
        assert_eq!(handshake(Arc::new(client), world.mqtt(NOW)).is_ok(), comes_in);
    }
}

/// A board: it sends its certificate, and signs with whatever key it has.
#[derive(Debug)]
struct Board(Arc<CertifiedKey>);

impl ResolvesClientCert for Board {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[derive(Default)]
struct Asked(Mutex<Vec<(CertificateName, Vec<u8>)>>);

impl RenewalKeys for Asked {
    fn keys_of(&self, certificate: &CertificateName) -> Vec<Vec<u8>> {
        let asked = self.0.lock().unwrap();
        asked.iter().filter(|(name, _)| name == certificate).map(|(_, key)| key.clone()).collect()
    }
}

#[test]
fn a_board_that_overwrote_its_key_gets_in_with_the_key_that_it_asked_a_certificate_for() {
    let world = world(1);
    let asked = Arc::new(Asked::default());
    let (chain, _) = world.device(true);
    let name = |leaf: &CertificateDer<'_>| {
        let facts = crate::leaf_facts(leaf).unwrap();
        CertificateName { issuer: facts.issuer, serial: facts.serial.into() }
    };
    let server =
        |now| at(&world.identity.mqtt_config(Some(asked.clone() as Arc<dyn RenewalKeys>)).unwrap(), now);
    let rsa = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    for key in [KeyPair::generate().unwrap(), rsa] {
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&pkcs8(&key)).unwrap();
        let board = |version| {
            let mut client = world.client(version, None);
            client.client_auth_cert_resolver =
                Arc::new(Board(Arc::new(CertifiedKey::new(chain.clone(), Arc::clone(&signing)))));
            Arc::new(client)
        };
        for version in [&TLS12, &TLS13] {
            asked.0.lock().unwrap().clear();
            let refused = |why: &str| {
                let (whose, error) = handshake(board(version), server(NOW)).expect_err(why);
                assert_eq!(whose, "server", "{why}");
                assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{why}: {error}");
            };
            refused("a key that nobody asked for");
            let other = world.device(false).0;
            asked.0.lock().unwrap().push((name(&other[0]), key.subject_public_key_info()));
            refused("asked for with another certificate");
            let another = KeyPair::generate().unwrap();
            asked.0.lock().unwrap().push((name(&chain[0]), another.subject_public_key_info()));
            refused("another key was asked for");
            asked.0.lock().unwrap().push((name(&chain[0]), key.subject_public_key_info()));
            handshake(board(version), server(NOW)).unwrap();
            // Even if it slept past the end of its old certificate: the gate decides.
            handshake(board(version), server(NOW + 400 * DAY)).unwrap();
        }
    }
}
