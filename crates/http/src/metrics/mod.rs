//! Prometheus text format, written by hand: counters, gauges and histograms are all it needs.
//!
//! A part of the server that has numbers implements [`MetricsSource`]; the binary hands all sources to the HTTP server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Has numbers for `/metrics`.
pub trait MetricsSource: Send + Sync + 'static {
    /// Writes all of its numbers.
    fn write(&self, out: &mut MetricsText);
}

/// One family: all series of one name.
#[derive(Debug)]
struct Family {
    help: &'static str,
    kind: &'static str,
    lines: String,
}

/// Collects numbers and renders them, families in order of their names.
#[derive(Debug, Default)]
pub struct MetricsText {
    families: BTreeMap<String, Family>,
}

/// The media type of [`MetricsText::render`].
pub const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl MetricsText {
    /// A number that only rises. `name` ends in `_total`.
    pub fn counter(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: u64) {
        let lines = self.family(name, help, "counter");
        let _ = writeln!(lines, "{name}{} {value}", Labels(labels, None));
    }

    /// A number that rises and falls.
    pub fn gauge(&mut self, name: &str, help: &'static str, labels: &[(&str, &str)], value: f64) {
        let lines = self.family(name, help, "gauge");
        let _ = writeln!(lines, "{name}{} {value}", Labels(labels, None));
    }

    /// A distribution: `buckets` are (upper bound, observations up to it), rising; `count` and `sum` are over all observations.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &'static str,
        labels: &[(&str, &str)],
        buckets: &[(f64, u64)],
        sum: f64,
        count: u64,
    ) {
        let lines = self.family(name, help, "histogram");
        for (bound, observed) in buckets {
            let bound = bound.to_string();
            let _ = writeln!(lines, "{name}_bucket{} {observed}", Labels(labels, Some(&bound)));
        }
        let _ = writeln!(lines, "{name}_bucket{} {count}", Labels(labels, Some("+Inf")));
        let _ = writeln!(lines, "{name}_sum{} {sum}", Labels(labels, None));
        let _ = writeln!(lines, "{name}_count{} {count}", Labels(labels, None));
    }

    /// The whole text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, family) in &self.families {
            let _ = writeln!(text, "# HELP {name} {}", family.help);
            let _ = writeln!(text, "# TYPE {name} {}", family.kind);
            text.push_str(&family.lines);
        }
        text
    }

    fn family(&mut self, name: &str, help: &'static str, kind: &'static str) -> &mut String {
        let family = self.families.entry(name.to_owned());
        &mut family.or_insert_with(|| Family { help, kind, lines: String::new() }).lines
    }
}

/// Labels in braces, with `le` for a bucket; nothing at all when there are none.
struct Labels<'a>(&'a [(&'a str, &'a str)], Option<&'a str>);

impl std::fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.0.iter().copied().chain(self.1.map(|bound| ("le", bound)));
        let mut open = false;
        for (name, value) in all {
            f.write_str(if open { "," } else { "{" })?;
            open = true;
            write!(f, "{name}=\"")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('"')?;
        }
        if open { f.write_char('}') } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut out = MetricsText::default();
        out.counter("b_total", "Bs.", &[("kind", "a\"\\\n")], 3);
        out.gauge("a", "An a.", &[], 0.5);
        out.counter("b_total", "Bs.", &[("kind", "c")], 4);
        out.histogram("h_seconds", "Hs.", &[("p", "x")], &[(0.05, 1), (0.5, 3)], 1.25, 4);
        let expected = "# HELP a An a.\n# TYPE a gauge\na 0.5\n\
            # HELP b_total Bs.\n# TYPE b_total counter\nb_total{kind=\"a\\\"\\\\\\n\"} 3\nb_total{kind=\"c\"} 4\n\
            # HELP h_seconds Hs.\n# TYPE h_seconds histogram\nh_seconds_bucket{p=\"x\",le=\"0.05\"} 1\n\
            h_seconds_bucket{p=\"x\",le=\"0.5\"} 3\nh_seconds_bucket{p=\"x\",le=\"+Inf\"} 4\nh_seconds_sum{p=\"x\"} 1.25\n\
            h_seconds_count{p=\"x\"} 4\n";
        assert_eq!(out.render(), expected);
    }
}
