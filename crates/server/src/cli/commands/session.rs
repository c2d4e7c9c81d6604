//! `argosy session …`

use std::process::ExitCode;

use argosy_api::{SessionQuery, SessionView};
use clap::Subcommand;
use hyper::Method;

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};

/// What can be done with live connections.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the devices that are connected
    List {
        /// Only devices whose key holds this text
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Cut a device's connection; it may come back (suspend it to keep it out)
    Kick {
        /// The device's key, or id:42
        device: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { search, take } => {
                let headers =
                    ["key", "address", "door", "tls", "mqtt", "certificate", "subscriptions", "since"];
                let row = |session: &SessionView| {
                    vec![
                        session.key.clone(),
                        session.address.clone(),
                        session.door.to_string(),
                        session.tls_version.clone().unwrap_or_default(),
                        session.mqtt_version.clone(),
                        session.certificate_serial.clone().unwrap_or_default(),
                        session.subscriptions.len().to_string(),
                        session.connected_at.to_string(),
                    ]
                };
                context
                    .list(
                        "sessions",
                        &SessionQuery { search, ..SessionQuery::default() },
                        take,
                        &headers,
                        row,
                    )
                    .await?;
            }
            Self::Kick { device } => {
                let path = format!("sessions/{}", segment(&device));
                context.client.act(Method::DELETE, &path, None::<&()>).await?;
                context.out.note(&format!("cut the connection of {device}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
