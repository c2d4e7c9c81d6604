//! `argosy doctor`: what would stand in the way of a start, and what will before long. Changes nothing.
//!
//! To add a check: a function in `checks` that says what it finds, and a line in [`examine`].

mod checks;
mod storage;

use std::process::ExitCode;

use argosy_domain::ports::Clock as _;

use super::lock::DataLock;
use crate::args::{ConfigArgs, Exit, Failure, print_whole};
use crate::config::{Config, LoadError};
use crate::system::SystemClock;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    verdict: Verdict,
    what: &'static str,
    text: String,
}

/// The report.
#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Ok, what, text: text.into() });
    }

    fn warn(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Warn, what, text: text.into() });
    }

    fn fail(&mut self, what: &'static str, text: impl Into<String>) {
        self.0.push(Finding { verdict: Verdict::Fail, what, text: text.into() });
    }

    fn text(&self) -> String {
        let line = |finding: &Finding| {
            let verdict = match finding.verdict {
                Verdict::Ok => "OK  ",
                Verdict::Warn => "WARN",
                Verdict::Fail => "FAIL",
            };
            format!("{verdict}  {:<13} {}\n", finding.what, finding.text)
        };
        self.0.iter().map(line).collect()
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

/// Checks the configuration and the machine. 0 when nothing failed.
pub(crate) fn doctor(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    let mut report = Report::default();
    match args.load_findings() {
        Err(LoadError::Findings(findings)) => {
            for finding in findings {
                report.fail("configuration", finding.to_string());
            }
        }
        Err(error) => report.fail("configuration", Failure::because("it cannot be read", &error).message),
        Ok(loaded) => {
            let file =
                loaded.file.as_ref().map_or("no file, defaults".to_owned(), |f| f.display().to_string());
            report.ok("configuration", file);
            for warning in &loaded.warnings {
                report.warn("configuration", warning.to_string());
            }
            examine(&loaded.config, &mut report)?;
        }
    }
    print_whole(&report.text())?;
    match report.count(Verdict::Fail) {
        0 => Ok(ExitCode::SUCCESS),
        failed => Err(Failure::new(Exit::Failed, format!("{failed} checks failed"))),
    }
}

fn examine(config: &Config, report: &mut Report) -> Result<(), Failure> {
    let now = SystemClock.now();
    let running = DataLock::held_by(&config.data_dir);
    checks::clock(now, report);
    checks::open_files(config, report);
    checks::data_folder(config, running.as_deref(), report);
    checks::certificates(config, now, report);
    checks::ports(config, running.is_some(), report);
    storage::space(config, report);
    storage::blobs(config, report);
    storage::series(config, report);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("cannot start", &error))?;
    runtime.block_on(storage::database(config, report));
    runtime.shutdown_background();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &std::path::Path) -> Config {
        Config { data_dir: folder.to_owned(), ..Config::default() }
    }

    #[test]
    fn an_empty_folder_is_no_reason_to_fail() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("data");
        let mut report = Report::default();
        examine(&config(&data), &mut report).unwrap();
        let failed: Vec<_> =
            report.0.iter().filter(|f| f.verdict == Verdict::Fail && f.what != "ports").collect();
        assert_eq!(failed, Vec::<&Finding>::new());
        assert!(!data.exists(), "the doctor made something");
    }

    #[test]
    fn a_clock_that_is_far_off_fails() {
        let mut report = Report::default();
        checks::clock(argosy_domain::Timestamp(0), &mut report);
        assert_eq!(report.count(Verdict::Fail), 1);
    }

    #[test]
    fn a_folder_that_others_may_write_to_fails() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().unwrap();
        std::fs::set_permissions(parent.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut report = Report::default();
        checks::data_folder(&config(parent.path()), None, &mut report);
        assert_eq!(report.count(Verdict::Fail), 1, "{}", report.text());
    }

    #[test]
    fn a_taken_port_fails_unless_the_server_has_it() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut config = config(std::path::Path::new("/nonexistent"));
        config.mqtt.listen = taken.local_addr().unwrap();
        let verdicts = |running| {
            let mut report = Report::default();
            checks::ports(&config, running, &mut report);
            report.0.iter().filter(|f| f.text.contains("mqtt.listen")).map(|f| f.verdict).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(false), [Verdict::Fail]);
        assert_eq!(verdicts(true), [Verdict::Ok]);
    }
}
