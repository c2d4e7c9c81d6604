//! Contents, from a picture to a display: made, deployed, downloaded, shown; and displays that show something else.

use std::time::Duration;

use argosy_domain::model::{
    Content, ContentChange, ContentChangeKind, ContentFit, ContentMade, ContentState, DeviceFilter,
    DeviceUpdate, DisplayProfile, NewProduct, Rgb, ShownContents, UpdateState,
};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::Registry;
use argosy_domain::testing::{bytes_stream, ready_binary};
use argosy_engine::{
    ContentPart, ContentRequest, DeploymentChoice, DeploymentRequest, EngineError, EngineResult,
};
use argosy_proto::message::{
    Progress, ResultStatus, ShownFile, StatusSystem, UpdateAdvertisement, UpdateResult,
};
use argosy_proto::{
    ArtifactId, CommandId, ContentId, DeploymentId, DeviceKey, DownMessage, UpMessage, decode_down,
    parse_down,
};

use crate::fleet::{Fleet, hash, key};

const DISPLAY: DisplayProfile =
    DisplayProfile { width: 4, height: 2, color_depth: 16, swap_bytes: false, alpha: false };

/// A fleet whose product has a display.
async fn displays(devices: usize) -> Fleet {
    let fleet = Fleet::of(devices).await;
    let spec = NewProduct { display: Some(DISPLAY), ..product(&fleet).await };
    fleet.engine.update_product(&fleet.actor, fleet.product, spec).await.expect("a display");
    fleet
}

async fn product(fleet: &Fleet) -> NewProduct {
    let mut read = fleet.registry.read().await.expect("a session");
    read.product(fleet.product).await.expect("read").expect("there").spec
}

/// Uploads a file.
async fn upload(fleet: &Fleet, name: &str, file: &[u8]) -> String {
    let upload = fleet.engine.create_upload(&fleet.actor, name, None).await.expect("an upload");
    let body = bytes_stream([file.to_vec().into()], None);
    fleet.engine.receive_upload(&fleet.actor, &upload.id, body).await.expect("received");
    upload.id
}

fn png(text: &str) -> Vec<u8> {
    [b"\x89PNG", text.as_bytes()].concat()
}

fn request(fleet: &Fleet, upload: String, title: &str) -> ContentRequest {
    ContentRequest {
        upload,
        product: fleet.product,
        title: title.to_owned(),
        description: String::new(),
        fit: ContentFit::Fill,
        background: Rgb::default(),
    }
}

/// A content made of a picture that is its title.
async fn content(fleet: &Fleet, title: &str) -> Content {
    let upload = upload(fleet, &format!("{title}.png"), &png(title)).await;
    fleet.engine.register_content(&fleet.actor, request(fleet, upload, title)).await.expect("a content")
}

async fn contents(fleet: &Fleet, titles: &[&str]) -> Vec<Content> {
    let mut made = Vec::new();
    for title in titles {
        made.push(content(fleet, title).await);
    }
    made
}

fn ids(contents: &[Content]) -> Vec<ContentId> {
    contents.iter().map(|c| c.id).collect()
}

async fn try_deploy(fleet: &Fleet, contents: Vec<ContentId>) -> EngineResult<DeploymentId> {
    let request = DeploymentRequest {
        name: None,
        payload: DeploymentChoice::Contents(contents),
        target: DeviceFilter::default(),
        policy: Fleet::policy(),
    };
    Ok(fleet.engine.create_deployment(&fleet.actor, request).await?.id)
}

async fn deploy(fleet: &Fleet, contents: &[Content]) -> DeploymentId {
    try_deploy(fleet, ids(contents)).await.expect("a deployment")
}

/// Waits for `count` requests for contents.
async fn requests(fleet: &Fleet, count: usize) -> Vec<(DeviceKey, UpdateAdvertisement)> {
    let mut all = Vec::new();
    for _ in 0..2000 {
        for sent in fleet.link.take_sent() {
            let (_, topic) = parse_down(&sent.topic).expect("a topic of ours");
            if let DownMessage::UpdateAdvertisement(request) =
                decode_down(topic, &sent.payload).expect("a payload of ours")
            {
                all.push((sent.key, request));
            }
        }
        if all.len() >= count {
            return all;
        }
        fleet.clock.advance(Duration::from_millis(5));
        fleet.engine.wake();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} of {count} requests came", all.len());
}

async fn result(fleet: &Fleet, n: usize, command_id: &CommandId, status: ResultStatus) {
    let result = UpdateResult {
        command_id: command_id.clone(),
        status,
        message: (status != ResultStatus::Success).then(|| "the card is full".to_owned()),
        checksum_verified: Some(true),
        download_ms: None,
        timestamp: None,
    };
    fleet.say(n, UpMessage::Result(result)).await;
}

async fn progress(fleet: &Fleet, n: usize, command_id: &CommandId, percent: u8, bytes: i64, total: i64) {
    let progress = Progress {
        command_id: command_id.clone(),
        progress: percent,
        downloaded_bytes: u64::try_from(bytes).ok(),
        total_bytes: u64::try_from(total).ok(),
        speed_kbps: None,
        timestamp: None,
    };
    fleet.say(n, UpMessage::Progress(progress)).await;
}

/// A device's status; `None`: it says nothing of what it shows.
async fn status(fleet: &Fleet, n: usize, shown: Option<&[ArtifactId]>) {
    let advertisements = shown.map(|ids| ids.iter().map(|id| ShownFile { id: *id }).collect());
    fleet.say(n, UpMessage::StatusSystem(StatusSystem { advertisements, ..Default::default() })).await;
}

fn binaries(contents: &[Content]) -> Vec<ArtifactId> {
    contents.iter().map(|c| c.spec.binary).collect()
}

async fn update(fleet: &Fleet, id: DeploymentId, n: usize) -> DeviceUpdate {
    let updates = fleet.updates(id).await;
    updates.into_iter().find(|u| u.key == key(n)).expect("the device has an update")
}

async fn shown(fleet: &Fleet, n: usize) -> Option<ShownContents> {
    let id = fleet.device(n).await.id;
    fleet.registry.read().await.expect("a session").shown_contents(&[id]).await.expect("read").pop()
}

async fn history(fleet: &Fleet, n: usize) -> Vec<ContentChange> {
    let id = fleet.device(n).await.id;
    let mut read = fleet.registry.read().await.expect("a session");
    read.content_history(id, &PageRequest::first(100)).await.expect("read").items
}

fn code(error: EngineError) -> &'static str {
    match error {
        EngineError::Conflict { code, .. } => code,
        EngineError::Invalid { field, .. } => field,
        EngineError::NotFound { what, .. } => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_picture_becomes_a_content_with_four_files() {
    let fleet = displays(1).await;
    let made = content(&fleet, "봄 세일").await;
    assert_eq!((made.spec.facts.made, made.spec.state), (ContentMade::Converted, ContentState::Available));
    assert_eq!(made.size, 4 + 4 * 2 * 2);
    let part = async |part| fleet.engine.content_file(made.id, part).await.expect("a file");
    let original = part(ContentPart::Original).await;
    assert_eq!((original.media_type, original.file_name.as_str()), ("image/png", "봄 세일.png"));
    let bytes = fleet.engine.blobs().read(&original.hash, 0..original.size as u64).await.expect("bytes");
    assert_eq!(bytes, png("봄 세일"));
    let binary = part(ContentPart::Binary).await;
    assert_eq!((binary.hash, binary.size), (made.hash, made.size));
    for picture in [ContentPart::Preview, ContentPart::Thumbnail] {
        let file = part(picture).await;
        assert_eq!(file.media_type, "image/png");
        let size = fleet.engine.blobs().size(&file.hash).await.expect("read");
        assert_eq!(size, Some(file.size as u64));
    }
    fleet.engine.clean().await.expect("housekeeping");
    assert!(fleet.engine.blobs().staged().await.expect("read").is_empty(), "nothing is left over");
}

#[tokio::test]
async fn a_ready_binary_is_kept_as_it_is() {
    let fleet = displays(1).await;
    let file = ready_binary(&DISPLAY, 0xf800);
    let upload = upload(&fleet, "ready.bin", &file).await;
    let made = fleet.engine.register_content(&fleet.actor, request(&fleet, upload, "ready")).await;
    let made = made.expect("a content");
    assert_eq!((made.spec.facts.made, made.spec.original), (ContentMade::Ready, None));
    let bytes = fleet.engine.blobs().read(&made.hash, 0..made.size as u64).await.expect("bytes");
    assert_eq!(bytes, file);
    let original = fleet.engine.content_file(made.id, ContentPart::Original).await.expect("a file");
    assert_eq!(original.hash, made.hash, "it is its own original");
}

#[tokio::test]
async fn what_cannot_become_a_content_is_refused_and_the_upload_stays() {
    let fleet = displays(1).await;
    content(&fleet, "taken").await;
    let refused = async |upload: String, title: &str| {
        let refused = fleet.engine.register_content(&fleet.actor, request(&fleet, upload, title)).await;
        code(refused.expect_err("refused"))
    };
    let other = upload(&fleet, "a.png", &png("other")).await;
    assert_eq!(refused(other.clone(), " TAKEN ").await, "content_exists");
    assert_eq!(refused(other.clone(), "").await, "title");
    let same = upload(&fleet, "b.png", &png("taken")).await;
    assert_eq!(refused(same, "another title").await, "content_same_binary");
    let foreign = upload(&fleet, "c.bin", &ready_binary(&DisplayProfile { width: 5, ..DISPLAY }, 0)).await;
    assert_eq!(refused(foreign, "foreign").await, "upload_id");
    let open = fleet.engine.create_upload(&fleet.actor, "d.png", None).await.expect("an upload");
    assert_eq!(refused(open.id, "open").await, "upload_incomplete");
    assert_eq!(refused("0".repeat(32), "unknown").await, "upload");
    let made = fleet.engine.register_content(&fleet.actor, request(&fleet, other, "other")).await;
    made.expect("the upload that was refused first is still good");

    let spec = NewProduct { display: None, ..product(&fleet).await };
    fleet.engine.update_product(&fleet.actor, fleet.product, spec).await.expect("no display");
    let late = upload(&fleet, "e.png", &png("late")).await;
    assert_eq!(refused(late, "late").await, "no_display");
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["a", "b"]).await;
    let refused = async |ids: Vec<ContentId>| code(try_deploy(&fleet, ids).await.expect_err("refused"));
    assert_eq!(refused(vec![]).await, "contents");
    assert_eq!(refused(vec![made[0].id; 17]).await, "contents");
    assert_eq!(refused(vec![made[0].id, made[0].id]).await, "contents");
    assert_eq!(refused(vec![ContentId(999)]).await, "content");
    let withdraw = async |state| {
        fleet.engine.update_content(&fleet.actor, made[1].id, None, None, Some(state)).await.expect("changed")
    };
    withdraw(ContentState::Withdrawn).await;
    assert_eq!(refused(ids(&made)).await, "content_withdrawn");
    withdraw(ContentState::Available).await;
    let id = deploy(&fleet, &made).await;
    assert_eq!(fleet.summary(id).await.deployment.spec.name, "a +1");
    let in_use = fleet.engine.delete_content(&fleet.actor, made[0].id).await;
    assert_eq!(code(in_use.expect_err("refused")), "content_in_use");
}

#[tokio::test]
async fn a_board_that_sends_a_result_for_each_file_and_then_shows_them_all() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one", "two", "three"]).await;
    fleet.connect(1).await;
    let id = deploy(&fleet, &made).await;
    let (to, request) = requests(&fleet, 1).await.remove(0);
    assert_eq!(to, key(1));
    assert_eq!(request.command_id.as_str(), format!("AD-{id}-{}-1", fleet.device(1).await.id));
    assert_eq!(request.total_size, 3 * 20);
    let files: Vec<_> = request.contents.iter().map(|f| (f.file_info.id, f.file_info.file_hash)).collect();
    assert_eq!(files, made.iter().map(|c| (c.spec.binary, c.hash)).collect::<Vec<_>>(), "in order");
    let urls: Vec<_> = request.contents.iter().map(|f| f.signed_url.url.as_str()).collect();
    assert!(urls[0].contains(&format!("/{}.bin?for=1&deployment={id}", made[0].spec.binary)), "{urls:?}");

    status(&fleet, 1, Some(&[])).await;
    for (n, file) in request.contents.iter().enumerate() {
        progress(&fleet, 1, &request.command_id, 100, file.file_info.size as i64, file.file_info.size as i64)
            .await;
        let now = update(&fleet, id, 1).await;
        assert_eq!((now.state, now.downloaded_bytes), (UpdateState::Downloading, 20 * (n as i64 + 1)));
        result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
        let wanted = if n == 2 { UpdateState::Downloaded } else { UpdateState::Downloading };
        assert_eq!(update(&fleet, id, 1).await.state, wanted, "after {} results", n + 1);
    }
    status(&fleet, 1, Some(&binaries(&made)[..2])).await;
    assert_eq!(update(&fleet, id, 1).await.state, UpdateState::Downloaded, "not all of them yet");
    let mut reversed = binaries(&made);
    reversed.reverse();
    status(&fleet, 1, Some(&reversed)).await;
    assert_eq!(update(&fleet, id, 1).await.state, UpdateState::Succeeded);
    fleet.until(id, "the end", |s| s.deployment.finished_at.is_some()).await;

    let row = shown(&fleet, 1).await.expect("a row");
    assert_eq!((row.shown.as_slice(), row.reported, row.deployment), (&binaries(&made)[..], true, Some(id)));
    assert!(!row.mismatch() && !fleet.device(1).await.contents_mismatch);
    let changes = history(&fleet, 1).await;
    let kinds: Vec<_> = changes.iter().map(|c| (c.kind, c.deployment)).collect();
    assert_eq!(kinds, [(ContentChangeKind::Updated, Some(id)), (ContentChangeKind::Reported, None)]);
    let mut showing = fleet.registry.read().await.expect("a session");
    let count = showing.count_devices_showing(fleet.product, made[1].spec.binary).await.expect("read");
    assert_eq!(count, 1);
}

#[tokio::test]
async fn the_old_simulator_sends_one_result_at_the_end() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one", "two"]).await;
    fleet.connect(1).await;
    let id = deploy(&fleet, &made).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    progress(&fleet, 1, &request.command_id, 50, 20, 40).await;
    progress(&fleet, 1, &request.command_id, 100, 40, 40).await;
    progress(&fleet, 1, &request.command_id, 130, 99, 40).await;
    assert_eq!(update(&fleet, id, 1).await.state, UpdateState::Downloading);
    result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
    let now = update(&fleet, id, 1).await;
    assert_eq!((now.state, now.files, now.files_done), (UpdateState::Downloaded, 2, 1));
}

#[tokio::test]
async fn a_device_that_never_says_what_it_shows_succeeds_by_its_results_after_three_minutes() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one"]).await;
    let number = fleet.connect(1).await;
    let id = deploy(&fleet, &made).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
    status(&fleet, 1, None).await;
    fleet.disconnect(1, number).await;
    fleet.clock.advance(Duration::from_secs(170));
    fleet.engine.wake();
    assert_eq!(update(&fleet, id, 1).await.state, UpdateState::Downloaded, "absence does not take it back");
    fleet.clock.advance(Duration::from_secs(10));
    fleet.until(id, "success by results", |s| s.words.success == 1).await;
    let row = shown(&fleet, 1).await.expect("a row");
    assert_eq!((row.shown.as_slice(), row.reported, row.mismatch()), (&binaries(&made)[..], false, false));
    assert_eq!(history(&fleet, 1).await[0].deployment, Some(id));
}

#[tokio::test]
async fn a_device_that_keeps_showing_others_does_not_succeed_by_its_results() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one"]).await;
    fleet.connect(1).await;
    let id = deploy(&fleet, &made).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    status(&fleet, 1, Some(&[ArtifactId(77)])).await;
    result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
    fleet.clock.advance(Duration::from_secs(1));
    status(&fleet, 1, Some(&[ArtifactId(77)])).await;
    fleet.clock.advance(Duration::from_secs(300));
    fleet.engine.wake();
    // Its slot is taken back by the lease, and it is sent the contents again.
    let again = {
        fleet.clock.advance(Duration::from_secs(300));
        requests(&fleet, 1).await.remove(0).1
    };
    assert!(again.command_id.as_str().ends_with("-2"), "{}", again.command_id);
    let now = update(&fleet, id, 1).await;
    assert_eq!((now.attempt, now.files_done), (2, 0));
}

#[tokio::test]
async fn any_file_that_fails_fails_the_update() {
    let fleet = displays(2).await;
    let made = contents(&fleet, &["one", "two"]).await;
    fleet.connect(1).await;
    fleet.connect(2).await;
    let id = deploy(&fleet, &made).await;
    for (to, request) in requests(&fleet, 2).await {
        let n = if to == key(1) { 1 } else { 2 };
        result(&fleet, n, &request.command_id, ResultStatus::Success).await;
        let bad = if n == 1 { ResultStatus::Error } else { ResultStatus::Timeout };
        result(&fleet, n, &request.command_id, bad).await;
        result(&fleet, n, &request.command_id, ResultStatus::Success).await;
    }
    let failed = update(&fleet, id, 1).await;
    assert_eq!((failed.state, failed.message.as_deref()), (UpdateState::Failed, Some("the card is full")));
    assert_eq!(update(&fleet, id, 2).await.state, UpdateState::TimedOut);
    assert_eq!(shown(&fleet, 1).await, None, "nothing is known of what it shows");
}

#[tokio::test]
async fn a_device_that_shows_it_already_is_done_at_once() {
    let fleet = displays(2).await;
    let made = contents(&fleet, &["one", "two"]).await;
    fleet.connect(1).await;
    fleet.connect(2).await;
    let first = deploy(&fleet, &made[..1]).await;
    requests(&fleet, 2).await;
    status(&fleet, 1, Some(&binaries(&made[..1]))).await;
    status(&fleet, 2, Some(&binaries(&made[..1]))).await;
    fleet.until(first, "the end", |s| s.deployment.finished_at.is_some()).await;
    // By hand, somebody puts both on the second device.
    status(&fleet, 2, Some(&binaries(&made))).await;
    assert!(fleet.device(2).await.contents_mismatch);

    let second = deploy(&fleet, &[made[1].clone(), made[0].clone()]).await;
    let asked = requests(&fleet, 1).await;
    assert_eq!(asked.iter().map(|(to, _)| to.clone()).collect::<Vec<_>>(), [key(1)]);
    assert_eq!(update(&fleet, second, 2).await.state, UpdateState::Succeeded, "order says nothing");
    let row = shown(&fleet, 2).await.expect("a row");
    assert_eq!((row.deployment, row.mismatch()), (Some(second), false), "it is what it was sent last");
    assert!(!fleet.device(2).await.contents_mismatch);
}

#[tokio::test]
async fn another_set_takes_away_what_it_leaves_out_and_a_foreign_file_is_flagged() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one", "two"]).await;
    fleet.connect(1).await;
    let both = deploy(&fleet, &made).await;
    requests(&fleet, 1).await;
    status(&fleet, 1, Some(&binaries(&made))).await;
    let one = deploy(&fleet, &made[1..]).await;
    requests(&fleet, 1).await;
    status(&fleet, 1, Some(&binaries(&made[1..]))).await;
    fleet.until(one, "the end", |s| s.deployment.finished_at.is_some()).await;
    let mut read = fleet.registry.read().await.expect("a session");
    let count = read.count_devices_showing(fleet.product, made[0].spec.binary).await.expect("read");
    assert_eq!(count, 0, "it was taken away");
    drop(read);

    status(&fleet, 1, Some(&[made[1].spec.binary, ArtifactId(-4)])).await;
    assert!(fleet.device(1).await.contents_mismatch);
    let mut read = fleet.registry.read().await.expect("a session");
    assert_eq!(read.count_contents_mismatches().await.expect("read"), 1);
    drop(read);
    let fleet = fleet.crash().await;
    assert!(fleet.device(1).await.contents_mismatch, "it is durable");
    fleet.connect(1).await;
    status(&fleet, 1, Some(&binaries(&made[1..]))).await;
    assert!(!fleet.device(1).await.contents_mismatch);
    let deployments: Vec<_> = history(&fleet, 1).await.iter().map(|c| c.deployment).collect();
    // Newest first: back again, the foreign file, the second set, the first. (The device's first word is the first set itself.)
    assert_eq!(deployments, [Some(one), None, Some(one), Some(both)]);
}

#[tokio::test]
async fn contents_shown_after_a_cancel_are_history_and_not_success() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one", "two"]).await;
    fleet.connect(1).await;
    let first = deploy(&fleet, &made[..1]).await;
    requests(&fleet, 1).await;
    status(&fleet, 1, Some(&binaries(&made[..1]))).await;
    let second = deploy(&fleet, &made[1..]).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    fleet.engine.cancel_deployment(&fleet.actor, second, "wrong season").await.expect("canceled");
    result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
    status(&fleet, 1, Some(&binaries(&made[1..]))).await;
    assert_eq!(update(&fleet, second, 1).await.state, UpdateState::Canceled);
    let row = shown(&fleet, 1).await.expect("a row");
    assert_eq!((row.deployment, row.mismatch()), (Some(first), true), "it shows what nobody wants any more");
    let last = &history(&fleet, 1).await[0];
    assert_eq!((last.kind, last.deployment), (ContentChangeKind::Reported, Some(second)));
}

#[tokio::test]
async fn firmware_and_contents_go_to_a_device_one_after_the_other() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one"]).await;
    let firmware = fleet.firmware("2.0.0", hash(2)).await;
    let image = fleet.deploy(firmware, Fleet::policy()).await;
    let set = deploy(&fleet, &made).await;
    let planned = |s: &argosy_engine::DeploymentSummary| s.deployment.planned;
    fleet.until(image, "a plan", planned).await;
    fleet.until(set, "a plan", planned).await;
    assert_eq!(update(&fleet, image, 1).await.state, UpdateState::Pending, "contents do not supersede it");
    fleet.connect(1).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    assert_eq!(update(&fleet, image, 1).await.state, UpdateState::Pending, "one thing at a time");
    assert_eq!(update(&fleet, set, 1).await.state, UpdateState::Dispatched);
    result(&fleet, 1, &request.command_id, ResultStatus::Success).await;
    status(&fleet, 1, Some(&binaries(&made))).await;
    let (_, request) = fleet.wait_requests(1).await.remove(0);
    fleet.result(1, &request, ResultStatus::Success).await;
    fleet.until(image, "the end", |s| s.words.success == 1).await;
    assert_eq!(update(&fleet, set, 1).await.state, UpdateState::Succeeded);
    assert_eq!(fleet.device(1).await.image_hash, Some(hash(2)));
}

#[tokio::test]
async fn a_newer_set_wins_over_an_older_one_that_waits() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one", "two"]).await;
    let older = deploy(&fleet, &made[..1]).await;
    let newer = deploy(&fleet, &made[1..]).await;
    fleet.until(newer, "a plan", |s| s.deployment.planned).await;
    fleet.until(older, "the end", |s| s.words.canceled == 1).await;
    fleet.connect(1).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    assert!(request.command_id.as_str().starts_with(&format!("AD-{newer}-")));
}

#[tokio::test]
async fn answers_that_fit_no_request_of_contents_become_dead_letters() {
    let fleet = displays(1).await;
    let made = contents(&fleet, &["one"]).await;
    fleet.connect(1).await;
    let id = deploy(&fleet, &made).await;
    let (_, request) = requests(&fleet, 1).await.remove(0);
    let firmware: CommandId = request.command_id.as_str().replace("AD-", "FW-").parse().expect("an id");
    result(&fleet, 1, &firmware, ResultStatus::Success).await;
    result(&fleet, 1, &request.command_id, ResultStatus::Installed).await;
    assert_eq!(update(&fleet, id, 1).await.state, UpdateState::Dispatched);
    assert_eq!(fleet.dead_letters().len(), 2);
}

#[tokio::test]
async fn a_status_that_says_what_is_known_is_not_written() {
    let fleet = displays(1).await;
    fleet.connect(1).await;
    status(&fleet, 1, Some(&[ArtifactId(5), ArtifactId(3)])).await;
    let since = shown(&fleet, 1).await.expect("a row").since;
    fleet.clock.advance(Duration::from_secs(10));
    for _ in 0..3 {
        status(&fleet, 1, Some(&[ArtifactId(3), ArtifactId(5), ArtifactId(3)])).await;
    }
    let row = shown(&fleet, 1).await.expect("a row");
    assert_eq!((row.since, row.mismatch()), (since, false), "nothing was ever sent");
    assert_eq!(history(&fleet, 1).await, [], "its first word is no change");
}
