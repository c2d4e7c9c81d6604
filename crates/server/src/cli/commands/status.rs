//! `argosy status` and `argosy resume`: whether the server works, and the end of the hold after a restore.

use std::process::ExitCode;

use argosy_api::{HoldView, ReadyResponse};
use clap::Args;
use hyper::Method;
use serde_json::json;

use crate::args::{Exit, Failure};
use crate::cli::context::{ConnectArgs, Context};
use crate::cli::output::opt;
use crate::cli::prompt;

/// Ends the hold.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Says how the server is.
pub(crate) async fn status(connect: &ConnectArgs) -> Result<ExitCode, Failure> {
    let mut context = connect.open()?;
    let ready: ReadyResponse = context.client.get("/readyz").await?;
    let hold: HoldView = context.client.get("hold").await?;
    if context.out.is_json() {
        context.out.done(&json!({ "ready": ready, "hold": hold }), "")?;
        return Ok(ExitCode::SUCCESS);
    }
    context.out.done(&ready, &format!("{} works", context.client.base()))?;
    if hold.held {
        show(&context, &hold)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(context: &Context, hold: &HoldView) -> Result<(), Failure> {
    context.out.note(&format!(
        "HELD since {}: {}. It records, dispatches nothing and issues nothing. When it is resumed it sends:",
        opt(hold.since.as_ref()),
        hold.reason.as_deref().unwrap_or_default()
    ));
    context.out.rows(
        &hold.deployments,
        &["deployment", "name", "state", "to be sent", "in flight", "done"],
        |d| {
            vec![
                format!("id:{}", d.id),
                d.name.clone(),
                d.state.to_string(),
                d.pending.to_string(),
                d.in_flight.to_string(),
                d.done.to_string(),
            ]
        },
    )?;
    context.out.note(&format!(
        "and at once {} requests and cancels that were decided before, and {} certificates that devices asked for meanwhile",
        hold.outbox, hold.certificate_requests
    ));
    Ok(())
}

/// Shows what would be sent, asks, and resumes.
pub(crate) async fn resume(args: ResumeArgs) -> Result<ExitCode, Failure> {
    let mut context = args.connect.open()?;
    let hold: HoldView = context.client.get("hold").await?;
    if !hold.held {
        return Err(Failure::new(Exit::Conflict, "the server is not held"));
    }
    if !context.out.is_json() {
        show(&context, &hold)?;
    }
    if !args.yes {
        let question = "is the old server stopped for good, and shall this be sent? (yes/no)";
        if prompt::line(question, "--yes")?.trim() != "yes" {
            return Err(Failure::new(Exit::Failed, "nothing was changed"));
        }
    }
    context.client.act(Method::POST, "resume", None::<&()>).await?;
    context.out.done(&hold, "resumed")?;
    Ok(ExitCode::SUCCESS)
}
