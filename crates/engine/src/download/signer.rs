//! Signed download URLs.
//!
//! ```text
//! /d/{sha256}/{file}?a={sha256}&g={grantee}&x={unix seconds}&k={key id}&s={signature}
//! ```
//!
//! `s` is HMAC-SHA256, in lower-case hexadecimal, over `argosy-url-v1`, `file`, `a`, `g` and `x`, joined by line feeds.
//! `g` is `d.{deployment}.{device key}` or `u.{user id}`. The hash stands in the path, where the artifact is looked up, *and*
//! in `a`, where it is signed: that is what lets the answer tell a URL whose signature was made for another artifact (foreign)
//! from one that was changed (tampered). `k` names the key, so that the URL of another server is foreign too.
//! Every character is one that needs no escaping anywhere: old boards pass the URL on as it is.

use std::fmt;

use argosy_domain::Timestamp;
use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash, UserId};
use aws_lc_rs::hmac;

/// The longest file name in a URL, in characters.
const MAX_FILE: usize = 64;

/// To whom a URL was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// A device, for one deployment.
    Device {
        /// Its key.
        key: DeviceKey,
        /// Which deployment.
        deployment: DeploymentId,
    },
    /// A user of the console or the command line; the URL works only together with that user's session or token.
    User(UserId),
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device { key, deployment } => write!(f, "d.{deployment}.{key}"),
            Self::User(id) => write!(f, "u.{id}"),
        }
    }
}

impl Grantee {
    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('.')?;
        match kind {
            "d" => {
                let (deployment, key) = rest.split_once('.')?;
                let deployment = DeploymentId(deployment.parse().ok()?);
                Some(Self::Device { key: key.parse().ok()?, deployment })
            }
            "u" => Some(Self::User(UserId(rest.parse().ok()?))),
            _ => None,
        }
    }
}

/// Path and query of a signed URL. `Debug` leaves the signature out; only [`SignedPath::as_str`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPath(String);

impl SignedPath {
    /// Path and query, from `/d/` on.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole URL under `base` (`https://ota.example.com`, with or without a path and a slash at its end).
    pub fn under(&self, base: &str) -> String {
        format!("{}{}", base.trim_end_matches('/'), self.0)
    }
}

impl fmt::Debug for SignedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.0.split("&s=").next().unwrap_or_default();
        write!(f, "SignedPath({open})")
    }
}

/// What a good URL allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Which artifact.
    pub artifact: Sha256Hash,
    /// To whom.
    pub grantee: Grantee,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// Its signature does not fit, or a part is missing.
    #[error("the signature does not fit the URL; use it exactly as it was given")]
    Tampered,
    /// It was good until then.
    #[error("the URL was good until {at} (milliseconds since 1970); ask for a new one")]
    Expired {
        /// Until when it was good.
        at: Timestamp,
    },
    /// It was signed for another artifact, for another user, or by another server.
    #[error("the URL was signed for something else: another file, another user, or by another server")]
    Foreign,
}

/// Signs and checks. The key never leaves it.
pub struct UrlSigner {
    key: hmac::Key,
    key_id: String,
}

impl fmt::Debug for UrlSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl UrlSigner {
    /// A signer with `secret`: 32 random bytes, kept in a file that only the server can read.
    pub fn new(secret: &[u8; 32]) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"argosy-url-key-id");
        let key_id = hex::encode(tag.as_ref().get(..4).unwrap_or_default());
        Self { key, key_id }
    }

    /// A URL for one device and one deployment.
    pub fn sign_for_device(
        &self,
        artifact: &Sha256Hash,
        file_name: &str,
        key: &DeviceKey,
        deployment: DeploymentId,
        expires_at: Timestamp,
    ) -> SignedPath {
        self.sign(artifact, file_name, &Grantee::Device { key: key.clone(), deployment }, expires_at)
    }

    /// A URL for a user.
    pub fn sign_for_user(
        &self,
        artifact: &Sha256Hash,
        file_name: &str,
        user: UserId,
        expires_at: Timestamp,
    ) -> SignedPath {
        self.sign(artifact, file_name, &Grantee::User(user), expires_at)
    }

    fn sign(
        &self,
        artifact: &Sha256Hash,
        file_name: &str,
        grantee: &Grantee,
        expires_at: Timestamp,
    ) -> SignedPath {
        let file = url_file_name(file_name);
        let (artifact, grantee) = (artifact.to_string(), grantee.to_string());
        let expires = expires_at.as_millis().div_euclid(1000).to_string();
        let tag = hmac::sign(&self.key, canonical(&file, &artifact, &grantee, &expires).as_bytes());
        let (key_id, tag) = (&self.key_id, hex::encode(tag));
        SignedPath(format!("/d/{artifact}/{file}?a={artifact}&g={grantee}&x={expires}&k={key_id}&s={tag}"))
    }

    /// Checks a URL: `hash` and `file` as they stand in its path, `query` as it came. The signature is compared in constant time.
    ///
    /// # Errors
    /// [`UrlRefusal`] says which rule it breaks. A URL that is both changed and expired is [`UrlRefusal::Tampered`].
    pub fn verify(&self, hash: &str, file: &str, query: &str, now: Timestamp) -> Result<Grant, UrlRefusal> {
        let parts = Parts::read(query).ok_or(UrlRefusal::Tampered)?;
        if parts.key_id != self.key_id {
            return Err(UrlRefusal::Foreign);
        }
        let tag = hex::decode(parts.signature).map_err(|_| UrlRefusal::Tampered)?;
        let text = canonical(file, parts.artifact, parts.grantee, parts.expires);
        hmac::verify(&self.key, text.as_bytes(), &tag).map_err(|_| UrlRefusal::Tampered)?;
        // From here on every part is as we wrote it.
        let seconds: i64 = parts.expires.parse().map_err(|_| UrlRefusal::Tampered)?;
        let expires_at = Timestamp(seconds.saturating_mul(1000));
        if parts.artifact != hash {
            return Err(UrlRefusal::Foreign);
        }
        if now >= expires_at {
            return Err(UrlRefusal::Expired { at: expires_at });
        }
        let artifact = parts.artifact.parse().map_err(|_| UrlRefusal::Tampered)?;
        let grantee = Grantee::parse(parts.grantee).ok_or(UrlRefusal::Tampered)?;
        Ok(Grant { artifact, grantee, expires_at })
    }
}

fn canonical(file: &str, artifact: &str, grantee: &str, expires: &str) -> String {
    format!("argosy-url-v1\n{file}\n{artifact}\n{grantee}\n{expires}")
}

/// A file name that needs no escaping in a URL: other characters become `_`.
fn url_file_name(name: &str) -> String {
    let safe: String = name
        .chars()
        .take(MAX_FILE)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' })
        .collect();
    // `.` and `..` would be folded away by clients that normalise paths.
    if safe.chars().all(|c| c == '.') { "artifact.bin".to_owned() } else { safe }
}

struct Parts<'a> {
    artifact: &'a str,
    grantee: &'a str,
    expires: &'a str,
    key_id: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    /// Every part exactly once; what others append is ignored.
    fn read(query: &'a str) -> Option<Self> {
        let one = |name: &str| {
            let mut found = query.split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then_some(value)
            });
            let first = found.next()?;
            found.next().is_none().then_some(first)
        };
        Some(Self {
            artifact: one("a")?,
            grantee: one("g")?,
            expires: one("x")?,
            key_id: one("k")?,
            signature: one("s")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_763_700_000_000);
    const LATER: Timestamp = Timestamp(1_763_703_600_000);

    fn artifact(n: u8) -> Sha256Hash {
        Sha256Hash([n; 32])
    }

    fn signer() -> UrlSigner {
        UrlSigner::new(&[7; 32])
    }

    fn signed(file: &str) -> String {
        let key = DeviceKey::new("vm-1.a").unwrap();
        signer().sign_for_device(&artifact(1), file, &key, DeploymentId(12), LATER).as_str().to_owned()
    }

    fn check(signer: &UrlSigner, url: &str, now: Timestamp) -> Result<Grant, UrlRefusal> {
        let (path, query) = url.split_once('?').unwrap();
        let mut parts = path.strip_prefix("/d/").unwrap().split('/');
        signer.verify(parts.next().unwrap(), parts.next().unwrap(), query, now)
    }

    #[test]
    fn a_good_url_says_what_it_allows() {
        let grant = check(&signer(), &signed("fw.bin"), NOW).unwrap();
        let grantee =
            Grantee::Device { key: DeviceKey::new("vm-1.a").unwrap(), deployment: DeploymentId(12) };
        assert_eq!(grant, Grant { artifact: artifact(1), grantee, expires_at: LATER });
        let user = signer().sign_for_user(&artifact(2), "펌웨어 v2.bin", UserId(5), LATER);
        assert!(user.as_str().contains("/____v2.bin?"), "{user:?}");
        assert_eq!(check(&signer(), user.as_str(), NOW).unwrap().grantee, Grantee::User(UserId(5)));
    }

    #[test]
    fn any_changed_character_is_refused() {
        let url = signed("fw.bin");
        for at in "/d/".len()..url.len() {
            let mut bytes = url.clone().into_bytes();
            if matches!(bytes[at], b'/' | b'?' | b'&' | b'=') {
                continue;
            }
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check(&signer(), &changed, NOW).is_err(), "{changed}");
        }
    }

    #[test]
    fn the_answer_names_what_is_wrong() {
        let url = signed("fw.bin");
        assert_eq!(check(&signer(), &url, LATER), Err(UrlRefusal::Expired { at: LATER }));
        let renewed = url.replace("x=1763703600", "x=1963703600");
        assert_eq!(check(&signer(), &renewed, NOW), Err(UrlRefusal::Tampered));
        let other_device = url.replace("vm-1.a", "vm-2.a");
        assert_eq!(check(&signer(), &other_device, NOW), Err(UrlRefusal::Tampered));
        let other_file = url.replacen(&artifact(1).to_string(), &artifact(2).to_string(), 1);
        assert_eq!(check(&signer(), &other_file, NOW), Err(UrlRefusal::Foreign));
        assert_eq!(check(&UrlSigner::new(&[8; 32]), &url, NOW), Err(UrlRefusal::Foreign));
        let unsigned = format!("/d/{}/fw.bin?x=1", artifact(1));
        assert_eq!(check(&signer(), &unsigned, NOW), Err(UrlRefusal::Tampered));
        let twice = format!("{url}&x=1963703600");
        assert_eq!(check(&signer(), &twice, NOW), Err(UrlRefusal::Tampered));
    }

    #[test]
    fn debug_shows_no_signature() {
        let path = signer().sign_for_user(&artifact(2), "..", UserId(5), LATER);
        assert!(!format!("{path:?}").contains("&s="));
        assert!(path.as_str().contains("/artifact.bin?"));
        assert_eq!(
            path.under("https://ota.example.com/x/"),
            format!("https://ota.example.com/x{}", path.as_str())
        );
    }
}
