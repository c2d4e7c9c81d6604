//! Following a deployment: live events, or asking again and again where they do not come through.

use std::process::ExitCode;
use std::time::Duration;

use argosy_api::{DeploymentEvent, DeploymentState, DeploymentView, Outcome};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::client::Events;
use super::commands::deployment::{count, show};
use super::context::Context;
use super::output::{bytes, safe, seconds};
use crate::args::{Exit, Failure};

/// Between two questions when there are no events, and between two tries to reach the server.
const PAUSE: Duration = Duration::from_secs(2);
/// Silence after which a stream of events is given up: the server sends something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// Tries in a row before the server counts as gone.
const TRIES: u32 = 30;

/// Follows a deployment to its end: 0 if every device succeeded, else [`Exit::Incomplete`].
pub(crate) async fn watch(context: &mut Context, id: i64) -> Result<ExitCode, Failure> {
    let mut bars = Bars::new(context.out.is_watched());
    let ended = follow(context, id, &mut bars).await;
    bars.end();
    let deployment = ended?;
    show(context, &deployment)?;
    Ok(verdict(&deployment))
}

fn verdict(deployment: &DeploymentView) -> ExitCode {
    let total = deployment.progress.total;
    let all = total > 0 && count(deployment, Outcome::Success) == total;
    if all && deployment.state == DeploymentState::Finished {
        return ExitCode::SUCCESS;
    }
    if total == 0 {
        eprintln!("no device was selected: none of the product is in the target");
    }
    Exit::Incomplete.into()
}

/// Final, and so is every device in it: a canceled one is final before its devices are.
fn has_ended(deployment: &DeploymentView) -> bool {
    deployment.state.is_final() && deployment.progress.finished == deployment.progress.total
}

async fn follow(context: &mut Context, id: i64, bars: &mut Bars) -> Result<DeploymentView, Failure> {
    let path = format!("deployments/{id}");
    let mut failures = 0;
    loop {
        // Whatever the events do, this tells how it is.
        let failure = match context.client.get::<DeploymentView>(&path).await {
            Ok(deployment) => {
                failures = 0;
                bars.show(&deployment);
                if has_ended(&deployment) {
                    return Ok(deployment);
                }
                match context.client.events(&format!("{path}/events")).await {
                    Ok(events) => match listen(events, bars).await {
                        Some(deployment) => return Ok(deployment),
                        // The stream ended early: the server restarts, or a proxy cuts streams. Ask, and follow again.
                        None => None,
                    },
                    Err(failure) => Some(failure),
                }
            }
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            failures += 1;
            // A restart of the server is worth waiting for; a refusal is not.
            if failure.exit != Exit::Unreachable || failures > TRIES {
                return Err(failure);
            }
            bars.say(&failure.message);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Shows events until the deployment has ended; `None` when the stream ended first.
async fn listen(mut events: Events, bars: &mut Bars) -> Option<DeploymentView> {
    loop {
        let event = tokio::time::timeout(SILENCE, events.next()).await.ok()?.ok()??;
        if event.name != "deployment" {
            continue;
        }
        let Ok(event) = serde_json::from_str::<DeploymentEvent>(&event.data) else { continue };
        bars.show(&event.deployment);
        if has_ended(&event.deployment) {
            return Some(event.deployment);
        }
    }
}

/// The bars on the terminal; without one, a line whenever a further tenth of the devices has ended.
struct Bars {
    watched: bool,
    all: MultiProgress,
    devices: ProgressBar,
    bytes: ProgressBar,
    tenths: Option<u64>,
}

impl Bars {
    fn new(watched: bool) -> Self {
        let all = MultiProgress::new();
        let bar = |template: &str| {
            let bar = if watched { all.add(ProgressBar::new(0)) } else { ProgressBar::hidden() };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        };
        let devices = bar("devices {bar:40} {pos:>6} of {len}  {msg}");
        let bytes = bar("bytes   {bar:40} {percent:>5} %      {msg}");
        Self { watched, all, devices, bytes, tenths: None }
    }

    fn show(&mut self, deployment: &DeploymentView) {
        let progress = &deployment.progress;
        let counts: Vec<String> = [
            (Outcome::InProgress, "at work"),
            (Outcome::Success, "succeeded"),
            (Outcome::Failed, "failed"),
            (Outcome::Timeout, "timed out"),
            (Outcome::Canceled, "canceled"),
        ]
        .into_iter()
        .map(|(outcome, word)| (count(deployment, outcome), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        let counts = match counts.is_empty() {
            true => deployment.state.to_string(),
            false => format!("{} ({})", counts.join(", "), deployment.state),
        };
        if !self.watched {
            let tenths = (progress.finished * 10).checked_div(progress.total).unwrap_or_default();
            if self.tenths != Some(tenths) {
                self.tenths = Some(tenths);
                eprintln!("{} of {} devices ended: {counts}", progress.finished, progress.total);
            }
            return;
        }
        self.devices.set_length(progress.total);
        self.devices.set_position(progress.finished);
        self.devices.set_message(counts);
        self.bytes.set_length(u64::try_from(progress.total_bytes).unwrap_or_default());
        self.bytes.set_position(u64::try_from(progress.downloaded_bytes).unwrap_or_default());
        let speed = progress.speed_bytes_per_s.map(|speed| format!("{}/s", bytes(speed)));
        let left = progress.eta_s.map(|eta| format!("{} left", seconds(eta)));
        self.bytes.set_message([speed, left].into_iter().flatten().collect::<Vec<_>>().join(", "));
    }

    fn say(&self, text: &str) {
        let line = text.lines().next().unwrap_or_default();
        if self.watched {
            let _ = self.all.println(safe(line));
        } else {
            eprintln!("{}", safe(line));
        }
    }

    fn end(&self) {
        self.devices.abandon();
        self.bytes.abandon();
        if self.watched {
            eprintln!();
        }
    }
}
