//! The little of the HTTP API that the demo needs, through curl: an HTTP client of its own would be most of xtask's
//! build time.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell;

/// A server's API, with the cookies of a login.
#[derive(Debug)]
pub(crate) struct Api {
    base: String,
    cookies: PathBuf,
}

impl Api {
    /// `base` is `http://host:port`; cookies are kept in the file `cookies`, which is made.
    pub(crate) fn new(base: String, cookies: PathBuf) -> Self {
        Self { base, cookies }
    }

    /// Whether the path answers 200.
    pub(crate) fn is_up(&self, path: &str) -> bool {
        let mut curl = shell::command("curl");
        curl.args(["--silent", "--fail", "--max-time", "5", "--output", "/dev/null"]);
        shell::succeeds(curl.arg(format!("{}{path}", self.base)))
    }

    /// Reads the counters (`/metrics`), as text.
    pub(crate) fn metrics(&self) -> Result<String> {
        let (ok, said, answer) = run(self.curl("GET", "/metrics"), Vec::new())?;
        if !ok {
            bail!("the server's counters cannot be read ({}): {}", said.trim(), answer.trim());
        }
        Ok(answer)
    }

    /// Reads `/api/v1{path}`.
    pub(crate) fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, Vec::new(), &[])
    }

    /// Sends JSON to `/api/v1{path}`. It goes through standard input, so that no password stands in the list of processes.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let arguments = ["--header", "content-type: application/json", "--data-binary", "@-"];
        self.call("POST", path, body.to_string().into_bytes(), &arguments)
    }

    /// Sends a file's bytes to `/api/v1{path}`.
    pub(crate) fn put_file(&self, path: &str, file: &Path) -> Result<Value> {
        let file = file.to_str().context("the file's name is not UTF-8")?;
        self.call("PUT", path, Vec::new(), &["--upload-file", file])
    }

    fn call(&self, method: &str, path: &str, input: Vec<u8>, arguments: &[&str]) -> Result<Value> {
        let mut curl = self.curl(method, &format!("/api/v1{path}"));
        curl.args(arguments);
        let (ok, said, answer) = run(curl, input)?;
        if !ok {
            let problem: Option<Value> = serde_json::from_str(&answer).ok();
            let detail = problem.as_ref().and_then(|p| p["detail"].as_str()).unwrap_or(answer.trim());
            bail!("{method} {path} was refused ({}): {detail}", said.trim());
        }
        if answer.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&answer).with_context(|| format!("{method} {path} did not answer JSON"))
    }

    fn curl(&self, method: &str, path: &str) -> Command {
        let mut curl = shell::command("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "120", "--request", method]);
        curl.arg("--cookie").arg(&self.cookies).arg("--cookie-jar").arg(&self.cookies);
        curl.arg(format!("{}{path}", self.base));
        curl
    }
}

/// Whether it ended well, what it said to standard error, what it wrote.
fn run(mut command: Command, input: Vec<u8>) -> Result<(bool, String, String)> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start curl")?;
    if let Some(mut stdin) = child.stdin.take() {
        // A server that refuses early lets curl end before it has read everything: its answer tells more.
        let _ = stdin.write_all(&input);
    }
    let output = child.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.success(), text(output.stderr), text(output.stdout)))
}
