//! The server dies under a load of telemetry, again and again, without a word; whatever it has acknowledged is found again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use argosy_proto::DeviceKey;
use argosy_sim::load::{LoadConfig, LoadReport, Said, run};
use argosy_sim::{Enrolment, IdentityStore, device_keys, enrol};

use crate::harness::{Builder, PRODUCT, Server, until};

const DEVICES: usize = 20;
const DEATHS: u32 = 20;

fn enrolled(server: &Server) -> Vec<DeviceKey> {
    let keys = device_keys("sim-", &format!("1..{DEVICES}")).expect("keys");
    let mut store = IdentityStore::open(server.path("identities")).expect("a folder");
    let enrolment = Enrolment {
        api: server.api.base().to_owned(),
        token: server.api.token().to_owned(),
        ca_pem: None,
        product: PRODUCT.to_owned(),
        group: None,
        region: None,
        certificates: true,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(Box::pin(enrol(&enrolment, &mut store, &keys))).expect("the devices are enrolled");
    keys
}

#[test]
fn what_was_acknowledged_is_found_again_though_the_server_is_killed_twenty_times() {
    // Little memory, so that some of the deaths come while rows are on their way from the journal into their partitions.
    let mut server = Builder::default()
        .set("series.memory_bytes=1048576")
        .set("mqtt.limits.rate_per_second=1000")
        .set("mqtt.limits.rate_burst=10000")
        .start();
    server.product();
    let keys = enrolled(&server);
    let stop = Arc::new(AtomicBool::new(false));
    let load = std::thread::spawn({
        let config = LoadConfig {
            broker: format!("localhost:{}", server.ports.mqtts),
            identities: server.path("identities"),
            keys: keys.clone(),
            said: Said::Numbers,
            window: 8,
            rate: Some(100.0),
            threads: 1,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(3600),
            persistent: true,
            announce: false,
            stop: Some(Arc::clone(&stop)),
            subscriber: None,
        };
        move || run(config)
    });
    for death in 0..DEATHS {
        // Under load, and each time at another moment of it.
        let enough = f64::from(100 + death * 37);
        until("facts are stored", || {
            (server.api.metric("argosy_engine_facts_total") >= enough).then_some(())
        });
        server.crash();
    }
    until("facts are stored after the last death", || {
        (server.api.metric("argosy_engine_facts_total") >= 500.0).then_some(())
    });
    stop.store(true, Relaxed);
    let report: LoadReport = load.join().expect("the load").expect("the load goes on over every death");
    assert!(report.reconnects >= u64::from(DEATHS), "{} connections broke", report.reconnects);
    assert_eq!(report.numbers.len(), DEVICES);

    let mut acknowledged = 0;
    for (key, ranges) in &report.numbers {
        let rows = server.api.list(&format!("/devices/{key}/streams/numbered"));
        let stored: BTreeSet<u64> = rows.iter().filter_map(|row| row["values"]["n"].as_u64()).collect();
        for number in ranges.iter().flat_map(|(from, to)| *from..=*to) {
            assert!(stored.contains(&number), "{number} of {key} was acknowledged and is gone");
            acknowledged += 1;
        }
    }
    println!("{acknowledged} messages were acknowledged over {DEATHS} deaths, and all of them are there");
    assert!(acknowledged > u64::from(DEATHS) * 100, "only {acknowledged} messages were acknowledged");
}
