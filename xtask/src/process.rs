//! Long-running children: servers that must not outlive the task that started them, whatever ends it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A child whose output goes to a log file. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in its own process group: ctrl-c ends the task first, and the task's end ends the child (see
    /// [`bound_to_us`]).
    pub(crate) fn spawn(mut command: Command, log: &Path) -> Result<Self> {
        let output =
            std::fs::File::create(log).with_context(|| format!("could not make {}", log.display()))?;
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("could not start {}", command.get_program().to_string_lossy()))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// Asks `probe` again and again until it gives something. An error when the child died or the limit is over: it
    /// carries what the probe said last and the end of the log.
    pub(crate) fn wait_until<T>(
        &mut self,
        limit: Duration,
        mut probe: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            let error = match probe() {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} ({error:#}); its log ends:\n{}", self.log_tail());
            }
            if start.elapsed() > limit {
                bail!(
                    "not ready after {} s ({error:#}); its log ends:\n{}",
                    limit.as_secs(),
                    self.log_tail()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("could not ask after the child")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().context("could not wait for the child")
    }

    /// Asks it to end (SIGTERM), and waits until it has; killed when it takes longer than `limit`.
    pub(crate) fn stop(mut self, limit: Duration) -> Result<ExitStatus> {
        let _ =
            shell::succeeds(shell::command("sh").args(["-c", &format!("kill -TERM {}", self.child.id())]));
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("it did not end within {} s; its log ends:\n{}", limit.as_secs(), self.log_tail())
    }

    /// The last lines of its log.
    pub(crate) fn log_tail(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that gets `death_signal` (`TERM`, `KILL`, …) when this process ends, even by SIGKILL; and that runs as
/// `user` (uid, gid) if given.
pub(crate) fn bound_to_us(program: &Path, death_signal: &str, user: Option<(u32, u32)>) -> Command {
    let Some(setpriv) = shell::find_program("setpriv") else {
        let mut command = shell::command(program);
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        return command;
    };
    let mut command = shell::command(setpriv);
    command.args(["--pdeathsig", death_signal]);
    if let Some((uid, gid)) = user {
        command.args([format!("--reuid={uid}"), format!("--regid={gid}")]).arg("--clear-groups");
    }
    command.arg("--").arg(program);
    command
}

/// A port that was free a moment ago; a server says so clearly if someone else takes it first.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("could not find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// An error that names the port when somebody listens on it already.
pub(crate) fn ensure_free(port: u16, option: &str) -> Result<()> {
    match TcpListener::bind(("0.0.0.0", port)) {
        Ok(_) => Ok(()),
        Err(error) => bail!(
            "port {port} cannot be used ({error}): end what listens on it, or give another one with `{option} PORT`"
        ),
    }
}

/// `bytes` random bytes in hex.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    use std::io::Read as _;
    let mut buffer = vec![0; bytes];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut buffer))
        .context("could not read random bytes")?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}
