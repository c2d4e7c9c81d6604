//! Who may finish a handshake as a device. Whether it may then connect is the registry's decision, for every certificate.
//!
//! Three things differ from a stock verifier:
//! * A certificate that has *ended* passes: the gate knows whether an operator allows its device to renew all the same, and refuses
//!   everything else at CONNECT. Its chain is checked at the last moment at which it was valid.
//! * Leaves of imported CAs are verified directly against their CA, and need no extended key usage; ours do.
//! * A board that overwrote its private key before the answer to its renewal reached it shows its old certificate and signs with
//!   the new key. If that key is one that it asked a certificate for, over a connection with that very certificate, it is let in:
//!   it proves what the new certificate says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::CertificateName;
use argosy_domain::ports::RenewalKeys;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

use super::{TlsError, provider};
use crate::Serial;
use crate::imported::ImportedCas;
use crate::leaf::{MAX_CERTIFICATE_BYTES, moment, parse};
use crate::names::dn_text;
use crate::proof::{Version, is_signed_by};

/// Verifies device certificates: see the module.
pub(crate) struct DeviceVerifier {
    own: Arc<dyn ClientCertVerifier>,
    imported: Arc<ImportedCas>,
    renewals: Option<Arc<dyn RenewalKeys>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for DeviceVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceVerifier").field("imported", &self.imported).finish_non_exhaustive()
    }
}

impl DeviceVerifier {
    pub(crate) fn new(
        anchors: &[CertificateDer<'static>],
        imported: Arc<ImportedCas>,
        renewals: Option<Arc<dyn RenewalKeys>>,
    ) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for anchor in anchors {
            roots.add(anchor.clone()).map_err(TlsError::Anchor)?;
        }
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let own = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(TlsError::Verifier)?;
        Ok(Self { own, imported, renewals, algorithms })
    }

    /// The signature is right, or made with a key that this very certificate's device has asked a new one for.
    fn signed(
        &self,
        version: Version,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = leaf_of(certificate)?;
        let proven = if self.imported.issuer_of(&leaf).is_some() {
            if is_signed_by(version, leaf.public_key().raw, message, dss) {
                return Ok(HandshakeSignatureValid::assertion());
            }
            Err(Error::InvalidCertificate(CertificateError::BadSignature))
        } else {
            match version {
                Version::Tls12 => verify_tls12_signature(message, certificate, dss, &self.algorithms),
                Version::Tls13 => verify_tls13_signature(message, certificate, dss, &self.algorithms),
            }
        };
        if proven.is_err() && self.is_by_renewed_key(version, &leaf, message, dss) {
            return Ok(HandshakeSignatureValid::assertion());
        }
        proven
    }

    fn is_by_renewed_key(
        &self,
        version: Version,
        leaf: &X509Certificate<'_>,
        message: &[u8],
        dss: &DigitallySignedStruct,
    ) -> bool {
        let (Some(renewals), Ok(serial)) = (&self.renewals, Serial::from_der(leaf.raw_serial())) else {
            return false;
        };
        let name = CertificateName { issuer: dn_text(leaf.issuer()), serial: serial.into() };
        renewals.keys_of(&name).iter().any(|key| is_signed_by(version, key, message, dss))
    }
}

fn leaf_of<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let bad = || Error::InvalidCertificate(CertificateError::BadEncoding);
    if certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(bad());
    }
    parse(certificate).map_err(|_| bad())
}

impl ClientCertVerifier for DeviceVerifier {
    /// None: a client then presents what it has. Imported CAs come and go while the listener runs.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let leaf = leaf_of(end_entity)?;
        let at = Timestamp(i64::try_from(now.as_secs()).unwrap_or(i64::MAX / 1000).saturating_mul(1000));
        if let Some(anchor) = self.imported.issuer_of(&leaf) {
            return match anchor.verify(&leaf, at) {
                Ok(()) => Ok(ClientCertVerified::assertion()),
                Err(refusal) => {
                    Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal)))))
                }
            };
        }
        // The stock verifier takes a leaf without extended key usage; none of ours is without.
        let usage = leaf.extended_key_usage().ok().flatten();
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err(Error::InvalidCertificate(CertificateError::InvalidPurpose));
        }
        let ended = leaf.validity().not_after.timestamp();
        let now = match u64::try_from(ended) {
            Ok(ended) if at > moment(leaf.validity().not_after.timestamp()) => {
                UnixTime::since_unix_epoch(Duration::from_secs(ended))
            }
            _ => now,
        };
        self.own.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(Version::Tls12, message, certificate, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signed(Version::Tls13, message, certificate, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
