//! `argosy deploy`

use std::process::ExitCode;

use argosy_api::{CreateDeploymentRequest, DeploymentTarget, DeploymentView, PolicyRequest, Time};
use argosy_domain::ports::Clock as _;
use clap::{ArgGroup, Args};

use super::{deployment, id_of};
use crate::args::Failure;
use crate::cli::context::ConnectArgs;
use crate::cli::watch;
use crate::system::SystemClock;

/// Deploys a firmware, or contents.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("target").required(true)))]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    /// The firmware: id:42. Or give --product and --version, or --content
    #[arg(required_unless_present_any = ["product", "contents"], conflicts_with_all = ["product", "firmware_version"])]
    firmware: Option<String>,
    /// A content (title, or id:42); may be repeated, in the order in which they are shown. They replace what a device shows
    #[arg(long = "content", value_name = "CONTENT", conflicts_with_all = ["firmware", "product", "firmware_version"])]
    contents: Vec<String>,
    /// Its product, with --version
    #[arg(long, requires = "firmware_version")]
    product: Option<String>,
    /// Its version, with --product
    #[arg(long = "version", value_name = "VERSION", requires = "product")]
    firmware_version: Option<String>,
    /// To every device of the product
    #[arg(long, group = "target")]
    all: bool,
    /// To the devices in this group; may be repeated
    #[arg(long = "group", value_name = "GROUP", group = "target")]
    groups: Vec<String>,
    /// To the devices in this region; may be repeated
    #[arg(long = "region", value_name = "REGION", group = "target")]
    regions: Vec<String>,
    /// To this device; may be repeated
    #[arg(long = "device", value_name = "DEVICE", group = "target")]
    devices: Vec<String>,
    /// What the deployment is called [default: made from what is deployed]
    #[arg(long)]
    name: Option<String>,
    /// Devices at work at once
    #[arg(long, value_name = "DEVICES")]
    max_in_flight: Option<u32>,
    /// Requests sent a second at most
    #[arg(long, value_name = "PER_SECOND")]
    rate: Option<u32>,
    /// Attempts a device
    #[arg(long, value_name = "TIMES")]
    max_attempts: Option<u32>,
    /// Without a word for so long an attempt is given up, for example 10m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    attempt_timeout: Option<u64>,
    /// A device that went offline keeps its place for so long, for example 60s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    offline_grace: Option<u64>,
    /// What has not ended then has timed out: a time (2027-01-01T00:00:00Z) or from now on (90m, 12h, 7d)
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    expires: Option<When>,
    /// Follow it until it has ended; the exit code is 0 only if every device succeeded
    #[arg(long)]
    watch: bool,
}

/// A moment, or a time from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    At(Time),
    In(u64),
}

/// Seconds: `90s`, `10m`, `12h`, `7d`.
fn duration(text: &str) -> Result<u64, String> {
    let wrong = || "write a number and its unit: 90s, 10m, 12h, 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|seconds| *seconds > 0 && *seconds < 1 << 32).ok_or_else(wrong)
}

fn moment(text: &str) -> Result<When, String> {
    match text.parse() {
        Ok(time) => Ok(When::At(time)),
        Err(_) => {
            duration(text).map(When::In).map_err(|error| format!("{error}; or a time: 2027-01-01T00:00:00Z"))
        }
    }
}

impl DeployArgs {
    fn request(&self, now: Time) -> Result<CreateDeploymentRequest, Failure> {
        let seconds = |n: u64| u32::try_from(n).map_err(|_| Failure::usage("that is too long"));
        Ok(CreateDeploymentRequest {
            name: self.name.clone(),
            firmware: self.firmware.as_deref().map(id_of).transpose()?,
            product: self.product.clone(),
            version: self.firmware_version.clone(),
            contents: self.contents.clone(),
            target: DeploymentTarget {
                all: self.all,
                devices: self.devices.clone(),
                groups: self.groups.clone(),
                regions: self.regions.clone(),
            },
            policy: PolicyRequest {
                max_in_flight: self.max_in_flight,
                rate_per_s: self.rate,
                attempt_timeout_s: self.attempt_timeout.map(seconds).transpose()?,
                offline_grace_s: self.offline_grace.map(seconds).transpose()?,
                max_attempts: self.max_attempts,
                expires_at: self.expires.map(|when| match when {
                    When::At(time) => time,
                    When::In(seconds) => Time(now.0 + i64::try_from(seconds * 1000).unwrap_or(i64::MAX / 2)),
                }),
            },
        })
    }
}

pub(crate) async fn run(args: DeployArgs) -> Result<ExitCode, Failure> {
    let request = args.request(Time(SystemClock.now().0))?;
    let mut context = args.connect.open()?;
    let made: DeploymentView = context.client.create("deployments", &request).await?;
    if args.watch {
        context.out.note(&format!("deployment id:{} {}", made.id, crate::cli::output::safe(&made.name)));
        return watch::watch(&mut context, made.id).await;
    }
    deployment::show(&context, &made)?;
    context.out.note(&format!("follow it with `argosy deployment watch id:{}`", made.id));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: DeployArgs,
    }

    fn request(line: &str) -> Result<CreateDeploymentRequest, String> {
        let words = std::iter::once("deploy").chain(line.split_whitespace());
        let args = Command::try_parse_from(words).map_err(|error| error.to_string())?.args;
        args.request(Time(0)).map_err(|failure| failure.message)
    }

    #[test]
    fn what_is_asked_for() {
        let asked = request(
            "id:7 --device a --device b --max-in-flight 5 --rate 9 --expires 2h --attempt-timeout 10m --offline-grace 90s",
        )
        .unwrap();
        assert_eq!(asked.firmware, Some(7));
        assert_eq!(asked.target.devices, ["a", "b"]);
        assert_eq!((asked.policy.max_in_flight, asked.policy.rate_per_s), (Some(5), Some(9)));
        assert_eq!(
            (asked.policy.expires_at, asked.policy.attempt_timeout_s),
            (Some(Time(7_200_000)), Some(600))
        );
        assert_eq!(asked.policy.offline_grace_s, Some(90));
        let asked = request("--content B --content id:3 --all").unwrap();
        assert_eq!((asked.firmware, asked.contents), (None, vec!["B".to_owned(), "id:3".to_owned()]));
        let asked =
            request("--product p --version 1.0 --group x --group y --expires 1970-01-01T00:00:01Z").unwrap();
        assert_eq!((asked.product.as_deref(), asked.version.as_deref()), (Some("p"), Some("1.0")));
        assert_eq!((asked.target.groups.len(), asked.policy.expires_at), (2, Some(Time(1000))));
    }

    #[test]
    fn what_is_unclear_is_refused() {
        for line in [
            "",
            "id:7",
            "--all",
            "--product p --all",
            "--version 1 --all",
            "id:7 --product p --version 1 --all",
            "id:7 --all --group g",
            "id:7 --device a --region r",
            "seven --all",
            "id:7 --content A --all",
            "--content A --product p --version 1 --all",
            "--content A",
            "id:7 --all --expires soon",
            "id:7 --all --attempt-timeout 0m",
        ] {
            assert!(request(line).is_err(), "{line}");
        }
    }
}
