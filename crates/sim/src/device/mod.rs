//! One simulated device: a task that boots, lives, restarts.

mod lasting;
mod ledger;
mod life;
mod words;

use std::sync::Arc;
use std::time::Duration;

use argosy_agent_core::{Agent, Boot, Image, Jitter, Policy, Slot, Version, boot, provision};
use argosy_proto::DeviceKey;
use rustls::sign::CertifiedKey;
use tokio::time::sleep;

use crate::choices::Choices;
use crate::config::FleetConfig;
use crate::context::Context;
use crate::counters::Counters;
use crate::hardware::{VirtualFlash, sha256};
use lasting::Lasting;
use ledger::Ledger;
use life::Life;

/// Starts of a new image without confirmation before it is rolled back.
const TRIAL_BOOTS: u8 = 3;
/// How long a crash in a new image takes.
const CRASH: Duration = Duration::from_millis(50);

/// A device to be simulated.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) context: Arc<Context>,
    pub(crate) key: DeviceKey,
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    pub(crate) choices: Choices,
}

impl Device {
    /// Lives until the task is dropped.
    pub(crate) async fn run(self) {
        let config = &self.context.config;
        if self.choices.offline_at_first {
            sleep(config.offline_for).await;
        }
        let factory = factory_image(&config.firmware_version);
        let mut flash = VirtualFlash::with_factory_image(factory, config.slot_size, config.store_images);
        let Ok(()) = provision(&mut flash, Slot::A, factory);
        let mut jitter = Jitter::new(self.choices.seed);
        let lasting = Lasting::new(&self.context, self.identity.clone(), &mut jitter);
        let mut ledger = Ledger::new(Arc::clone(&self.context), &self.choices, lasting);
        loop {
            let boot = match boot(&mut flash, TRIAL_BOOTS) {
                Ok(boot) => boot,
                Err(error) => {
                    tracing::error!(key = %self.key, %error, "device {} does not boot", self.key);
                    return;
                }
            };
            if boot.trial && self.choices.crashes {
                Counters::add(&self.context.counters.crashes, 1);
                sleep(CRASH).await;
                continue;
            }
            flash = self.live(flash, boot, &mut jitter, &mut ledger).await;
            Counters::add(&self.context.counters.reboots, 1);
            ledger.lasting.restart(&self.key, &self.context);
            if !config.reboot.is_zero() {
                sleep(config.reboot).await;
            }
        }
    }

    async fn live(
        &self,
        flash: VirtualFlash,
        boot: Boot,
        jitter: &mut Jitter,
        ledger: &mut Ledger,
    ) -> VirtualFlash {
        let own = Jitter::new(jitter.up_to(u64::MAX));
        let agent = Agent::start(
            self.context.now_ms(),
            flash,
            boot,
            policy(&self.context.config, &self.choices),
            own,
        );
        let mut life = Box::new(Life::begin(self, agent, jitter, ledger));
        std::future::poll_fn(|cx| life.poll(cx)).await;
        life.end()
    }
}

/// What a device runs before its first update. Two fleets of one version run the same image.
pub(crate) fn factory_image(version: &str) -> Image {
    let hash = sha256(format!("argosy-sim factory image {version}").as_bytes());
    Image { hash, size: 1, version: Version::cut(version) }
}

fn policy(config: &FleetConfig, choices: &Choices) -> Policy {
    let (chunk, pause) = if choices.slow {
        // A second's worth at a time at most.
        let chunk = config.chunk.min(config.slow_rate.max(1));
        (chunk, Duration::from_secs_f64(f64::from(chunk) / f64::from(config.slow_rate.max(1))))
    } else {
        (config.chunk, config.pause)
    };
    Policy {
        chunk,
        ahead: config.ahead,
        pause_ms: u32::try_from(pause.as_millis()).unwrap_or(u32::MAX),
        backoff: config.retry,
        progress_ms: u32::try_from(config.progress_every.as_millis()).unwrap_or(u32::MAX),
        ..Policy::default()
    }
}
