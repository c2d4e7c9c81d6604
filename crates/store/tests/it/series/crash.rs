//! What was acknowledged survives the death of the process, whatever it was doing.

use tempfile::TempDir;

use super::child::{lines, start, verify};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_sigkill() {
    let folder = TempDir::new().expect("a folder");
    let mut next = 0;
    // Many lives over one folder, each ended at another moment; rows move into partitions all the time.
    for kill_after in [1, 3, 7, 20, 45, 90, 130, 200, 2, 300, 5, 61] {
        let mut victim = start(&[], folder.path(), "crash", next);
        let mut acknowledged = next - 1;
        for line in lines(&mut victim) {
            if let Some(number) = line.strip_prefix("acknowledged ") {
                acknowledged = number.parse().expect("a number");
                if acknowledged - next >= kill_after {
                    break;
                }
            }
        }
        victim.kill().expect("SIGKILL");
        victim.wait().expect("it is dead");
        assert!(acknowledged >= next, "the child did something");
        let store = super::open(folder.path()).await;
        let highest = verify(&store, acknowledged).await;
        next = highest + 1;
    }
    let store = super::open(folder.path()).await;
    argosy_domain::ports::SeriesStore::flush(&store).await.expect("moved");
    verify(&store, next - 1).await;
}
