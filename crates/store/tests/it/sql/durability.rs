//! What is committed survives the death of the process, and is synced to disk before `commit` returns.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use argosy_domain::ports::Registry as _;

use super::databases::{Database, Engine};
use super::fixture::{NOW, begin};

const URI: &str = "ARGOSY_TEST_CHILD_URI";
const COMMITS: &str = "ARGOSY_TEST_CHILD_COMMITS";
/// This test as the libtest harness knows it.
const CHILD: &str = "sql::durability::child_commits_and_says_so";

/// Not a test: what the tests below start as their victim. Commits a group, says so, and so on.
#[tokio::test]
#[ignore = "started by the other tests of this file"]
async fn child_commits_and_says_so() {
    let Ok(uri) = std::env::var(URI) else { return };
    let count: usize = std::env::var(COMMITS).expect("how many").parse().expect("a number");
    let options = super::databases::options();
    let registry = argosy_store::sql::SqlRegistry::connect(&uri, &options, argosy_store::sql::NoObserver)
        .await
        .expect("the database opens");
    for number in 0..count {
        let mut unit = begin(&registry).await;
        unit.insert_group(&format!("group {number}"), NOW).await.expect("insert");
        unit.commit().await.expect("commit");
        // One write call, at once: what the parent reads was committed before.
        std::io::stdout().write_all(format!("\ncommitted {number}\n").as_bytes()).expect("say so");
        std::io::stdout().flush().expect("say so");
    }
    // To be killed with a unit of work open and half-written.
    let mut unit = begin(&registry).await;
    unit.insert_group("never committed", NOW).await.expect("insert");
    std::io::stdout().write_all(b"\nopen\n").expect("say so");
    std::io::stdout().flush().expect("say so");
    if std::env::var_os("ARGOSY_TEST_CHILD_WAITS").is_some() {
        std::future::pending::<()>().await;
    }
}

/// This program, also when it was replaced by a newer build while it runs.
fn this_program() -> String {
    format!("/proc/{}/exe", std::process::id())
}

fn child(program: &Path, arguments: &[&str], uri: &str, commits: usize, waits: bool) -> Child {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args([CHILD, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env(URI, uri)
        .env(COMMITS, commits.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if waits {
        command.env("ARGOSY_TEST_CHILD_WAITS", "1");
    }
    command.spawn().expect("the child starts")
}

#[tokio::test]
async fn what_was_committed_survives_sigkill_and_what_was_not_is_gone() {
    for engine in Engine::available() {
        for kill_after in [1, 7, 60] {
            let (database, registry) = Database::fresh(engine).await;
            registry.close().await;
            // The last round is killed with an open unit of work, the others in the middle of the next commits.
            let commits = if kill_after == 60 { 60 } else { 1_000_000 };
            let mut victim = child(Path::new(&this_program()), &[], &database.uri, commits, true);
            let mut told = 0;
            for line in BufReader::new(victim.stdout.take().expect("its output")).lines() {
                let line = line.expect("a line");
                told += usize::from(line.starts_with("committed "));
                if line == "open" || (told >= kill_after && commits != kill_after) {
                    break;
                }
            }
            victim.kill().expect("SIGKILL");
            victim.wait().expect("it is dead");
            let registry = database.open().await;
            // A server may notice the death of its client late: its turn to roll back is waited for by the next unit of work.
            begin(&registry).await.rollback().await.expect("rollback");
            let mut session = registry.read().await.expect("a session");
            for number in 0..told {
                let found = session.group_by_name(&format!("group {number}")).await.expect("read");
                assert!(found.is_some(), "{engine:?}: group {number} of {told} was committed, and is lost");
            }
            let never = session.group_by_name("never committed").await.expect("read");
            assert_eq!(never, None, "{engine:?}");
            drop(session);
            assert_eq!(registry.find_damage().await.expect("it answers"), None, "{engine:?}");
            registry.close().await;
            database.remove().await;
        }
    }
}

/// Between every two commits that were told there is a sync of the write-ahead log, seen from outside the process.
#[tokio::test]
async fn sqlite_syncs_before_commit_returns() {
    const COUNT: usize = 20;
    let works = |c: &mut Command| c.output().is_ok_and(|o| o.status.success());
    if !works(Command::new("strace").args(["-e", "trace=fsync", "true"])) {
        eprintln!("not tested: strace cannot trace here");
        return;
    }
    let (database, registry) = Database::fresh(Engine::Sqlite).await;
    registry.close().await;
    let trace = database.file().expect("a file").with_extension("trace");
    let trace_text = trace.display().to_string();
    let this = this_program();
    let traced = ["-f", "-s", "64", "-e", "trace=fsync,fdatasync,write", "-o", &trace_text, &this];
    let mut victim = child(Path::new("strace"), &traced, &database.uri, COUNT, false);
    let output = BufReader::new(victim.stdout.take().expect("its output")).lines().count();
    assert!(victim.wait().expect("it ends").success() && output > COUNT);
    let mut synced = false;
    let mut told = 0;
    for line in std::fs::read_to_string(&trace).expect("the trace").lines() {
        // Completed calls only: `fdatasync(9) = 0`, or the second half of one that was interrupted.
        synced |= line.contains("sync") && line.trim_end().ends_with("= 0");
        if line.contains("committed ") && line.contains("write(1") {
            assert!(synced, "commit {told} was told before a sync");
            synced = false;
            told += 1;
        }
    }
    assert_eq!(told, COUNT);
}
