//! Our server certificate for boards that trust only an imported CA.
//!
//! Two ways, and both are offered (see [`crate::ServerIdentity`] for who gets which):
//! * **cross-certificates**: the imported CA certifies our root's key. They are sent behind our own chain; whoever trusts our root
//!   ignores them, whoever trusts the imported one finds its way through them. One chain for everybody.
//! * a **direct** leaf under the imported CA, with a key of the same kind, as the older system's server had: for boards that speak no
//!   ECDSA, or accept no chain with intermediates.

use std::time::Duration;

use argosy_domain::Timestamp;
use argosy_domain::ports::ImportedCa;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::CertificateDer;

use super::build::{self, LeafSpec, SignsLeaves, crypto};
use super::{Authority, AuthorityError};
use crate::imported::Anchor;
use crate::leaf::parse;
use crate::names::{ServerNames, dn_text};

/// Cross-certificates live that long; they are made anew at every start and every import.
const CROSS_LIFE: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);

impl Authority {
    pub(super) fn import(&self, certificate: &str, key: Option<&str>) -> Result<ImportedCa, AuthorityError> {
        let root = parse(&self.root).map(|root| dn_text(root.subject())).unwrap_or_default();
        let taken = [self.device.name.as_str(), self.server.name.as_str(), root.as_str()];
        Ok(self.imported.import(certificate, key, &taken)?)
    }

    /// Our root as certified by each imported CA that can; those that cannot (no key, ended, no room for intermediates below) are left
    /// out.
    pub(crate) fn cross_certificates(
        &self,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let root = parse(&self.root)?;
        let mut crosses = Vec::new();
        for anchor in self.imported.all().iter() {
            let room = anchor.path_len.is_none_or(|room| room >= 2);
            if !room || anchor.not_after <= now {
                continue;
            }
            let Some(issuer) = signs(anchor) else { continue };
            let cross = build::cross(&root, &issuer, now + CROSS_LIFE, now, self.entropy.as_ref())?;
            crosses.push(named_like(anchor, cross.into())?);
        }
        Ok(crosses)
    }

    /// A server certificate directly under the imported CA that came last and can issue one, and its key; `None` if there is none.
    pub(crate) fn direct_leaf(
        &self,
        names: &ServerNames,
        life: Duration,
        now: Timestamp,
    ) -> Result<Option<(KeyPair, CertificateDer<'static>)>, AuthorityError> {
        let all = self.imported.all();
        let able = all.iter().filter(|anchor| anchor.issuer.is_some() && anchor.not_after > now);
        let Some(anchor) = able.max_by_key(|anchor| anchor.not_after) else { return Ok(None) };
        let Some(issuer) = signs(anchor) else { return Ok(None) };
        let key = if anchor.key_kind.starts_with("RSA") {
            KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
                .map_err(crypto("generate an RSA key"))?
        } else {
            build::new_key()?
        };
        let spec = LeafSpec {
            common_name: names.common_name(),
            names: names.to_sans().map_err(crypto("write the server's names"))?,
            purpose: ExtendedKeyUsagePurpose::ServerAuth,
            life,
            crl_url: None,
        };
        let leaf = build::leaf_by(&issuer, spec, &key, now, self.entropy.as_ref())?;
        Ok(Some((key, named_like(anchor, leaf.into())?)))
    }
}

fn signs(anchor: &Anchor) -> Option<SignsLeaves<'_>> {
    let issuer = anchor.issuer.as_ref()?;
    Some(SignsLeaves { name: &anchor.name, not_after: anchor.not_after, issuer })
}

/// A board compares names byte by byte: an issuer that is written in another string type than the CA writes itself is another one.
fn named_like(
    anchor: &Anchor,
    issued: CertificateDer<'static>,
) -> Result<CertificateDer<'static>, AuthorityError> {
    if anchor.is_issuer_of(&parse(&issued)?) {
        return Ok(issued);
    }
    Err(AuthorityError::Params("the imported CA's name is written in a way that cannot be reproduced"))
}
