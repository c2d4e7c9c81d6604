//! Shown sets, and what progress messages say.

use proptest::prelude::*;

use super::*;

fn set(ids: &[i64]) -> ShownFiles {
    ids.iter().copied().map(ArtifactId).collect()
}

#[test]
fn order_and_repetition_say_nothing() {
    assert_eq!(set(&[3, 1, 3, 2]), set(&[1, 2, 3]));
    assert_ne!(set(&[1, 2]), set(&[1, 2, 3]));
    assert_eq!(serde_json::to_string(&set(&[2, 1])).unwrap(), "[1,2]");
    assert!(set(&[1, 5]).contains(ArtifactId(5)) && !set(&[1, 5]).contains(ArtifactId(4)));
}

#[test]
fn another_set_than_was_sent_is_a_mismatch() {
    let row = |shown: &[i64], expected: Option<&[i64]>| ShownContents {
        device: DeviceId(1),
        shown: set(shown),
        since: Timestamp(0),
        reported: true,
        expected: expected.map(set),
        deployment: None,
    };
    assert!(!row(&[7], None).mismatch(), "nothing was sent: nothing is expected");
    assert!(!row(&[7, 8], Some(&[8, 7])).mismatch());
    assert!(row(&[7], Some(&[8, 7])).mismatch());
    assert!(row(&[], Some(&[7])).mismatch());
}

const SIZES: [i64; 3] = [100, 300, 600];

#[test]
fn progress_over_the_whole_set() {
    assert_eq!(content_progress(&SIZES, 0, 50, Some(500), Some(1000)), (50, 500));
    assert_eq!(content_progress(&SIZES, 0, 100, Some(1000), Some(1000)), (100, 1000));
    assert_eq!(content_progress(&SIZES, 0, 100, None, Some(1000)), (100, 1000));
    assert_eq!(
        content_progress(&SIZES, 0, 255, Some(9999), Some(1000)),
        (100, 1000),
        "no more than everything"
    );
}

#[test]
fn progress_of_one_file_after_the_other() {
    assert_eq!(
        content_progress(&SIZES, 0, 100, Some(100), Some(100)),
        (10, 100),
        "the first of three is not all"
    );
    assert_eq!(content_progress(&SIZES, 1, 50, Some(150), Some(300)), (25, 250));
    assert_eq!(content_progress(&SIZES, 2, 100, Some(600), Some(600)), (100, 1000));
    assert_eq!(
        content_progress(&SIZES, 2, 100, None, Some(300)),
        (30, 300),
        "a size that is not the next file's counts for itself"
    );
}

#[test]
fn a_bare_hundred_proves_nothing() {
    assert_eq!(content_progress(&SIZES, 0, 100, None, None), (99, 999));
    assert_eq!(content_progress(&SIZES, 3, 100, None, Some(77)), (7, 77));
}

proptest! {
    #[test]
    fn never_beyond_the_whole(
        sizes in prop::collection::vec(1_i64..=i64::from(i32::MAX), 1..=16),
        done in any::<u32>(),
        percent in any::<u8>(),
        downloaded in any::<Option<i64>>(),
        total in any::<Option<i64>>(),
    ) {
        let whole: i64 = sizes.iter().sum();
        let (percent, bytes) = content_progress(&sizes, done, percent, downloaded, total);
        prop_assert!((0..=whole).contains(&bytes));
        prop_assert_eq!(percent == 100, bytes == whole);
    }
}
