//! Mosquitto as a child process, certificates for everybody, and a client that plays Argosy.

use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use argosy_proto::message::{FileInfo, FirmwareContent, SignedUrl, UpdateCancel, UpdateFirmware};
use argosy_proto::{
    ArtifactId, CommandId, DeviceKey, DeviceTime, DownMessage, Sha256Hash, UpMessage, decode_up, parse_up,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::identity::{Identity, IdentityStore};
use crate::mqtt::codec::{self, Packet, Publish};
use crate::mqtt::{Connected, Session};
use crate::net::{Peer, Trust};

const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn key(text: &str) -> DeviceKey {
    DeviceKey::new(text).expect("a device key")
}

/// A root that issues for servers and devices.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

pub(super) struct Issued {
    pub(super) cert_pem: String,
    pub(super) cert_der: Vec<u8>,
    pub(super) key_pem: String,
    pub(super) key_der: Vec<u8>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, mut params: CertificateParams, name: &str, usage: ExtendedKeyUsagePurpose) -> Issued {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("a certificate");
        Issued {
            cert_pem: cert.pem(),
            cert_der: cert.der().to_vec(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }

    /// Signs a device's request; PEM.
    pub(super) fn sign(&self, request: rcgen::CertificateSigningRequestParams) -> String {
        request.signed_by(&self.0).expect("a certificate").pem()
    }

    pub(super) fn server(&self) -> Issued {
        let params = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
        self.issue(params, "localhost", ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn device(&self, name: &str) -> Identity {
        let issued = self.issue(CertificateParams::default(), name, ExtendedKeyUsagePurpose::ClientAuth);
        Identity { private_key: issued.key_der, chain: vec![issued.cert_der] }
    }

    /// An identity whose certificate ends with a year.
    pub(super) fn device_until(&self, name: &str, year: i32) -> Identity {
        let mut params = CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let issued = self.issue(params, name, ExtendedKeyUsagePurpose::ClientAuth);
        Identity { private_key: issued.key_der, chain: vec![issued.cert_der] }
    }

    /// A folder of identities for `keys`, with this root in it.
    pub(super) fn identities(&self, folder: &Path, keys: &[DeviceKey]) -> IdentityStore {
        let mut store = IdentityStore::open(folder.join("identities")).expect("a store");
        store.add(keys.iter().map(|key| (key.clone(), self.device(key.as_str()))).collect()).expect("stored");
        store.set_roots(self.pem().as_bytes()).expect("stored");
        store
    }
}

/// A running Mosquitto.
pub(super) struct Mosquitto {
    child: Child,
    pub(super) tls: SocketAddr,
    pub(super) plain: SocketAddr,
    _folder: TempDir,
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Mosquitto {
    /// Starts one whose TLS listener requires certificates of `authority`.
    pub(super) fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (tls, plain) = (free_address(), free_address());
        let server = authority.server();
        for (name, text) in
            [("ca.pem", authority.pem()), ("cert.pem", server.cert_pem), ("key.pem", server.key_pem)]
        {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let dir = folder.path().display();
        let user = if std::env::var("USER").is_ok_and(|user| user != "root") { "" } else { "user root\n" };
        let config = format!(
            "{user}per_listener_settings false\nallow_anonymous true\nlistener {} 127.0.0.1\ncafile {dir}/ca.pem\n\
             certfile {dir}/cert.pem\nkeyfile {dir}/key.pem\nrequire_certificate true\nlistener {} 127.0.0.1\n",
            tls.port(),
            plain.port()
        );
        let config_path = folder.path().join("mosquitto.conf");
        std::fs::write(&config_path, config).expect("written");
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let program =
            program.into_iter().find(|path| Path::new(path).exists()).expect("mosquitto is installed");
        let child = Command::new(program)
            .arg("-c")
            .arg(&config_path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto starts");
        let mosquitto = Self { child, tls, plain, _folder: folder };
        let began = std::time::Instant::now();
        while [tls, plain].iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(began.elapsed() < LIMIT, "mosquitto does not listen");
            std::thread::yield_now();
        }
        mosquitto
    }
}

/// A client that plays Argosy: hears every device, sends requests.
pub(super) struct Server {
    session: Session,
    last_id: u16,
}

impl Server {
    pub(super) async fn connect(mosquitto: &Mosquitto) -> Self {
        let peer = Peer { address: mosquitto.plain, tls: None };
        let how = Connected { client_id: "server".into(), clean_session: true, keep_alive_s: 600 };
        let mut session = Session::open(&peer, &how).await.expect("a session");
        session.wire.send(&codec::subscribe(1, ["v1/#"])).expect("sent");
        let packet = poll_fn(|cx| session.poll_packet(cx)).await.expect("a packet");
        assert!(matches!(packet, Packet::SubAck { .. }), "{packet:?}");
        Self { session, last_id: 1 }
    }

    /// The next message from a device.
    pub(super) async fn hear(&mut self) -> (DeviceKey, UpMessage) {
        loop {
            let packet = timeout(LIMIT, poll_fn(|cx| self.session.poll_packet(cx)));
            match packet.await.expect("a message in time").expect("a packet") {
                Packet::Publish(message) => {
                    if let Some(id) = message.packet_id {
                        self.session.wire.send(&codec::pub_ack(id)).expect("sent");
                    }
                    // What this client sends itself comes back, too.
                    let Ok((key, topic)) = parse_up(&message.topic) else { continue };
                    let up = decode_up(&topic, &message.payload).expect("a message of the protocol");
                    return (key, up);
                }
                Packet::PubAck { .. } | Packet::PingResp => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) fn tell(&mut self, key: &DeviceKey, message: &DownMessage) {
        self.publish(message.topic().topic(key), message.encode().expect("encoded"));
    }

    /// Says something that comes back as the message of the device `marker`, after all that the broker has taken by now.
    pub(super) fn mark(&mut self) {
        self.publish("v1/marker/test".into(), b"{\"message\":\"mark\"}".to_vec());
    }

    fn publish(&mut self, topic: String, payload: Vec<u8>) {
        self.last_id += 1;
        let publish = Publish { topic, payload, packet_id: Some(self.last_id), dup: false };
        self.session.wire.send(&codec::publish(&publish)).expect("sent");
    }
}

pub(super) fn request(command: &str, url: &str, hash: Sha256Hash, size: usize) -> DownMessage {
    DownMessage::UpdateFirmware(UpdateFirmware {
        command_id: CommandId::new(command).expect("a command id"),
        content: FirmwareContent {
            signed_url: SignedUrl::new(url, 60),
            file_info: FileInfo { id: ArtifactId(1), file_hash: hash, size: size as u64 },
            version: Some("2.0.0".parse().expect("a version")),
            manifest: None,
            delta: Vec::new(),
        },
        timestamp: DeviceTime::NO_CLOCK,
    })
}

pub(super) fn cancel(command: &str) -> DownMessage {
    DownMessage::UpdateCancel(UpdateCancel {
        command_id: CommandId::new(command).expect("a command id"),
        reason: "changed our mind".into(),
        timestamp: DeviceTime::NO_CLOCK,
    })
}

/// TLS configuration of a server with a certificate of `authority`.
pub(super) fn server_tls(authority: &Authority) -> Arc<rustls::ServerConfig> {
    let issued = authority.server();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![issued.cert_der.into()],
            rustls_pki_types::PrivatePkcs8KeyDer::from(issued.key_der).into(),
        )
        .expect("a server configuration");
    Arc::new(config)
}

/// A client configuration that trusts `authority`.
pub(super) fn trust(authority: &Authority) -> Trust {
    Trust::from_pem(authority.pem().as_bytes()).expect("a root")
}
