//! Handshakes in memory, with rustls on both sides and the clock fixed.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_proto::DeviceKey;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConnection, SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::*;
use crate::testing::{NOW, TestEntropy};
use crate::{Authority, AuthorityParams, ServerIdentity, ServerNames};

mod devices;

#[derive(Debug)]
struct Fixed(Timestamp);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.as_millis().unsigned_abs())))
    }
}

struct World {
    authority: Arc<Authority>,
    identity: ServerIdentity,
    _dir: TempDir,
}

fn world(seed: u64) -> World {
    let dir = tempfile::tempdir().unwrap();
    let authority =
        Authority::open_or_create(dir.path(), &AuthorityParams::default(), NOW, TestEntropy::shared(seed));
    let authority = Arc::new(authority.unwrap());
    let names = ServerNames::new(["argosy.example"]).unwrap();
    let (identity, _) =
        ServerIdentity::current(Arc::clone(&authority), names, ServingRules::default(), NOW).unwrap();
    World { authority, identity, _dir: dir }
}

/// A certificate chain and its key.
type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn pkcs8(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))
}

impl World {
    fn device(&self, with_chain: bool) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        let issued = self.authority.issue_device(&DeviceKey::new("d").unwrap(), csr.der(), NOW).unwrap();
        let mut chain = vec![issued.certificate];
        if with_chain {
            chain.extend(issued.chain);
        }
        (chain, pkcs8(&key))
    }

    /// A certificate of the server branch, with its intermediate, as a thief of it would present it.
    fn server_leaf(&self) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let names = ServerNames::new(["thief.example"]).unwrap();
        let issued = self.authority.issue_server(&names, &key, Duration::from_secs(86_400), NOW).unwrap();
        let mut chain = vec![issued.certificate];
        chain.extend(issued.chain);
        (chain, pkcs8(&key))
    }

    fn client(&self, version: &'static SupportedProtocolVersion, with: Option<Credentials>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.server_roots_pem();
        for root in <CertificateDer<'_> as rustls_pki_types::pem::PemObject>::pem_slice_iter(pem.as_bytes()) {
            roots.add(root.unwrap()).unwrap();
        }
        // The order of a stock rustls client: AES-256 first.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(Fixed(NOW)))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots);
        match with {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        }
    }

    fn mqtt(&self, now: Timestamp) -> Arc<ServerConfig> {
        at(&self.identity.mqtt_config(None).unwrap(), now)
    }
}

fn at(config: &Arc<ServerConfig>, now: Timestamp) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(config);
    config.time_provider = Arc::new(Fixed(now));
    Arc::new(config)
}

/// Both ends after the handshake, or the first error and whose it is.
fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<(ClientConnection, ServerConnection), (&'static str, rustls::Error)> {
    let name = ServerName::try_from("argosy.example").unwrap();
    let mut client = ClientConnection::new(client, name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    let mut wire = Vec::new();
    for _ in 0..10 {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets().map_err(|e| ("server", e))?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut unread = wire.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets().map_err(|e| ("client", e))?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok((client, server))
}

#[test]
fn devices_connect_with_or_without_their_intermediate_on_both_versions() {
    let world = world(1);
    for version in [&TLS12, &TLS13] {
        for with_chain in [true, false] {
            let credentials = world.device(with_chain);
            let leaf = credentials.0[0].clone();
            let client = Arc::new(world.client(version, Some(credentials)));
            let (_, server) = handshake(client, world.mqtt(NOW)).unwrap();
            assert_eq!(server.peer_certificates().unwrap()[0], leaf);
            assert_eq!(crate::leaf_facts(&leaf).unwrap().common_name, "d");
        }
    }
}

#[test]
fn nobody_else_gets_into_mqtt() {
    let (ours, foreign) = (world(1), world(2));
    let self_made = {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["d".to_owned()]).unwrap();
        (vec![params.self_signed(&key).unwrap().into()], pkcs8(&key))
    };
    let sub_ca = {
        // A device that signs a certificate of its own, and sends its own certificate as the intermediate.
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::default().serialize_request(&key).unwrap();
        let issued = ours.authority.issue_device(&DeviceKey::new("d").unwrap(), csr.der(), NOW).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_der(&issued.certificate, key).unwrap();
        let own = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["e".to_owned()]).unwrap();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let forged = params.signed_by(&own, &issuer).unwrap();
        let mut chain = vec![forged.into(), issued.certificate];
        chain.extend(issued.chain);
        (chain, pkcs8(&own))
    };
    let strangers = [
        ("no certificate", None),
        ("a foreign authority", Some(foreign.device(true))),
        ("a self-made certificate", Some(self_made)),
        ("a server's certificate", Some(ours.server_leaf())),
        ("one signed by a device", Some(sub_ca)),
    ];
    for (who, credentials) in strangers {
        for version in [&TLS12, &TLS13] {
            let with = credentials.as_ref().map(|(chain, key)| (chain.clone(), key.clone_key()));
            let (whose, error) =
                handshake(Arc::new(ours.client(version, with)), ours.mqtt(NOW)).expect_err(who);
            assert_eq!(whose, "server", "{who}: {error}");
        }
    }
}

#[test]
fn mqtt_never_resumes_and_https_does() {
    let world = world(1);
    for version in [&TLS12, &TLS13] {
        for (config, kind) in [
            (world.identity.mqtt_config(None).unwrap(), HandshakeKind::Full),
            (world.identity.https_config().unwrap(), HandshakeKind::Resumed),
        ] {
            let mut client = world.client(version, Some(world.device(true)));
            client.resumption = Resumption::in_memory_sessions(4);
            let client = Arc::new(client);
            // Tickets carry the server's clock, so this pair runs on one.
            let server = at(&config, NOW);
            handshake(Arc::clone(&client), Arc::clone(&server)).unwrap();
            let (_, server) = handshake(client, server).unwrap();
            assert_eq!(server.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[test]
fn aes_128_gcm_is_chosen_and_http_1_1_is_what_a_client_of_both_gets() {
    let world = world(1);
    for (version, suite) in [
        (&TLS12, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        (&TLS13, CipherSuite::TLS13_AES_128_GCM_SHA256),
    ] {
        let mut client = world.client(version, None);
        client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let server = world.identity.https_config().unwrap();
        let (client, server) = handshake(Arc::new(client), server).unwrap();
        assert_eq!(server.negotiated_cipher_suite().unwrap().suite(), suite);
        assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let first = provider().cipher_suites[0].suite();
    assert_eq!(first, CipherSuite::TLS13_AES_128_GCM_SHA256);
    assert_eq!(provider().cipher_suites.len(), aws_lc_rs::DEFAULT_CIPHER_SUITES.len());
}

#[test]
fn a_renewed_certificate_is_served_by_the_running_configuration() {
    let world = world(1);
    let config = world.identity.https_config().unwrap();
    let leaf = || {
        let client = Arc::new(world.client(&TLS13, None));
        let (client, _) = handshake(client, Arc::clone(&config)).unwrap();
        client.peer_certificates().unwrap()[0].clone()
    };
    let old = leaf();
    // The one in use, beside the fixed clock: swapped by hand, because a renewed one begins two months later.
    let key = KeyPair::generate().unwrap();
    let issued =
        world.authority.issue_server(world.identity.names(), &key, Duration::from_secs(86_400), NOW).unwrap();
    let mut chain = vec![issued.certificate.clone()];
    chain.extend(issued.chain);
    let fresh = CertifiedKey::from_der(chain, pkcs8(&key), &provider()).unwrap();
    world.identity.certificate().own.swap(Arc::new(fresh));
    assert_eq!(leaf(), issued.certificate);
    assert_ne!(old, issued.certificate);
}

#[test]
fn a_trust_without_anchors_is_an_error() {
    let world = world(1);
    let imported = || Arc::clone(&world.authority.imported);
    let empty = mqtt_config(world.identity.certificate(), &DeviceTrust::new(Vec::new(), imported(), None));
    assert!(matches!(empty, Err(TlsError::Verifier(_))));
    let rubbish = DeviceTrust::new(vec![CertificateDer::from(vec![1, 2, 3])], imported(), None);
    assert!(matches!(mqtt_config(world.identity.certificate(), &rubbish), Err(TlsError::Anchor(_))));
}
