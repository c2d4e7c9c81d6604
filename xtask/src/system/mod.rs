//! A whole system for a demo or a benchmark: the release binaries, a server on a fresh folder, its administrator, and a
//! simulated fleet against it.
//!
//! Everything is said to the server over its HTTP API, as any operator's script would.

mod api;
mod fleet;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::process::{self, Process};
use crate::{shell, workspace};

pub(crate) use api::Api;
pub(crate) use fleet::{Fleet, Placement};

/// The file in the data folder that has the first administrator's one-time password.
const ONE_TIME_PASSWORD: &str = "admin-password.txt";

/// How long the server may take until it is ready.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The built programs.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    pub(crate) argosy: PathBuf,
    pub(crate) simulator: PathBuf,
}

impl Programs {
    /// Builds them in cargo's profile `release` or `dev`, with cargo's own progress; says how long it took.
    pub(crate) fn build(profile: &str) -> Result<Self> {
        Self::build_with(profile, &[])
    }

    /// The same, and other programs of these two packages with them.
    pub(crate) fn build_with(profile: &str, others: &[&str]) -> Result<Self> {
        let start = Instant::now();
        let mut cargo = shell::cargo();
        cargo.args(["build", "--profile", profile, "--package", "argosy", "--package", "argosy-sim"]);
        for program in ["argosy", "argosy-sim"].iter().chain(others) {
            cargo.args(["--bin", program]);
        }
        shell::run(&mut cargo)?;
        println!("built in {:.0} s", start.elapsed().as_secs_f64());
        let folder = workspace::target().join(if profile == "dev" { "debug" } else { profile });
        Ok(Self::in_folder(&folder))
    }

    /// Those that somebody built into `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { argosy: folder.join("argosy"), simulator: folder.join("argosy-sim") }
    }
}

/// Ports on loopback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// The API, without TLS.
    pub(crate) http: u16,
    /// The API and the downloads, with TLS.
    pub(crate) https: u16,
    /// MQTT over mutual TLS.
    pub(crate) mqtt: u16,
}

/// The first administrator, taken over.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(crate) name: String,
    pub(crate) password: String,
    /// Holds a bearer token; only its owner can read it.
    pub(crate) token_file: PathBuf,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) programs: Programs,
    pub(crate) ports: Ports,
    /// Everything of this run: data, logs, identities, token.
    pub(crate) folder: PathBuf,
    pub(crate) server: Process,
    pub(crate) api: Api,
    pub(crate) admin: Admin,
    /// From the start of the process until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl System {
    /// Starts a server whose data is in `folder` (which exists and holds none), for about `devices` devices, waits until it is
    /// ready, and changes its administrator's one-time password.
    pub(crate) fn start(programs: Programs, folder: &Path, ports: Ports, devices: u32) -> Result<Self> {
        Self::start_with(programs, folder, ports, devices, &[])
    }

    /// The same, with settings: the names of keys as the environment has them, without `ARGOSY_`.
    pub(crate) fn start_with(
        programs: Programs,
        folder: &Path,
        ports: Ports,
        devices: u32,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
            .with_context(|| format!("could not close {} to other users", folder.display()))?;
        let data = folder.join("data");
        let address = |port: u16| format!("127.0.0.1:{port}");
        let mut command = process::bound_to_us(&programs.argosy, "TERM", None);
        // Of panics a developer may want backtraces; of errors that are part of normal running they would only cost time.
        command.env("RUST_LIB_BACKTRACE", "0");
        command.current_dir(folder).arg("serve").arg("--data-dir").arg(&data);
        command.args(["--http-listen", &address(ports.http), "--https-listen", &address(ports.https)]);
        command.args(["--mqtt-listen", &address(ports.mqtt), "--names", "127.0.0.1,localhost"]);
        command.args(["--expected-devices", &devices.to_string()]);
        command.envs(settings.iter().map(|(key, value)| (format!("ARGOSY_{key}"), value)));
        let start = Instant::now();
        let mut server = Process::spawn(command, &folder.join("server.log"))?;
        let api = Api::new(format!("http://{}", address(ports.http)), folder.join("cookies"));
        server
            .wait_until(READY_WITHIN, || {
                if api.is_up("/readyz") { Ok(()) } else { bail!("/readyz does not say that it is ready") }
            })
            .context("the server does not start")?;
        let ready_after = start.elapsed();
        let admin = take_over(&api, &data, folder)?;
        Ok(Self { programs, ports, folder: folder.to_path_buf(), server, api, admin, ready_after })
    }

    /// The address of the API for this machine.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.http)
    }

    /// Uploads an image and registers it; its id.
    pub(crate) fn push(&self, image: &Path, product: &str, version: &str) -> Result<i64> {
        let name = image.file_name().and_then(|name| name.to_str()).context("the image has no name")?;
        let upload = self.api.post("/uploads", &json!({ "file_name": name }))?;
        let id = upload["id"].as_str().context("the server gave the upload no id")?;
        self.api.put_file(&format!("/uploads/{id}"), image)?;
        let firmware = self
            .api
            .post("/firmware", &json!({ "upload_id": id, "product": product, "version": version }))?;
        firmware["id"].as_i64().context("the server gave the firmware no id")
    }

    /// Stops it softly.
    pub(crate) fn stop(self) -> Result<()> {
        let status = self.server.stop(Duration::from_secs(30)).context("the server does not stop")?;
        if !status.success() {
            bail!("the server ended with {status}");
        }
        Ok(())
    }
}

/// Logs in with the one-time password, sets another, and makes a token for the programs that follow.
fn take_over(api: &Api, data: &Path, folder: &Path) -> Result<Admin> {
    let file = data.join(ONE_TIME_PASSWORD);
    let one_time = std::fs::read_to_string(&file)
        .with_context(|| format!("could not read the one-time password in {}", file.display()))?;
    let (name, one_time) = ("admin".to_owned(), one_time.trim());
    let password = process::random_hex(8)?;
    api.post("/login", &json!({ "name": name, "password": one_time }))?;
    api.post("/me/password", &json!({ "current": one_time, "new": password }))?;
    let token = api.post("/tokens", &json!({ "name": "xtask" }))?;
    let token = token["token"].as_str().context("the server gave no token")?;
    let token_file = folder.join("token");
    std::fs::write(&token_file, token)
        .with_context(|| format!("could not write {}", token_file.display()))?;
    Ok(Admin { name, password, token_file })
}
