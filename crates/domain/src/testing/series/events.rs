//! Events: logs, downloads, presence, notes, dead letters.

use argosy_proto::{DeploymentId, DeviceId, DeviceKey};

use super::list_cases;
use super::make::{DAY, HOUR, T0, log, row, sale};
use crate::Timestamp;
use crate::model::{DownloadStep, Event, EventKind, EventRow, Fact, NoteTopic, SeriesRow};
use crate::page::PageRequest;
use crate::ports::{EventFilter, SeriesKind, SeriesStore, TimeSpan};

list_cases!("events":
    every_kind_is_given_back_exactly,
    newest_first_over_partitions_and_pages,
    ids_rise_and_stay,
    logs_are_searched,
    wildcards_are_letters,
    by_devices,
    downloads_of_a_deployment,
    dead_letters_by_key,
    a_foreign_cursor_is_refused,
);

fn event(device: i64, offset: i64, event: Event) -> SeriesRow {
    row(device, offset, Fact::Event(event))
}

fn download(device: i64, offset: i64, deployment: i64, step: DownloadStep) -> SeriesRow {
    let deployment = DeploymentId(deployment);
    event(
        device,
        offset,
        Event::Download {
            deployment,
            step,
            bytes: Some(offset),
            percent: None,
            speed_kbps: None,
            download_ms: None,
            message: None,
        },
    )
}

fn dead_letter(key: &str, offset: i64, topic: &str) -> SeriesRow {
    let key = DeviceKey::new(key).expect("a key");
    let (topic, reason) = (topic.to_owned(), "not JSON".to_owned());
    event(0, offset, Event::DeadLetter { key, topic, reason, payload: vec![0, 255, b'x'] })
}

/// Every row that is found, page by page; a short page is no end.
async fn every(store: &dyn SeriesStore, filter: &EventFilter, limit: u32) -> Vec<EventRow> {
    let (mut page, mut rows) = (PageRequest::first(limit), Vec::new());
    loop {
        let got = store.events(filter, &page).await.expect("a page");
        assert!(got.items.len() <= limit as usize);
        rows.extend(got.items);
        match got.next {
            Some(next) => page.after = Some(next),
            None => return rows,
        }
    }
}

async fn offsets(store: &dyn SeriesStore, filter: &EventFilter) -> Vec<i64> {
    every(store, filter, 4).await.iter().map(|row| row.at.0 - T0).collect()
}

async fn every_kind_is_given_back_exactly(store: &dyn SeriesStore) {
    let note = |topic, command_id: Option<&str>, status: Option<&str>, text: &str| Event::Note {
        topic,
        command_id: command_id.map(str::to_owned),
        status: status.map(str::to_owned),
        text: text.to_owned(),
    };
    let key = DeviceKey::new("vm-1").expect("a key");
    let events = [
        Event::Log { tag: String::new(), text: "첫 줄\n둘째 줄".to_owned() },
        Event::Log { tag: "WIFI".to_owned(), text: "x".repeat(16 * 1024) },
        Event::Sale { item: "coffee".to_owned(), variety: Some("latte".to_owned()) },
        Event::Sale { item: String::new(), variety: None },
        Event::Download {
            deployment: DeploymentId(9),
            step: DownloadStep::Failed,
            bytes: Some(i64::MAX),
            percent: Some(100),
            speed_kbps: Some(1.5),
            download_ms: Some(u64::MAX / 4),
            message: Some("flash".to_owned()),
        },
        Event::Download {
            deployment: DeploymentId(9),
            step: DownloadStep::Acknowledged,
            bytes: None,
            percent: None,
            speed_kbps: None,
            download_ms: None,
            message: None,
        },
        Event::Presence { online: true },
        Event::Presence { online: false },
        note(NoteTopic::Test, None, None, "hello"),
        note(NoteTopic::CommandResponse, Some("CM-1"), Some("ok"), "{\"a\":1}"),
        note(NoteTopic::CancelAck, Some("FW-1-2-3"), None, ""),
        Event::DeadLetter {
            key,
            topic: "v1/vm-1/x".to_owned(),
            reason: "why".to_owned(),
            payload: vec![0, 200],
        },
    ];
    let rows: Vec<_> = events.iter().zip(0..).map(|(e, n)| event(5, n, e.clone())).collect();
    store.append(rows.clone()).await.expect("appended");
    for _ in 0..2 {
        for kind in EventKind::ALL {
            let wanted: Vec<_> = rows
                .iter()
                .rev()
                .filter(|r| matches!(&r.fact, Fact::Event(e) if e.kind() == *kind))
                .collect();
            let found = every(store, &EventFilter::kind(*kind), 100).await;
            assert_eq!(found.len(), wanted.len(), "{kind}");
            for (found, wanted) in found.iter().zip(&wanted) {
                assert_eq!(Fact::Event(found.event.clone()), wanted.fact);
                assert_eq!(
                    (found.device, found.at, found.device_time),
                    (wanted.device, wanted.at, wanted.device_time)
                );
            }
            let count = store.count(SeriesKind::Event(*kind), TimeSpan::ALL, Some(DeviceId(5))).await;
            assert_eq!(count.expect("count"), wanted.len() as u64);
        }
        store.flush().await.expect("moved");
    }
}

async fn newest_first_over_partitions_and_pages(store: &dyn SeriesStore) {
    // Half a year, so that every width of partition has several; three rows at each moment.
    let moments: Vec<i64> = (0..60).map(|n| n * 3 * DAY + n).collect();
    for (n, at) in moments.iter().enumerate() {
        store
            .append(vec![log(1, *at, "a", "x"), log(2, *at, "b", "y"), log(1, *at, "c", "z")])
            .await
            .expect("ok");
        if n % 13 == 5 {
            store.flush().await.expect("moved");
        }
    }
    for limit in [1, 7, 1000] {
        let found = every(store, &EventFilter::kind(EventKind::Log), limit).await;
        let wanted: Vec<_> =
            moments.iter().rev().flat_map(|at| [("c", *at), ("b", *at), ("a", *at)]).collect();
        let found: Vec<_> = found
            .iter()
            .map(|r| match &r.event {
                Event::Log { tag, .. } => (tag.as_str(), r.at.0 - T0),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(found, wanted, "pages of {limit}");
    }
    let span = TimeSpan::new(Timestamp(T0 + moments[10]), Timestamp(T0 + moments[12]));
    let filter = EventFilter { span, ..EventFilter::kind(EventKind::Log) };
    let found = every(store, &filter, 2).await;
    assert_eq!(found.len(), 6, "the end of a span is not in it");
}

async fn ids_rise_and_stay(store: &dyn SeriesStore) {
    for n in 0..10 {
        store.append(vec![log(1, n, "a", "x"), sale(1, n, "tea", None)]).await.expect("appended");
        if n % 4 == 1 {
            store.flush().await.expect("moved");
        }
    }
    let before = every(store, &EventFilter::kind(EventKind::Log), 3).await;
    assert!(before.windows(2).all(|pair| pair[0].id > pair[1].id));
    store.flush().await.expect("moved");
    assert_eq!(every(store, &EventFilter::kind(EventKind::Log), 3).await, before);
}

async fn logs_are_searched(store: &dyn SeriesStore) {
    let rows = vec![
        log(1, 0, "WIFI", "Connection lost"),
        log(1, 1, "wifi", "connected"),
        log(2, 2, "NVS", "no CONNECTION to 센서"),
        log(2, 3, "센서", "timeout"),
    ];
    store.append(rows).await.expect("appended");
    let text = |text: &str| EventFilter { text: Some(text.to_owned()), ..EventFilter::kind(EventKind::Log) };
    for _ in 0..2 {
        assert_eq!(offsets(store, &text("connection")).await, [2, 0]);
        assert_eq!(offsets(store, &text("WIFI")).await, [1, 0]);
        assert_eq!(offsets(store, &text("센서")).await, [3, 2]);
        assert_eq!(offsets(store, &text("")).await, [3, 2, 1, 0]);
        assert_eq!(offsets(store, &text("nothing of it")).await, [0_i64; 0]);
        let tag = EventFilter { word: Some("WIFI".to_owned()), ..EventFilter::kind(EventKind::Log) };
        assert_eq!(offsets(store, &tag).await, [0]);
        let both = EventFilter { word: Some("NVS".to_owned()), ..text("connection") };
        assert_eq!(offsets(store, &both).await, [2]);
        store.flush().await.expect("moved");
    }
}

async fn wildcards_are_letters(store: &dyn SeriesStore) {
    let texts = ["100% done", "100 done", "a_b", "axb", r"c:\x", "it's"];
    store.append(texts.iter().zip(0..).map(|(t, n)| log(1, n, "t", t)).collect()).await.expect("appended");
    for _ in 0..2 {
        for (text, wanted) in [("100%", 0), ("a_b", 2), (r"c:\x", 4), ("it's", 5), ("t's", 5)] {
            let filter = EventFilter { text: Some(text.to_owned()), ..EventFilter::kind(EventKind::Log) };
            assert_eq!(offsets(store, &filter).await, [wanted], "{text}");
        }
        store.flush().await.expect("moved");
    }
}

async fn by_devices(store: &dyn SeriesStore) {
    store.append((0..40).map(|n| log(n % 4, n * HOUR, "t", "x")).collect()).await.expect("appended");
    let of = |ids: &[i64]| EventFilter {
        devices: Some(ids.iter().copied().map(DeviceId).collect()),
        ..EventFilter::kind(EventKind::Log)
    };
    for _ in 0..2 {
        assert_eq!(offsets(store, &of(&[2])).await.len(), 10);
        let two: Vec<_> = (0..40).rev().filter(|n| n % 4 == 1 || n % 4 == 3).map(|n| n * HOUR).collect();
        assert_eq!(offsets(store, &of(&[3, 1, 77])).await, two);
        assert!(offsets(store, &of(&[])).await.is_empty());
        assert!(offsets(store, &of(&[77])).await.is_empty());
        store.flush().await.expect("moved");
    }
}

async fn downloads_of_a_deployment(store: &dyn SeriesStore) {
    let mut rows = Vec::new();
    for n in 0..20 {
        let step = if n % 5 == 0 { DownloadStep::Downloaded } else { DownloadStep::Progress };
        rows.push(download(n % 3, n, 1 + n % 2, step));
    }
    store.append(rows).await.expect("appended");
    let of = EventFilter { deployment: Some(DeploymentId(1)), ..EventFilter::kind(EventKind::Download) };
    for _ in 0..2 {
        let even: Vec<i64> = (0..20).rev().filter(|n| n % 2 == 0).collect();
        assert_eq!(offsets(store, &of).await, even);
        let done = EventFilter { word: Some("downloaded".to_owned()), ..of.clone() };
        assert_eq!(offsets(store, &done).await, [10, 0]);
        let device = EventFilter { devices: Some(vec![DeviceId(1)]), ..of.clone() };
        assert_eq!(offsets(store, &device).await, [16, 10, 4]);
        store.flush().await.expect("moved");
    }
}

async fn dead_letters_by_key(store: &dyn SeriesStore) {
    let rows = vec![
        dead_letter("a", 0, "v1/a/bad"),
        dead_letter("b", 1, "v1/b/bad"),
        dead_letter("a", 2, "v1/a/worse"),
    ];
    store.append(rows).await.expect("appended");
    let of = |key: &str| EventFilter {
        key: Some(DeviceKey::new(key).expect("a key")),
        ..EventFilter::kind(EventKind::DeadLetter)
    };
    for _ in 0..2 {
        assert_eq!(offsets(store, &of("a")).await, [2, 0]);
        assert_eq!(offsets(store, &of("A")).await, [0_i64; 0], "keys have case");
        let worse = EventFilter { text: Some("WORSE".to_owned()), ..of("a") };
        assert_eq!(offsets(store, &worse).await, [2]);
        assert_eq!(offsets(store, &EventFilter::kind(EventKind::DeadLetter)).await, [2, 1, 0]);
        store.flush().await.expect("moved");
    }
}

async fn a_foreign_cursor_is_refused(store: &dyn SeriesStore) {
    for bad in ["x", "12", "-"] {
        let page = PageRequest { limit: 5, after: Some(bad.to_owned()) };
        assert!(store.events(&EventFilter::kind(EventKind::Log), &page).await.is_err(), "{bad}");
    }
}
