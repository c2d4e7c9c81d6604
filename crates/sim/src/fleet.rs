//! A running fleet.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use argosy_proto::DeviceKey;
use tokio::task::JoinSet;

use crate::choices;
use crate::clock::WallClock;
use crate::config::FleetConfig;
use crate::context::{Broker, Context};
use crate::counters::Counters;
use crate::device::Device;
use crate::http::{Url, UrlError};
use crate::identity::{Identity, IdentityError, IdentityStore};
use crate::net::{Trust, TrustError};
use crate::report::Report;

/// A fleet cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The broker's address is wrong.
    #[error("the broker is {0}: mqtts://host:port or mqtt://host:port is expected")]
    Broker(String),
    /// The broker's name cannot be used.
    #[error("the broker's name cannot be used")]
    BrokerName(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Servers cannot be verified.
    #[error("servers cannot be verified")]
    Trust(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A device has no identity and the broker wants one.
    #[error("device {0} has no identity: enrol it (--api, --token, --product) or bring one (--identities)")]
    NoIdentity(DeviceKey),
    /// An identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

impl From<TrustError> for FleetError {
    fn from(error: TrustError) -> Self {
        Self::Trust(Box::new(error))
    }
}

impl From<UrlError> for FleetError {
    fn from(error: UrlError) -> Self {
        Self::BrokerName(Box::new(error))
    }
}

/// Starts fleets.
#[derive(Debug)]
pub struct Fleet;

/// A fleet that runs. Its devices end when it is dropped.
#[derive(Debug)]
pub struct FleetHandle {
    context: Arc<Context>,
    tasks: JoinSet<()>,
    devices: u64,
    began_ms: u64,
}

impl Fleet {
    /// Starts a device for each key, with its identity from `identities` (needed unless the broker speaks plain MQTT).
    ///
    /// # Errors
    /// [`FleetError`]: the configuration or the identities do not fit. No device was started.
    pub async fn start(
        config: FleetConfig,
        clock: WallClock,
        keys: Vec<DeviceKey>,
        identities: &IdentityStore,
    ) -> Result<FleetHandle, FleetError> {
        let trust = identities.roots_pem().map(Trust::from_pem).transpose()?;
        let broker = broker(&config).await?;
        let choices = choices::draw(&config, &keys);
        let counters = Arc::new(Counters::default());
        let with_tls = broker.name.is_some();
        let context = Arc::new(Context::new(config, clock, trust, broker, counters));
        let mut devices = Vec::with_capacity(keys.len());
        for (key, choices) in keys.into_iter().zip(choices) {
            let identity = match (with_tls, identities.get(&key)) {
                (false, _) => None,
                (true, Some(identity)) => Some(identity.certified(&key)?),
                (true, None) => return Err(FleetError::NoIdentity(key)),
            };
            devices.push(Device { context: Arc::clone(&context), key, identity, choices });
        }
        let mut tasks = JoinSet::new();
        let count = devices.len() as u64;
        for device in devices {
            tasks.spawn(device.run());
        }
        let began_ms = context.now_ms();
        Ok(FleetHandle { context, tasks, devices: count, began_ms })
    }
}

async fn broker(config: &FleetConfig) -> Result<Broker, FleetError> {
    let wrong = || FleetError::Broker(config.broker.clone());
    let (tls, rest) = match (config.broker.strip_prefix("mqtts://"), config.broker.strip_prefix("mqtt://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return Err(wrong()),
    };
    let scheme = if tls { "https" } else { "http" };
    let mut url: Url = format!("{scheme}://{rest}").parse().map_err(|_: UrlError| wrong())?;
    match url.port {
        443 if tls && !rest.contains(":443") => url.port = 8883,
        80 if !tls && !rest.contains(":80") => url.port = 1883,
        _ => {}
    }
    let address = match config.broker_address {
        Some(address) => address,
        None => url.resolve().await?,
    };
    let name = if tls { Some(url.server_name()?) } else { None };
    Ok(Broker { address, name })
}

impl FleetHandle {
    /// Live counters.
    pub fn counters(&self) -> &Counters {
        &self.context.counters
    }

    /// Identities that devices have renewed since this was asked last: to be kept, the old ones will not do for long.
    pub fn take_renewed(&self) -> Vec<(DeviceKey, Identity)> {
        self.context.take_renewed()
    }

    /// Devices in the fleet.
    pub fn devices(&self) -> u64 {
        self.devices
    }

    /// Waits until every device had an update that ended, well or badly.
    pub async fn until_settled(&self) {
        let devices = self.devices;
        self.counters().until(|counters| counters.settled.load(Relaxed) >= devices).await;
    }

    /// Waits until every device runs the image `until_hash` of the configuration and the server knows it.
    pub async fn until_at_target(&self) {
        let devices = self.devices;
        self.counters().until(|counters| counters.at_target.load(Relaxed) >= devices).await;
    }

    /// Waits for a device's task to end, which none does unless it is broken.
    pub async fn failed(&mut self) {
        match self.tasks.join_next().await {
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    /// Runs until `end`, unless a device breaks before; `false` then.
    pub async fn run_until(&mut self, end: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = end => true,
            () = self.failed() => false,
        }
    }

    /// What happened so far.
    pub fn report(&self) -> Report {
        let ran_ms = self.context.now_ms().saturating_sub(self.began_ms);
        Report::from_counters(self.counters(), self.devices, ran_ms)
    }

    /// Ends every device, without a goodbye.
    pub async fn stop(mut self) -> Report {
        let report = self.report();
        self.tasks.shutdown().await;
        report
    }
}
