//! Figures and text of a run.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Durable, Options, Run};
use crate::bench::Figures;
use crate::bench::machine::Machine;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}

/// Microseconds of a processor for each message.
fn cpu_us(run: &Run) -> f64 {
    run.cpu_s * 1e6 / number(&run.load["acked"]).max(1.0)
}

pub(super) fn figures(options: &Options, argosy: &Run, durable: &Durable, other: Option<&Run>) -> Figures {
    let seconds = number(&argosy.load["seconds"]).max(0.001);
    let acked_per_s = number(&argosy.load["acked_per_s"]);
    let mut figures = Figures::new();
    let mut set = |key: &str, value: Value| figures.insert(key.to_owned(), value);
    set("devices", options.devices.into());
    set("window", options.window.into());
    set("seconds", json!(seconds));
    set("payload_bytes", argosy.load["payload_bytes"].clone());
    set("acked_per_s", json!(acked_per_s));
    set("syncs_per_s", json!(durable.groups / seconds));
    set("messages_per_sync", json!(number(&argosy.load["acked"]) / durable.groups.max(1.0)));
    set("p50_ms", argosy.load["p50_ms"].clone());
    set("p99_ms", argosy.load["p99_ms"].clone());
    set("server_cpu_us_per_message", json!(cpu_us(argosy)));
    set("server_peak_rss_kib", durable.peak_kib.into());
    set("rows", json!(durable.rows));
    set("bytes_per_row", json!(durable.bytes as f64 / durable.rows.max(1.0)));
    if let Some(other) = other {
        let other_per_s = number(&other.load["acked_per_s"]);
        set("mosquitto_acked_per_s", json!(other_per_s));
        set("mosquitto_ratio", json!(acked_per_s / other_per_s.max(1.0)));
        set("mosquitto_cpu_us_per_message", json!(cpu_us(other)));
        set("mosquitto_p50_ms", other.load["p50_ms"].clone());
        set("mosquitto_p99_ms", other.load["p99_ms"].clone());
        set("mosquitto_delivered", other.load["delivered"].clone());
    }
    figures
}

pub(super) fn text(figures: &Figures, machine: &Machine) -> String {
    let get = |key: &str| figures.get(key).map_or(0.0, number);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{} devices over mutual TLS, QoS 1, status/system of {} bytes, {} on their way each",
        get("devices"),
        get("payload_bytes"),
        get("window")
    );
    let _ = writeln!(
        text,
        "on {machine}, the load on the same machine, load average before: {:.1}",
        get("load_before")
    );
    let _ = writeln!(text);
    let _ = writeln!(
        text,
        "Argosy      {:>9.0} durable messages/s   p50 {:.0} ms   p99 {:.0} ms   {:.1} us of server CPU each",
        get("acked_per_s"),
        get("p50_ms"),
        get("p99_ms"),
        get("server_cpu_us_per_message")
    );
    if figures.contains_key("mosquitto_ratio") {
        let _ = writeln!(
            text,
            "mosquitto   {:>9.0} messages/s           p50 {:.0} ms   p99 {:.0} ms   {:.1} us of server CPU each (stores nothing, one subscriber)",
            get("mosquitto_acked_per_s"),
            get("mosquitto_p50_ms"),
            get("mosquitto_p99_ms"),
            get("mosquitto_cpu_us_per_message")
        );
        let _ = writeln!(text, "ratio       {:>9.2}", get("mosquitto_ratio"));
    }
    let _ = writeln!(
        text,
        "syncs       {:>9.1} /s, {:.0} messages each",
        get("syncs_per_s"),
        get("messages_per_sync")
    );
    let _ = writeln!(
        text,
        "disk        {:>9.1} bytes a row ({:.0} rows), server's memory at most {:.0} MiB",
        get("bytes_per_row"),
        get("rows"),
        get("server_peak_rss_kib") / 1024.0
    );
    text
}
