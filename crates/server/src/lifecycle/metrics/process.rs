//! What the process itself uses, from `/proc/self`.

use argosy_http::metrics::{MetricsSource, MetricsText};

/// Clock ticks a second in `/proc`: fixed at 100 for programs on every Linux.
const TICKS: f64 = 100.0;

/// The process's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessMetrics {
    /// When it started, in milliseconds since 1970.
    pub(crate) started_ms: i64,
}

impl MetricsSource for ProcessMetrics {
    fn write(&self, out: &mut MetricsText) {
        let help = "When the process started, in seconds since 1970.";
        out.gauge("process_start_time_seconds", help, &[], self.started_ms as f64 / 1000.0);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        if let Some(bytes) = memory(&status, "VmRSS:") {
            out.gauge("process_resident_memory_bytes", "Memory in use.", &[], bytes);
        }
        if let Some(bytes) = memory(&status, "VmHWM:") {
            out.gauge("process_resident_memory_peak_bytes", "Memory in use at most so far.", &[], bytes);
        }
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some((user, system)) = cpu(&stat) {
            // Counters with a fraction: the text format has no other way than a gauge's.
            let help = "Processor time, by where it was spent.";
            out.gauge("process_cpu_seconds", help, &[("mode", "user")], user);
            out.gauge("process_cpu_seconds", help, &[("mode", "system")], system);
        }
        if let Ok(entries) = std::fs::read_dir("/proc/self/fd") {
            out.gauge("process_open_fds", "Open files.", &[], entries.count() as f64);
        }
        let limit = crate::lifecycle::files::current();
        out.gauge("process_max_fds", "Open files at most.", &[], limit as f64);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        out.gauge("argosy_info", "Which version runs.", &version, 1.0);
    }
}

/// A line of `/proc/self/status` in bytes.
fn memory(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

/// Seconds in user and system mode, from `/proc/self/stat`.
fn cpu(stat: &str) -> Option<(f64, f64)> {
    // The name may hold anything, brackets and blanks included: count from its end.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let seconds = |at: usize| Some(fields.get(at)?.parse::<f64>().ok()? / TICKS);
    Some((seconds(11)?, seconds(12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_files_are_read() {
        assert_eq!(memory("VmPeak:\t 9 kB\nVmRSS:\t   2048 kB\n", "VmRSS:"), Some(2_097_152.0));
        assert_eq!(memory("", "VmRSS:"), None);
        let stat = "1 (a) b) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu(stat), Some((2.5, 0.5)));
        assert_eq!(cpu("nonsense"), None);
    }

    #[test]
    fn this_process_uses_something() {
        let mut out = MetricsText::default();
        ProcessMetrics { started_ms: 1500 }.write(&mut out);
        let text = out.render();
        for name in
            ["process_resident_memory_bytes ", "process_cpu_seconds{mode=\"user\"} ", "process_open_fds "]
        {
            assert!(text.contains(name), "{name} is missing:\n{text}");
        }
        assert!(text.contains("process_start_time_seconds 1.5\n"), "{text}");
    }
}
