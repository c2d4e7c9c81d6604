//! Figures and text of what was measured.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::ceiling::Ceiling;
use super::experiment::Measured;
use crate::bench::Figures;
use crate::bench::machine::Machine;

/// What the system that the project grew out of took for the same fleet and image, by its own report, and how many devices it reached.
const REPORT_S: f64 = 390.0;
const REPORT_PERCENT: f64 = 99.9;

/// KiB of server memory that a connected device may cost.
const MEMORY_LIMIT: f64 = 60.0;

impl Measured {
    fn success_percent(&self) -> f64 {
        100.0 * self.succeeded as f64 / self.devices as f64
    }

    /// From the deployment's creation until the last device's update had ended, by the server's clock.
    fn wall_s(&self) -> f64 {
        (self.last_finished_ms - self.created_ms).max(0) as f64 / 1e3
    }

    /// A rate over less than a millisecond is no rate.
    fn dispatch_per_s(&self) -> f64 {
        self.devices as f64 / ((self.last_dispatched_ms - self.created_ms).max(1) as f64 / 1e3)
    }

    /// From the first range asked for until the last byte came.
    fn transfer_s(&self) -> f64 {
        let at = |key: &str| self.fleet[key].as_u64().unwrap_or(0);
        at("last_byte_at_ms").saturating_sub(at("first_get_at_ms")).max(1) as f64 / 1e3
    }

    fn bytes_per_s(&self) -> f64 {
        (self.devices * self.size) as f64 / self.transfer_s()
    }

    fn first_get_s(&self) -> f64 {
        let first = self.fleet["first_get_at_ms"].as_i64().unwrap_or(self.created_ms);
        (first - self.created_ms).max(0) as f64 / 1e3
    }

    fn per_device(&self, kib: u64) -> f64 {
        kib.saturating_sub(self.empty.now) as f64 / self.devices as f64
    }

    fn retries(&self) -> u64 {
        let table = self.fleet["retries"].as_object();
        table.into_iter().flatten().filter_map(|(_, times)| times.as_u64()).sum()
    }

    fn seconds(&self, table: &str, part: &str) -> f64 {
        self.fleet[table][part].as_f64().unwrap_or(0.0) / 1e3
    }
}

/// The flat figures; `docs/benchmarks.md` explains the keys.
pub(super) fn figures(run: &Measured, ceiling: Ceiling) -> Figures {
    let mut figures = Figures::new();
    let mut add = |key: &str, value: Value| {
        figures.insert(key.to_owned(), value);
    };
    add("success_percent", json!(run.success_percent()));
    add("wall_s", json!(run.wall_s()));
    add("ceiling_ratio", json!(run.bytes_per_s() / ceiling.bytes_per_s));
    add("dispatch_per_s", json!(run.dispatch_per_s()));
    add("server_cpu_s", json!(run.server_cpu_s));
    add("rss_kb_per_device", json!(run.per_device(run.end.peak)));
    add("rss_idle_kb_per_device", json!(run.per_device(run.idle.now)));
    add("rss_empty_kb", json!(run.empty.now));
    add("devices", json!(run.devices));
    add("size_bytes", json!(run.size));
    add("succeeded", json!(run.succeeded));
    add("repeated_updates", json!(run.repeated));
    add("device_retries", json!(run.retries()));
    add("ceiling_bytes_per_s", json!(ceiling.bytes_per_s));
    add("bytes_per_s", json!(run.bytes_per_s()));
    add("transfer_s", json!(run.transfer_s()));
    add("first_get_s", json!(run.first_get_s()));
    for (table, name) in [("update_ms", "update"), ("download_ms", "download")] {
        for part in ["p50", "p95", "p99", "max"] {
            add(&format!("{name}_{part}_s"), json!(run.seconds(table, part)));
        }
    }
    add("enrol_s", json!(run.enrol_s));
    add("connect_s", json!(run.connect_s));
    add("transactions", json!(run.transactions));
    add("slow_transactions", json!(run.slow_transactions));
    figures
}

/// Those of the second run.
pub(super) fn old_figures(run: &Measured) -> Figures {
    let keys = [
        ("old_pace_success_percent", run.success_percent()),
        ("old_pace_wall_s", run.wall_s()),
        ("old_pace_server_cpu_s", run.server_cpu_s),
        ("old_pace_rss_kb_per_device", run.per_device(run.end.peak)),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), json!(value))).collect()
}

/// The figures for people.
pub(super) fn text(run: &Measured, ceiling: Ceiling, machine: &Machine, load: f64) -> String {
    let mut lines = Vec::new();
    let mut line = |title: &str, text: String| lines.push(format!("{title:<18}{text}"));
    line("machine", format!("{machine}; load {load:.2} before"));
    line(
        "rollout",
        format!(
            "{} devices x {} bytes, server and devices on the same cores, a TLS connection and a full handshake each",
            run.devices, run.size
        ),
    );
    line(
        "success",
        format!(
            "{:.3} % ({} of {}); {} updates took a second attempt, devices tried again {} times",
            run.success_percent(),
            run.succeeded,
            run.devices,
            run.repeated,
            run.retries()
        ),
    );
    line(
        "wall time",
        format!(
            "{:.2} s from the deployment's creation to the last success (the first range was asked for after {:.2} s)",
            run.wall_s(),
            run.first_get_s()
        ),
    );
    for (table, title) in [("update_ms", "an update"), ("download_ms", "a download")] {
        let [p50, p95, p99, max] = ["p50", "p95", "p99", "max"].map(|part| run.seconds(table, part));
        line(title, format!("p50 {p50:.2} s   p95 {p95:.2} s   p99 {p99:.2} s   max {max:.2} s"));
    }
    line("dispatch", format!("{:.0} commands/s", run.dispatch_per_s()));
    line(
        "transfer",
        format!(
            "{:.0} MB/s over {:.2} s = {:.1} % of the ceiling ({:.0} MB/s of raw TLS)",
            run.bytes_per_s() / 1e6,
            run.transfer_s(),
            100.0 * run.bytes_per_s() / ceiling.bytes_per_s,
            ceiling.bytes_per_s / 1e6
        ),
    );
    line("server", format!("{:.2} s of processor time during the rollout", run.server_cpu_s));
    line(
        "memory",
        format!(
            "{:.1} KiB per connected device, {:.1} KiB at the peak (to stay below: {MEMORY_LIMIT:.0}); {:.1} MiB before the fleet",
            run.per_device(run.idle.now),
            run.per_device(run.end.peak),
            run.empty.now as f64 / 1024.0
        ),
    );
    line(
        "database",
        format!("{} units of work, {} of them over 50 ms", run.transactions, run.slow_transactions),
    );
    line("before", format!("enrolled in {:.1} s, connected in {:.1} s", run.enrol_s, run.connect_s));
    for count in &run.counts {
        let verdict = if count.devices == count.server { "agrees" } else { "DOES NOT AGREE" };
        line(
            count.what,
            format!("{} by the devices, {} by the server: {verdict}", count.devices, count.server),
        );
    }
    lines.join("\n") + "\n"
}

/// The second run, next to the report.
pub(super) fn old_text(run: &Measured, pauses: u64) -> String {
    let mut text = String::new();
    let title = "old pace";
    let _ = writeln!(
        text,
        "{title:<18}{:.3} % in {:.1} s, of which {pauses} s are the devices' own pauses; the old system's report: {REPORT_PERCENT} % in \
         {REPORT_S:.0} s, half of it such pauses",
        run.success_percent(),
        run.wall_s()
    );
    let _ = writeln!(
        text,
        "{:<18}{:.2} s of processor time of the server, {:.1} KiB of its memory per device at the peak",
        "",
        run.server_cpu_s,
        run.per_device(run.end.peak)
    );
    text
}

/// What was not as it has to be.
pub(super) fn verdict(run: &Measured) -> Vec<String> {
    let mut wrong = Vec::new();
    if run.succeeded != run.devices {
        wrong.push(format!("{} of {} devices were updated", run.succeeded, run.devices));
    }
    for count in run.counts.iter().filter(|count| count.devices != count.server) {
        let (what, devices, server) = (count.what, count.devices, count.server);
        wrong.push(format!("{what}: the devices counted {devices}, the server {server}"));
    }
    wrong
}
