use std::sync::OnceLock;

use proptest::prelude::*;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
    PublicKeyData, RsaKeySize,
};

use super::*;
use crate::authority::pem_block;

fn request(key: &KeyPair) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "whatever");
    params.serialize_request(key).unwrap().der().to_vec()
}

/// A good request, made once.
fn good() -> &'static [u8] {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    GOOD.get_or_init(|| request(&KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()))
}

fn refusal(input: &[u8]) -> CsrRefusal {
    parse_csr(input).unwrap_err()
}

#[test]
fn p256_and_rsa_are_accepted_in_der_and_pem() {
    assert_eq!(parse_csr(good()).unwrap().kind(), KeyKind::EcdsaP256);
    let rsa = request(&KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap());
    assert_eq!(parse_csr(&rsa).unwrap().kind(), KeyKind::Rsa(2048));
    for label in ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"] {
        let pem = pem_block(label, &rsa);
        assert_eq!(parse_csr(pem.as_bytes()).unwrap().kind(), KeyKind::Rsa(2048));
        let windows = format!("some text before\r\n{}", pem.replace('\n', "\r\n"));
        assert!(parse_csr(windows.as_bytes()).is_ok());
    }
}

#[test]
fn a_request_for_a_ca_certificate_is_refused_and_other_wishes_are_ignored() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let csr = params.serialize_request(&key).unwrap();
    assert_eq!(refusal(csr.der()), CsrRefusal::WantsAuthority);
    let mut params = CertificateParams::new(["evil.example".to_owned()]).unwrap();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    assert_eq!(refusal(params.serialize_request(&key).unwrap().der()), CsrRefusal::WantsAuthority);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let csr = params.serialize_request(&key).unwrap();
    assert!(parse_csr(csr.der()).is_ok(), "names and purposes are ignored, see the authority's tests");
}

#[test]
fn a_subject_that_is_not_what_it_looks_like_is_refused() {
    let key = KeyPair::generate().unwrap();
    let with = |value: DnValue| {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, value);
        parse_csr(params.serialize_request(&key).unwrap().der()).map(|_| ())
    };
    let utf8 = |text: &str| with(DnValue::Utf8String(text.to_owned()));
    for bad in ["dev-1\0.evil", "dev-1\n", "\u{202e}1-ved", "dev\u{200b}-1", "dev-1\u{feff}", "\u{85}"] {
        assert_eq!(utf8(bad), Err(CsrRefusal::Subject), "{bad:?}");
    }
    for good in ["dev-1", "", "자판기 1호", "é", "Ünï 😀"] {
        assert_eq!(utf8(good), Ok(()), "{good:?}");
    }
}

#[test]
fn other_keys_are_refused_by_name() {
    let p384 = request(&KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    assert_eq!(refusal(&p384), CsrRefusal::Curve("P-384".to_owned()));
    let ed25519 = request(&KeyPair::generate_for(&PKCS_ED25519).unwrap());
    assert_eq!(refusal(&ed25519), CsrRefusal::Algorithm("Ed25519".to_owned()));
}

/// The key that `bytes` get certified, if any. A change outside the signed part may pass; it must not bring in another key.
fn certified_key(bytes: &[u8]) -> Option<Vec<u8>> {
    parse_csr(bytes).ok().map(|csr| csr.key().subject_public_key_info())
}

#[test]
fn no_changed_byte_gets_another_key_certified() {
    let key = certified_key(good());
    let mut passed = 0;
    for i in 0..good().len() {
        let mut changed = good().to_vec();
        changed[i] ^= 1;
        if let Some(other) = certified_key(&changed) {
            assert_eq!(Some(other), key, "byte {i}");
            passed += 1;
        }
    }
    assert!(passed <= 1, "only the tag before the signature algorithm is read leniently, not {passed} bytes");
}

#[test]
fn cut_extended_and_oversized_requests_are_refused() {
    for end in 0..good().len() {
        assert!(parse_csr(&good()[..end]).is_err(), "first {end} bytes");
    }
    assert_eq!(refusal(&[good(), &[0]].concat()), CsrRefusal::Structure);
    assert_eq!(refusal(&vec![b'A'; MAX_CSR_BYTES + 1]), CsrRefusal::TooLong);
}

#[test]
fn other_pem_is_refused_in_words() {
    let pem = |label: &str| pem_block(label, good());
    assert_eq!(refusal(pem("CERTIFICATE").as_bytes()), CsrRefusal::OtherPem("CERTIFICATE"));
    assert_eq!(refusal(pem("PUBLIC KEY").as_bytes()), CsrRefusal::OtherPem("PUBLIC KEY"));
    for label in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
        assert_eq!(refusal(pem(label).as_bytes()), CsrRefusal::PrivateKey);
    }
    let csr = pem("CERTIFICATE REQUEST");
    let twice = csr.repeat(2);
    let damaged = csr.replacen("MI", "M!", 1);
    let other_end = csr.replace("END CERTIFICATE REQUEST", "END CERTIFICATE");
    let cut = csr.split("-----END").next().unwrap();
    let followed = format!("{csr}rubbish");
    let nul = format!("{csr}\0");
    for bad in ["", "hello", "-----BEGIN ", &twice, &damaged, &other_end, cut, &followed, &nul] {
        assert!(matches!(refusal(bad.as_bytes()), CsrRefusal::Encoding(_)), "{bad}");
    }
    assert!(matches!(refusal(&[0xff, 0xfe]), CsrRefusal::Encoding(_)));
}

#[test]
fn bits_are_counted_without_padding() {
    assert_eq!(bit_length(&[]), 0);
    assert_eq!(bit_length(&[0, 0]), 0);
    assert_eq!(bit_length(&[0, 0xff]), 8);
    assert_eq!(bit_length(&[1, 0]), 9);
}

proptest! {
    #[test]
    fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse_csr(&bytes);
        let _ = parse_csr(pem_block("CERTIFICATE REQUEST", &bytes).as_bytes());
    }

    #[test]
    fn no_mutation_gets_another_key_certified(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = good().to_vec();
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let key = certified_key(&bytes);
        prop_assert!(key.is_none() || key == certified_key(good()));
    }
}
