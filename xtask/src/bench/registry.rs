//! `cargo xtask bench registry`: a registry of a million devices, asked while a busy fleet writes to it, on every engine.
//!
//! The work is done by the ignored test `measured` of `crates/store/tests/million`, which has the real engine, ingest and series
//! store around the registry; this starts the servers, runs it once an engine, and sets the figures side by side.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde_json::{Map, Value};

use super::Figures;
use super::machine::{self, Machine};
use crate::test::servers::Servers;
use crate::{shell, workspace};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Registered devices
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(10_000..=20_000_000))]
    devices: u32,
    /// How often each question is asked
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..))]
    runs: u32,
    /// Only these engines
    #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres,mysql")]
    engines: Vec<Engine>,
}

/// What every question has to be answered within, and a deployment for all to begin.
const LIMIT_MS: f64 = 50.0;
const LIMIT_DISPATCH_S: f64 = 10.0;

pub(crate) fn run(options: &Options) -> Result<(Figures, Result<()>)> {
    let machine = Machine::this();
    let load = machine::load();
    let servers =
        if options.engines.iter().any(|e| *e != Engine::Sqlite) { Some(Servers::start()?) } else { None };
    let folder = workspace::target().join("bench").join("registry");
    std::fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    let mut columns: Vec<(&'static str, Map<String, Value>)> = Vec::new();
    for engine in &options.engines {
        println!("\n{}", engine.name());
        let json = folder.join(format!("{}.json", engine.name()));
        let mut cargo = shell::cargo();
        cargo.args(["test", "--release", "-p", "argosy-store", "--test", "million"]);
        cargo.args(["--", "--ignored", "--exact", "measured", "--nocapture"]);
        cargo
            .env("ARGOSY_BENCH_DEVICES", options.devices.to_string())
            .env("ARGOSY_BENCH_RUNS", options.runs.to_string())
            .env("ARGOSY_BENCH_FOLDER", &folder)
            .env("ARGOSY_BENCH_JSON", &json);
        match (engine, &servers) {
            (Engine::Postgres, Some(servers)) => {
                cargo.env("ARGOSY_BENCH_URI", servers.postgres_url());
            }
            (Engine::Mysql, Some(servers)) => {
                cargo.env("ARGOSY_BENCH_URI", servers.mysql_url());
            }
            _ => {}
        }
        shell::run(&mut cargo)?;
        let text =
            std::fs::read_to_string(&json).with_context(|| format!("could not read {}", json.display()))?;
        columns.push((engine.name(), serde_json::from_str(&text)?));
    }
    let versions = servers.as_ref().map(Servers::versions).unwrap_or_default();
    println!("\n{machine}, load average {load:.1} before\n{versions}");
    print!("{}", table(&columns));

    let mut figures = Figures::new();
    let mut late = Vec::new();
    for (engine, column) in &columns {
        for (name, value) in column {
            let number = value.as_f64().unwrap_or(f64::MAX);
            if (name.starts_with("p99_ms_") && number > LIMIT_MS)
                || (name == "first_dispatch_s" && number > LIMIT_DISPATCH_S)
            {
                late.push(format!("{name} on {engine}: {number}"));
            }
            figures.insert(format!("{name}_{engine}"), value.clone());
        }
    }
    if let Some(all) = columns.first().and_then(|(_, first)| first.get("plan_all_s")) {
        figures.insert("plan_all_s".into(), all.clone());
    }
    figures.insert("devices".into(), options.devices.into());
    figures.insert("cores".into(), machine.cores.into());
    figures.insert("load_before".into(), load.into());
    let verdict =
        if late.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("over the limit: {}", late.join(", "))) };
    Ok((figures, verdict))
}

/// What stands in an engine's column of a line.
type Cell = Box<dyn Fn(&Map<String, Value>) -> String>;

/// A line a figure, a column an engine; p50 and p99 of a question in one line.
fn table(columns: &[(&'static str, Map<String, Value>)]) -> String {
    let mut text = String::from("| |");
    for (engine, _) in columns {
        let _ = write!(text, " {engine} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(columns.len()));
    text.push('\n');
    let Some((_, first)) = columns.first() else { return text };
    for name in first.keys() {
        let cell = |column: &Map<String, Value>, key: &str| {
            column.get(key).and_then(Value::as_f64).map_or_else(|| "-".to_owned(), |n| format!("{n:.1}"))
        };
        let line: Option<(String, Cell)> = if let Some(question) = name.strip_prefix("p50_ms_") {
            let (p50, p99) = (name.clone(), format!("p99_ms_{question}"));
            Some((
                format!("{question}, p50 / p99 ms"),
                Box::new(move |c| format!("{} / {}", cell(c, &p50), cell(c, &p99))),
            ))
        } else if name.starts_with("p99_ms_") {
            None
        } else {
            let name = name.clone();
            Some((name.clone(), Box::new(move |c| cell(c, &name))))
        };
        if let Some((what, value)) = line {
            let _ = write!(text, "| {what} |");
            for (_, column) in columns {
                let _ = write!(text, " {} |", value(column));
            }
            text.push('\n');
        }
    }
    text
}
