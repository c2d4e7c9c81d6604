//! What a busy fleet writes meanwhile: status messages, and results of a running deployment, through the engine's own ingest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use argosy_domain::ports::{DeviceEvents as _, Door, InboundMessage};
use argosy_domain::testing::FakeLink;
use argosy_engine::Engine;
use argosy_proto::message::{ResultStatus, UpdateResult};
use argosy_proto::{DeviceKey, DownMessage, UpMessage, decode_down, parse_down};

use super::dataset::key;

/// What was written.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) statuses: AtomicU64,
    pub(crate) results: AtomicU64,
    pub(crate) stop: AtomicBool,
}

fn message(key: &str, topic: String, payload: Vec<u8>) -> InboundMessage {
    InboundMessage {
        key: DeviceKey::new(key).expect("a key"),
        topic,
        payload: payload.into(),
        qos: 1,
        door: Door::Mtls,
        certificate: None,
    }
}

/// Every status says what is known, but for one of a hundred, which reports another version.
fn status(i: i64, round: u64) -> Vec<u8> {
    let version = match (round + i.unsigned_abs()) % 100 {
        0 => "1.7.0",
        _ if i % 1000 == 7 => "0.9.0",
        _ => ["1.4.0", "1.4.1", "1.5.0", "1.6.0"][usize::try_from(i % 4).unwrap_or(0)],
    };
    format!(
        r#"{{"firmware_version":"{version}","advertisements":[],"system":{{"cpu_usage":{{"core_0":11,"core_1":42}},"memory_usage":37,"storage_usage":61,"uptime":86400}},"network":{{"connection_type":"wifi","signal_strength":-61,"local_ip":"192.168.0.17","gateway_ip":"192.168.0.1"}},"timestamp":"2025-07-03T10:30:45Z"}}"#
    )
    .into_bytes()
}

/// Sends `per_s` statuses a second of devices all over the fleet until it is stopped.
pub(crate) async fn statuses(engine: Arc<Engine>, written: Arc<Written>, n: i64, per_s: u64) {
    let began = Instant::now();
    let mut sent = 0_u64;
    let mut tasks = tokio::task::JoinSet::new();
    while !written.stop.load(Ordering::Relaxed) {
        let due = u64::try_from(began.elapsed().as_millis()).unwrap_or(0) * per_s / 1000;
        while sent < due {
            let i = 1 + i64::try_from(sent.wrapping_mul(7_919) % n.unsigned_abs()).unwrap_or(0);
            let key = key(i);
            let said = message(&key, format!("v1/{key}/status/system"), status(i, sent / n.unsigned_abs()));
            sent += 1;
            let (engine, written) = (engine.clone(), written.clone());
            tasks.spawn(async move {
                engine.message(said).await.expect("durable");
                written.statuses.fetch_add(1, Ordering::Relaxed);
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while tasks.join_next().await.is_some() {}
}

/// Answers every request that the engine sends, a moment later, with success: the deployment's rate is the rate of the results.
pub(crate) async fn results(engine: Arc<Engine>, link: Arc<FakeLink>, written: Arc<Written>) {
    let mut tasks = tokio::task::JoinSet::new();
    while !written.stop.load(Ordering::Relaxed) {
        for sent in link.take_sent() {
            let Ok((_, topic)) = parse_down(&sent.topic) else { continue };
            let Ok(DownMessage::UpdateFirmware(request)) = decode_down(topic, &sent.payload) else {
                continue;
            };
            let result = UpMessage::Result(UpdateResult {
                command_id: request.command_id,
                status: ResultStatus::Success,
                message: None,
                checksum_verified: Some(true),
                download_ms: None,
                timestamp: None,
            });
            let said = message(
                sent.key.as_str(),
                result.topic().topic(&sent.key),
                result.encode().expect("a payload"),
            );
            let (engine, written) = (engine.clone(), written.clone());
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(500)).await;
                engine.message(said).await.expect("durable");
                written.results.fetch_add(1, Ordering::Relaxed);
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    while tasks.join_next().await.is_some() {}
}
