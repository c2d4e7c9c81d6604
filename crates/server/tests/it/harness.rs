//! A server in a folder of its own on free ports, and the command line against it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Nothing here takes this long, even on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < LIMIT, "waited {LIMIT:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The program, without what this process's environment would tell it.
pub(crate) fn argosy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_argosy"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ARGOSY_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Reads until `text` has come.
fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = String::new();
    while !answer.contains(text) {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).expect("an answer");
        assert!(read > 0, "no {text} in {answer}");
        answer.push_str(std::str::from_utf8(&piece[..read]).expect("UTF-8"));
    }
    answer
}

/// A folder with a server's data and an operator's home in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Arguments of a server on free ports.
    pub(crate) fn serve(&self) -> Command {
        let mut command = argosy();
        command
            .current_dir(self.path())
            .args(["serve", "--log-format", "json", "--data-dir"])
            .arg(self.data());
        for listener in ["http", "https", "mqtt"] {
            command.arg("--set").arg(format!("{listener}.listen=127.0.0.1:0"));
        }
        command
    }

    pub(crate) fn start(&self) -> Server {
        self.start_with(&[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Server {
        let log = self.path().join("server.log");
        let file = File::create(&log).expect("a log file");
        let child = self.serve().args(arguments).stdout(Stdio::null()).stderr(file).spawn().expect("start");
        let mut server = Server { child, log, http: String::new(), https: String::new() };
        let ready = until("READY", || {
            let ended = server.child.try_wait().expect("the server's state");
            assert!(ended.is_none(), "the server ended with {ended:?}:\n{}", server.log());
            server.said("READY")
        });
        server.http = ready["http"].as_str().expect("http").to_owned();
        server.https = ready["https"].as_str().expect("https").to_owned();
        server
    }

    /// The operator's command line.
    pub(crate) fn cli(&self, server: &Server, arguments: &[&str]) -> Ran {
        self.cli_with(server, arguments, "")
    }

    /// The same with something on standard input.
    pub(crate) fn cli_with(&self, server: &Server, arguments: &[&str], input: &str) -> Ran {
        let mut command = argosy();
        command
            .env("XDG_CONFIG_HOME", self.path().join("home"))
            .env("ARGOSY_SERVER", format!("http://{}", server.http));
        run(command.current_dir(self.path()).args(arguments), input)
    }

    /// The first login, and what is remembered of it.
    pub(crate) fn log_in(&self, server: &Server) {
        let file = self.data().join("admin-password.txt");
        let arguments = ["login", "--password-file", file.to_str().expect("path"), "--new-password-stdin"];
        self.cli_with(server, &arguments, "a much better password\n").ok();
    }

    /// Begins an upload and leaves it standing: work in hand.
    pub(crate) fn start_upload(&self, server: &Server) -> TcpStream {
        let (token, host) = (self.token(), &server.http);
        let body = r#"{"file_name":"a.bin"}"#;
        let mut stream = TcpStream::connect(host).expect("connect");
        let head = format!("Host: {host}\r\nAuthorization: Bearer {token}\r\n");
        let json = format!("{head}Content-Type: application/json\r\nContent-Length: {}", body.len());
        write!(stream, "POST /api/v1/uploads HTTP/1.1\r\n{json}\r\n\r\n{body}").expect("send");
        let answer = read_until(&mut stream, "max_size");
        let id = answer.split("\"id\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an id");
        let put = format!("{head}Expect: 100-continue\r\nContent-Length: 100");
        write!(stream, "PUT /api/v1/uploads/{id} HTTP/1.1\r\n{put}\r\n\r\n").expect("send");
        // The server reads the body: it says so.
        read_until(&mut stream, "100 Continue");
        stream
    }

    /// The token that `login` remembered.
    pub(crate) fn token(&self) -> String {
        let text = std::fs::read_to_string(self.path().join("home/argosy/cli.toml")).expect("cli.toml");
        let line = text.lines().find_map(|line| line.strip_prefix("token = ")).expect("a token");
        line.trim_matches('"').to_owned()
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// It succeeded; what it printed.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        self.out
    }

    /// It succeeded; what it printed, as JSON.
    pub(crate) fn json(self) -> Value {
        let out = self.ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// It ended with `code`; what it said on standard error.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        self.err
    }
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start the command");
    child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("write its input");
    child.wait_with_output().expect("the command's output").into()
}

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: PathBuf,
    pub(crate) http: String,
    pub(crate) https: String,
}

impl Server {
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The first line of the log whose message begins with `text`.
    pub(crate) fn said(&self, text: &str) -> Option<Value> {
        let log = self.log();
        let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["message"].as_str().is_some_and(|message| message.starts_with(text)))
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the server's end", || self.child.try_wait().expect("the server's state"))
    }

    /// `GET path`: status and body.
    pub(crate) fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.http).expect("connect");
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let host = &self.http;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n{token}Connection: close\r\n\r\n")
            .expect("send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
        (status, body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
