//! The download path alone, against the raw TLS ceiling of this machine: for profiling, not for the record
//! (`cargo xtask bench rollout` measures the whole system).
//!
//! `cargo run --release -p argosy-http --example downloads -- [CONNECTIONS] [BYTES] [hash] [send=BYTES] [ahead=BYTES] [slots=N]`

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a tool for its own author")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use argosy_domain::Timestamp;
use argosy_domain::ports::BlobStore;
use argosy_domain::testing::{
    FakeAuthority, FakeBlobStore, FakeClock, FakeContentMaker, FakeJournal, FakeRegistry, FakeSeries,
    SeededEntropy, bytes_stream,
};
use argosy_engine::download::{ArtifactCache, CacheConfig, LocalLinks, UrlSigner};
use argosy_engine::{Engine, EngineConfig, Ports, Supervisor};
use argosy_http::{ApiConfig, App, AppParts, HttpLimits, HttpServer, listen};
use argosy_proto::{DeploymentId, DeviceKey};
use rustls::{CipherSuite, ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["ota.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// Bytes a second of one server and one client connection on each core, memory to memory.
fn ceiling(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, time: Duration) -> f64 {
    let cores = std::thread::available_parallelism().unwrap().get();
    let pairs: Vec<_> = (0..cores)
        .map(|_| {
            let (server, client) = (Arc::clone(server), Arc::clone(client));
            std::thread::spawn(move || pair(server, client, time))
        })
        .collect();
    pairs.into_iter().map(|pair| pair.join().unwrap()).sum()
}

fn pair(server: Arc<ServerConfig>, client: Arc<ClientConfig>, time: Duration) -> f64 {
    let mut server = ServerConnection::new(server).unwrap();
    let mut client = ClientConnection::new(client, ServerName::try_from("ota.test").unwrap()).unwrap();
    let mut wire = Vec::with_capacity(1 << 20);
    while server.is_handshaking() || client.is_handshaking() {
        wire.clear();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets().unwrap();
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    let data = vec![7_u8; 16 * 1024];
    let mut sink = vec![0_u8; 64 * 1024];
    let (mut bytes, began, used) = (0_u64, Instant::now(), thread_cpu());
    while began.elapsed() < time {
        for _ in 0..3 {
            server.writer().write_all(&data).unwrap();
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
            while let Ok(n @ 1..) = client.reader().read(&mut sink) {
                bytes += n as u64;
            }
        }
    }
    // By CPU time, so that a busy machine does not look like a slow one.
    bytes as f64 / (thread_cpu() - used)
}

fn thread_cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

async fn fetch(
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    url: String,
    hash: bool,
    read_ahead: usize,
) -> u64 {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let connector = tokio_rustls::TlsConnector::from(tls);
    // Rustls reads record by record: a buffer below it saves most of the system calls.
    let stream = tokio::io::BufReader::with_capacity(read_ahead, stream);
    let mut stream = connector.connect(ServerName::try_from("ota.test").unwrap(), stream).await.unwrap();
    stream.write_all(format!("GET {url} HTTP/1.1\r\nhost: ota.test\r\n\r\n").as_bytes()).await.unwrap();
    let mut buf = vec![0; 64 * 1024];
    let (mut head, mut left, mut total) = (Vec::new(), None, 0_u64);
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    while left != Some(0) {
        let n = stream.read(&mut buf).await.unwrap();
        assert!(n > 0, "cut off");
        let mut data = &buf[..n];
        if left.is_none() {
            head.extend_from_slice(data);
            let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
            assert!(text.starts_with("http/1.1 200"), "{text}");
            let length = text.split("content-length: ").nth(1).unwrap();
            left = Some(length.split("\r\n").next().unwrap().parse::<u64>().unwrap());
            data = &data[n - (head.len() - end - 4)..];
        }
        if hash {
            context.update(data);
        }
        total += data.len() as u64;
        left = left.map(|left| left - data.len() as u64);
    }
    std::hint::black_box(context.finish());
    total
}

/// User and system time so far of the threads whose name begins with `name`, in seconds.
fn cpu(name: &str) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let Ok(stat) = std::fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (before, after) = stat.rsplit_once(')').unwrap();
        if before.split_once('(').unwrap().1.starts_with(name) {
            let fields: Vec<&str> = after.split_whitespace().collect();
            let ticks = |at: usize| fields[at].parse::<f64>().unwrap() / 100.0;
            sum = (sum.0 + ticks(11), sum.1 + ticks(12));
        }
    }
    sum
}

fn cpu_since(began: &((f64, f64), (f64, f64))) -> f64 {
    let (server, clients) = (cpu("server"), cpu("clients"));
    server.0 + server.1 + clients.0 + clients.1 - began.0.0 - began.0.1 - began.1.0 - began.1.1
}

fn runtime(name: &str) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().thread_name(name).enable_all().build().unwrap()
}

fn main() {
    let clients = runtime("clients");
    let server = runtime("server");
    server.block_on(measure(clients.handle().clone()));
}

async fn measure(clients: tokio::runtime::Handle) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let connections: usize = arguments.first().map_or(1000, |text| text.parse().unwrap());
    let size: usize = arguments.get(1).map_or(1_572_864, |text| text.parse().unwrap());
    let hash = arguments.iter().any(|text| text == "hash");
    let number = |name: &str, usual: usize| {
        let given = arguments.iter().find_map(|text| text.strip_prefix(name));
        given.map_or(usual, |text| text.parse().unwrap())
    };
    let (server_tls, client_tls) = configs();

    let blobs: Arc<dyn BlobStore> = Arc::new(FakeBlobStore::default());
    let mut bytes = vec![0; size];
    argosy_domain::ports::Entropy::fill(&SeededEntropy::new(3), &mut bytes);
    let staged = blobs.stage(&"0".repeat(32), bytes_stream([bytes.into()], None), u64::MAX).await.unwrap();
    blobs.promote(&"0".repeat(32), &staged.hash).await.unwrap();
    let signer = Arc::new(UrlSigner::new(&[1; 32]));
    let ports = Ports {
        registry: Arc::new(FakeRegistry::new()),
        series: Arc::new(FakeSeries::default()),
        blobs: Arc::clone(&blobs),
        authority: Arc::new(FakeAuthority::default()),
        journal: Arc::new(FakeJournal::default()),
        media: Arc::new(FakeContentMaker),
        links: Arc::new(LocalLinks::new(Arc::clone(&signer), None, None)),
        clock: Arc::new(FakeClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
    };
    let engine = Engine::new(EngineConfig::default(), ports);
    let supervisor = Supervisor::new();
    let parts = AppParts {
        engine,
        signer: Arc::clone(&signer),
        cache: Arc::new(ArtifactCache::new(blobs, CacheConfig::default())),
        metrics: Vec::new(),
        tracker: supervisor.tracker(),
        shutdown: supervisor.shutdown(),
    };
    let mut config = ApiConfig::default();
    config.downloads.max_concurrent = number("slots=", config.downloads.max_concurrent);
    let app = App::new(parts, config);
    let usual = HttpLimits::default();
    let limits = HttpLimits {
        send_buffer: Some(number("send=", 256 * 1024) as u32).filter(|bytes| *bytes > 0),
        ..usual
    };
    let listener = listen((Ipv4Addr::LOCALHOST, 0).into(), &limits).unwrap();
    let address = listener.local_addr().unwrap();
    let server = HttpServer::new(Arc::clone(&app), limits, supervisor.tracker(), supervisor.shutdown());
    supervisor.spawn("https", server.serve_tls(listener, Arc::clone(&server_tls)));

    let before = ceiling(&server_tls, &client_tls, Duration::from_secs(2));
    let began = (cpu("server"), cpu("clients"));
    let key = DeviceKey::new("vm-1").unwrap();
    let until = Timestamp(i64::MAX / 2);
    let url = signer.sign_for_device(&staged.hash, "app.bin", &key, DeploymentId(1), until);
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        tasks.spawn_on(
            fetch(address, Arc::clone(&client_tls), url.as_str().to_owned(), hash, number("ahead=", 1)),
            &clients,
        );
    }
    let mut total = 0;
    while let Some(bytes) = tasks.join_next().await {
        total += bytes.unwrap();
    }
    let wall = started.elapsed().as_secs_f64();
    for (name, began) in [("server", began.0), ("clients", began.1)] {
        let now = cpu(name);
        println!("{name}: {:.2} s user, {:.2} s system", now.0 - began.0, now.1 - began.1);
    }
    let used = cpu_since(&began);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
    let after = ceiling(&server_tls, &client_tls, Duration::from_secs(2));
    let (ceiling, speed) = (before.max(after), total as f64 / wall);
    println!("{connections} x {size}: {wall:.2} s, {:.0} MB/s", speed / 1e6);
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    let by_cpu = total as f64 / used * cores;
    println!(
        "ceiling {:.0} MB/s; ratio {:.3} by the clock, {:.3} by CPU time",
        ceiling / 1e6,
        speed / ceiling,
        by_cpu / ceiling
    );
}
