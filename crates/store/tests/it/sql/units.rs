//! Units of work that end badly, and several processes on one database.

use std::sync::Arc;
use std::time::Duration;

use argosy_domain::model::{UpdateEvent, UpdateState};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{CountScope, PortErrorKind, Registry as _};
use argosy_store::sql::SqlRegistry;
use parking_lot::Mutex;

use super::databases::{Database, Engine, options};
use super::fixture::{NOW, begin, deployment, device, planned, product};

/// The future of a unit of work, or of a read, is dropped at any of its awaits, as a request's is when its client goes away.
/// A connection with an answer still to come must never be given to the next one.
#[tokio::test]
async fn what_is_dropped_in_the_middle_of_a_statement_leaves_nothing_and_disturbs_nobody() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let mut unit = begin(&registry).await;
        let (product, _) = deployment(&mut *unit, 1).await;
        unit.commit().await.unwrap();
        let devices: Vec<_> = (0..500).map(|i| device(i, product)).collect();
        for round in 0..120_u64 {
            let limit = Duration::from_micros(round * round * 5);
            // Never committed: whether the time ran out or not, nothing may stay. (A server that has not noticed yet that the
            // one before is gone may name a deadlock: the error is transient then.)
            let work = async {
                let mut unit = registry.begin("dropped").await?;
                unit.insert_group("gone", NOW).await?;
                unit.insert_devices(&devices, NOW).await?;
                unit.device_counts(&CountScope::default()).await
            };
            let read = async {
                let mut session = registry.read().await.unwrap();
                for _ in 0..20 {
                    session.device_counts(&CountScope::default()).await.unwrap();
                    // A statement that was never seen before is prepared first.
                    session.products(Some("x"), &PageRequest::first(1)).await.unwrap();
                }
            };
            let (worked, _) =
                tokio::join!(tokio::time::timeout(limit, work), tokio::time::timeout(limit, read));
            if let Ok(Err(error)) = worked {
                assert!(error.is_transient(), "{engine:?} {round}: {error:?}");
            }
            let check = async {
                let mut unit = begin(&registry).await;
                assert_eq!(unit.group_by_name("gone").await.unwrap(), None, "{engine:?} {round}");
                assert_eq!(
                    unit.device_counts(&CountScope::default()).await.unwrap().total,
                    0,
                    "{engine:?} {round}"
                );
                unit.rollback().await.unwrap();
                let mut session = registry.read().await.unwrap();
                let found = session.product(product).await.unwrap().expect("the product");
                assert_eq!(found.spec.name, "boiler 1", "{engine:?} {round}");
            };
            tokio::time::timeout(Duration::from_secs(60), check).await.expect("the next one hangs");
        }
        let mut unit = begin(&registry).await;
        assert_eq!(unit.insert_devices(&devices, NOW).await.unwrap().len(), 500);
        unit.commit().await.unwrap();
        registry.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn a_unit_with_a_failed_statement_cannot_be_committed_on_any_engine() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let mut unit = begin(&registry).await;
        unit.insert_product(&product("a"), NOW).await.unwrap();
        let error = unit.insert_product(&product("a"), NOW).await.unwrap_err();
        assert_eq!(
            (error.kind, error.constraint),
            (PortErrorKind::Conflict, Some("product.name")),
            "{engine:?}"
        );
        assert_eq!(unit.commit().await.unwrap_err().kind, PortErrorKind::Internal, "{engine:?}");
        let found = registry.read().await.unwrap().product_by_name("a").await.unwrap();
        assert_eq!(found, None, "{engine:?}: half a unit of work was committed");
        registry.close().await;
        database.remove().await;
    }
}

/// Two registries stand for two processes: what one read and the other changed since, the first cannot overwrite.
#[tokio::test]
async fn of_two_processes_that_read_the_same_revision_exactly_one_writes() {
    for engine in Engine::available() {
        let (database, first) = Database::fresh(engine).await;
        let second = database.open().await;
        let mut unit = begin(&first).await;
        let (product, id) = deployment(&mut *unit, 1).await;
        let new: Vec<_> = (0..50).map(|i| device(i, product)).collect();
        let devices = unit.insert_devices(&new, NOW).await.unwrap();
        unit.insert_device_updates(&planned(id, &devices, 0)).await.unwrap();
        unit.commit().await.unwrap();
        let dispatch = |registry: SqlRegistry, round: i64| {
            let devices = devices.clone();
            async move {
                let ids: Vec<_> = devices.iter().map(|d| (id, *d)).collect();
                let read = registry.read().await.unwrap().device_updates_by_id(&ids).await.unwrap();
                let changed: Vec<_> = read
                    .into_iter()
                    .filter(|u| u.revision == round)
                    .map(|mut update| {
                        let was = update.revision;
                        update.apply(&UpdateEvent::Dispatch, NOW);
                        (update, was)
                    })
                    .collect();
                let mut unit = registry.begin("dispatch").await.unwrap();
                let written = unit.save_device_updates(&changed).await.unwrap();
                unit.commit().await.unwrap();
                written
            }
        };
        let (a, b) = tokio::join!(dispatch(first.clone(), 0), dispatch(second.clone(), 0));
        assert_eq!(a + b, 50, "{engine:?}: {a} and {b}");
        let counts = first.read().await.unwrap().update_counts(id).await.unwrap();
        assert_eq!(counts.of(UpdateState::Dispatched), 50, "{engine:?}");

        // The same for a deployment's generation.
        let stale = first.read().await.unwrap().deployment(id).await.unwrap().unwrap();
        let save = |registry: SqlRegistry| {
            let stale = stale.clone();
            async move {
                let mut unit = registry.begin("save").await.unwrap();
                let saved = unit.save_deployment(&stale).await.unwrap();
                unit.commit().await.unwrap();
                saved
            }
        };
        let (a, b) = tokio::join!(save(first.clone()), save(second.clone()));
        assert!(a != b, "{engine:?}: {a} and {b}");
        first.close().await;
        second.close().await;
        database.remove().await;
    }
}

#[tokio::test]
async fn the_observer_hears_of_every_unit_and_how_it_ended() {
    let database = Database::bare(Engine::Sqlite).await;
    let heard: Arc<Mutex<Vec<(&'static str, bool)>>> = Arc::default();
    let ears = heard.clone();
    let observer = move |purpose, _held: Duration, committed| ears.lock().push((purpose, committed));
    let registry = SqlRegistry::connect(&database.uri, &options(), observer).await.unwrap();
    registry.migrate().await.unwrap();
    registry.begin("committed").await.unwrap().commit().await.unwrap();
    registry.begin("rolled back").await.unwrap().rollback().await.unwrap();
    drop(registry.begin("dropped").await.unwrap());
    let expected = [("committed", true), ("rolled back", false), ("dropped", false)];
    assert_eq!(*heard.lock(), expected);
}
