//! Which devices misbehave, and when: drawn from the seed and the device keys alone, so that a run can be repeated.

use argosy_proto::DeviceKey;
use aws_lc_rs::digest::{Context, SHA256};

use crate::config::{FleetConfig, Shares};

/// What one device will do.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Choices {
    /// Comes only after the fleet's `offline_for`.
    pub(crate) offline_at_first: bool,
    /// Loses every link once, after this share of an image.
    pub(crate) drop_link_at: Option<f64>,
    /// Gets one wrong byte once, after this share of an image.
    pub(crate) corrupt_at: Option<f64>,
    /// New images crash before they reach the broker.
    pub(crate) crashes: bool,
    /// Fetches slowly.
    pub(crate) slow: bool,
    /// Seeds this device's own jitter.
    pub(crate) seed: u64,
}

/// Draws for every device. A share is exact, rounded to whole devices: those with the smallest draws have it.
pub(crate) fn draw(config: &FleetConfig, keys: &[DeviceKey]) -> Vec<Choices> {
    let Shares { offline_at_first, drop_link, corrupt, crash_new_image, slow } = config.shares;
    let seed = config.seed;
    let mut all: Vec<Choices> =
        keys.iter().map(|key| Choices { seed: number(seed, "jitter", key), ..Choices::default() }).collect();
    let mut give = |share: f64, what: &str, set: &dyn Fn(&mut Choices, f64)| {
        let mut ranked: Vec<(u64, usize)> =
            keys.iter().enumerate().map(|(place, key)| (number(seed, what, key), place)).collect();
        ranked.sort_unstable();
        let count = (share.clamp(0.0, 1.0) * keys.len() as f64).round() as usize;
        for (_, place) in ranked.into_iter().take(count) {
            // Somewhere between a tenth and nine tenths of the image.
            let at = 0.1 + 0.8 * (number(seed, "at", &keys[place]) as f64 / u64::MAX as f64);
            set(&mut all[place], at);
        }
    };
    give(offline_at_first, "offline", &|choices, _| choices.offline_at_first = true);
    give(drop_link, "drop", &|choices, at| choices.drop_link_at = Some(at));
    give(corrupt, "corrupt", &|choices, at| choices.corrupt_at = Some(at));
    give(crash_new_image, "crash", &|choices, _| choices.crashes = true);
    give(slow, "slow", &|choices, _| choices.slow = true);
    all
}

fn number(seed: u64, what: &str, key: &DeviceKey) -> u64 {
    let mut digest = Context::new(&SHA256);
    digest.update(&seed.to_le_bytes());
    digest.update(what.as_bytes());
    digest.update(key.as_str().as_bytes());
    digest.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<DeviceKey> {
        (1..=200).map(|n| DeviceKey::new(format!("sim-{n}")).unwrap()).collect()
    }

    fn config(seed: u64) -> FleetConfig {
        FleetConfig {
            seed,
            shares: Shares { drop_link: 0.25, corrupt: 0.1, slow: 1.0, ..Shares::default() },
            ..FleetConfig::default()
        }
    }

    #[test]
    fn a_seed_repeats_and_another_differs() {
        assert_eq!(draw(&config(7), &keys()), draw(&config(7), &keys()));
        assert_ne!(draw(&config(7), &keys()), draw(&config(8), &keys()));
    }

    #[test]
    fn shares_are_exact() {
        let all = draw(&config(1), &keys());
        assert_eq!(all.iter().filter(|c| c.drop_link_at.is_some()).count(), 50);
        assert_eq!(all.iter().filter(|c| c.corrupt_at.is_some()).count(), 20);
        assert_eq!(all.iter().filter(|c| c.slow).count(), 200);
        assert!(!all.iter().any(|c| c.crashes || c.offline_at_first));
        assert!(all.iter().filter_map(|c| c.drop_link_at).all(|at| (0.1..=0.9).contains(&at)));
    }
}
