//! What the planner never does, whatever it is shown; and that a rollout it drives comes to its end.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

fn policies() -> impl Strategy<Value = DeploymentPolicy> {
    (
        1_u32..40,
        prop_oneof![1_u32..20, Just(1000), Just(100_000)],
        10_u32..100,
        1_u32..60,
        1_u32..5,
        prop::option::of(0_i64..4_000),
    )
        .prop_map(
            |(max_in_flight, rate_per_s, attempt_timeout_s, offline_grace_s, max_attempts, expires)| {
                DeploymentPolicy {
                    max_in_flight,
                    rate_per_s,
                    attempt_timeout_s,
                    offline_grace_s,
                    max_attempts,
                    expires_at: expires.map(|s| START + Duration::from_secs(s as u64)),
                }
            },
        )
}

/// What a simulated device does with a request.
#[derive(Debug, Clone, Copy)]
enum Behaviour {
    Succeeds,
    Fails,
    Silent,
    /// Acknowledges, then goes offline for so many seconds.
    Leaves(u32),
}

#[derive(Debug)]
struct World {
    policy: DeploymentPolicy,
    state: DeploymentState,
    updates: BTreeMap<DeviceId, DeviceUpdate>,
    behaviours: Vec<Behaviour>,
    offline_until: BTreeMap<DeviceId, (Timestamp, Timestamp)>,
    bucket: TokenBucket,
    now: Timestamp,
    sent: Vec<Timestamp>,
}

impl World {
    fn online(&self, device: DeviceId) -> Option<Timestamp> {
        self.offline_until.get(&device).filter(|(_, until)| *until > self.now).map(|(since, _)| *since)
    }

    fn behaviour(&self, device: DeviceId) -> Behaviour {
        self.behaviours[device.get() as usize % self.behaviours.len()]
    }

    /// Plans once, checks every promise of the planner, and does what the plan says.
    fn step(&mut self) -> Plan {
        let rows: Vec<_> = self.updates.values().cloned().collect();
        let counts = counts(&rows);
        let pending: Vec<_> = rows
            .iter()
            .filter(|u| u.state == UpdateState::Pending)
            .map(|update| Candidate { update, online: self.online(update.device).is_none(), busy: false })
            .collect();
        let in_flight: Vec<_> = rows
            .iter()
            .filter(|u| u.state.in_flight())
            .map(|update| InFlight { update, offline_since: self.online(update.device), settles_at: None })
            .collect();
        let snapshot = Snapshot {
            state: self.state,
            planned: true,
            counts: &counts,
            pending: &pending,
            in_flight: &in_flight,
            bucket: self.bucket,
        };
        let plan = plan(&self.policy, &snapshot, self.now);
        self.bucket = plan.bucket;
        assert!(
            plan.dispatch.is_empty()
                || counts.in_flight() + plan.dispatch.len() as u64 <= u64::from(self.policy.max_in_flight),
            "more than max_in_flight"
        );
        let chosen: BTreeSet<_> = plan
            .dispatch
            .iter()
            .chain(plan.release.iter().map(|r| &r.device))
            .chain(&plan.exhausted)
            .collect();
        assert_eq!(
            chosen.len(),
            plan.dispatch.len() + plan.release.len() + plan.exhausted.len(),
            "a device twice"
        );
        for device in &plan.dispatch {
            assert!(self.online(*device).is_none(), "an offline device was dispatched");
            assert_eq!(self.updates[device].state, UpdateState::Pending);
            assert!(
                matches!(self.state, DeploymentState::Planning | DeploymentState::Running),
                "dispatched while {}",
                self.state
            );
            assert!(self.policy.expires_at.is_none_or(|at| at > self.now), "dispatched after expiry");
            self.sent.push(self.now);
            self.apply(*device, &UpdateEvent::Dispatch);
        }
        for release in &plan.release {
            let event =
                UpdateEvent::Release { max_attempts: self.policy.max_attempts, message: release.message };
            self.apply(release.device, &event);
        }
        assert!(plan.exhausted.is_empty(), "the release after the last attempt ends an update");
        if plan.expire {
            let all: Vec<_> = self.updates.keys().copied().collect();
            for device in all {
                self.apply(device, &UpdateEvent::Expire);
            }
        }
        if plan.finish {
            assert!(self.updates.values().all(|u| u.state.is_final()), "finished too early");
            self.state = DeploymentState::Finished;
        }
        plan
    }

    fn apply(&mut self, device: DeviceId, event: &UpdateEvent) {
        let now = self.now;
        self.updates.get_mut(&device).unwrap().apply(event, now);
    }

    /// Lets each device that was sent a request answer it; whether one did.
    fn answer(&mut self) -> bool {
        let before: i64 = self.updates.values().map(|u| u.revision).sum();
        let sent: Vec<_> =
            self.updates.values().filter(|u| u.state == UpdateState::Dispatched).map(|u| u.device).collect();
        for device in sent {
            match self.behaviour(device) {
                Behaviour::Succeeds => self.apply(device, &UpdateEvent::Downloaded { confirms_boot: false }),
                Behaviour::Fails => self.apply(device, &UpdateEvent::Failed { message: None }),
                Behaviour::Silent => {}
                Behaviour::Leaves(seconds) => {
                    self.apply(device, &UpdateEvent::Acknowledged);
                    let until = self.now + Duration::from_secs(seconds.into());
                    self.offline_until.insert(device, (self.now, until));
                }
            }
        }
        before != self.updates.values().map(|u| u.revision).sum::<i64>()
    }

    /// Over any window, no more requests than the burst and the rate allow.
    fn assert_rate(&self) {
        let rate = self.policy.rate_per_s;
        for (first, from) in self.sent.iter().enumerate() {
            for (last, to) in self.sent.iter().enumerate().skip(first) {
                let window = to.since(*from).as_millis() as u64;
                let most = TokenBucket::burst(rate) + u64::from(rate) * window / 1000;
                assert!((last - first + 1) as u64 <= most, "{} requests in {window} ms", last - first + 1);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A rollout that is looked at only when the planner asks for it, or when a device comes back, comes to its end.
    #[test]
    fn every_rollout_comes_to_its_end_within_its_limits(
        policy in policies(),
        devices in 1_i64..80,
        behaviours in prop::collection::vec(
            prop_oneof![
                3 => Just(Behaviour::Succeeds),
                1 => Just(Behaviour::Fails),
                1 => Just(Behaviour::Silent),
                1 => (0_u32..200).prop_map(Behaviour::Leaves),
            ],
            1..10,
        ),
        absent in prop::collection::vec((1_i64..80, 0_u64..500), 0..20),
    ) {
        let mut world = World {
            policy,
            state: DeploymentState::Running,
            updates: (1..=devices).map(|d| (DeviceId(d), pending(d))).collect(),
            behaviours,
            offline_until: absent
                .into_iter()
                .map(|(d, s)| (DeviceId(d), (START, START + Duration::from_secs(s))))
                .collect(),
            bucket: TokenBucket::empty(START),
            now: START,
            sent: Vec::new(),
        };
        let mut steps = 0;
        while world.state != DeploymentState::Finished {
            steps += 1;
            prop_assert!(steps < 20_000, "it never ends: {:?}", world.updates.values().next());
            let plan = world.step();
            if world.answer() {
                continue; // A message is an event: the executor looks again at once.
            }
            let back = world.offline_until.values().map(|(_, until)| *until).filter(|at| *at > world.now);
            match back.chain(plan.wake_at).min() {
                Some(next) if next > world.now => world.now = next,
                Some(_) => {
                    let did = plan.dispatch.len() + plan.release.len();
                    prop_assert!(did > 0 || plan.expire, "it asks to be woken at once for nothing");
                }
                None => prop_assert!(plan.finish, "nothing would wake it"),
            }
        }
        world.assert_rate();
        let attempts = world.updates.values().map(|u| u.attempt).max();
        prop_assert!(attempts <= Some(world.policy.max_attempts));
    }

    /// Whatever the moments at which it is asked, paused and resumed, no limit is crossed.
    #[test]
    fn no_limit_is_crossed_whenever_it_is_asked(
        policy in policies(),
        moments in prop::collection::vec((0_u64..3_000, 0_usize..8), 1..120),
    ) {
        let mut world = World {
            policy,
            state: DeploymentState::Planning,
            updates: (1..=60).map(|d| (DeviceId(d), pending(d))).collect(),
            behaviours: vec![Behaviour::Succeeds, Behaviour::Silent, Behaviour::Leaves(30), Behaviour::Fails],
            offline_until: BTreeMap::new(),
            bucket: TokenBucket::empty(START),
            now: START,
            sent: Vec::new(),
        };
        for (wait, action) in moments {
            world.now = world.now + Duration::from_millis(wait);
            world.step();
            match (action, world.state) {
                (_, DeploymentState::Finished | DeploymentState::Canceled) => {}
                (0, _) => world.state = DeploymentState::Paused,
                (1 | 2, _) => world.state = DeploymentState::Running,
                (3, _) if wait == 0 => world.state = DeploymentState::Canceled,
                _ => {
                    world.answer();
                }
            }
        }
        world.assert_rate();
    }

    #[test]
    fn the_same_arguments_give_the_same_plan(policy in policies(), devices in 0_i64..50) {
        let updates: Vec<_> = (0..devices).map(pending).collect();
        let once = plan_of(&policy, DeploymentState::Running, &updates, START);
        prop_assert_eq!(once, plan_of(&policy, DeploymentState::Running, &updates, START));
    }
}
