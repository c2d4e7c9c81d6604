//! The raw TLS ceiling of this machine: what `cargo xtask bench rollout` sets its figures against.
//!
//! One pair of rustls connections (client and server) a core, TLS 1.3 with AES-128-GCM, 16 KiB records, memory to memory: the
//! server half encrypts, the client half decrypts, on the same core; no socket, no hash, no protocol above TLS. The sum over all cores
//! is what this machine could move if TLS were all there is. Prints bytes a second as one JSON object.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use rustls::crypto::aws_lc_rs::{self, cipher_suite::TLS13_AES_128_GCM_SHA256};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

/// Measures the raw TLS ceiling.
#[derive(Debug, Parser)]
struct Args {
    /// Seconds of one run.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Runs; the best counts.
    #[arg(long, default_value_t = 2)]
    runs: u32,
    /// Threads, a pair of connections each.
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, usize::from))]
    threads: usize,
}

/// Plaintext of one TLS record.
const RECORD: usize = 16 * 1024;
/// Records between two looks at the clock.
const BATCH: usize = 16;

fn main() -> Result<()> {
    let args = Args::parse();
    let (client, server) = configs()?;
    let mut runs = Vec::new();
    for _ in 0..args.runs.max(1) {
        runs.push(run(&args, &client, &server)?);
    }
    let best = runs.iter().copied().fold(0.0, f64::max);
    let report = serde_json::json!({
        "bytes_per_s": best,
        "runs": runs,
        "threads": args.threads,
        "suite": "TLS13_AES_128_GCM_SHA256",
    });
    println!("{report}");
    Ok(())
}

fn configs() -> Result<(Arc<ClientConfig>, Arc<ServerConfig>)> {
    let identity =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("make a certificate")?;
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).context("trust the certificate")?;
    let provider = Arc::new(rustls::crypto::CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    });
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = rustls::pki_types::PrivateKeyDer::try_from(identity.signing_key.serialize_der())
        .map_err(|why| anyhow::anyhow!("read the key: {why}"))?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)?;
    Ok((Arc::new(client), Arc::new(server)))
}

fn run(args: &Args, client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<f64> {
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    let total = std::thread::scope(|scope| {
        let pairs: Vec<_> =
            (0..args.threads.max(1)).map(|_| scope.spawn(|| pump(client, server, &stop))).collect();
        std::thread::sleep(Duration::from_secs_f64(args.seconds));
        stop.store(true, Ordering::Relaxed);
        pairs
            .into_iter()
            .map(|pair| pair.join().map_err(|_| anyhow::anyhow!("a pair died"))?)
            .sum::<Result<u64>>()
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    Ok(total as f64 / started.elapsed().as_secs_f64())
}

/// One pair: handshake, then records until told to stop; the bytes that came out decrypted.
fn pump(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, stop: &AtomicBool) -> Result<u64> {
    let name = rustls::pki_types::ServerName::try_from("localhost")?;
    let mut client = ClientConnection::new(Arc::clone(client), name)?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    let mut wire = Vec::with_capacity(2 * BATCH * RECORD);
    while client.is_handshaking() || server.is_handshaking() {
        hand_over(&mut |out| client.write_tls(out), &mut wire)?;
        feed(&mut wire, |input| server.read_tls(input))?;
        server.process_new_packets()?;
        hand_over(&mut |out| server.write_tls(out), &mut wire)?;
        feed(&mut wire, |input| client.read_tls(input))?;
        client.process_new_packets()?;
    }
    let plain = vec![0x5a_u8; RECORD];
    let mut sink = vec![0_u8; RECORD];
    let mut moved = 0;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..BATCH {
            server.writer().write_all(&plain)?;
            hand_over(&mut |out| server.write_tls(out), &mut wire)?;
            let mut input = wire.as_slice();
            while !input.is_empty() {
                client.read_tls(&mut input)?;
                client.process_new_packets()?;
                while let Ok(read) = client.reader().read(&mut sink) {
                    moved += read as u64;
                    if read == 0 {
                        break;
                    }
                }
            }
            wire.clear();
        }
    }
    Ok(moved)
}

fn hand_over(
    write: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<usize>,
    wire: &mut Vec<u8>,
) -> Result<()> {
    while write(wire)? > 0 {}
    Ok(())
}

fn feed(wire: &mut Vec<u8>, mut read: impl FnMut(&mut dyn Read) -> std::io::Result<usize>) -> Result<()> {
    let mut input = wire.as_slice();
    while !input.is_empty() {
        read(&mut input)?;
    }
    wire.clear();
    Ok(())
}
