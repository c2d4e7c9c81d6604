//! The tallies are exact, whatever happened: units of work of random steps by two processes at once, some given up, some dropped.

use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::model::{
    DevicePatch, DeviceState, DeviceTouch, DeviceUpdate, NewDevice, UpdateEvent, UpdateState,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{CountScope, DeviceTally, PortError, Registry as _, UnitOfWork, UpdateFilter};
use argosy_proto::{DeploymentId, DeviceId, GroupId, ProductId, RegionId};
use argosy_store::sql::SqlRegistry;

use super::databases::{Database, Engine};
use super::fixture::{NOW, SIZE, begin, deployment, device, key, planned};

/// A small generator: the same number gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.roll(of.len())]
    }
}

struct World {
    product: ProductId,
    groups: Vec<Option<GroupId>>,
    regions: Vec<Option<RegionId>>,
    deployments: Vec<DeploymentId>,
    devices: Vec<DeviceId>,
    /// No other unit of work ends while one is open.
    alone: bool,
}

impl World {
    async fn make(registry: &SqlRegistry) -> Self {
        let alone = registry.dialect() == argosy_store::sql::Dialect::Sqlite;
        let mut unit = begin(registry).await;
        let (product, first) = deployment(&mut *unit, 1).await;
        let (_, second) = deployment(&mut *unit, 2).await;
        let (mut groups, mut regions) = (vec![None], vec![None]);
        for i in 0..3 {
            groups.push(Some(unit.insert_group(&format!("g{i}"), NOW).await.unwrap()));
            regions.push(Some(unit.insert_region(&format!("KR-{i}"), "r", NOW).await.unwrap()));
        }
        let new: Vec<_> = (0..120).map(|i| device(i, product)).collect();
        let devices = unit.insert_devices(&new, NOW).await.unwrap();
        unit.commit().await.unwrap();
        Self { product, groups, regions, deployments: vec![first, second], devices, alone }
    }

    fn some(&self, dice: &mut Dice) -> Vec<DeviceId> {
        let (from, count) = (dice.roll(self.devices.len()), 1 + dice.roll(25));
        self.devices.iter().skip(from).take(count).copied().collect()
    }

    /// One random step of a unit of work.
    async fn step(&self, unit: &mut dyn UnitOfWork, dice: &mut Dice, name: &str) -> Result<(), PortError> {
        let now = Timestamp(NOW.0 + dice.roll(1000) as i64);
        let id = dice.one(&self.deployments);
        match dice.roll(10) {
            0 => {
                let new: Vec<_> = (0..=dice.roll(4))
                    .map(|i| NewDevice {
                        key: argosy_proto::DeviceKey::new(format!("{name}-{}-{i}", dice.roll(1 << 20)))
                            .unwrap(),
                        group: dice.one(&self.groups),
                        region: dice.one(&self.regions),
                        ..device(i, self.product)
                    })
                    .collect();
                unit.insert_devices(&new, now).await?;
            }
            1 | 2 => {
                for device in self.some(dice).into_iter().take(5) {
                    let patch = DevicePatch {
                        group: (dice.roll(2) == 0).then(|| dice.one(&self.groups)),
                        region: (dice.roll(2) == 0).then(|| dice.one(&self.regions)),
                        state: [None, Some(DeviceState::Suspended), Some(DeviceState::Active)][dice.roll(3)],
                        name: (dice.roll(3) == 0).then(|| format!("이름 {}", dice.roll(99))),
                        ..DevicePatch::default()
                    };
                    unit.patch_device(device, &patch, now).await?;
                }
            }
            3 | 4 => {
                let touches: Vec<_> = self
                    .some(dice)
                    .into_iter()
                    .map(|device| DeviceTouch {
                        online: [None, Some(true), Some(false)][dice.roll(3)],
                        firmware_version: (dice.roll(2) == 0).then(|| format!("1.{}", dice.roll(3))),
                        image_hash: [None, Some(None)][dice.roll(2)],
                        ..DeviceTouch::seen(device, now)
                    })
                    .collect();
                unit.touch_devices(&touches).await?;
            }
            5 => {
                // Some of them exist already.
                let devices = self.some(dice);
                let mut updates = planned(id, &devices, 0);
                if let Some(first) = updates.first_mut() {
                    first.apply(&UpdateEvent::AlreadyRuns, now);
                }
                unit.insert_device_updates(&updates).await?;
            }
            6 | 7 => {
                let ids: Vec<_> = self.some(dice).into_iter().map(|d| (id, d)).collect();
                let saves: Vec<(DeviceUpdate, i64)> = unit
                    .device_updates_by_id(&ids)
                    .await?
                    .into_iter()
                    .map(|mut update| {
                        // Now and then somebody was faster.
                        let was = update.revision - i64::from(dice.roll(5) == 0);
                        let events = [
                            UpdateEvent::Dispatch,
                            UpdateEvent::Acknowledged,
                            UpdateEvent::Progress { percent: 40, downloaded_bytes: dice.roll(4000) as i64 },
                            UpdateEvent::Downloaded { confirms_boot: false },
                            UpdateEvent::Failed { message: None },
                        ];
                        update.apply(&events[dice.roll(events.len())], now);
                        (update, was)
                    })
                    .collect();
                unit.save_device_updates(&saves).await?;
            }
            8 => match dice.roll(3) {
                0 => drop(unit.cancel_updates(id, "canceled", now, 7).await?),
                1 => drop(unit.expire_updates(id, "expired", now, 7).await?),
                _ => {
                    let (after, upto) = (self.devices[0], self.devices[60]);
                    unit.supersede_pending(self.deployments[1], after, upto, "newer", now).await?;
                }
            },
            _ => {
                // Reads in the middle of a unit of work see what it did.
                let counts = unit.update_counts(id).await?;
                let mut listed = 0;
                let mut page = PageRequest::first(1000);
                loop {
                    let got = unit.device_updates(id, &UpdateFilter::default(), &page).await?;
                    listed += got.items.len() as u64;
                    page.after = got.next;
                    if page.after.is_none() {
                        break;
                    }
                }
                // Between two statements of one unit of work a server's other units may end.
                assert!(counts.total() == listed || !self.alone);
                unit.device_counts(&CountScope::default()).await?;
            }
        }
        Ok(())
    }

    async fn work(&self, registry: &SqlRegistry, seed: u64, units: usize) {
        let mut dice = Dice(seed);
        for number in 0..units {
            let mut unit = begin(registry).await;
            let mut failed = false;
            for step in 0..=dice.roll(4) {
                if let Err(error) =
                    self.step(&mut *unit, &mut dice, &format!("n{seed}-{number}-{step}")).await
                {
                    assert!(error.is_transient(), "seed {seed}: {error:?}");
                    failed = true;
                    break;
                }
            }
            match dice.roll(5) {
                _ if failed => drop(unit.rollback().await),
                0 => unit.rollback().await.unwrap(),
                1 => drop(unit),
                _ => {
                    if let Err(error) = unit.commit().await {
                        assert!(error.is_transient(), "seed {seed}: {error:?}");
                    }
                }
            }
        }
    }
}

async fn stays_exact(engine: Engine) {
    if !Engine::available().contains(&engine) {
        return;
    }
    let (database, first) = Database::fresh(engine).await;
    let second = database.open().await;
    for seed in 0..6_u64 {
        let world = Arc::new(World::make(&first).await);
        tokio::join!(world.work(&first, seed * 2 + 1, 25), world.work(&second, seed * 2 + 2, 25));
        let differences = first.check_tallies().await.unwrap();
        assert!(differences.is_empty(), "{engine:?}, seed {seed}: {differences:?}");
        database.clear().await;
    }
    first.close().await;
    second.close().await;
    database.remove().await;
}

#[tokio::test]
async fn tallies_stay_exact_on_sqlite() {
    stays_exact(Engine::Sqlite).await;
}

#[tokio::test]
async fn tallies_stay_exact_on_postgresql() {
    stays_exact(Engine::Postgres).await;
}

#[tokio::test]
async fn tallies_stay_exact_on_mysql() {
    stays_exact(Engine::Mysql).await;
}

/// What `argosy doctor` relies on: it sees what is wrong, and what it makes anew is right.
#[tokio::test]
async fn a_recount_finds_what_is_wrong_and_mends_it() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let world = World::make(&registry).await;
        world.work(&registry, 7, 20).await;
        assert!(registry.check_tallies().await.unwrap().is_empty());
        for damage in [
            "UPDATE device_updates SET downloaded_bytes = downloaded_bytes + 1 WHERE device_id > 0",
            "UPDATE devices SET state = 'unregistered' WHERE device_key = 'vm-0000003'",
            "UPDATE device_status SET online = 1 - online WHERE device_id > 0",
            "DELETE FROM fleet_tallies WHERE region_id = -1",
            "DELETE FROM name_grams WHERE gram < 0",
        ] {
            let mut unit = begin(&registry).await;
            unit.insert_device_updates(&planned(world.deployments[0], &world.devices[..3], 0)).await.unwrap();
            unit.commit().await.unwrap();
            database.statement(damage).await;
            assert!(!registry.check_tallies().await.unwrap().is_empty(), "{engine:?}: {damage}");
            registry.rebuild_tallies().await.unwrap();
            assert_eq!(registry.check_tallies().await.unwrap(), [] as [String; 0], "{engine:?}: {damage}");
        }
        registry.close().await;
        database.remove().await;
    }
}

/// The migration counts and indexes what was there before it.
#[tokio::test]
async fn rows_of_before_the_migration_are_counted_and_found() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let world = World::make(&registry).await;
        let mut unit = begin(&registry).await;
        unit.insert_device_updates(&planned(world.deployments[0], &world.devices, 0)).await.unwrap();
        unit.commit().await.unwrap();
        // As it was before: the last migrations' tables are not there.
        let drop_index = |name: &str| match engine {
            Engine::Mysql => format!("DROP INDEX {name} ON devices"),
            Engine::Sqlite | Engine::Postgres => format!("DROP INDEX {name}"),
        };
        for name in ["devices_by_region_group", "devices_by_region_version", "devices_by_group_version"] {
            database.statement(&drop_index(name)).await;
        }
        for table in ["deployment_tallies", "fleet_tallies", "name_grams", "name_index"] {
            database.statement(&format!("DROP TABLE {table}")).await;
        }
        database.statement("DELETE FROM _sqlx_migrations WHERE version = 5").await;
        registry.close().await;
        let registry = database.open().await;
        let applied = registry.migrate().await.unwrap();
        assert_eq!(applied.iter().map(|m| m.version).collect::<Vec<_>>(), [5], "{engine:?}");
        assert_eq!(registry.check_tallies().await.unwrap(), [] as [String; 0], "{engine:?}");
        let mut session = registry.read().await.unwrap();
        let counts = session.device_counts(&CountScope::default()).await.unwrap();
        assert_eq!(counts.by_product, [(world.product, DeviceTally { devices: 120, online: 0 })]);
        let updates = session.update_counts(world.deployments[0]).await.unwrap();
        assert_eq!(updates.of(UpdateState::Pending), 120, "{engine:?}");
        assert_eq!(session.update_bytes(world.deployments[0]).await.unwrap().total, 120 * SIZE);
        let search = argosy_domain::model::DeviceFilter {
            search: Some(key(77).as_str()[..9].to_owned()),
            ..Default::default()
        };
        assert_eq!(session.devices(&search, &PageRequest::first(50)).await.unwrap().items.len(), 10);
        drop(session);
        registry.close().await;
        database.remove().await;
    }
}
