//! `argosy dead-letters` and `argosy audit`.

use std::process::ExitCode;

use argosy_api::{AuditView, DeadLetterView, PageQuery};
use clap::Args;

use crate::args::Failure;
use crate::cli::context::{ConnectArgs, Take};

/// Which rows.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    take: Take,
}

pub(crate) async fn dead_letters(args: &LedgerArgs) -> Result<ExitCode, Failure> {
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
    args.connect.open()?.list("dead-letters", &PageQuery::default(), args.take, &headers, row).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn audit(args: &LedgerArgs) -> Result<ExitCode, Failure> {
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
    args.connect.open()?.list("audit", &PageQuery::default(), args.take, &headers, row).await?;
    Ok(ExitCode::SUCCESS)
}
