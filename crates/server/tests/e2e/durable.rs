//! The sync before the acknowledgement, seen from below: strace watches the server while one QoS 1 message is published.

use std::fs;

use crate::harness::{Builder, Server, Tool, until};

/// What tells the message from everything else, in the socket and in the write-ahead log.
const MARK: &str = "9.8.7-durable-7f3a";

/// Bytes as `strace -xx` prints them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect()
}

/// A system call: where it begins in the trace and where it ends. A call that others came between is two lines.
#[derive(Debug)]
struct Call<'a> {
    from: usize,
    to: usize,
    begin: &'a str,
    end: &'a str,
}

impl Call<'_> {
    /// Its name, and what its descriptor is.
    fn is(&self, names: &[&str], descriptor: &str) -> bool {
        names.iter().any(|name| self.begin.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
            && self.begin.split(['>', ',']).next().is_some_and(|first| first.contains(descriptor))
    }

    fn has(&self, text: &str) -> bool {
        self.begin.contains(text) || self.end.contains(text)
    }
}

/// The calls of a trace of many threads: every line begins with the thread.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let lines: Vec<(&str, &str)> = trace
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(thread, rest)| (thread, rest.trim_start())))
        .collect();
    let mut found = Vec::new();
    for (from, (thread, begin)) in lines.iter().enumerate() {
        if begin.starts_with("<...") {
            continue;
        }
        let resumed = || {
            let later = lines.iter().enumerate().skip(from + 1);
            later
                .clone()
                .find(|(_, (other, rest))| other == thread && rest.starts_with("<..."))
                .map(|(to, (_, end))| (to, *end))
        };
        let whole = if begin.ends_with("<unfinished ...>") { resumed() } else { Some((from, *begin)) };
        if let Some((to, end)) = whole {
            found.push(Call { from, to, begin, end });
        }
    }
    found
}

#[test]
fn a_message_is_synced_to_the_log_before_its_acknowledgement_is_written() {
    let server = Builder::default().plain("42").start();
    server.product();
    server.register_plain(&["42"]);
    // Connected first: what the connection itself writes to the database is over when the message comes.
    let mut device = server
        .mosquitto_plain("mosquitto_pub", "42")
        .args(["-q", "1", "-t", "v1/42/status/system", "-l"])
        .spawn();
    server.until_online("42", true);

    let file = server.path("trace");
    let Some(tracer) = attach(&server, &file) else { return };
    device.say(&format!(r#"{{"firmware_version":"{MARK}","timestamp":"2025-07-03T10:30:45Z"}}"#));
    until("the message is durable", || (server.device("42")["firmware_version"] == MARK).then_some(()));
    let trace = until("the trace", || {
        let trace = fs::read_to_string(&file).ok()?;
        trace.contains(&format!("\"{}", hex(&[0x40, 0x02]))).then_some(trace)
    });
    drop(tracer);

    let calls = calls(&trace);
    let find = |what: &str, wanted: &dyn Fn(&Call<'_>) -> bool| -> &Call<'_> {
        calls.iter().find(|call| wanted(call)).unwrap_or_else(|| panic!("{what} is not in:\n{trace}"))
    };
    let (mark, wal) = (hex(MARK.as_bytes()), &hex(b".db-wal"));
    let socket = format!("<TCP:[127.0.0.1:{}-", server.ports.mqtt);
    let received = find("the message", &|call| {
        call.is(&["read", "recvfrom", "readv", "recvmsg"], &socket) && call.has(&mark)
    });
    let logged = find("the log's page", &|call| {
        call.from > received.from && call.is(&["pwrite64", "write", "pwritev"], wal) && call.has(&mark)
    });
    let synced = find("the sync", &|call| {
        call.from > logged.to && call.is(&["fdatasync", "fsync"], wal) && call.end.trim_end().ends_with("= 0")
    });
    let answered = find("the acknowledgement", &|call| {
        call.is(&["write", "sendto", "writev", "sendmsg"], &socket)
            && call.has(&format!("\"{}", hex(&[0x40, 0x02])))
    });
    assert!(
        synced.to < answered.from,
        "the acknowledgement (line {}) was written before the sync (lines {} to {}) had ended:\n{trace}",
        answered.from,
        synced.from,
        synced.to,
    );
}

/// Attaches strace to every thread of the server; none where that is forbidden or strace is not installed.
fn attach(server: &Server, file: &std::path::Path) -> Option<crate::harness::Running> {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        eprintln!("skipped: strace is not installed");
        return None;
    }
    let traced =
        "trace=read,recvfrom,readv,recvmsg,write,sendto,writev,sendmsg,pwrite64,pwritev,fsync,fdatasync";
    let mut tool = Tool::new("strace");
    tool.args(["-f", "-yy", "-xx", "-s", "8192", "-e", traced, "-o"]).arg(file);
    let mut running = tool.args(["-p", &server.pid().to_string()]).spawn();
    let forbidden = until("strace attaches", || {
        let said = running.err.so_far();
        if said.iter().any(|line| line.contains("attached")) {
            return Some(false);
        }
        said.iter().any(|line| line.contains("ptrace") || line.contains("not permitted")).then_some(true)
    });
    if forbidden || !running.runs() {
        eprintln!("skipped: strace cannot attach here: {:?}", running.err.so_far());
        return None;
    }
    Some(running)
}
