//! Rows to test with.

use std::collections::BTreeMap;

use argosy_proto::message::DataValue;
use argosy_proto::{DeviceId, StreamName};

use crate::Timestamp;
use crate::model::{Event, Fact, SeriesRow, StatusSample, StreamSample};

/// The suite's first moment: 2025-07-03T10:30:45.000Z.
pub const T0: i64 = 1_751_538_645_000;
/// Milliseconds of an hour.
pub const HOUR: i64 = 3_600_000;
/// Milliseconds of a day.
pub const DAY: i64 = 24 * HOUR;

/// A row at `T0 + offset`.
pub fn row(device: i64, offset: i64, fact: Fact) -> SeriesRow {
    let device_time = (offset % 2 == 0).then_some(Timestamp(T0 + offset - 250));
    SeriesRow { device: DeviceId(device), at: Timestamp(T0 + offset), device_time, fact }
}

/// A full status whose numbers follow from `n`.
pub fn status_sample(n: i64) -> StatusSample {
    StatusSample {
        cpu_0: Some((n % 100) as f64 + 0.5),
        cpu_1: Some(0.1 * (n % 7) as f64),
        memory: Some(61.25),
        storage: (n % 5 != 0).then_some(12.0),
        uptime: Some(n.unsigned_abs() * 10),
        signal: Some(-(n % 90) as f64),
        connection: Some("wifi".to_owned()),
        local_ip: Some("192.168.0.17".to_owned()),
        gateway_ip: None,
        firmware_version: Some(format!("1.{}.0", n / 50)),
        advertisements: match n % 3 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some(vec![n, 7, 2_147_483_647]),
        },
    }
}

/// [`status_sample`] as a row.
pub fn status(device: i64, offset: i64, n: i64) -> SeriesRow {
    row(device, offset, Fact::Status(status_sample(n)))
}

/// A row of a stream.
pub fn data(device: i64, offset: i64, stream: &str, values: &[(&str, DataValue)]) -> SeriesRow {
    let stream = StreamName::new(stream).expect("a stream's name");
    let values: BTreeMap<String, DataValue> =
        values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    row(device, offset, Fact::Data(StreamSample { stream, values }))
}

/// An error log.
pub fn log(device: i64, offset: i64, tag: &str, text: &str) -> SeriesRow {
    row(device, offset, Fact::Event(Event::Log { tag: tag.to_owned(), text: text.to_owned() }))
}

/// A sale.
pub fn sale(device: i64, offset: i64, item: &str, variety: Option<&str>) -> SeriesRow {
    let variety = variety.map(str::to_owned);
    row(device, offset, Fact::Event(Event::Sale { item: item.to_owned(), variety }))
}
