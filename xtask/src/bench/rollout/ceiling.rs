//! The raw TLS ceiling of this machine.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;
use crate::system::Programs;

/// Bytes a second that TLS alone could move here, over all cores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    pub(super) bytes_per_s: f64,
}

impl Ceiling {
    /// The best of two runs of three seconds.
    pub(super) fn measure(programs: &Programs) -> Result<Self> {
        let mut program = shell::command(programs.argosy.with_file_name("argosy-ceiling"));
        let said = shell::output(program.args(["--seconds", "3", "--runs", "2"]))?;
        let said: Value = serde_json::from_str(&said).context("argosy-ceiling did not answer JSON")?;
        let bytes_per_s = said["bytes_per_s"].as_f64().context("argosy-ceiling says no rate")?;
        println!("ceiling    {:.0} MB/s of TLS, memory to memory", bytes_per_s / 1e6);
        Ok(Self { bytes_per_s })
    }

    pub(super) fn best(self, other: Self) -> Self {
        Self { bytes_per_s: self.bytes_per_s.max(other.bytes_per_s) }
    }
}
