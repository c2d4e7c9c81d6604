//! The server's key of registration: what is kept of a code is a keyed hash, and what is kept of an answer that holds one is sealed.

use argosy_domain::ports::Entropy;
use aws_lc_rs::{aead, hmac};

/// What the subkeys are for; a change of either text makes everything that was kept unreadable.
const OF_CODES: &[u8] = b"argosy registration code v1";
const OF_ANSWERS: &[u8] = b"argosy sealed answer v1";

/// 32 random bytes, kept in a file that only the server can read. Neither shown nor compared.
#[derive(Clone)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// The key with these bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A new key.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The two keys made of it.
pub(crate) struct RegistrationKey {
    codes: hmac::Key,
    answers: aead::LessSafeKey,
}

impl RegistrationKey {
    pub(crate) fn new(secret: &SecretKey) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, &secret.0);
        let codes = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, OF_CODES).as_ref());
        let answers = aead::UnboundKey::new(&aead::AES_256_GCM, hmac::sign(&root, OF_ANSWERS).as_ref())
            .expect("HMAC-SHA-256 gives the 32 bytes of an AES-256 key");
        Self { codes, answers: aead::LessSafeKey::new(answers) }
    }

    /// The keyed hash of a code, lower-case hexadecimal.
    pub(crate) fn mac(&self, code: &str) -> String {
        hex::encode(hmac::sign(&self.codes, code.as_bytes()))
    }

    /// Seals a text for `purpose`: nonce, ciphertext and tag, in hexadecimal.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, purpose: &str, text: &str) -> String {
        // A random nonce of 96 bits: answers are few, and kept for a day.
        let mut nonce = [0; aead::NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = text.as_bytes().to_vec();
        self.answers
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::from(purpose.as_bytes()),
                &mut sealed,
            )
            .expect("an answer is far smaller than what AES-GCM can seal");
        hex::encode([nonce.as_slice(), &sealed].concat())
    }

    /// What was sealed for `purpose`; `None`: under another key, for another purpose, or damaged.
    pub(crate) fn open(&self, purpose: &str, sealed: &str) -> Option<String> {
        let bytes = hex::decode(sealed).ok()?;
        let (nonce, rest) = bytes.split_at_checked(aead::NONCE_LEN)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut rest = rest.to_vec();
        let text = self.answers.open_in_place(nonce, aead::Aad::from(purpose.as_bytes()), &mut rest).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

/// Six digits, each of the million as likely as any other.
pub(crate) fn draw_code(entropy: &dyn Entropy) -> String {
    const CODES: u32 = 1_000_000;
    // The last incomplete million of the numbers of 32 bits would favour small codes: those numbers are drawn again.
    const END: u32 = u32::MAX / CODES * CODES;
    loop {
        let mut bytes = [0; 4];
        entropy.fill(&mut bytes);
        let number = u32::from_le_bytes(bytes);
        if number < END {
            return format!("{:06}", number % CODES);
        }
    }
}

/// What a person typed, as a code: blanks and hyphens between the digits are nobody's fault.
pub(crate) fn typed_code(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    (digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

#[cfg(test)]
mod tests {
    use argosy_domain::testing::SeededEntropy;

    use super::*;

    #[test]
    fn a_code_is_hashed_under_the_key() {
        let (one, other) =
            (RegistrationKey::new(&SecretKey::new([1; 32])), RegistrationKey::new(&SecretKey::new([2; 32])));
        assert_eq!(one.mac("012345"), one.mac("012345"));
        assert_ne!(one.mac("012345"), one.mac("012346"));
        assert_ne!(one.mac("012345"), other.mac("012345"));
        assert_eq!(one.mac("012345").len(), 64);
    }

    #[test]
    fn a_sealed_answer_is_opened_by_the_same_key_for_the_same_purpose() {
        let entropy = SeededEntropy::new(7);
        let key = RegistrationKey::new(&SecretKey::draw(&entropy));
        let sealed = key.seal(&entropy, "a", "{\"code\":\"012345\"}");
        assert!(!sealed.contains("012345"));
        assert_ne!(sealed, key.seal(&entropy, "a", "{\"code\":\"012345\"}"));
        assert_eq!(key.open("a", &sealed).as_deref(), Some("{\"code\":\"012345\"}"));
        assert_eq!(key.open("b", &sealed), None);
        assert_eq!(RegistrationKey::new(&SecretKey::new([1; 32])).open("a", &sealed), None);
        for damaged in ["", "00", "zz", &sealed[2..], &sealed[..sealed.len() - 2]] {
            assert_eq!(key.open("a", damaged), None, "{damaged}");
        }
    }

    #[test]
    fn codes_are_six_digits_spread_over_the_million() {
        let entropy = SeededEntropy::new(3);
        let mut tenths = [0_u32; 10];
        for _ in 0..20_000 {
            let code = draw_code(&entropy);
            assert!(typed_code(&code).is_some(), "{code}");
            tenths[usize::from(code.as_bytes()[0] - b'0')] += 1;
        }
        // 2,000 each, give or take five standard deviations.
        assert!(tenths.iter().all(|n| (1_790..2_210).contains(n)), "{tenths:?}");
    }

    #[test]
    fn what_people_type() {
        for good in ["012345", " 012345 ", "012 345", "012-345", "0 1 2 3 4 5"] {
            assert_eq!(typed_code(good).as_deref(), Some("012345"), "{good:?}");
        }
        for bad in ["", "12345", "0123456", "01234a", "٠١٢٣٤٥", "012_345", "-12345"] {
            assert_eq!(typed_code(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_key_is_not_shown() {
        assert_eq!(format!("{:?}", SecretKey::new([9; 32])), "SecretKey(…)");
    }
}
