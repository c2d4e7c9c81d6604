//! Requests for certificates: nothing panics, and what is accepted is accepted the same way again.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(csr) = argosy_pki::parse_csr(input) else { return };
    assert!(input.len() <= argosy_pki::MAX_CSR_BYTES);
    let again = argosy_pki::parse_csr(input).expect("a request that was accepted once");
    assert_eq!(csr.public_key(), again.public_key());
    assert!(!csr.public_key().is_empty());
});
