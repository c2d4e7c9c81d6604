//! What a device keeps over restarts beside its firmware: what it shows, its key and certificate, whether it is registered.

use std::convert::Infallible;
use std::sync::Arc;

use argosy_agent_core::{
    ContentSet, ContentStore, FileIdentity, Jitter, Registration, Renewal, RenewalPolicy,
};
use argosy_proto::DeviceKey;
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::context::Context;
use crate::enrol::MadeKey;
use crate::hardware::Sha256;

/// A device's lasting memory.
#[derive(Debug)]
pub(crate) struct Lasting {
    /// What it shows. Nothing takes no room: most of a large fleet shows nothing.
    shown: Option<Box<ContentSet>>,
    /// Key and certificate; absent over plain MQTT, and where the key in flash fits no certificate.
    pub(crate) identity: Option<Arc<CertifiedKey>>,
    /// A key whose certificate was asked for and has not come.
    pub(crate) pending: Option<Pending>,
    pub(crate) registration: Option<Box<Registration>>,
    /// Codes refused so far.
    pub(crate) refused: u32,
}

/// A key and the request made with it.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) made: MadeKey,
    /// It stands where the old key stood.
    pub(crate) overwritten: bool,
}

impl Lasting {
    pub(crate) fn new(context: &Context, identity: Option<Arc<CertifiedKey>>, jitter: &mut Jitter) -> Self {
        let registration = context.config.features.registration.as_ref().map(|registering| {
            let resend = registering.resend.unwrap_or(context.config.reconnect);
            Box::new(Registration::needed(resend, Jitter::new(jitter.up_to(u64::MAX))))
        });
        Self { shown: None, identity, pending: None, registration, refused: 0 }
    }

    /// What a restart makes of it: a key that was overwritten is gone, whatever session it had opened before.
    pub(crate) fn restart(&mut self, key: &DeviceKey, context: &Context) {
        if self.pending.as_ref().is_some_and(|pending| pending.overwritten) && self.identity.take().is_some()
        {
            context.counters.retry("renewal: restarted with a key that fits no certificate");
            tracing::warn!(%key, "device {key} restarted before its new certificate came: its key fits none");
        }
    }

    /// Whether the device may speak of anything but its registration.
    pub(crate) fn is_registered(&self) -> bool {
        self.registration.as_ref().is_none_or(|registration| registration.is_registered())
    }

    /// The renewal of this device's certificate, if it has one and renews it.
    pub(crate) fn renewal(&self, context: &Context, jitter: &mut Jitter) -> Option<Box<Renewal>> {
        let renewing = context.config.features.renewal.as_ref()?;
        let identity = self.identity.as_ref()?;
        let policy = RenewalPolicy {
            before_ms: u64::try_from(renewing.before.as_millis()).unwrap_or(u64::MAX),
            resend: renewing.resend,
            key_first: renewing.key_first,
        };
        let jitter = Jitter::new(jitter.up_to(u64::MAX));
        Some(Box::new(if self.pending.is_some() {
            Renewal::resume(context.now_ms(), policy, jitter)
        } else {
            Renewal::start(expires_ms(identity)?, policy, jitter)
        }))
    }

    pub(crate) fn shown(&self) -> Option<&ContentSet> {
        self.shown.as_deref()
    }

    pub(crate) fn show(&mut self, set: &ContentSet) {
        self.shown = (!set.files().is_empty()).then(|| Box::new(*set));
    }

    pub(crate) fn content(&self, capacity: u32) -> VirtualContent {
        VirtualContent { capacity, shown: self.shown.as_deref().copied().unwrap_or(ContentSet::EMPTY) }
    }
}

/// When a certificate ends.
fn expires_ms(identity: &CertifiedKey) -> Option<u64> {
    let (_, certificate) = X509Certificate::from_der(identity.cert.first()?).ok()?;
    u64::try_from(certificate.validity().not_after.timestamp()).ok()?.checked_mul(1_000)
}

/// A card that remembers files by their names only: the core hashes every byte on its way.
#[derive(Debug)]
pub(crate) struct VirtualContent {
    capacity: u32,
    shown: ContentSet,
}

impl ContentStore for VirtualContent {
    type Error = Infallible;
    type Digest = Sha256;

    fn capacity(&self) -> u32 {
        self.capacity
    }

    fn shown(&mut self) -> Result<ContentSet, Infallible> {
        Ok(self.shown)
    }

    fn has(&mut self, file: &FileIdentity) -> Result<bool, Infallible> {
        Ok(self.shown.files().iter().any(|shown| (shown.hash, shown.size) == (file.hash, file.size)))
    }

    fn stage(&mut self, _file: &FileIdentity) -> Result<(), Infallible> {
        Ok(())
    }

    fn write(&mut self, _offset: u32, _bytes: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn show(&mut self, set: &ContentSet) -> Result<(), Infallible> {
        self.shown = *set;
        Ok(())
    }

    fn digest(&mut self) -> Sha256 {
        Sha256::begin()
    }
}
