//! The machine that a benchmark runs on, and what the system says of a process. Linux only.

use std::fmt;
use std::fs;

use anyhow::{Context as _, Result, bail};

/// Clock ticks of `/proc/PID/stat` in a second: the same on every Linux.
const TICKS_PER_S: f64 = 100.0;

/// Open files of a process beside those of devices.
const OTHERS: u64 = 512;

/// What the figures were measured on.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    cpu: String,
    kernel: String,
    memory_mib: u64,
}

impl Machine {
    pub(crate) fn this() -> Self {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let memory = read("/proc/meminfo");
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu.map_or("unknown CPU", |(_, name)| name).trim().to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_mib: field(&memory, "MemTotal:").unwrap_or(0) / 1024,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, kernel, memory_mib } = self;
        write!(f, "{cores} cores ({cpu}), {memory_mib} MiB, Linux {kernel}")
    }
}

/// Processes that ran or wanted to, on average over the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Refuses a fleet for which a process may not open enough files: the server needs a connection for each device and one for
/// each download, and so does the simulator.
pub(crate) fn ensure_files(devices: u32, downloads: u32) -> Result<()> {
    let limits =
        fs::read_to_string("/proc/self/limits").context("could not read the limits of this process")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard =
        line.and_then(|line| line.split_whitespace().nth(1)).context("there is no limit of open files")?;
    let hard = hard.parse().unwrap_or(u64::MAX);
    let needed = u64::from(devices) + u64::from(downloads) + OTHERS;
    if hard < needed {
        bail!(
            "{devices} devices with {downloads} downloads at a time need {needed} open files in one process, and this machine \
             allows {hard}: raise the hard limit (ulimit -Hn {needed}), or run with fewer --devices or --in-flight"
        );
    }
    Ok(())
}

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) now: u64,
    /// The most that was resident since the start, or since [`forget_peak`].
    pub(crate) peak: u64,
}

/// What a process has in memory.
pub(crate) fn memory(process: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process is gone")?;
    let read = |name| field(&status, name).with_context(|| format!("the system does not say {name}"));
    Ok(Memory { now: read("VmRSS:")?, peak: read("VmHWM:")? })
}

/// Lets a process's peak begin again at what it has now.
pub(crate) fn forget_peak(process: u32) -> Result<()> {
    fs::write(format!("/proc/{process}/clear_refs"), "5").context("could not reset the peak of memory")
}

/// Seconds of processor time that a process used so far, in its own code and in the kernel.
pub(crate) fn cpu_s(process: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).context("the process is gone")?;
    // The name in parentheses may hold anything.
    let (_, fields) = stat.rsplit_once(") ").context("the process's times cannot be read")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let (user, system) = ticks(11).zip(ticks(12)).context("the process's times cannot be read")?;
    Ok((user + system) / TICKS_PER_S)
}

/// The number of a line `NAME: NUMBER kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_what_this_process_uses() {
        let me = std::process::id();
        let memory = memory(me).expect("memory");
        assert!(memory.now > 100 && memory.peak >= memory.now, "{memory:?}");
        assert!(cpu_s(me).expect("times") >= 0.0);
        assert!(Machine::this().to_string().contains("Linux"));
    }

    #[test]
    fn a_fleet_beyond_the_limit_of_open_files_is_refused_with_what_is_needed() {
        assert!(ensure_files(1, 1).is_ok());
        let limits = fs::read_to_string("/proc/self/limits").expect("limits");
        if limits.lines().any(|line| line.starts_with("Max open files") && !line.contains("unlimited")) {
            let error = ensure_files(u32::MAX, 8).expect_err("too many").to_string();
            assert!(error.contains("4294967815 open files"), "{error}");
        }
    }
}
