//! Lists of revoked certificates, one an issuer.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::model::{Revocation, RevocationReason};
use argosy_domain::ports::CrlRequest;
use rcgen::{
    CertificateRevocationListParams, Issuer, KeyIdMethod, KeyPair, RevocationReason as Reason,
    RevokedCertParams, SerialNumber,
};

use super::build::{crypto, date};
use super::{Authority, AuthorityError};
use crate::Serial;

impl Authority {
    /// Signs a list; DER.
    ///
    /// # Errors
    /// [`AuthorityError::UnknownIssuer`] if the issuer is none of ours, or its key is not here.
    pub(super) fn sign_list(&self, request: &CrlRequest<'_>) -> Result<Vec<u8>, AuthorityError> {
        if request.issuer == self.device.name {
            return signed(request, &self.device.issuer, KeyIdMethod::Sha256);
        }
        let all = self.imported.all();
        let imported = all.iter().find(|anchor| anchor.name == request.issuer);
        match imported.and_then(|anchor| Some((anchor, anchor.issuer.as_ref()?))) {
            Some((anchor, issuer)) => signed(request, issuer, anchor.key_id()),
            None => Err(AuthorityError::UnknownIssuer(request.issuer.to_owned())),
        }
    }
}

fn signed(
    request: &CrlRequest<'_>,
    issuer: &Issuer<'static, KeyPair>,
    key_id: KeyIdMethod,
) -> Result<Vec<u8>, AuthorityError> {
    // A list begins a minute before it is made: whoever reads it may have a clock that is behind.
    let this_update = request.this_update - Duration::from_secs(60);
    let list = CertificateRevocationListParams {
        this_update: date(this_update)?,
        next_update: date(request.next_update)?,
        crl_number: SerialNumber::from(u64::try_from(request.number).unwrap_or(0)),
        issuing_distribution_point: None,
        revoked_certs: request
            .revoked
            .iter()
            .filter_map(|r| entry(r).transpose())
            .collect::<Result<_, _>>()?,
        key_identifier_method: key_id,
    };
    let list = list.signed_by(issuer).map_err(crypto("sign a list of revocations"))?;
    Ok(list.der().to_vec())
}

/// `None`: its serial number is none that a certificate can have, so no certificate needs it.
fn entry(revocation: &Revocation) -> Result<Option<RevokedCertParams>, AuthorityError> {
    let Ok(serial) = Serial::parse(&revocation.certificate.serial) else { return Ok(None) };
    let at = revocation.revoked_at.max(Timestamp(0));
    Ok(Some(RevokedCertParams {
        serial_number: serial.to_bytes().into(),
        revocation_time: date(at)?,
        reason_code: reason(revocation.reason),
        invalidity_date: None,
    }))
}

/// RFC 5280 wants no entry that says "unspecified".
const fn reason(reason: RevocationReason) -> Option<Reason> {
    Some(match reason {
        RevocationReason::Unspecified => return None,
        RevocationReason::KeyCompromise => Reason::KeyCompromise,
        RevocationReason::AffiliationChanged => Reason::AffiliationChanged,
        RevocationReason::Superseded => Reason::Superseded,
        RevocationReason::CessationOfOperation => Reason::CessationOfOperation,
        RevocationReason::PrivilegeWithdrawn => Reason::PrivilegeWithdrawn,
    })
}
