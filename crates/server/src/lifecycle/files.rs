//! The limit of open files: every connected device is one, and every download one more.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside those of devices: databases, listeners, operators, logs.
const OTHERS: u64 = 512;

/// Raises the limit to what the machine allows; the limit then.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // What cannot be raised is told by `enough`.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    current()
}

/// The limit now; none is the largest number.
pub(crate) fn current() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Files that a fleet needs: a connection each, and a download each at the worst.
pub(crate) fn needed(devices: u32) -> u64 {
    u64::from(devices) * 2 + OTHERS
}

/// What to say when `limit` is too low for `devices`.
pub(crate) fn too_few(limit: u64, devices: u32) -> Option<String> {
    let needed = needed(devices);
    (limit < needed).then(|| {
        format!(
            "the limit of open files is {limit}, and {devices} devices (fleet.expected_devices) can need {needed}: raise it \
             (systemd: LimitNOFILE={needed}; shell: ulimit -Hn {needed}), or connections will be refused"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_low_a_limit_is_said_with_what_is_needed() {
        assert_eq!(too_few(2512, 1000), None);
        assert!(too_few(2511, 1000).unwrap().contains("LimitNOFILE=2512"));
        assert_eq!(too_few(u64::MAX, u32::MAX), None);
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        assert_eq!(raise(), getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX));
    }
}
