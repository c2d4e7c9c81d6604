//! What stands in the certificates that we make.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use time::OffsetDateTime;

use super::{AuthorityError, DAY, Intermediate};
use crate::Serial;

/// CA certificates begin that much before the server's clock, leaves [`LEAF_BACKDATE`]: devices' clocks run behind.
const CA_BACKDATE: Duration = DAY;
const LEAF_BACKDATE: Duration = Duration::from_secs(60 * 60);
const ROOT_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 60 * 60 + 5 * 24 * 60 * 60);
const INTERMEDIATE_LIFE: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60 + 2 * 24 * 60 * 60);

/// A CA certificate and its key.
pub(super) struct NewCa {
    pub(super) key: KeyPair,
    pub(super) certificate: Certificate,
    params: CertificateParams,
}

pub(super) fn crypto(operation: &'static str) -> impl FnOnce(rcgen::Error) -> AuthorityError {
    move |source| AuthorityError::Crypto { operation, source }
}

pub(super) fn new_key() -> Result<KeyPair, AuthorityError> {
    KeyPair::generate().map_err(crypto("generate a key"))
}

pub(super) fn root(subject: &CaName, now: Timestamp, entropy: &dyn Entropy) -> Result<NewCa, AuthorityError> {
    let mut params = ca_params(subject.dn("Root CA"), now, ROOT_LIFE, entropy)?;
    // One level of intermediates, and leaves.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    let key = new_key()?;
    let certificate = params.self_signed(&key).map_err(crypto("sign the root certificate"))?;
    Ok(NewCa { key, certificate, params })
}

pub(super) fn intermediate(
    root: &NewCa,
    subject: DistinguishedName,
    purpose: ExtendedKeyUsagePurpose,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<NewCa, AuthorityError> {
    let mut params = ca_params(subject, now, INTERMEDIATE_LIFE, entropy)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.extended_key_usages = vec![purpose];
    params.use_authority_key_identifier_extension = true;
    let key = new_key()?;
    let issuer = Issuer::from_params(&root.params, &root.key);
    let certificate = params.signed_by(&key, &issuer).map_err(crypto("sign an intermediate certificate"))?;
    Ok(NewCa { key, certificate, params })
}

fn ca_params(
    subject: DistinguishedName,
    now: Timestamp,
    life: Duration,
    entropy: &dyn Entropy,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.serial_number = Some(Serial::random(entropy).to_bytes().into());
    params.not_before = date(now - CA_BACKDATE)?;
    params.not_after = date(now + life)?;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What a leaf says beyond its public key.
pub(crate) struct LeafSpec {
    pub(crate) common_name: String,
    pub(crate) names: Vec<SanType>,
    pub(crate) purpose: ExtendedKeyUsagePurpose,
    pub(crate) life: Duration,
}

pub(super) fn leaf(
    issuer: &Intermediate,
    spec: LeafSpec,
    key: &impl PublicKeyData,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Certificate, AuthorityError> {
    if issuer.not_after <= now {
        return Err(AuthorityError::IssuerExpired { issuer: issuer.name.clone(), ended: issuer.not_after });
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, spec.common_name);
    params.serial_number = Some(Serial::random(entropy).to_bytes().into());
    params.not_before = date(now - LEAF_BACKDATE)?;
    params.not_after = date((now + spec.life).min(issuer.not_after))?;
    // Said explicitly, because it also brings the subject key identifier.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![spec.purpose];
    params.subject_alt_names = spec.names;
    params.use_authority_key_identifier_extension = true;
    params.signed_by(key, &issuer.issuer).map_err(crypto("sign a certificate"))
}

/// How the certificates of one authority are called. The tag keeps two instances' authorities apart wherever names are
/// compared.
pub(super) struct CaName {
    organization: String,
    tag: String,
}

impl CaName {
    pub(super) fn new(organization: &str, entropy: &dyn Entropy) -> Self {
        let mut tag = [0; 4];
        entropy.fill(&mut tag);
        Self { organization: organization.to_owned(), tag: hex::encode(tag) }
    }

    pub(super) fn dn(&self, role: &str) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, self.organization.as_str());
        name.push(DnType::CommonName, format!("Argosy {role} {}", self.tag));
        name
    }
}

/// Whole seconds: certificates hold no finer time.
fn date(at: Timestamp) -> Result<OffsetDateTime, AuthorityError> {
    let year_ok = |d: &OffsetDateTime| (1970..=9999).contains(&d.year());
    OffsetDateTime::from_unix_timestamp(at.as_millis().div_euclid(1000))
        .ok()
        .filter(year_ok)
        .ok_or(AuthorityError::Clock(at))
}

pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let base64 = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        // Base64 is ASCII: every index is a character boundary.
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}
