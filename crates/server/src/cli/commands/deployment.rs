//! `argosy deployment …`

use std::process::ExitCode;

use argosy_api::{
    DeploymentAction, DeploymentDevicesQuery, DeploymentQuery, DeploymentView, DeviceUpdateView, Outcome,
};
use clap::Subcommand;
use hyper::Method;

use super::id_of;
use crate::args::Failure;
use crate::cli::commands::telemetry;
use crate::cli::context::{Context, Take};
use crate::cli::output::{bytes, opt, seconds};
use crate::cli::watch;

/// What can be done with deployments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List deployments, newest first
    List {
        /// In these states, separated by commas: planning, running, paused, finished, canceled
        #[arg(long)]
        state: Option<String>,
        /// Only those whose name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Show a deployment
    Show {
        /// id:42
        deployment: String,
    },
    /// Follow a deployment until it has ended; the exit code is 0 only if every device succeeded
    Watch {
        /// id:42
        deployment: String,
    },
    /// Send no further requests; what is on its way ends by itself
    Pause {
        /// id:42
        deployment: String,
        /// Why, for the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// Go on with a paused deployment
    Resume {
        /// id:42
        deployment: String,
        /// Why, for the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// End a deployment: what has not ended is canceled at once
    Cancel {
        /// id:42
        deployment: String,
        /// Why, for the audit trail and the devices
        #[arg(long)]
        reason: Option<String>,
    },
    /// List the devices of a deployment
    Devices {
        /// id:42
        deployment: String,
        /// In these states, separated by commas: waiting, in_progress, success, failed, timeout, canceled, or exact states
        #[arg(long)]
        state: Option<String>,
        /// Only those whose key begins with it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Steps of its downloads, as devices told them, newest first
    Downloads {
        /// id:42
        deployment: String,
        /// Only this step: dispatched, acknowledged, started, progress, downloaded, installed, failed, ...
        #[arg(long)]
        step: Option<String>,
        #[command(flatten)]
        span: telemetry::Span,
        #[command(flatten)]
        take: Take,
    },
}

fn path(deployment: &str) -> Result<String, Failure> {
    Ok(format!("deployments/{}", id_of(deployment)?))
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { state, search, take } => {
                let query = DeploymentQuery { state, search, ..DeploymentQuery::default() };
                let headers = ["id", "name", "state", "devices", "success", "failed", "created"];
                context.list("deployments", &query, take, &headers, row).await?;
            }
            Self::Show { deployment } => {
                let found: DeploymentView = context.client.get(&path(&deployment)?).await?;
                show(context, &found)?;
            }
            Self::Watch { deployment } => return watch::watch(context, id_of(&deployment)?).await,
            Self::Pause { deployment, reason } => act(context, &deployment, "pause", reason).await?,
            Self::Resume { deployment, reason } => act(context, &deployment, "resume", reason).await?,
            Self::Cancel { deployment, reason } => act(context, &deployment, "cancel", reason).await?,
            Self::Devices { deployment, state, search, take } => {
                let query = DeploymentDevicesQuery { state, search, ..DeploymentDevicesQuery::default() };
                let path = format!("{}/devices", path(&deployment)?);
                let headers = ["device", "state", "attempt", "done", "speed", "left", "finished", "message"];
                context.list(&path, &query, take, &headers, device_row).await?;
            }
            Self::Downloads { deployment, step, span, take } => {
                let path = format!("{}/downloads", path(&deployment)?);
                telemetry::downloads(context, &path, step, span, take).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn act(
    context: &mut Context,
    deployment: &str,
    verb: &str,
    reason: Option<String>,
) -> Result<(), Failure> {
    let path = format!("{}/{verb}", path(deployment)?);
    let changed: DeploymentView =
        context.client.call(Method::POST, &path, Some(&DeploymentAction { reason })).await?;
    context.out.done(&changed, &format!("id:{} {} is {}", changed.id, changed.name, changed.state))
}

/// Devices with this outcome.
pub(crate) fn count(deployment: &DeploymentView, outcome: Outcome) -> u64 {
    deployment.progress.by_outcome.get(&outcome).copied().unwrap_or_default()
}

fn row(deployment: &DeploymentView) -> Vec<String> {
    let progress = &deployment.progress;
    let bad = [Outcome::Failed, Outcome::Timeout].map(|outcome| count(deployment, outcome));
    vec![
        format!("id:{}", deployment.id),
        deployment.name.clone(),
        deployment.state.to_string(),
        format!("{} of {}", progress.finished, progress.total),
        count(deployment, Outcome::Success).to_string(),
        bad.iter().sum::<u64>().to_string(),
        deployment.created_at.to_string(),
    ]
}

fn device_row(update: &DeviceUpdateView) -> Vec<String> {
    vec![
        update.key.clone(),
        update.state.to_string(),
        update.attempt.to_string(),
        format!("{} %", update.progress),
        update.speed_bytes_per_s.map(|speed| format!("{}/s", bytes(speed))).unwrap_or_default(),
        update.eta_s.map(seconds).unwrap_or_default(),
        opt(update.finished_at.as_ref()),
        update.message.clone().unwrap_or_default(),
    ]
}

/// Shows one deployment.
pub(crate) fn show(context: &Context, deployment: &DeploymentView) -> Result<(), Failure> {
    let (progress, policy) = (&deployment.progress, &deployment.policy);
    let what = match &deployment.firmware {
        Some(firmware) => {
            ("firmware", format!("id:{} {} {}", firmware.id, firmware.product.name, firmware.version))
        }
        None => {
            let titles: Vec<&str> = deployment.contents.iter().map(|c| c.title.as_str()).collect();
            ("contents", titles.join(", "))
        }
    };
    let counts: Vec<String> =
        progress.by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let fields = [
        ("id", format!("id:{}", deployment.id)),
        ("name", deployment.name.clone()),
        ("state", deployment.state.to_string()),
        what,
        ("product", deployment.product.name.clone()),
        (
            "devices",
            format!(
                "{} of {} ended{}",
                progress.finished,
                progress.total,
                if deployment.planned { "" } else { " (still counting)" }
            ),
        ),
        ("", counts.join(", ")),
        ("success", progress.success_rate.map(|rate| format!("{:.2} %", rate * 100.0)).unwrap_or_default()),
        (
            "bytes",
            format!("{} of {}", bytes(progress.downloaded_bytes as f64), bytes(progress.total_bytes as f64)),
        ),
        ("speed", progress.speed_bytes_per_s.map(|speed| format!("{}/s", bytes(speed))).unwrap_or_default()),
        ("left", progress.eta_s.map(seconds).unwrap_or_default()),
        (
            "pace",
            format!(
                "{} at once, {} a second, {} attempts",
                policy.max_in_flight, policy.rate_per_s, policy.max_attempts
            ),
        ),
        ("expires", opt(policy.expires_at.as_ref())),
        ("created", deployment.created_at.to_string()),
        ("started", opt(deployment.started_at.as_ref())),
        ("finished", opt(deployment.finished_at.as_ref())),
    ];
    context.out.record(deployment, &fields)
}
