//! The addresses that devices get: signed paths under the configured bases.

use std::sync::Arc;

use argosy_domain::Timestamp;
use argosy_domain::ports::Door;
use argosy_proto::{DeploymentId, DeviceKey, Sha256Hash};

use super::UrlSigner;
use crate::DownloadLinks;

/// Links to downloads that this server (or a proxy in front of it) serves itself.
#[derive(Debug)]
pub struct LocalLinks {
    signer: Arc<UrlSigner>,
    public_url: Option<String>,
    plain_url: Option<String>,
}

impl LocalLinks {
    /// `public_url` (https) is for every device; `plain_url` (http), if there is one, for those on the plain listener.
    pub fn new(signer: Arc<UrlSigner>, public_url: Option<String>, plain_url: Option<String>) -> Self {
        Self { signer, public_url, plain_url }
    }
}

impl DownloadLinks for LocalLinks {
    fn for_device(
        &self,
        door: Door,
        hash: &Sha256Hash,
        file_name: &str,
        key: &DeviceKey,
        deployment: DeploymentId,
        expires_at: Timestamp,
    ) -> Option<String> {
        let plain = self.plain_url.as_ref().filter(|_| door == Door::Plain);
        let base = plain.or(self.public_url.as_ref())?;
        Some(self.signer.sign_for_device(hash, file_name, key, deployment, expires_at).under(base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_address_is_given_only_at_the_plain_door() {
        let signer = Arc::new(UrlSigner::new(&[1; 32]));
        let public = Some("https://a:8443".to_owned());
        let links = LocalLinks::new(Arc::clone(&signer), public, Some("http://a:8080".to_owned()));
        let key = DeviceKey::new("vm-1").unwrap();
        let link = |links: &LocalLinks, door| {
            links.for_device(door, &Sha256Hash([1; 32]), "f.bin", &key, DeploymentId(1), Timestamp(1000))
        };
        assert!(link(&links, Door::Mtls).unwrap().starts_with("https://a:8443/d/0101"));
        assert!(link(&links, Door::Plain).unwrap().starts_with("http://a:8080/d/0101"));
        let none = LocalLinks::new(signer, None, Some("http://a:8080".to_owned()));
        assert_eq!(link(&none, Door::Mtls), None);
    }
}
