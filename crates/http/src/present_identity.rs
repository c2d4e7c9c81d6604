//! Certificates' lives, in the words of the API.

use argosy_api as api;
use argosy_domain::model as m;
use argosy_domain::ports::ImportedCa;

use crate::present::{revocation_reason, time};

pub(crate) fn imported_ca(ca: ImportedCa) -> api::ImportedCaView {
    api::ImportedCaView {
        id: ca.id,
        name: ca.name,
        key_kind: ca.key_kind,
        not_before: time(ca.not_before),
        not_after: time(ca.not_after),
        has_key: ca.has_key,
    }
}

pub(crate) fn revocation(revocation: m::Revocation) -> api::RevocationView {
    api::RevocationView {
        issuer: revocation.certificate.issuer,
        serial: revocation.certificate.serial,
        device: revocation.key.to_string(),
        reason: revocation_reason(revocation.reason),
        revoked_at: time(revocation.revoked_at),
    }
}

pub(crate) fn imported_identity(identity: m::ImportedIdentity) -> api::ImportedIdentityView {
    api::ImportedIdentityView {
        issuer: identity.issuer,
        by: identity.by.to_string(),
        value: identity.value,
        retires_at: identity.retires_at.map(time),
    }
}
