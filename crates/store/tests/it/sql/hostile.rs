//! Texts that have broken somebody's quoting, and numbers at their limits.

use argosy_domain::model::{DeviceFilter, DeviceTouch, UpdateEvent};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{PortErrorKind, Registry as _, UpdateFilter};
use argosy_proto::Sha256Hash;

use super::databases::{Database, Engine};
use super::fixture::{NOW, begin, deployment, device, planned};

const HOSTILE: &[&str] = &[
    "%",
    "_",
    "\\",
    "\\%",
    "'",
    "\"",
    "';--",
    "?",
    "$1",
    "\0",
    "a\0b",
    "\u{FFFF}",
    "🔥",
    "{",
    "[]",
    "\u{202E}",
    "\r\n",
    "%' OR '1'='1",
    "\\u0000",
    "e\u{301}",
    "\u{1}",
    "",
];

#[tokio::test]
async fn a_search_for_anything_is_answered_and_finds_only_what_holds_it() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let mut unit = begin(&registry).await;
        let (product, id) = deployment(&mut *unit, 1).await;
        let new: Vec<_> = (0..3).map(|i| device(i, product)).collect();
        let devices = unit.insert_devices(&new, NOW).await.unwrap();
        unit.insert_device_updates(&planned(id, &devices, 0)).await.unwrap();
        unit.commit().await.unwrap();
        let mut session = registry.read().await.unwrap();
        let page = PageRequest::first(10);
        for text in HOSTILE {
            let expected = if text.is_empty() { 3 } else { 0 };
            let filter = DeviceFilter { search: Some((*text).to_owned()), ..DeviceFilter::default() };
            let found = session.devices(&filter, &page).await.unwrap().items.len();
            assert_eq!(found, expected, "{engine:?} devices {text:?}");
            assert_eq!(session.count_devices(&filter).await.unwrap(), expected as u64, "{engine:?} {text:?}");
            let filter = UpdateFilter { search: Some((*text).to_owned()), ..UpdateFilter::default() };
            let found = session.device_updates(id, &filter, &page).await.unwrap().items.len();
            assert_eq!(found, expected, "{engine:?} updates {text:?}");
            let found = session.products(Some(text), &page).await.unwrap().items.len();
            assert_eq!(found, usize::from(text.is_empty()), "{engine:?} products {text:?}");
            let filter =
                DeviceFilter { firmware_version: Some((*text).to_owned()), ..DeviceFilter::default() };
            assert_eq!(session.count_devices(&filter).await.unwrap(), 0, "{engine:?} version {text:?}");
        }
        drop(session);
        registry.close().await;
        database.remove().await;
    }
}

/// What devices say is stored as it came; only a NUL, which PostgreSQL cannot store, becomes U+FFFD, and a version that is
/// longer than any is cut. Neither may fail the batch of a thousand others.
#[tokio::test]
async fn what_devices_say_never_fails_a_batch() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        let mut unit = begin(&registry).await;
        let (product, id) = deployment(&mut *unit, 1).await;
        let new: Vec<_> = (0..HOSTILE.len()).map(|i| device(i, product)).collect();
        let devices = unit.insert_devices(&new, NOW).await.unwrap();
        unit.insert_device_updates(&planned(id, &devices, 0)).await.unwrap();
        let changed: Vec<_> = planned(id, &devices, 0)
            .into_iter()
            .zip(HOSTILE)
            .map(|(mut update, text)| {
                update.apply(&UpdateEvent::Failed { message: Some((*text).to_owned()) }, NOW);
                (update, 0)
            })
            .collect();
        assert_eq!(unit.save_device_updates(&changed).await.unwrap(), HOSTILE.len() as u64, "{engine:?}");
        let touches: Vec<_> = devices
            .iter()
            .zip(HOSTILE)
            .map(|(device, text)| DeviceTouch {
                firmware_version: Some(text.repeat(100)),
                capabilities: Some(vec![(*text).to_owned()]),
                ..DeviceTouch::seen(*device, NOW)
            })
            .collect();
        unit.touch_devices(&touches).await.unwrap();
        unit.commit().await.unwrap();

        let mut session = registry.read().await.unwrap();
        for (device, text) in devices.iter().zip(HOSTILE) {
            let update = session.device_update(id, *device).await.unwrap().unwrap();
            assert_eq!(
                update.message.as_deref(),
                Some(text.replace('\0', "\u{FFFD}").as_str()),
                "{engine:?} {text:?}"
            );
            let stored = session.device(*device).await.unwrap().unwrap();
            assert_eq!(stored.capabilities, [*text], "{engine:?} {text:?}");
            let cut: String = text.repeat(100).replace('\0', "\u{FFFD}").chars().take(255).collect();
            assert_eq!(stored.firmware_version, Some(cut), "{engine:?} {text:?}");
        }
        drop(session);
        registry.close().await;
        database.remove().await;
    }
}

/// `file_info.id` on the wire is 1…2^31-1.
#[tokio::test]
async fn an_artifact_past_the_last_id_is_refused_as_full() {
    for engine in Engine::available() {
        let (database, registry) = Database::fresh(engine).await;
        database
            .statement(match engine {
                Engine::Sqlite => "INSERT INTO sqlite_sequence (name, seq) VALUES ('artifacts', 2147483646)",
                Engine::Postgres => "SELECT setval(pg_get_serial_sequence('artifacts', 'id'), 2147483646)",
                Engine::Mysql => "ALTER TABLE artifacts AUTO_INCREMENT = 2147483647",
            })
            .await;
        let mut unit = begin(&registry).await;
        let last = unit.insert_artifact(&Sha256Hash([1; 32]), 1, NOW).await.unwrap();
        assert_eq!(last.get(), i64::from(i32::MAX), "{engine:?}");
        let error = unit.insert_artifact(&Sha256Hash([2; 32]), 1, NOW).await.unwrap_err();
        assert_eq!(error.kind, PortErrorKind::Full, "{engine:?}: {error:?}");
        drop(unit);
        registry.close().await;
        database.remove().await;
    }
}
