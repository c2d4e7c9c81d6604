//! Sums of sales.

use std::collections::HashMap;
use std::sync::Arc;

use argosy_proto::DeviceId;

use super::list_cases;
use super::make::{DAY, HOUR, T0, sale};
use crate::Timestamp;
use crate::ports::{SalesBucket, SalesQuery, SalesSplit, SalesSum, SeriesStore, TimeSpan};

list_cases!("sums":
    sums_by_device_and_label,
    sums_by_hour_and_local_day,
    sums_by_item,
    sums_agree_with_each_other,
    a_wrong_offset_is_refused,
);

fn everything() -> SalesQuery {
    SalesQuery {
        span: TimeSpan::ALL,
        devices: None,
        bucket: SalesBucket::Whole,
        utc_offset_min: 0,
        split: SalesSplit::None,
        by_item: false,
    }
}

async fn sums(store: &dyn SeriesStore, query: &SalesQuery) -> Vec<SalesSum> {
    let report = store.sales(query).await.expect("sums");
    assert!(!report.truncated && report.sums.is_sorted());
    report.sums
}

/// 300 sales of 5 devices over 100 hours, a part of them moved.
async fn sell(store: &dyn SeriesStore) {
    for n in 0..300 {
        let variety = if n % 2 == 0 { Some("iced") } else { None };
        let item = ["coffee", "tea", "커피"][usize::try_from(n % 3).expect("small")];
        store.append(vec![sale(n % 5, n * HOUR / 3, item, variety)]).await.expect("appended");
        if n == 140 {
            store.flush().await.expect("moved");
        }
    }
}

async fn sums_by_device_and_label(store: &dyn SeriesStore) {
    assert!(sums(store, &everything()).await.is_empty());
    sell(store).await;
    for _ in 0..2 {
        let whole = SalesSum { bucket: None, who: None, item: None, variety: None, count: 300 };
        assert_eq!(sums(store, &everything()).await, [whole]);
        let by_device = SalesQuery { split: SalesSplit::Device, ..everything() };
        let found: Vec<_> = sums(store, &by_device).await.iter().map(|s| (s.who, s.count)).collect();
        assert_eq!(found, [(Some(0), 60), (Some(1), 60), (Some(2), 60), (Some(3), 60), (Some(4), 60)]);
        let labels: HashMap<_, _> = [(DeviceId(0), 7), (DeviceId(1), 7), (DeviceId(2), 8)].into();
        let by_label = SalesQuery { split: SalesSplit::Label(Arc::new(labels)), ..everything() };
        let found: Vec<_> = sums(store, &by_label).await.iter().map(|s| (s.who, s.count)).collect();
        assert_eq!(found, [(None, 120), (Some(7), 120), (Some(8), 60)]);
        let of_two =
            SalesQuery { devices: Some(Arc::new(vec![DeviceId(1), DeviceId(4)])), ..by_device.clone() };
        let found: Vec<_> = sums(store, &of_two).await.iter().map(|s| (s.who, s.count)).collect();
        assert_eq!(found, [(Some(1), 60), (Some(4), 60)]);
        let nobody = SalesQuery { devices: Some(Arc::default()), ..by_device };
        assert!(sums(store, &nobody).await.is_empty());
        store.flush().await.expect("moved");
    }
}

async fn sums_by_hour_and_local_day(store: &dyn SeriesStore) {
    sell(store).await;
    for _ in 0..2 {
        let hourly = SalesQuery {
            bucket: SalesBucket::Hour,
            span: TimeSpan::new(Timestamp(T0), Timestamp(T0 + 10 * HOUR)),
            ..everything()
        };
        let found = sums(store, &hourly).await;
        assert_eq!(found.iter().map(|s| s.count).sum::<u64>(), 30);
        assert_eq!(found.len(), 11, "the suite's first moment is in the middle of an hour");
        assert!(found.iter().all(|s| s.bucket.is_some_and(|b| b.0 % HOUR == 0)));
        for offset in [0, 540, -330] {
            let daily = SalesQuery { bucket: SalesBucket::Day, utc_offset_min: offset, ..everything() };
            let mut wanted: HashMap<i64, u64> = HashMap::new();
            for n in 0..300 {
                let local = T0 + n * HOUR / 3 + i64::from(offset) * 60_000;
                *wanted.entry(local.div_euclid(DAY) * DAY - i64::from(offset) * 60_000).or_default() += 1;
            }
            let found: HashMap<i64, u64> =
                sums(store, &daily).await.iter().map(|s| (s.bucket.map_or(0, |b| b.0), s.count)).collect();
            assert_eq!(found, wanted, "offset {offset}");
        }
        store.flush().await.expect("moved");
    }
}

async fn sums_by_item(store: &dyn SeriesStore) {
    sell(store).await;
    for _ in 0..2 {
        let found: Vec<_> = sums(store, &SalesQuery { by_item: true, ..everything() })
            .await
            .into_iter()
            .map(|s| (s.item.unwrap_or_default(), s.variety.unwrap_or_default(), s.count))
            .collect();
        let wanted = ["coffee", "tea", "커피"]
            .iter()
            .flat_map(|i| ["", "iced"].map(|v| ((*i).to_owned(), v.to_owned(), 50)));
        assert_eq!(found, wanted.collect::<Vec<_>>());
        store.flush().await.expect("moved");
    }
}

async fn sums_agree_with_each_other(store: &dyn SeriesStore) {
    sell(store).await;
    let fine =
        SalesQuery { bucket: SalesBucket::Hour, split: SalesSplit::Device, by_item: true, ..everything() };
    assert_eq!(sums(store, &fine).await.iter().map(|s| s.count).sum::<u64>(), 300);
}

async fn a_wrong_offset_is_refused(store: &dyn SeriesStore) {
    assert!(store.sales(&SalesQuery { utc_offset_min: 1441, ..everything() }).await.is_err());
}
