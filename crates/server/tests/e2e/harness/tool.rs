//! Foreign programs, run with a limit and ended with the test.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{until, until_within};

/// A program to run.
#[derive(Debug)]
pub(crate) struct Tool(Command);

/// What a program that ended did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused(self) -> Self {
        assert!(!self.status.success(), "{self:?}");
        self
    }
}

impl Tool {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self(Command::new(program))
    }

    pub(crate) fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.0.arg(argument);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = S>) -> &mut Self {
        self.0.args(arguments);
        self
    }

    /// Runs it to its end.
    pub(crate) fn run(&mut self) -> Done {
        let mut running = self.spawn();
        drop(running.stdin.take());
        running.done()
    }

    /// Starts it.
    pub(crate) fn spawn(&mut self) -> Running {
        let name = self.0.get_program().to_string_lossy().into_owned();
        let mut child = self
            .0
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} is needed for this test: {error}"));
        let out = Lines::read(child.stdout.take().expect("piped"));
        let err = Lines::read(child.stderr.take().expect("piped"));
        let stdin = child.stdin.take();
        Running { name, child, stdin, out, err }
    }
}

/// A program that runs; it is killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
}

impl Running {
    /// Writes a line to its standard input.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n")).expect("it listens");
        stdin.flush().expect("it listens");
    }

    /// Its end, by itself.
    pub(crate) fn done(mut self) -> Done {
        let (name, child) = (&self.name, &mut self.child);
        let status = until(&format!("{name} ends"), || child.try_wait().expect("its status"));
        Done { status, out: self.out.finish(), err: self.err.finish() }
    }

    /// Still running.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program writes, line by line.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn read(pipe: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                to.lock().expect("no panic").push(text);
                line.clear();
            }
        });
        Self { lines, reader: Some(reader) }
    }

    /// What was written so far.
    pub(crate) fn so_far(&self) -> Vec<String> {
        self.lines.lock().expect("no panic").clone()
    }

    /// The `n`th line, once it is there.
    pub(crate) fn line(&self, n: usize) -> String {
        until(&format!("line {n}"), || self.so_far().get(n).cloned())
    }

    /// The first line that `wanted` holds for, once it is there.
    pub(crate) fn find(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        until_within(super::LIMIT, what, || self.so_far().into_iter().find(|line| wanted(line)))
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader");
        }
        self.so_far().join("\n")
    }
}

/// The interpreter with paho-mqtt, if the environment names one (`cargo xtask test` does).
pub(crate) fn python() -> Option<PathBuf> {
    let python = std::env::var_os("ARGOSY_TEST_PYTHON").map(PathBuf::from);
    if python.is_none() {
        eprintln!("skipped: ARGOSY_TEST_PYTHON names no Python interpreter with paho-mqtt");
    }
    python
}
