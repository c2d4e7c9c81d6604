//! What stands in the certificates that we make.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CrlDistributionPoint, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::oid_registry as oid;

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
    /// Where the issuer's list of revocations can be fetched.
    pub(crate) crl_url: Option<String>,
}

pub(super) fn leaf(
    issuer: &Intermediate,
    spec: LeafSpec,
    key: &impl PublicKeyData,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Certificate, AuthorityError> {
    let issuer = SignsLeaves { name: &issuer.name, not_after: issuer.not_after, issuer: &issuer.issuer };
    leaf_by(&issuer, spec, key, now, entropy)
}

/// What issues a leaf: an intermediate of ours, or an imported CA.
pub(super) struct SignsLeaves<'a> {
    pub(super) name: &'a str,
    pub(super) not_after: Timestamp,
    pub(super) issuer: &'a Issuer<'static, KeyPair>,
}

pub(super) fn leaf_by(
    issuer: &SignsLeaves<'_>,
    spec: LeafSpec,
    key: &impl PublicKeyData,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Certificate, AuthorityError> {
    if issuer.not_after <= now {
        return Err(AuthorityError::IssuerExpired {
            issuer: issuer.name.to_owned(),
            ended: issuer.not_after,
        });
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
    params.crl_distribution_points =
        spec.crl_url.map(|url| CrlDistributionPoint { uris: vec![url] }).into_iter().collect();
    params.signed_by(key, issuer.issuer).map_err(crypto("sign a certificate"))
}

/// A certificate for our root's name and key, issued by an imported CA: whoever trusts only that one then finds a way from it to
/// everything below our root.
pub(super) fn cross(
    root: &X509Certificate<'_>,
    issuer: &SignsLeaves<'_>,
    not_after: Timestamp,
    now: Timestamp,
    entropy: &dyn Entropy,
) -> Result<Certificate, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    for attribute in root.subject().iter_attributes() {
        let value =
            attribute.as_str().map_err(|_| AuthorityError::Params("the root's name cannot be read"))?;
        let kind = match attribute.attr_type() {
            id if *id == oid::OID_X509_COMMON_NAME => DnType::CommonName,
            id if *id == oid::OID_X509_ORGANIZATION_NAME => DnType::OrganizationName,
            _ => return Err(AuthorityError::Params("the root's name has parts that ours have not")),
        };
        params.distinguished_name.push(kind, value);
    }
    params.serial_number = Some(Serial::random(entropy).to_bytes().into());
    params.not_before = date(now - CA_BACKDATE)?;
    params.not_after = date(not_after.min(issuer.not_after))?;
    // Our server intermediate stands below it, and leaves.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    if let Some(id) = subject_key_id(root) {
        params.key_identifier_method = KeyIdMethod::PreSpecified(id);
    }
    let key = rcgen::SubjectPublicKeyInfo::from_der(root.public_key().raw)
        .map_err(crypto("read the root's key"))?;
    params.signed_by(&key, issuer.issuer).map_err(crypto("sign the root's certificate by an imported CA"))
}

/// A certificate's subject key identifier.
pub(crate) fn subject_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
        _ => None,
    })
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
pub(super) fn date(at: Timestamp) -> Result<OffsetDateTime, AuthorityError> {
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
