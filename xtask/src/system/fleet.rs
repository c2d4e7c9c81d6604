//! A simulated fleet against a [`System`], and a deployment to it.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::System;
use crate::process::{self, Process};

/// How long a fleet may take to connect.
const ONLINE_WITHIN: Duration = Duration::from_secs(300);

/// Where devices are registered. Names of things that exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement<'a> {
    pub(crate) product: &'a str,
    pub(crate) group: &'a str,
    pub(crate) region: &'a str,
}

/// The running simulator. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Fleet {
    devices: u32,
    process: Process,
}

impl System {
    /// Registers `devices` devices over the API, each with its own key and certificate; `progress` hears how many there are.
    pub(crate) fn enrol(&self, devices: u32, place: Placement<'_>, progress: impl FnMut(u64)) -> Result<()> {
        let mut arguments = vec!["--enrol-only".to_owned(), "--quiet".to_owned()];
        arguments.extend(["--api".to_owned(), self.base()]);
        arguments.extend(["--token".to_owned(), format!("@{}", self.admin.token_file.display())]);
        arguments.extend(["--product".to_owned(), place.product.to_owned()]);
        arguments.extend(["--group".to_owned(), place.group.to_owned()]);
        arguments.extend(["--region".to_owned(), place.region.to_owned()]);
        let mut simulator = self.simulator(devices, &arguments, "enrol.log")?;
        let mut progress = progress;
        loop {
            progress(self.counts()?["total"].as_u64().unwrap_or(0));
            match simulator.ended()? {
                None => std::thread::sleep(Duration::from_millis(100)),
                Some(status) if status.success() => break,
                Some(_) => bail!("devices cannot be enrolled:\n{}", simulator.log_tail()),
            }
        }
        let registered = self.counts()?["total"].as_u64().unwrap_or(0);
        progress(registered);
        if registered != u64::from(devices) {
            bail!("{registered} devices are registered, not {devices}");
        }
        Ok(())
    }

    /// Starts the fleet with its enrolled identities; `arguments` are `argosy-sim`'s. Its report is `fleet.json`.
    pub(crate) fn start_fleet(&self, devices: u32, arguments: &[&str]) -> Result<Fleet> {
        let report = self.folder.join("fleet.json").display().to_string();
        let mut all = vec!["--json".to_owned(), report];
        all.extend(arguments.iter().map(|&argument| argument.to_owned()));
        Ok(Fleet { devices, process: self.simulator(devices, &all, "fleet.log")? })
    }

    /// Returns when the server sees the whole fleet connected; `progress` hears how many are.
    pub(crate) fn wait_until_online(&self, fleet: &mut Fleet, mut progress: impl FnMut(u64)) -> Result<()> {
        let devices = u64::from(fleet.devices);
        fleet
            .process
            .wait_until(ONLINE_WITHIN, || {
                let online = self.counts()?["online"].as_u64().unwrap_or(0);
                progress(online);
                if online < devices {
                    bail!("{online} of {devices} devices are connected");
                }
                Ok(())
            })
            .context("the fleet does not connect")
    }

    /// Deploys a firmware to a group; the deployment's id.
    pub(crate) fn deploy(&self, firmware: i64, group: &str, policy: &Value) -> Result<i64> {
        let request = json!({ "firmware": firmware, "target": { "groups": [group] }, "policy": policy });
        self.api.post("/deployments", &request)?["id"].as_i64().context("the deployment has no id")
    }

    /// Asks for the deployment again and again until it has ended; `progress` sees each answer. The last answer.
    pub(crate) fn watch(&self, deployment: i64, mut progress: impl FnMut(&Value)) -> Result<Value> {
        loop {
            let now = self.api.get(&format!("/deployments/{deployment}"))?;
            progress(&now);
            if matches!(now["state"].as_str(), Some("finished" | "canceled")) {
                return Ok(now);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Counts of all devices.
    pub(crate) fn counts(&self) -> Result<Value> {
        self.api.get("/devices/counts")
    }

    fn simulator(&self, devices: u32, arguments: &[String], log: &str) -> Result<Process> {
        let mut command = process::bound_to_us(&self.programs.simulator, "TERM", None);
        command
            .arg("--broker")
            .arg(format!("mqtts://127.0.0.1:{}", self.ports.mqtt))
            .args(["--count", &devices.to_string(), "--prefix", "sim-"])
            .arg("--identities")
            .arg(self.folder.join("identities"))
            .args(arguments);
        Process::spawn(command, &self.folder.join(log))
    }
}

impl Fleet {
    /// Ends it; it writes its report before.
    pub(crate) fn stop(self) -> Result<ExitStatus> {
        self.process.stop(Duration::from_secs(30)).context("the simulator does not stop")
    }
}
