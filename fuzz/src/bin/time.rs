//! Times: any RFC 3339 text is read or refused, and what was read is written in the one form of ours.
#![no_main]

use argosy_proto::DeviceTime;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(time) = text.parse::<DeviceTime>() {
        let written = time.to_string();
        assert!(matches!(written.len(), 20 | 24) && written.ends_with('Z'), "{written}");
        assert_eq!(written.parse(), Ok(time));
        assert_eq!(DeviceTime::from_unix_ms(time.unix_ms()), time);
    }
});
