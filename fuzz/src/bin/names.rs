//! Device keys, stream names, hashes and versions; two lines at a time, so that the order of versions is tried too.
#![no_main]

use argosy_proto::{DeviceKey, FirmwareVersion, Sha256Hash, StreamName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, text));
    if let Ok(key) = DeviceKey::new(first) {
        assert!(!first.contains(['/', '+', '#', '\0', '$']) && key.as_str() == first);
    }
    assert_eq!(DeviceKey::new(first).is_ok(), StreamName::new(first).is_ok());
    if let Ok(hash) = first.parse::<Sha256Hash>() {
        assert_eq!(hash.to_string(), first.to_ascii_lowercase());
    }
    if let (Ok(a), Ok(b)) = (FirmwareVersion::new(first), FirmwareVersion::new(second)) {
        assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        assert_eq!(a == b, a.cmp(&b).is_eq());
    }
});
