//! Two deployments for one device: the newer one has the last word.

use argosy_domain::model::{DeploymentState, UpdateState};
use argosy_proto::message::ResultStatus;

use crate::fleet::{Fleet, count, hash};

#[tokio::test]
async fn a_newer_deployment_of_what_a_device_still_runs_waits_for_the_older_one_that_replaces_it() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    fleet.hello(1, hash(1), "1.0", true).await;
    let (new, old) = (fleet.firmware("2.0", hash(2)).await, fleet.firmware("1.0", hash(1)).await);
    let forward = fleet.deploy(new, Fleet::policy()).await;
    let request = fleet.wait_requests(1).await.remove(0).1;
    fleet.acknowledge(1, &request).await;

    let back = fleet.deploy(old, Fleet::policy()).await;
    fleet.until(back, "planned", |s| s.deployment.state == DeploymentState::Running).await;
    fleet.hello(1, hash(1), "1.0", true).await;
    assert_eq!(count(&fleet.summary(back).await, UpdateState::Pending), 1, "it runs 1.0, but not for long");

    fleet.result(1, &request, ResultStatus::Success).await;
    fleet.hello(1, hash(2), "2.0", true).await;
    assert_eq!(count(&fleet.summary(forward).await, UpdateState::Succeeded), 1);
    let request = fleet.wait_requests(1).await.remove(0).1;
    assert_eq!(request.content.file_info.file_hash, hash(1));
    fleet.result(1, &request, ResultStatus::Success).await;
    fleet.hello(1, hash(1), "1.0", true).await;
    assert_eq!(count(&fleet.summary(back).await, UpdateState::Succeeded), 1);
    assert_eq!(fleet.device(1).await.image_hash, Some(hash(1)));
}

#[tokio::test]
async fn when_the_older_one_fails_the_device_still_runs_what_the_newer_one_wants() {
    let fleet = Fleet::of(1).await;
    fleet.connect(1).await;
    fleet.hello(1, hash(1), "1.0", true).await;
    let (new, old) = (fleet.firmware("2.0", hash(2)).await, fleet.firmware("1.0", hash(1)).await);
    let forward = fleet.deploy(new, Fleet::policy()).await;
    let request = fleet.wait_requests(1).await.remove(0).1;
    let back = fleet.deploy(old, Fleet::policy()).await;
    fleet.until(back, "planned", |s| s.deployment.state == DeploymentState::Running).await;
    fleet.result(1, &request, ResultStatus::Failed).await;
    assert_eq!(count(&fleet.summary(forward).await, UpdateState::Failed), 1);
    fleet.until(back, "done without a download", |s| count(s, UpdateState::Succeeded) == 1).await;
    assert!(fleet.requests().is_empty());
}
