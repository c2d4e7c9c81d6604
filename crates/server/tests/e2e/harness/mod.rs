//! The server as an operator starts it: the real program, with a data folder and ports of its own. Everything here looks at it
//! from outside: HTTP by curl, MQTT by foreign clients, signals, files.

mod api;
mod identity;
mod image;
mod tool;

use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use api::{Answer, Api, curl};
pub(crate) use identity::{Identity, authority_pair, make_csr};
pub(crate) use image::{CHIP, PRODUCT, SLOT, image};
pub(crate) use tool::{Running, Tool, python};

/// How long anything may take that should simply happen. Generous: two cores, a debug build, other tests beside it.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);
/// What the administrator's password is changed to.
const PASSWORD: &str = "correct horse battery staple";

/// Looks until `look` finds something.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_within(LIMIT, what, look)
}

/// [`until`] with a limit of its own.
pub(crate) fn until_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(PAUSE);
    }
}

/// The ports of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) https: u16,
    pub(crate) mqtts: u16,
    pub(crate) mqtt: u16,
}

impl Ports {
    fn free() -> Self {
        Self { http: free_port(), https: free_port(), mqtts: free_port(), mqtt: free_port() }
    }
}

/// A port below the range that outgoing connections are given: while the server is down nobody else takes it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let turn = u32::from(NEXT.fetch_add(1, Relaxed));
        let port = 10_000 + ((std::process::id() * 101 + turn) % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// How a server is to be started.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    settings: Vec<String>,
    plain: Option<String>,
    prepare: Option<fn(&Path)>,
}

impl Builder {
    /// Sets a key of the configuration.
    pub(crate) fn set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// Opens the plain MQTT listener for these devices (a key or a range), with downloads over plain HTTP.
    pub(crate) fn plain(mut self, allow: &str) -> Self {
        self.plain = Some(allow.to_owned());
        self
    }

    /// Does something to its data folder before the first start.
    pub(crate) fn prepare(mut self, prepare: fn(&Path)) -> Self {
        self.prepare = Some(prepare);
        self
    }

    /// Starts it, waits until it is ready, and makes it an administrator's token.
    pub(crate) fn start(mut self) -> Server {
        let ports = Ports::free();
        if let Some(allow) = self.plain {
            self.settings.push(format!("mqtt.plain.listen=127.0.0.1:{}", ports.mqtt));
            self.settings.push(format!("mqtt.plain.allow={allow}"));
            self.settings.push(format!("download.plain_url=http://127.0.0.1:{}", ports.http));
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(prepare) = self.prepare {
            prepare(&folder.path().join("data"));
        }
        let api = Api::new(format!("http://127.0.0.1:{}", ports.http));
        let mut server = Server { folder, ports, settings: self.settings, child: None, api };
        server.launch();
        server.log_in();
        server
    }
}

/// A server. It ends with the test; its log is shown if the test failed.
#[derive(Debug)]
pub(crate) struct Server {
    folder: TempDir,
    pub(crate) ports: Ports,
    settings: Vec<String>,
    child: Option<Child>,
    pub(crate) api: Api,
}

impl Server {
    pub(crate) fn start() -> Self {
        Builder::default().start()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A place for the test's own files, outside of the data folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command that starts it: always the same data, always the same ports.
    pub(crate) fn command(&self, ports: Ports) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_argosy"));
        // Whatever the tester's own environment configures is no part of the test.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ARGOSY_") {
                command.env_remove(name);
            }
        }
        let at = |port: u16| format!("127.0.0.1:{port}");
        command
            .current_dir(self.folder.path())
            .arg("serve")
            .arg("--data-dir")
            .arg(self.data())
            .args(["--http-listen", &at(ports.http), "--https-listen", &at(ports.https)])
            .args(["--mqtt-listen", &at(ports.mqtts), "--names", "localhost,127.0.0.1"])
            .args(["--log-level", "info,argosy_mqtt=debug"]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts it (again), and waits until it is ready.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = OpenOptions::new().create(true).append(true).open(self.log_path()).expect("a log file");
        let mut command = self.command(self.ports);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("argosy starts");
        let child = self.child.insert(child);
        let api = self.api.clone();
        until("the server is ready", || {
            if let Some(status) = child.try_wait().expect("the server's status") {
                panic!("the server ended instead of getting ready: {status}");
            }
            (api.try_get("/readyz")?.status == 200).then_some(())
        });
    }

    /// Sets a key of the configuration for the next start.
    pub(crate) fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// SIGKILL: what a crash or the kernel's memory killer does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("SIGKILL");
        child.wait().expect("the server's end");
    }

    /// SIGKILL, and the next start on what is left.
    pub(crate) fn crash(&mut self) {
        self.kill();
        self.launch();
    }

    /// SIGTERM, and its end within `limit`.
    pub(crate) fn stop(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).expect("SIGTERM");
        let ended = until_within(limit, "the server ends after SIGTERM", || {
            child.try_wait().expect("the server's status")
        });
        drop(child);
        ended
    }

    fn log_path(&self) -> PathBuf {
        self.path("server.log")
    }

    /// All that it wrote since its first start.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// First steps of an administrator: log in with the one-time password, change it, make a token.
    fn log_in(&mut self) {
        let file = self.data().join("admin-password.txt");
        let given = fs::read_to_string(&file).expect("the first start writes a password");
        let given = given.trim();
        let jar = self.path("cookies");
        let jar = jar.to_str().expect("a path");
        let call = |path: &str, body: Value| {
            let (url, body) = (format!("{}/api/v1{path}", self.api.base()), body.to_string());
            let json = "content-type: application/json";
            curl(&["--cookie", jar, "--cookie-jar", jar, "--header", json, "--data", &body, &url])
        };
        call("/login", json!({ "name": "admin", "password": given })).expect(200);
        let changed = call("/me/password", json!({ "current": given, "new": PASSWORD }));
        assert!((200..300).contains(&changed.status), "{changed:?}");
        let made = call("/tokens", json!({ "name": "e2e" })).expect(201).json();
        let token = made["token"].as_str().expect("a token").to_owned();
        self.api = self.api.with_token(token);
    }

    /// The product of [`image`].
    pub(crate) fn product(&self) {
        let spec = json!({ "name": PRODUCT, "chip": CHIP, "image_format": "esp-idf", "slot_size": SLOT });
        self.api.post("/products", &spec).expect(201);
    }

    /// Uploads bytes; returns the upload's id.
    pub(crate) fn upload(&self, file_name: &str, bytes: &[u8]) -> String {
        let asked = self.api.post("/uploads", &json!({ "file_name": file_name })).expect(201).json();
        let path = asked["upload_path"].as_str().expect("a path");
        let file = self.path(&format!("upload-{}", asked["id"].as_str().expect("an id")));
        fs::write(&file, bytes).expect("a temporary file");
        let file = file.to_str().expect("a path");
        self.api.call(&["--upload-file", file], path).expect(200);
        asked["id"].as_str().expect("an id").to_owned()
    }

    /// Uploads and registers a firmware.
    pub(crate) fn firmware(&self, version: &str, bytes: &[u8]) -> Value {
        self.try_firmware(version, bytes).expect(201).json()
    }

    /// The same, whatever the server says to its registration.
    pub(crate) fn try_firmware(&self, version: &str, bytes: &[u8]) -> Answer {
        let upload = self.upload("app.bin", bytes);
        let body = json!({ "upload_id": upload, "product": PRODUCT, "version": version });
        self.api.post("/firmware", &body)
    }

    /// Deploys to `target`; returns the deployment's id.
    pub(crate) fn deploy(&self, version: &str, target: Value, policy: Value) -> i64 {
        let body = json!({ "product": PRODUCT, "version": version, "target": target, "policy": policy });
        self.api.post("/deployments", &body).expect(201).json()["id"].as_i64().expect("an id")
    }

    pub(crate) fn deployment(&self, id: i64) -> Value {
        self.api.get(&format!("/deployments/{id}")).expect(200).json()
    }

    pub(crate) fn device(&self, key: &str) -> Value {
        self.api.get(&format!("/devices/{key}")).expect(200).json()
    }

    /// Waits until the registry says that a device is connected, or is not.
    pub(crate) fn until_online(&self, key: &str, online: bool) {
        until(&format!("{key} is {}", if online { "online" } else { "offline" }), || {
            (self.device(key)["online"] == online).then_some(())
        });
    }

    /// Registers devices that come without a certificate.
    pub(crate) fn register_plain(&self, keys: &[&str]) {
        for key in keys {
            self.api.post("/devices", &json!({ "key": key, "product": PRODUCT })).expect(201);
        }
    }

    /// Registers devices, each with a key of its own and a certificate from the server; files are beside the data folder.
    pub(crate) fn enrol(&self, keys: &[&str]) -> Vec<Identity> {
        let made: Vec<_> = keys.iter().map(|key| make_csr(key)).collect();
        let devices: Vec<Value> =
            keys.iter().zip(&made).map(|(key, made)| json!({ "key": key, "csr": made.csr })).collect();
        let body = json!({ "product": PRODUCT, "devices": devices });
        let answer = self.api.post("/devices/batch", &body).expect(201).json();
        fs::write(self.roots(), answer["roots_pem"].as_str().expect("roots")).expect("a file");
        let issued = answer["devices"].as_array().expect("devices");
        keys.iter()
            .zip(made)
            .zip(issued)
            .map(|((key, made), issued)| {
                let certificate = &issued["certificate"];
                let text = |field: &str| certificate[field].as_str().expect("PEM").to_owned();
                let chain = text("certificate_pem") + "\n" + &text("chain_pem");
                Identity::write(self.folder.path(), key, &made.private_key, &chain)
            })
            .collect()
    }

    /// The file that servers are verified by; there once somebody was enrolled.
    pub(crate) fn roots(&self) -> PathBuf {
        self.path("roots.pem")
    }

    /// A program that speaks MQTT to the listener for certificates.
    pub(crate) fn mosquitto(&self, program: &str, id: &str, identity: Option<&Identity>) -> Tool {
        let mut tool = Tool::new(program);
        tool.args(["-h", "localhost", "-p", &self.ports.mqtts.to_string(), "-i", id]);
        tool.arg("--cafile").arg(self.roots());
        if let Some(identity) = identity {
            tool.arg("--cert").arg(&identity.certificate).arg("--key").arg(&identity.key);
        }
        tool
    }

    /// The same for the plain listener.
    pub(crate) fn mosquitto_plain(&self, program: &str, id: &str) -> Tool {
        let mut tool = Tool::new(program);
        tool.args(["-h", "127.0.0.1", "-p", &self.ports.mqtt.to_string(), "-i", id]);
        tool
    }

    /// Files in a folder of the data.
    pub(crate) fn files_in(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.data().join(folder)).expect("the folder");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- the server's log, its end ---\n{}---", tail(&self.log_path()));
        }
    }
}

fn tail(path: &Path) -> String {
    let bytes = File::open(path).ok().and_then(|_| fs::read(path).ok()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(150);
    lines[from..].iter().flat_map(|line| [line, "\n"]).collect()
}
