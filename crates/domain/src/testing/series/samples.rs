//! Samples: what was last, curves, rows.

use argosy_proto::message::DataValue;
use argosy_proto::{DeviceId, StreamName};

use super::list_cases;
use super::make::{DAY, HOUR, T0, data, status, status_sample};
use crate::Timestamp;
use crate::model::{SampleRow, StatusMetric, StatusSample};
use crate::page::PageRequest;
use crate::ports::{
    MAX_LATEST_STREAMS, MAX_SERIES_DEVICES, Metric, RangePoint, RangeQuery, SampleFilter, SeriesKind,
    SeriesStore, TimeSpan,
};

list_cases!("samples":
    an_empty_store_answers,
    the_last_status_and_stream_rows,
    the_last_is_by_server_time,
    streams_without_number_do_not_pile_up,
    statuses_are_given_back_exactly,
    rows_of_a_stream_are_given_back_exactly,
    pages_of_one_millisecond,
    pages_while_rows_move,
    a_curve_has_its_buckets_and_gaps,
    a_curve_over_many_days,
    a_curve_of_a_stream,
    counts_by_device_and_time,
    clocks_that_go_back,
    what_is_too_much_is_refused,
);

fn span(from: i64, to: i64) -> TimeSpan {
    TimeSpan::new(Timestamp(T0 + from), Timestamp(T0 + to))
}

fn all_of(device: i64) -> SampleFilter {
    SampleFilter { device: DeviceId(device), span: TimeSpan::ALL }
}

fn stream(name: &str) -> StreamName {
    StreamName::new(name).expect("a stream's name")
}

async fn every_status(
    store: &dyn SeriesStore,
    filter: &SampleFilter,
    limit: u32,
) -> Vec<SampleRow<StatusSample>> {
    let (mut page, mut rows) = (PageRequest::first(limit), Vec::new());
    loop {
        let got = store.statuses(filter, &page).await.expect("a page");
        assert!(got.items.len() <= limit as usize);
        rows.extend(got.items);
        match got.next {
            Some(next) => page.after = Some(next),
            None => return rows,
        }
    }
}

async fn an_empty_store_answers(store: &dyn SeriesStore) {
    let latest = store.latest(&[DeviceId(7), DeviceId(3)]).await.expect("latest");
    assert_eq!(latest.iter().map(|l| l.device.0).collect::<Vec<_>>(), [7, 3]);
    assert!(latest.iter().all(|l| l.status.is_none() && l.streams.is_empty()));
    assert!(store.latest(&[]).await.expect("none").is_empty());
    assert!(every_status(store, &all_of(7), 10).await.is_empty());
    for kind in SeriesKind::ALL {
        assert_eq!(store.count(kind, TimeSpan::ALL, None).await.expect("count"), 0);
    }
    store.append(Vec::new()).await.expect("nothing to append");
    store.flush().await.expect("nothing to move");
    assert_eq!(store.stats().await.expect("stats").rows(), 0);
}

async fn the_last_status_and_stream_rows(store: &dyn SeriesStore) {
    let one = |n: i64| [("n", DataValue::Int(n))];
    let rows = vec![
        status(1, 0, 1),
        status(2, 0, 2),
        data(1, 5, "boiler", &one(1)),
        data(1, 6, "boiler", &one(2)),
        data(1, 2, "door", &one(3)),
        status(1, 10, 3),
    ];
    store.append(rows).await.expect("appended");
    for _ in 0..2 {
        let latest = store.latest(&[DeviceId(2), DeviceId(1), DeviceId(9)]).await.expect("latest");
        assert_eq!(latest[0].status.as_ref().map(|s| &s.values), Some(&status_sample(2)));
        let first = latest[1].status.as_ref().expect("a status");
        assert_eq!((first.at, first.device_time), (Timestamp(T0 + 10), Some(Timestamp(T0 - 240))));
        assert_eq!(first.values, status_sample(3));
        let streams: Vec<_> =
            latest[1].streams.iter().map(|s| (s.values.stream.as_str(), s.at.0 - T0)).collect();
        assert_eq!(streams, [("boiler", 6), ("door", 2)]);
        assert_eq!(latest[1].streams[0].values.values["n"], DataValue::Int(2));
        assert_eq!(latest[2].status, None);
        store.flush().await.expect("moved");
    }
    // What comes after a flush is newer than what is kept, stream by stream.
    store.append(vec![data(1, 20, "door", &one(4))]).await.expect("appended");
    let latest = store.latest(&[DeviceId(1)]).await.expect("latest");
    let streams: Vec<_> = latest[0].streams.iter().map(|s| s.at.0 - T0).collect();
    assert_eq!(streams, [6, 20]);
    assert_eq!(latest[0].status.as_ref().map(|s| s.at.0 - T0), Some(10));
}

async fn the_last_is_by_server_time(store: &dyn SeriesStore) {
    store.append(vec![status(1, 100, 1)]).await.expect("appended");
    store.flush().await.expect("moved");
    store.append(vec![status(1, 50, 2)]).await.expect("appended");
    for _ in 0..2 {
        let latest = store.latest(&[DeviceId(1)]).await.expect("latest");
        assert_eq!(latest[0].status.as_ref().map(|s| s.at.0 - T0), Some(100));
        store.flush().await.expect("moved");
    }
}

async fn streams_without_number_do_not_pile_up(store: &dyn SeriesStore) {
    let many = MAX_LATEST_STREAMS as i64 * 3;
    for n in 0..many {
        let values = [("n", DataValue::Int(n))];
        store
            .append(vec![data(1, n, &format!("s{n}"), &values), data(2, n, "one", &values)])
            .await
            .expect("ok");
        if n % 50 == 20 {
            store.flush().await.expect("moved");
        }
    }
    for _ in 0..2 {
        let latest = store.latest(&[DeviceId(1), DeviceId(2)]).await.expect("latest");
        let mut ages: Vec<_> = latest[0].streams.iter().map(|row| row.at.0 - T0).collect();
        assert!(latest[0].streams.is_sorted_by(|a, b| a.values.stream < b.values.stream));
        ages.sort_unstable();
        assert_eq!(ages, (many - MAX_LATEST_STREAMS as i64..many).collect::<Vec<_>>());
        assert_eq!(latest[1].streams.len(), 1);
        store.flush().await.expect("moved");
    }
}

async fn statuses_are_given_back_exactly(store: &dyn SeriesStore) {
    let strange = StatusSample {
        cpu_0: Some(f64::MAX),
        cpu_1: Some(-1e-300),
        memory: Some(0.1 + 0.2),
        uptime: Some(u64::MAX),
        signal: Some(-0.0),
        connection: Some(String::new()),
        local_ip: Some("가나다 \u{1F600}".to_owned()),
        advertisements: Some(vec![i64::MIN, i64::MAX, 0]),
        ..StatusSample::default()
    };
    let mut rows: Vec<_> = (0..120).map(|n| status(1, n * 1000, n)).collect();
    rows.push(super::make::row(1, 200_000, crate::model::Fact::Status(strange.clone())));
    rows.push(super::make::row(1, 200_001, crate::model::Fact::Status(StatusSample::default())));
    rows.push(status(2, 5, 1));
    let (first, rest) = rows.split_at(60);
    store.append(first.to_vec()).await.expect("appended");
    store.flush().await.expect("moved");
    store.append(rest.to_vec()).await.expect("appended");
    for limit in [1000, 7] {
        let found = every_status(store, &all_of(1), limit).await;
        assert_eq!(found.len(), 122);
        assert_eq!(found[0].values, StatusSample::default());
        assert_eq!(found[1].values, strange);
        for (found, n) in found[2..].iter().zip((0..120).rev()) {
            assert_eq!(found.at, Timestamp(T0 + n * 1000));
            assert_eq!(found.device_time, Some(Timestamp(T0 + n * 1000 - 250)));
            assert_eq!(found.values, status_sample(n));
        }
        store.flush().await.expect("moved");
    }
    let part = SampleFilter { device: DeviceId(1), span: span(10_000, 20_000) };
    let found = every_status(store, &part, 3).await;
    assert_eq!(
        found.iter().map(|r| (r.at.0 - T0) / 1000).collect::<Vec<_>>(),
        (10..20).rev().collect::<Vec<_>>()
    );
}

async fn rows_of_a_stream_are_given_back_exactly(store: &dyn SeriesStore) {
    let values = |n: i64| {
        let mut values = vec![("n", DataValue::Int(n * 1_000_000_007)), ("on", DataValue::Bool(n % 2 == 0))];
        if n % 3 == 0 {
            values.push(("text", DataValue::Text(format!("줄 {n}"))));
        }
        // A column may change its type from row to row.
        values.push(("mixed", if n % 4 == 0 { DataValue::Float(0.25) } else { DataValue::Text("x".into()) }));
        values
    };
    for n in 0..30 {
        store
            .append(vec![data(4, n, "s.1", &values(n)), data(4, n, "other", &values(1))])
            .await
            .expect("appended");
        if n == 11 {
            store.flush().await.expect("moved");
        }
    }
    let mut page = PageRequest::first(8);
    let mut expected = (0..30).rev();
    loop {
        let got = store.stream(&all_of(4), &stream("s.1"), &page).await.expect("a page");
        for row in got.items {
            let n = expected.next().expect("no more than were appended");
            let wanted: Vec<_> = values(n).into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            assert_eq!(row.values.values, wanted.into_iter().collect());
            assert_eq!(row.values.stream, stream("s.1"));
            assert_eq!(row.at.0, T0 + n);
        }
        match got.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    assert_eq!(expected.next(), None);
    let none = store.stream(&all_of(4), &stream("S.1"), &PageRequest::first(5)).await.expect("a page");
    assert!(none.items.is_empty() && none.next.is_none());
}

async fn pages_of_one_millisecond(store: &dyn SeriesStore) {
    store.append((0..10).map(|n| status(1, 0, n)).collect()).await.expect("appended");
    store.flush().await.expect("moved");
    store.append((10..20).map(|n| status(1, 0, n)).collect()).await.expect("appended");
    for limit in [3, 4] {
        let found = every_status(store, &all_of(1), limit).await;
        let numbers: Vec<_> = found.iter().map(|row| row.values.uptime.unwrap_or(0) / 10).collect();
        assert_eq!(numbers, (0..20).rev().collect::<Vec<_>>());
        store.flush().await.expect("moved");
    }
}

async fn pages_while_rows_move(store: &dyn SeriesStore) {
    store.append((0..40).map(|n| status(1, n * HOUR, n)).collect()).await.expect("appended");
    let (mut page, mut seen) = (PageRequest::first(5), Vec::new());
    for turn in 0..8 {
        let got = store.statuses(&all_of(1), &page).await.expect("a page");
        seen.extend(got.items.iter().map(|row| (row.at.0 - T0) / HOUR));
        page.after = got.next;
        if turn == 2 {
            store.flush().await.expect("moved");
        }
        // What is newer is not in the pages after.
        store.append(vec![status(1, (40 + turn) * HOUR, 0)]).await.expect("appended");
    }
    assert_eq!(seen, (0..40).rev().collect::<Vec<_>>());
    assert_eq!(page.after, None);
}

async fn a_curve_has_its_buckets_and_gaps(store: &dyn SeriesStore) {
    let values = [(0, 10.0), (500, 30.0), (999, 20.0), (2000, 5.0), (9999, 1.0), (10_000, 99.0)];
    for (at, cpu) in values {
        let mut row = status(1, at, 0);
        row.fact = crate::model::Fact::Status(StatusSample { cpu_0: Some(cpu), ..StatusSample::default() });
        store.append(vec![row, status(2, at, 3)]).await.expect("appended");
    }
    for _ in 0..2 {
        let query = RangeQuery {
            device: DeviceId(1),
            metrics: vec![Metric::Status(StatusMetric::Cpu0), Metric::Status(StatusMetric::Memory)],
            span: span(0, 10_000),
            points: 10,
        };
        let range = store.range(&query).await.expect("curves");
        assert_eq!((range.from.0, range.step_ms, range.curves.len()), (T0, 1000, 2));
        let mut expected = vec![None; 10];
        expected[0] = Some(RangePoint { min: 10.0, avg: 20.0, max: 30.0, count: 3 });
        expected[2] = Some(RangePoint { min: 5.0, avg: 5.0, max: 5.0, count: 1 });
        expected[9] = Some(RangePoint { min: 1.0, avg: 1.0, max: 1.0, count: 1 });
        assert_eq!(range.curves[0], expected);
        assert_eq!(range.curves[1], vec![None; 10], "the device never said it");
        store.flush().await.expect("moved");
    }
}

async fn a_curve_over_many_days(store: &dyn SeriesStore) {
    for day in 0..12 {
        store.append((0..24).map(|h| status(1, day * DAY + h * HOUR, h)).collect()).await.expect("appended");
        if day == 5 || day == 9 {
            store.flush().await.expect("moved");
        }
    }
    let query = RangeQuery {
        device: DeviceId(1),
        metrics: vec![Metric::Status(StatusMetric::Uptime)],
        span: span(0, 12 * DAY),
        points: 12,
    };
    let range = store.range(&query).await.expect("a curve");
    assert_eq!(range.curves[0].len(), 12);
    for point in &range.curves[0] {
        let point = point.expect("every day has its values");
        assert_eq!((point.min, point.max, point.count), (0.0, 230.0, 24));
        assert!((point.avg - 115.0).abs() < 1e-6);
    }
}

async fn a_curve_of_a_stream(store: &dyn SeriesStore) {
    let on =
        |flag| data(1, 10, "boiler", &[("on", DataValue::Bool(flag)), ("t", DataValue::Text("5".into()))]);
    store
        .append(vec![on(true), on(false), data(1, 10, "other", &[("on", DataValue::Int(50))])])
        .await
        .expect("ok");
    let metric = |column: &str| Metric::Stream(stream("boiler"), column.to_owned());
    let query = RangeQuery {
        device: DeviceId(1),
        metrics: vec![metric("on"), metric("t"), metric("missing")],
        span: span(0, 100),
        points: 1,
    };
    for _ in 0..2 {
        let range = store.range(&query).await.expect("curves");
        assert_eq!(range.curves[0], [Some(RangePoint { min: 0.0, avg: 0.5, max: 1.0, count: 2 })]);
        assert_eq!((range.curves[1][0], range.curves[2][0]), (None, None), "texts are not drawn");
        store.flush().await.expect("moved");
    }
}

async fn counts_by_device_and_time(store: &dyn SeriesStore) {
    for n in 0..50 {
        store.append(vec![status(1, n * HOUR, n), status(2, n * HOUR, n)]).await.expect("appended");
        if n == 30 {
            store.flush().await.expect("moved");
        }
    }
    let count = |span, device: Option<i64>| async move {
        store.count(SeriesKind::Status, span, device.map(DeviceId)).await.expect("count")
    };
    for _ in 0..2 {
        assert_eq!(count(TimeSpan::ALL, None).await, 100);
        assert_eq!(count(TimeSpan::ALL, Some(1)).await, 50);
        assert_eq!(count(span(HOUR, 3 * HOUR), None).await, 4);
        assert_eq!(count(span(HOUR, 40 * HOUR + 1), Some(2)).await, 40);
        assert_eq!(count(span(3 * HOUR, HOUR), None).await, 0);
        assert_eq!(store.count(SeriesKind::Data, TimeSpan::ALL, None).await.expect("count"), 0);
        assert_eq!(store.stats().await.expect("stats").rows(), 100);
        store.flush().await.expect("moved");
    }
}

async fn clocks_that_go_back(store: &dyn SeriesStore) {
    // The server's clock was set back by two days, and then forward again.
    for at in [0, 10, -2 * DAY, -2 * DAY + 10, 20, 30] {
        store.append(vec![status(1, at, 1)]).await.expect("appended");
    }
    for _ in 0..2 {
        let found: Vec<_> = every_status(store, &all_of(1), 2).await.iter().map(|r| r.at.0 - T0).collect();
        assert_eq!(found, [30, 20, 10, 0, -2 * DAY + 10, -2 * DAY]);
        store.flush().await.expect("moved");
    }
}

async fn what_is_too_much_is_refused(store: &dyn SeriesStore) {
    let many: Vec<_> = (0..=MAX_SERIES_DEVICES as i64).map(DeviceId).collect();
    assert!(store.latest(&many).await.is_err());
    let query = |points| RangeQuery {
        device: DeviceId(1),
        metrics: vec![Metric::Status(StatusMetric::Cpu0)],
        span: span(0, 1000),
        points,
    };
    assert!(store.range(&query(0)).await.is_err());
    assert!(store.range(&query(10)).await.is_ok());
    let page = PageRequest { limit: 5, after: Some("not ours".to_owned()) };
    assert!(store.statuses(&all_of(1), &page).await.is_err());
}
