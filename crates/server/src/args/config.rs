//! Arguments that decide the configuration, and `argosy config …`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Exit, Failure, print_whole};
use crate::config::{self, LoadError, Loaded, Overrides};

/// What stands over the configuration file.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: argosy.toml, if there is one]
    #[arg(long, short, env = "ARGOSY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets any key, for example `mqtt.limits.max_payload=32KiB`; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// data_dir: the folder of everything that is kept
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// http.listen: API without TLS for this machine, or off
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<String>,
    /// https.listen: API and downloads with TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    https_listen: Option<String>,
    /// https.names: what the server certificate is valid for, separated by commas
    #[arg(long, value_name = "NAMES")]
    names: Option<String>,
    /// mqtt.listen: devices, with mutual TLS
    #[arg(long, value_name = "ADDRESS:PORT")]
    mqtt_listen: Option<String>,
    /// fleet.expected_devices: devices connected at once
    #[arg(long, value_name = "NUMBER")]
    expected_devices: Option<String>,
    /// log.format: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
    /// log.level, for example debug or info,argosy_mqtt=debug
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

impl ConfigArgs {
    fn overrides(&self) -> Overrides {
        let named = [
            ("data_dir", "--data-dir", &self.data_dir),
            ("http.listen", "--http-listen", &self.http_listen),
            ("https.listen", "--https-listen", &self.https_listen),
            ("https.names", "--names", &self.names),
            ("mqtt.listen", "--mqtt-listen", &self.mqtt_listen),
            ("fleet.expected_devices", "--expected-devices", &self.expected_devices),
            ("log.format", "--log-format", &self.log_format),
            ("log.level", "--log-level", &self.log_level),
        ];
        let set = self.set.iter().map(|(key, value)| (key.clone(), value.clone(), format!("--set {key}")));
        let named = named.into_iter().filter_map(|(key, flag, value)| {
            value.clone().map(|value| (key.to_owned(), value, flag.to_owned()))
        });
        Overrides {
            file: self.config.clone(),
            env: std::env::vars_os().collect(),
            flags: set.chain(named).collect(),
        }
    }

    /// Loads the configuration, for who reports its errors in its own way.
    pub(crate) fn load_findings(&self) -> Result<Loaded, LoadError> {
        config::load(&self.overrides())
    }

    /// Loads the configuration.
    pub(crate) fn load(&self) -> Result<Loaded, Failure> {
        self.load_findings().map_err(|error| match error {
            LoadError::Read { .. } => {
                Failure { exit: Exit::Usage, ..Failure::because("cannot start", &error) }
            }
            error => Failure::usage(error.to_string()),
        })
    }
}

/// `argosy config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong or risky in the configuration, without starting anything
    Check {
        /// The file, instead of --config
        file: Option<PathBuf>,
        #[command(flatten)]
        args: ConfigArgs,
    },
    /// Print every key with its value and where it came from; passwords are masked
    Show {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        args: ConfigArgs,
    },
    /// Print the reference of all keys (docs/configuration.md)
    Reference,
}

impl ConfigCommand {
    /// Carries it out.
    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Check { file, mut args } => {
                args.config = file.or(args.config);
                let loaded = args.load()?;
                for warning in &loaded.warnings {
                    eprintln!("warning: {warning}");
                }
                let name =
                    loaded.file.as_ref().map_or("the defaults".to_owned(), |file| file.display().to_string());
                print_whole(&format!("{name}: good ({} warnings)\n", loaded.warnings.len()))
            }
            Self::Show { json, args } => {
                let loaded = args.load()?;
                if json {
                    return print_whole(&format!("{:#}\n", config::show_json(&loaded)));
                }
                print_whole(&config::show(&loaded))
            }
            Self::Reference => print_whole(&config::reference()),
        }
    }
}
