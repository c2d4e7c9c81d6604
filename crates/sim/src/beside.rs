//! Options for what devices do beside firmware.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use argosy_agent_core::Backoff;
use argosy_proto::DeviceKey;
use argosy_proto::message::AuthKey;
use argosy_sim::{Features, Registering, Renewing};

/// What devices do beside firmware.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Beside firmware")]
pub(crate) struct BesideArgs {
    /// A result for each file of a content request (true, as old boards) or one at the end (false); default: as the mode
    #[arg(long, env = "ARGOSY_SIM_RESULT_PER_FILE", value_name = "BOOL")]
    result_per_file: Option<bool>,
    /// Bytes of content that a device has room for
    #[arg(long, env = "ARGOSY_SIM_CONTENT_CAPACITY", default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    content_capacity: u32,

    /// Devices come from the factory and are registered with this code (one device: a code works once)
    #[arg(long, env = "ARGOSY_SIM_REGISTER_CODE", hide_env_values = true, value_name = "CODE")]
    register_code: Option<String>,
    /// The same with a code for each device: lines of KEY CODE
    #[arg(long, env = "ARGOSY_SIM_REGISTER_CODES", value_name = "FILE")]
    register_codes: Option<PathBuf>,
    /// How often a refused code is typed before the person at the device gives up
    #[arg(long, env = "ARGOSY_SIM_REGISTER_TRIES", default_value_t = 1, value_name = "N")]
    register_tries: u32,

    /// Devices renew a certificate that has so many days or fewer to run
    #[arg(long, env = "ARGOSY_SIM_RENEW_WITHIN", value_name = "DAYS")]
    renew_within: Option<u32>,
    /// As old boards do: the private key is overwritten before the new certificate is asked for
    #[arg(long, env = "ARGOSY_SIM_RENEW_KEY_FIRST", requires = "renew_within")]
    renew_key_first: bool,

    /// Seconds between two sales of a device
    #[arg(long, env = "ARGOSY_SIM_SALES_EVERY", value_parser = crate::args::seconds, value_name = "SECONDS")]
    sales_every: Option<f64>,
    /// Seconds between two errors of a device
    #[arg(long, env = "ARGOSY_SIM_ERRORS_EVERY", value_parser = crate::args::seconds, value_name = "SECONDS")]
    errors_every: Option<f64>,
    /// Seconds between two rows of the telemetry stream "sensors" of a device
    #[arg(long, env = "ARGOSY_SIM_DATA_EVERY", value_parser = crate::args::seconds, value_name = "SECONDS")]
    data_every: Option<f64>,
    /// Send everything with QoS 0, as some old devices do
    #[arg(long, env = "ARGOSY_SIM_QOS0")]
    qos0: bool,
}

impl BesideArgs {
    pub(crate) fn features(&self, resend: Backoff) -> anyhow::Result<Features> {
        let every = |seconds: Option<f64>| seconds.filter(|s| *s > 0.0).map(Duration::from_secs_f64);
        Ok(Features {
            result_per_file: self.result_per_file,
            content_capacity: self.content_capacity,
            registration: self.registering(resend)?,
            renewal: self.renew_within.map(|days| Renewing {
                before: Duration::from_secs(u64::from(days) * 86_400),
                key_first: self.renew_key_first,
                ..Renewing::default()
            }),
            sales_every: every(self.sales_every),
            errors_every: every(self.errors_every),
            data_every: every(self.data_every),
            qos0: self.qos0,
        })
    }

    fn registering(&self, resend: Backoff) -> anyhow::Result<Option<Registering>> {
        if self.register_code.is_none() && self.register_codes.is_none() {
            return Ok(None);
        }
        let codes = match &self.register_codes {
            None => HashMap::new(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                codes(&text).with_context(|| format!("{} is not a list of codes", path.display()))?
            }
        };
        Ok(Some(Registering {
            codes,
            code: self.register_code.clone().map(AuthKey::new),
            tries: self.register_tries,
            // An answer takes a moment: the broker's shortest wait would send every code twice.
            resend: Some(Backoff { first_ms: resend.first_ms.max(5_000), max_ms: resend.max_ms.max(60_000) }),
        }))
    }
}

/// Lines of `KEY CODE`; blank ones and those that begin with `#` are passed over.
fn codes(text: &str) -> anyhow::Result<HashMap<DeviceKey, AuthKey>> {
    let mut codes = HashMap::new();
    for (place, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line is not repeated: there is a code in it.
        let Some((key, code)) = line.split_once(|c: char| c.is_whitespace() || c == ',') else {
            bail!("line {}: a device key and a code are expected", place + 1)
        };
        let key = DeviceKey::new(key).with_context(|| format!("line {}", place + 1))?;
        codes.insert(key, AuthKey::new(code.trim()));
    }
    Ok(codes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_by_line_and_never_repeated() {
        let read = codes("# device code\n7 123456\n\n8,  000042\n").expect("a list");
        assert_eq!(read.len(), 2);
        assert_eq!(read[&DeviceKey::new("8").expect("a key")].expose(), "000042");
        for wrong in ["123456", "a/b 123456"] {
            let error = format!("{:#}", codes(wrong).expect_err("refused"));
            assert!(error.contains("line 1") && !error.contains("123456"), "{error}");
        }
    }
}
