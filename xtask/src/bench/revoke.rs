//! `cargo xtask bench revoke`: identities minted a second, and how long after the call a revoked certificate's connection is cut.
//!
//! `argosy provision` makes the identities (keys, requests and files included) against a running server. Then devices connect over
//! mutual TLS by `openssl s_client`, and their certificates are revoked one after the other over the API while the others stay
//! connected. The time runs from the first byte of the call to the end of the device's connection as the device sees it, so it includes
//! the HTTP request, the line in the file of revocations and the registry's commit, both synced.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::Figures;
use super::machine::Machine;
use crate::process;
use crate::system::{Ports, Programs, System};
use crate::workspace;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Identities to mint
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    devices: u32,
    /// Certificates to revoke, one after the other
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=2000))]
    revocations: u32,
    /// Use the programs in this folder instead of building them: to compare two versions
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

const PRODUCT: &str = "bench-board";
/// How long anything may take that should simply happen.
const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &Options) -> Result<(Figures, Result<()>)> {
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder),
        None => Programs::build("release")?,
    };
    let folder = workspace::target().join("bench/revoke");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(&folder)?,
    }
    let ports = Ports { http: 18_180, https: 18_543, mqtt: 18_983 };
    let machine = Machine::this();
    let system = System::start(programs, &folder, ports, options.devices)?;
    system.api.post(
        "/products",
        &json!({ "name": PRODUCT, "chip": "esp32s3", "image_format": "raw", "slot_size": 1_048_576 }),
    )?;
    let provisioned = provision(&system, options.devices, &folder.join("identities"))?;
    let token = std::fs::read_to_string(&system.admin.token_file)?;
    let rows = manifest(&folder.join("identities"))?;
    let count = options.revocations.min(options.devices) as usize;
    let mut devices = Vec::with_capacity(count);
    for (key, serial) in rows.iter().take(count) {
        devices.push((Device::connect(&folder.join("identities"), key, ports.mqtt)?, key, serial));
    }
    let mut cuts = Vec::with_capacity(count);
    for (device, key, serial) in devices {
        cuts.push(device.revoke(ports.http, token.trim(), key, serial)?);
    }
    system.stop()?;
    cuts.sort_unstable();
    let at = |percent: usize| ms(cuts[(cuts.len() * percent / 100).min(cuts.len() - 1)]);
    let mut figures = Figures::new();
    figures.insert("provision_per_s".to_owned(), json!(provisioned));
    for (name, value) in [("cut_p50_ms", at(50)), ("cut_p99_ms", at(99)), ("cut_max_ms", at(100))] {
        figures.insert(name.to_owned(), json!(value));
    }
    figures.insert("revocations".to_owned(), json!(count));
    println!("{machine}");
    println!("minted {} identities, {provisioned:.0} a second", options.devices);
    println!(
        "revoked {count}: from call to cut p50 {} ms, p99 {} ms, longest {} ms",
        at(50),
        at(99),
        at(100)
    );
    let enough =
        if provisioned >= 500.0 { Ok(()) } else { Err(anyhow::anyhow!("under 500 identities a second")) };
    Ok((figures, enough))
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

fn provision(system: &System, devices: u32, out: &Path) -> Result<f64> {
    let mut command = Command::new(&system.programs.argosy);
    command.args(["provision", "--json", "--active", "--server", &system.base()]);
    command.args(["--product", PRODUCT, "--count", &devices.to_string()]).arg("--out").arg(out);
    command.env("ARGOSY_TOKEN", std::fs::read_to_string(&system.admin.token_file)?.trim());
    let output = command.stderr(Stdio::inherit()).output().context("could not start argosy provision")?;
    if !output.status.success() {
        bail!("argosy provision failed");
    }
    let said: Value = serde_json::from_slice(&output.stdout).context("argosy provision did not say JSON")?;
    said["per_second"].as_f64().context("argosy provision gave no rate")
}

/// Keys and serial numbers.
fn manifest(folder: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(folder.join("manifest.csv"))?;
    let row = |line: &str| {
        let mut cells = line.split(',');
        Some((cells.next()?.to_owned(), cells.next()?.to_owned()))
    };
    Ok(text.lines().skip(1).filter_map(row).collect())
}

/// A device that is connected.
struct Device {
    child: Child,
    /// When its connection ended.
    ended: mpsc::Receiver<Instant>,
}

impl Device {
    fn connect(identities: &Path, key: &str, port: u16) -> Result<Self> {
        let folder = identities.join(key);
        let mut command = process::bound_to_us(Path::new("openssl"), "KILL", None);
        command.args([
            "s_client",
            "-quiet",
            "-verify_return_error",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ]);
        for (option, file) in [
            ("-cert", "cert.pem"),
            ("-cert_chain", "chain.pem"),
            ("-key", "key.pem"),
            ("-CAfile", "roots.pem"),
        ] {
            command.arg(option).arg(folder.join(file));
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("the program openssl is needed")?;
        let length = u8::try_from(key.len()).context("a long key")?;
        let mut connect = vec![0x10, 12 + length, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 4, 0, 0, length];
        connect.extend_from_slice(key.as_bytes());
        let stdin = child.stdin.as_mut().context("no standard input")?;
        stdin.write_all(&connect)?;
        stdin.flush()?;
        let mut stdout = child.stdout.take().context("no standard output")?;
        let mut answer = [0; 4];
        stdout.read_exact(&mut answer).with_context(|| format!("{key} was not let in"))?;
        if answer != [0x20, 2, 0, 0] {
            bail!("{key} was refused: {answer:?}");
        }
        let (tell, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let mut rest = [0; 256];
            while stdout.read(&mut rest).is_ok_and(|n| n > 0) {}
            let _ = tell.send(Instant::now());
        });
        Ok(Self { child, ended })
    }

    fn revoke(mut self, port: u16, token: &str, key: &str, serial: &str) -> Result<Duration> {
        if self.ended.try_recv().is_ok() {
            bail!("the connection of {key} ended by itself");
        }
        let mut api = TcpStream::connect(("127.0.0.1", port))?;
        api.set_read_timeout(Some(LIMIT))?;
        let request = format!(
            "DELETE /api/v1/devices/{key}/certificates/{serial} HTTP/1.1\r\nhost: 127.0.0.1\r\n\
             authorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        let called = Instant::now();
        api.write_all(request.as_bytes())?;
        let cut = self.ended.recv_timeout(LIMIT).with_context(|| format!("{key} was not cut"))?;
        let mut answer = String::new();
        api.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 204") {
            bail!("the revocation was refused: {answer}");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        Ok(cut.saturating_duration_since(called))
    }
}
