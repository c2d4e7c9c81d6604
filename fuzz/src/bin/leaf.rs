//! Certificates that peers show: nothing panics, and a name that is accepted is plain.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(facts) = argosy_pki::leaf_facts(input) else { return };
    assert!((1..=argosy_pki::MAX_COMMON_NAME).contains(&facts.common_name.len()));
    assert!(facts.common_name.bytes().all(|b| (0x20..=0x7e).contains(&b)));
    assert_eq!(argosy_pki::Serial::parse(facts.serial.as_str()).as_ref(), Ok(&facts.serial));
    let _ = facts.device_key();
});
