//! `argosy device …`

mod certificates;
mod codes;
mod contents;
mod import;
mod registration;
mod views;

use std::path::PathBuf;
use std::process::ExitCode;

use argosy_api::{
    AllowExpiredRequest, DeviceQuery, DeviceState, DeviceView, PageQuery, RevocationReason, Time,
};
use clap::Subcommand;
use hyper::Method;

use self::registration::{CreateArgs, UpdateArgs};
pub(super) use self::views::{DEVICE_COLUMNS, device_row};

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::commands::telemetry;
use crate::cli::context::{Context, Take};

/// What can be done with devices.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List devices
    List {
        /// Of this product
        #[arg(long)]
        product: Option<String>,
        /// In this group
        #[arg(long)]
        group: Option<String>,
        /// In this region
        #[arg(long)]
        region: Option<String>,
        /// In this state: unregistered, active or suspended
        #[arg(long)]
        state: Option<DeviceState>,
        /// Only those that are connected
        #[arg(long, conflicts_with = "offline")]
        online: bool,
        /// Only those that are not connected
        #[arg(long)]
        offline: bool,
        /// Only those that show other contents than they were sent
        #[arg(long)]
        mismatch: bool,
        /// Reporting exactly this version
        #[arg(long = "firmware", value_name = "VERSION")]
        version: Option<String>,
        /// Only those whose key begins with it, or whose name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Show a device
    Show {
        /// Its key, or id:42
        device: String,
    },
    /// Count devices, and those that are online, by state, version, product, group and region
    Counts(views::CountArgs),
    /// Register a device
    Create(CreateArgs),
    /// Change the registration of one or many devices; what is not given stays
    Update(UpdateArgs),
    /// Make a one-time code with which a device registers; it is printed this once
    Code(codes::CodeArgs),
    /// List registration codes, without their digits
    Codes(codes::CodesArgs),
    /// Revoke a registration code: no device can use it any more
    RevokeCode {
        /// id:42
        code: String,
    },
    /// Refuse a device, and cut its connection
    Suspend {
        /// Its key, or id:42
        device: String,
    },
    /// Let a device take part (again)
    Activate {
        /// Its key, or id:42
        device: String,
    },
    /// List a device's certificates
    Certificates {
        /// Its key, or id:42
        device: String,
    },
    /// Issue a certificate for a certificate request; the private key stays on the device
    Enroll {
        /// Its key, or id:42
        device: String,
        /// The certificate request (PEM)
        #[arg(long, value_name = "FILE")]
        csr: PathBuf,
        /// Where to write the certificate and its intermediates [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Where to write the roots that the device must trust
        #[arg(long, value_name = "FILE")]
        roots: Option<PathBuf>,
    },
    /// Revoke a certificate for ever, and cut the connection that was made with it
    Revoke {
        /// The device's key, or id:42
        device: String,
        /// The certificate's serial number
        serial: String,
        /// Why: unspecified, key_compromise, affiliation_changed, superseded, cessation_of_operation or privilege_withdrawn
        #[arg(long)]
        reason: Option<RevocationReason>,
    },
    /// Let a device that slept past the end of its certificate connect with it, for renewal only
    AllowExpired {
        /// The device's key, or id:42
        device: String,
        /// The certificate's serial number
        serial: String,
        /// Until then (2026-07-03T10:30:45Z), 90 days ahead at most
        #[arg(long, required_unless_present = "no_more")]
        until: Option<Time>,
        /// No longer
        #[arg(long, conflicts_with = "until")]
        no_more: bool,
    },
    /// Import devices of an older system from a CSV file with the columns key, name, product, group, region, issuer, cn, serial
    Import {
        /// The file
        file: PathBuf,
    },
    /// What a device ran, and how it came to
    History {
        /// Its key, or id:42
        device: String,
        #[command(flatten)]
        take: Take,
    },
    /// What a device shows, against what it was sent
    Contents {
        /// Its key, or id:42
        device: String,
    },
    /// How what a device shows has changed
    ContentHistory {
        /// Its key, or id:42
        device: String,
        #[command(flatten)]
        take: Take,
    },
    /// The last that a device said
    Latest {
        /// Its key, or id:42
        device: String,
    },
    /// Curves of a device's measures
    Metrics(telemetry::MetricArgs),
    /// Rows that a device sent on data/STREAM, newest first
    Stream {
        /// Its key, or id:42
        device: String,
        /// The stream
        stream: String,
        #[command(flatten)]
        span: telemetry::Span,
        #[command(flatten)]
        take: Take,
    },
    /// Error logs of a device
    Logs {
        /// Its key, or id:42
        device: String,
        #[command(flatten)]
        filter: telemetry::LogFilter,
    },
    /// Sales of a device, summed
    Sales {
        /// Its key, or id:42
        device: String,
        #[command(flatten)]
        sum: telemetry::SumArgs,
    },
    /// Steps of a device's downloads, or when it came and went
    Events(telemetry::EventArgs),
    /// A device's updates over all deployments
    Updates {
        /// Its key, or id:42
        device: String,
        #[command(flatten)]
        take: Take,
    },
}

/// `devices/KEY`.
fn path(device: &str) -> String {
    format!("devices/{}", segment(device))
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List {
                product,
                group,
                region,
                state,
                online,
                offline,
                mismatch,
                version,
                search,
                take,
            } => {
                let online = match (online, offline) {
                    (true, _) => Some(true),
                    (_, true) => Some(false),
                    _ => None,
                };
                let query = DeviceQuery {
                    product,
                    group,
                    region,
                    state,
                    online,
                    contents_mismatch: mismatch.then_some(true),
                    version,
                    search,
                    ..DeviceQuery::default()
                };
                context.list("devices", &query, take, views::DEVICE_COLUMNS, views::device_row).await?;
            }
            Self::Show { device } => {
                let found: DeviceView = context.client.get(&path(&device)).await?;
                views::show_device(context, &found)?;
            }
            Self::Counts(args) => views::counts(context, args).await?,
            Self::Create(args) => args.run(context).await?,
            Self::Update(args) => args.run(context).await?,
            Self::Code(args) => args.run(context).await?,
            Self::Codes(args) => args.run(context).await?,
            Self::RevokeCode { code } => codes::revoke(context, &code).await?,
            Self::Suspend { device } => set_state(context, &device, "suspend").await?,
            Self::Activate { device } => set_state(context, &device, "activate").await?,
            Self::Certificates { device } => certificates::list(context, &device).await?,
            Self::Enroll { device, csr, out, roots } => {
                certificates::enroll(context, &device, &csr, out.as_deref(), roots.as_deref()).await?;
            }
            Self::Revoke { device, serial, reason } => {
                let query = reason.map(|reason| format!("?reason={reason}")).unwrap_or_default();
                let path = format!("{}/certificates/{}{query}", path(&device), segment(&serial));
                context.client.act(Method::DELETE, &path, None::<&()>).await?;
                context.out.note(&format!("revoked the certificate {serial} of {device}"));
            }
            Self::AllowExpired { device, serial, until, no_more: _ } => {
                let path = format!("{}/certificates/{}/allow-expired", path(&device), segment(&serial));
                context.client.act(Method::POST, &path, Some(&AllowExpiredRequest { until })).await?;
                context.out.note(&match until {
                    Some(until) => format!("{device} may renew with the certificate {serial} until {until}"),
                    None => {
                        format!("{device} may no longer renew with the certificate {serial} after its end")
                    }
                });
            }
            Self::Import { file } => import::run(context, &file).await?,
            Self::History { device, take } => {
                let path = format!("{}/firmware-history", path(&device));
                let query = PageQuery::default();
                context.list(&path, &query, take, views::HISTORY_COLUMNS, views::history_row).await?;
            }
            Self::Contents { device } => contents::show(context, &device).await?,
            Self::ContentHistory { device, take } => contents::history(context, &device, take).await?,
            Self::Latest { device } => telemetry::latest(context, &device).await?,
            Self::Metrics(args) => telemetry::metrics(context, args).await?,
            Self::Stream { device, stream, span, take } => {
                telemetry::stream(context, &device, &stream, span, take).await?;
            }
            Self::Logs { device, filter } => telemetry::device_logs(context, &device, filter).await?,
            Self::Sales { device, sum } => telemetry::device_sales(context, device, sum).await?,
            Self::Events(args) => telemetry::events(context, args).await?,
            Self::Updates { device, take } => {
                let path = format!("{}/updates", path(&device));
                let query = PageQuery::default();
                context.list(&path, &query, take, views::UPDATE_COLUMNS, views::update_row).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn set_state(context: &mut Context, device: &str, verb: &str) -> Result<(), Failure> {
    let path = format!("{}/{verb}", path(device));
    let changed: DeviceView = context.client.call(Method::POST, &path, None::<&()>).await?;
    context.out.done(&changed, &format!("{} is {}", changed.key, changed.state))
}
