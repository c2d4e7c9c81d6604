//! The broker with the certificates, the TLS configuration and the certificate reader that the server gives it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use argosy_domain::Timestamp;
use argosy_domain::ports::{DeviceLink, Entropy, PresentedCertificate};
use argosy_mqtt::LinkMetrics;
use argosy_mqtt::embedded::{EmbeddedBroker, Limits, MtlsListener};
use argosy_pki::{Authority, AuthorityParams, Issued, ServerIdentity, ServerNames, ServingRules, leaf_facts};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_util::sync::CancellationToken;

use crate::client::{Client, Connect, Packet};
use crate::events::Engine;
use crate::harness::{FixedClock, key};

struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(bytes).unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "rustls checks validity against the wall clock, so the certificates must be made by it"
)]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

fn issue(authority: &Authority, name: &str) -> (Issued, rcgen::KeyPair) {
    let device_key = rcgen::KeyPair::generate().unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&device_key).unwrap().pem().unwrap();
    (authority.issue_device(&key(name), csr.as_bytes(), now()).unwrap(), device_key)
}

fn client_config(
    authority: &Authority,
    issued: &Issued,
    device_key: &rcgen::KeyPair,
) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.server_roots_pem().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let chain =
        CertificateDer::pem_slice_iter(issued.full_chain_pem().as_bytes()).map(Result::unwrap).collect();
    let device_key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(device_key.serialize_der()));
    let config = rustls::ClientConfig::builder_with_provider(argosy_pki::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, device_key)
        .unwrap();
    Arc::new(config)
}

#[tokio::test]
async fn devices_connect_with_what_the_authority_issues() {
    let folder = tempfile::tempdir().unwrap();
    let authority =
        Authority::open_or_create(folder.path(), &AuthorityParams::default(), now(), Arc::new(SystemEntropy))
            .unwrap();
    let authority = Arc::new(authority);
    let names = ServerNames::new(["localhost"]).unwrap();
    let (identity, _) =
        ServerIdentity::current(authority.clone(), names, ServingRules::default(), now()).unwrap();

    let engine = Arc::new(Engine::new());
    let broker =
        EmbeddedBroker::new(Limits::default(), Arc::new(FixedClock), Arc::new(LinkMetrics::default()));
    let mtls = MtlsListener {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: identity.mqtt_config(None).unwrap(),
        reader: Arc::new(|der| {
            let facts = leaf_facts(der)?;
            Ok(PresentedCertificate {
                common_name: facts.common_name,
                issuer: facts.issuer,
                serial: facts.serial.as_str().to_owned(),
                not_before: facts.not_before,
                not_after: facts.not_after,
                imported: false,
            })
        }),
    };
    let bound = broker.bind(mtls, None, engine.clone()).await.unwrap();
    let address = bound.mtls_address();
    let soft = CancellationToken::new();
    let serve = bound.run(soft.clone(), CancellationToken::new());

    let check = async {
        let (issued, device_key) = issue(&authority, "dev-1");
        let mut first = Client::tls(address, client_config(&authority, &issued, &device_key)).await.unwrap();
        assert_eq!(first.connect(&Connect::new("dev-1")).await, Some(0));
        first.publish("v1/dev-1/hello", b"{}", 1).await;
        assert_eq!(first.next().await, Packet::PubAck(1));
        let session = broker.session(&key("dev-1")).await.unwrap();
        assert_eq!(session.certificate_serial.as_deref(), Some(issued.facts.serial.as_str()));

        // Renewed under the living connection.
        let before = identity.facts().serial;
        let due = identity.renew_at() + Duration::from_secs(1);
        // Renewal makes a certificate that is valid from `due` on; what matters here is that the exchange disturbs nobody.
        identity.renew_if_due(due).unwrap().expect("it is due");
        assert_ne!(identity.facts().serial, before);
        first.ping().await;
        soft.cancel();
        assert_eq!(first.next().await, Packet::Closed);
    };
    let (served, ()) = tokio::join!(serve, check);
    served.unwrap();
}
