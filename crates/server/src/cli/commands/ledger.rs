//! `argosy dead-letters` and `argosy audit`.

use std::process::ExitCode;

use argosy_api::{AuditQuery, AuditView, DeadLetterQuery, DeadLetterView};
use clap::Args;

use crate::args::Failure;
use crate::cli::context::{ConnectArgs, Take};

/// Which dead letters.
#[derive(Debug, Args)]
pub(crate) struct DeadLetterArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    take: Take,
    /// Only those of this device
    #[arg(long, value_name = "KEY")]
    device: Option<String>,
}

/// Which audit entries.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    take: Take,
    /// Only what this actor did (user:alice, token:ci, system)
    #[arg(long)]
    actor: Option<String>,
    /// Only this action (deployment.cancel, device.suspend, ...)
    #[arg(long)]
    action: Option<String>,
    /// Only on this subject (device:vm-1, deployment:12, ...)
    #[arg(long)]
    subject: Option<String>,
}

pub(crate) async fn dead_letters(args: &DeadLetterArgs) -> Result<ExitCode, Failure> {
    let row = |letter: &DeadLetterView| {
        vec![
            letter.received_at.to_string(),
            letter.key.clone(),
            letter.topic.clone(),
            letter.reason.clone(),
            letter.payload.chars().take(60).collect(),
        ]
    };
    let headers = ["received", "device", "topic", "reason", "payload"];
    let query = DeadLetterQuery { device: args.device.clone(), ..DeadLetterQuery::default() };
    args.connect.open()?.list("dead-letters", &query, args.take, &headers, row).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn audit(args: &AuditArgs) -> Result<ExitCode, Failure> {
    let row = |entry: &AuditView| {
        vec![
            entry.at.to_string(),
            entry.actor.clone(),
            entry.action.clone(),
            entry.subject.clone(),
            entry.detail.to_string(),
        ]
    };
    let headers = ["at", "who", "what", "to", "detail"];
    let query = AuditQuery {
        actor: args.actor.clone(),
        action: args.action.clone(),
        subject: args.subject.clone(),
        ..AuditQuery::default()
    };
    args.connect.open()?.list("audit", &query, args.take, &headers, row).await?;
    Ok(ExitCode::SUCCESS)
}
