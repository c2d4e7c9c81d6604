use std::time::Duration;

use argosy_domain::model::{
    DeploymentPolicy, DeploymentState, DevicePatch, DeviceState, FirmwareChangeKind, UpdateState,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::{DeviceLink, Registry};
use argosy_engine::EngineError;
use argosy_proto::message::{FileInfo, ResultStatus};
use argosy_proto::{DeviceKey, DownTopic};

use crate::fleet::{Fleet, count, hash, id_of, key};

#[tokio::test]
async fn a_fleet_of_old_boards_is_updated_and_counted_once_each() {
    let fleet = Fleet::of(50).await;
    for n in 1..=50 {
        fleet.connect(n).await;
    }
    let firmware = fleet.firmware("2.0", hash(2)).await;
    let id = fleet.deploy(firmware, Fleet::policy()).await;
    let requests = fleet.wait_requests(50).await;
    for (key, request) in &requests {
        assert_eq!(
            request.content.file_info,
            FileInfo { id: request.content.file_info.id, file_hash: hash(2), size: 1000 }
        );
        assert!(request.content.signed_url.timeout >= 5);
        fleet.obey(key, request).await;
        // Old boards say it twice.
        fleet.obey(key, request).await;
    }
    let summary = fleet.until(id, "the end", |s| s.deployment.state == DeploymentState::Finished).await;
    assert_eq!((count(&summary, UpdateState::Succeeded), summary.counts.total()), (50, 50));
    assert_eq!((summary.downloaded_bytes, summary.total_bytes), (50_000, 50_000));
    assert_eq!(summary.success_rate, Some(1.0));
    let device = fleet.device(7).await;
    assert_eq!(device.image_hash, Some(hash(2)));
    let mut read = fleet.registry.read().await.expect("read");
    let history = read.firmware_history(device.id, &PageRequest::first(10)).await.expect("history").items;
    assert_eq!(
        history.iter().map(|h| (h.kind, h.deployment)).collect::<Vec<_>>(),
        [(FirmwareChangeKind::Updated, Some(id))]
    );
    assert!(fleet.requests().is_empty(), "nothing is sent twice to a finished device");
}

#[tokio::test]
async fn a_device_that_confirms_its_boot_succeeds_by_hello_and_not_before() {
    let fleet = Fleet::of(2).await;
    for n in 1..=2 {
        fleet.connect(n).await;
        fleet.hello(n, hash(1), "1.0", true).await;
    }
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    let requests = fleet.wait_requests(2).await;
    for (key, request) in &requests {
        let n = key.as_str().parse().expect("n");
        fleet.acknowledge(n, request).await;
        fleet.result(n, request, ResultStatus::Success).await;
    }
    assert_eq!(count(&fleet.summary(id).await, UpdateState::Downloaded), 2);
    for (key, request) in &requests {
        fleet.result(key.as_str().parse().expect("n"), request, ResultStatus::Installed).await;
    }
    // The first boots the new image, on trial, then confirmed; the second comes back with the old one.
    fleet.hello(1, hash(2), "2.0", false).await;
    assert_eq!(count(&fleet.summary(id).await, UpdateState::Installing), 2);
    fleet.hello(1, hash(2), "2.0", true).await;
    fleet.connect(2).await;
    fleet.hello(2, hash(1), "1.0", true).await;
    let summary = fleet.until(id, "the end", |s| s.deployment.state == DeploymentState::Finished).await;
    assert_eq!((count(&summary, UpdateState::Succeeded), count(&summary, UpdateState::RolledBack)), (1, 1));
    assert_eq!(fleet.device(1).await.image_hash, Some(hash(2)));
    assert_eq!(fleet.device(1).await.firmware_version.as_deref(), Some("2.0"));
    assert_eq!(fleet.device(2).await.image_hash, Some(hash(1)));
}

#[tokio::test]
async fn the_old_images_hello_before_the_restart_is_no_rollback() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    fleet.hello(1, hash(1), "1.0", true).await;
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    let request = fleet.wait_requests(1).await.remove(0).1;
    fleet.clock.advance(Duration::from_secs(1));
    fleet.result(1, &request, ResultStatus::Success).await;
    fleet.result(1, &request, ResultStatus::Installed).await;
    // A QoS 1 message that is sent again, or an agent that says hello once too often: the same connection, so not restarted.
    fleet.hello(1, hash(1), "1.0", true).await;
    assert_eq!(count(&fleet.summary(id).await, UpdateState::Installing), 1);
    fleet.clock.advance(Duration::from_secs(1));
    fleet.connect(1).await;
    fleet.hello(1, hash(2), "2.0", true).await;
    fleet.until(id, "the end", |s| s.words.success == 1).await;
}

#[tokio::test]
async fn a_device_that_runs_the_image_is_done_at_once_and_is_sent_nothing() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    fleet.hello(1, hash(2), "whatever", true).await;
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    fleet
        .until(id, "the end", |s| s.deployment.state == DeploymentState::Finished && s.words.success == 1)
        .await;
    assert!(fleet.requests().is_empty());
}

#[tokio::test]
async fn an_absent_device_gets_its_work_when_it_connects_and_nothing_waits_in_the_plane() {
    let fleet = Fleet::of(1).await;
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    fleet.until(id, "planned", |s| s.deployment.state == DeploymentState::Running).await;
    assert!(fleet.requests().is_empty());
    fleet.connect(1).await;
    let requests = fleet.wait_requests(1).await;
    // It loses the connection before it answers: the same command comes again.
    let number = fleet.connect(1).await;
    let again = fleet.wait_requests(1).await;
    assert_eq!(again[0].1.command_id, requests[0].1.command_id);
    fleet.obey(&key(1), &again[0].1).await;
    fleet.until(id, "the end", |s| s.words.success == 1).await;
    fleet.disconnect(1, number).await;
}

#[tokio::test]
async fn no_more_than_the_allowed_number_is_in_flight() {
    let fleet = Fleet::of(30).await;
    for n in 1..=30 {
        fleet.connect(n).await;
    }
    let policy = DeploymentPolicy { max_in_flight: 4, ..Fleet::policy() };
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, policy).await;
    let mut done = 0;
    while done < 30 {
        let requests = fleet.wait_requests(1).await;
        assert!(fleet.summary(id).await.counts.in_flight() <= 4);
        for (key, request) in &requests {
            fleet.obey(key, request).await;
            done += 1;
        }
    }
    fleet
        .until(id, "the end", |s| s.deployment.state == DeploymentState::Finished && s.words.success == 30)
        .await;
}

#[tokio::test]
async fn pause_stops_and_resume_goes_on() {
    let fleet = Fleet::of(10).await;
    for n in 1..=10 {
        fleet.connect(n).await;
    }
    let policy = DeploymentPolicy { max_in_flight: 2, ..Fleet::policy() };
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, policy).await;
    let first = fleet.wait_requests(2).await;
    fleet.engine.pause_deployment(&fleet.actor, id, "").await.expect("paused");
    for (key, request) in &first {
        fleet.obey(key, request).await;
    }
    for _ in 0..20 {
        fleet.engine.wake();
        fleet.clock.advance(Duration::from_millis(50));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(fleet.requests().is_empty(), "not one more after the pause");
    fleet.engine.resume_deployment(&fleet.actor, id, "").await.expect("resumed");
    let mut done = 2;
    while done < 10 {
        for (key, request) in &fleet.wait_requests(1).await {
            fleet.obey(key, request).await;
            done += 1;
        }
    }
    fleet
        .until(id, "the end", |s| s.deployment.state == DeploymentState::Finished && s.words.success == 10)
        .await;
}

#[tokio::test]
async fn cancel_ends_everything_at_once_and_tells_those_at_work() {
    let fleet = Fleet::of(4).await;
    for n in 1..=2 {
        fleet.connect(n).await;
    }
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    let requests = fleet.wait_requests(2).await;
    fleet.acknowledge(1, &requests.iter().find(|r| r.0 == key(1)).expect("one").1).await;
    fleet.engine.cancel_deployment(&fleet.actor, id, "wrong image").await.expect("canceled");
    let summary = fleet.summary(id).await;
    assert_eq!((summary.words.canceled, summary.counts.total()), (4, 4));
    assert!(summary.deployment.finished_at.is_some());
    let page = argosy_domain::page::PageRequest::first(1);
    let audit = fleet
        .engine
        .registry()
        .read()
        .await
        .expect("read")
        .audit(&Default::default(), &page)
        .await
        .expect("audit");
    let last = audit.items.first().expect("an entry");
    assert_eq!(
        (last.action.as_str(), last.detail.as_str()),
        ("deployment.cancel", r#"{"reason":"wrong image"}"#)
    );
    let mut told: Vec<DeviceKey> = Vec::new();
    for _ in 0..1000 {
        told.extend(
            fleet
                .link
                .take_sent()
                .into_iter()
                .filter(|s| s.topic == DownTopic::UpdateCancel.topic(&s.key))
                .map(|s| s.key),
        );
        if told.len() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    told.sort();
    assert_eq!(told, [key(1), key(2)]);
    // A success that arrives after the cancel changes the device's history, not the update's end.
    let request = &requests.iter().find(|r| r.0 == key(1)).expect("one").1;
    fleet.result(1, request, ResultStatus::Success).await;
    assert_eq!(fleet.summary(id).await.words.canceled, 4);
    assert_eq!(fleet.device(1).await.image_hash, Some(hash(2)));
    let again = fleet.engine.cancel_deployment(&fleet.actor, id, "").await;
    assert!(matches!(again, Err(EngineError::Conflict { code: "deployment_finished", .. })), "{again:?}");
}

#[tokio::test]
async fn a_silent_device_gives_its_slot_back_and_has_three_attempts() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    for attempt in 1..=3_u32 {
        let requests = fleet.wait_requests(1).await;
        assert!(
            requests[0].1.command_id.as_str().ends_with(&format!("-{attempt}")),
            "{:?}",
            requests[0].1.command_id
        );
        fleet.acknowledge(1, &requests[0].1).await;
        fleet.clock.advance(Duration::from_secs(601));
    }
    let summary = fleet.until(id, "timed out", |s| s.deployment.state == DeploymentState::Finished).await;
    assert_eq!(summary.words.timeout, 1);
}

#[tokio::test]
async fn a_device_that_went_away_frees_its_slot_after_a_minute() {
    let fleet = Fleet::of(1).await;
    let number = fleet.connect(1).await;
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    let requests = fleet.wait_requests(1).await;
    fleet.acknowledge(1, &requests[0].1).await;
    fleet.disconnect(1, number).await;
    fleet.clock.advance(Duration::from_secs(61));
    fleet.until(id, "released", |s| count(s, UpdateState::Pending) == 1).await;
    fleet.connect(1).await;
    let second = fleet.wait_requests(1).await;
    assert_ne!(second[0].1.command_id, requests[0].1.command_id);
    // That the first attempt failed says nothing of the second …
    fleet.result(1, &requests[0].1, ResultStatus::Failed).await;
    assert_eq!(fleet.summary(id).await.words.failed, 0);
    // … but what it achieved is still the truth about this device.
    fleet.result(1, &requests[0].1, ResultStatus::Success).await;
    fleet.until(id, "the end", |s| s.words.success == 1).await;
}

#[tokio::test]
async fn expiry_ends_what_is_not_done() {
    let fleet = Fleet::of(3).await;
    fleet.connect(1).await;
    let expires_at = Some(fleet.engine.now() + Duration::from_secs(3600));
    let id = fleet
        .deploy(fleet.firmware("2.0", hash(2)).await, DeploymentPolicy { expires_at, ..Fleet::policy() })
        .await;
    for (key, request) in &fleet.wait_requests(1).await {
        fleet.obey(key, request).await;
    }
    fleet.clock.advance(Duration::from_secs(3601));
    let summary = fleet.until(id, "the end", |s| s.deployment.state == DeploymentState::Finished).await;
    assert_eq!((summary.words.success, summary.words.timeout), (1, 2));
}

#[tokio::test]
async fn of_two_deployments_for_a_device_the_newer_wins() {
    let fleet = Fleet::of(2).await;
    fleet.connect(1).await;
    let old = fleet.deploy(fleet.firmware("2.0", hash(2)).await, Fleet::policy()).await;
    let first = fleet.wait_requests(1).await;
    fleet.acknowledge(1, &first[0].1).await;
    let new = fleet.deploy(fleet.firmware("3.0", hash(3)).await, Fleet::policy()).await;
    // The device that waits goes to the newer one; the one at work runs to its end first.
    fleet.until(old, "superseded", |s| s.words.canceled == 1).await;
    fleet.until(new, "planned", |s| s.deployment.state == DeploymentState::Running).await;
    for _ in 0..20 {
        fleet.engine.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(fleet.requests().is_empty(), "a device at work is not disturbed");
    fleet.result(1, &first[0].1, ResultStatus::Success).await;
    let second = fleet.wait_requests(1).await;
    assert_eq!(second[0].1.content.file_info.file_hash, hash(3));
    fleet.obey(&key(1), &second[0].1).await;
    fleet.connect(2).await;
    for (key, request) in &fleet.wait_requests(1).await {
        fleet.obey(key, request).await;
    }
    fleet.until(new, "the end", |s| s.words.success == 2).await;
    let updates = fleet.updates(old).await;
    let waited = updates.iter().find(|u| u.device == id_of(&updates, 2)).expect("the waiting one");
    assert_eq!(waited.message.as_deref(), Some("superseded by a newer deployment"));
}

#[tokio::test]
async fn a_suspended_device_is_cut_off_and_sent_nothing() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    let device = fleet.device(1).await;
    let patch = DevicePatch { state: Some(DeviceState::Suspended), ..DevicePatch::default() };
    fleet.engine.patch_device(&fleet.actor, device.id, patch).await.expect("suspended");
    assert_eq!(fleet.link.kicked(), [key(1)]);
    assert!(!fleet.link.is_connected(&key(1)));
    let refused = fleet.firmware("2.0", hash(2)).await;
    let request = argosy_engine::DeploymentRequest {
        name: None,
        payload: argosy_engine::DeploymentChoice::Firmware(argosy_engine::FirmwareChoice::Id(refused)),
        target: Default::default(),
        policy: Fleet::policy(),
    };
    let answer = fleet.engine.create_deployment(&fleet.actor, request).await;
    assert!(matches!(answer, Err(EngineError::Conflict { code: "no_targets", .. })), "{answer:?}");
}

#[tokio::test]
async fn killed_again_and_again_it_ends_at_the_right_counts() {
    const DEVICES: usize = 60;
    let mut fleet = Fleet::of(DEVICES).await;
    let policy = DeploymentPolicy { max_in_flight: 20, ..Fleet::policy() };
    let id = fleet.deploy(fleet.firmware("2.0", hash(2)).await, policy).await;
    let mut done = std::collections::BTreeSet::new();
    for round in 0..8 {
        for n in 1..=DEVICES {
            fleet.connect(n).await;
        }
        let mut requests = fleet.wait_requests(1).await;
        // What was not answered when the server died may come twice, with one command id: devices take it once.
        let mut seen = std::collections::BTreeSet::new();
        requests.retain(|(_, request)| seen.insert(request.command_id.clone()));
        for (at, (key, request)) in requests.iter().enumerate() {
            assert!(!done.contains(key), "{key} was finished, and is sent an update again");
            // Some are in the middle when the server dies.
            if at % 3 == round % 3 {
                fleet.acknowledge(key.as_str().parse().expect("n"), request).await;
            } else {
                fleet.obey(key, request).await;
                done.insert(key.clone());
            }
        }
        fleet = fleet.crash().await;
        fleet.clock.advance(Duration::from_secs(61));
    }
    for n in 1..=DEVICES {
        fleet.connect(n).await;
    }
    while done.len() < DEVICES {
        fleet.clock.advance(Duration::from_secs(601));
        for (key, request) in &fleet.wait_requests(1).await {
            fleet.obey(key, request).await;
            done.insert(key.clone());
        }
    }
    let summary = fleet.until(id, "the end", |s| s.deployment.state == DeploymentState::Finished).await;
    assert_eq!(
        (summary.counts.total(), summary.words.success + summary.words.timeout),
        (DEVICES as u64, DEVICES as u64)
    );
    assert_eq!(summary.words.success, DEVICES as u64);
}
