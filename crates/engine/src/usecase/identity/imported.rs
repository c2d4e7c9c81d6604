//! CAs of older systems, and the devices that come with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use argosy_domain::model::{Attributes, DeviceState, ImportedBy, ImportedIdentity, NewDevice, checked_name};
use argosy_domain::ports::ImportedCa;
use argosy_proto::{DeviceId, DeviceKey, GroupId, ProductId, RegionId};
use serde_json::json;

use crate::Engine;
use crate::error::{EngineError, EngineResult};
use crate::usecase::{Actor, audit};

/// Devices imported in one call at most.
pub const MAX_IMPORT_ROWS: usize = 500;

/// A device of an older system, with its identity there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Its key, kept.
    pub key: DeviceKey,
    /// Its name; the key if none.
    pub name: Option<String>,
    /// Its product.
    pub product: ProductId,
    /// Its group.
    pub group: Option<GroupId>,
    /// Its region.
    pub region: Option<RegionId>,
    /// Its CA, by id or by name; `None`: the only one that was imported.
    pub issuer: Option<String>,
    /// By what it is known there; `None`: it has no certificate (it comes by the plain listener).
    pub identity: Option<(ImportedBy, String)>,
}

impl Engine {
    /// Accepts the clients of another CA from now on.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] says what cannot be imported and why.
    pub async fn import_ca(
        &self,
        actor: &Actor,
        certificate_pem: String,
        key_pem: Option<String>,
    ) -> EngineResult<ImportedCa> {
        actor.may_administer()?;
        let (authority, now) = (Arc::clone(&self.ports.authority), self.now());
        let import = move || authority.import_ca(&certificate_pem, key_pem.as_deref(), now);
        let imported = tokio::task::spawn_blocking(import).await.map_err(died)?;
        let imported = imported.map_err(|error| match EngineError::from(error) {
            EngineError::Invalid { message, .. } => EngineError::invalid("certificate_pem", message),
            other => other,
        })?;
        let detail = json!({ "name": imported.name, "has_key": imported.has_key });
        let mut work = self.ports.registry.begin("identity").await?;
        audit(&mut *work, actor, "ca.import", format!("ca:{}", imported.id), detail, now).await?;
        work.commit().await?;
        tracing::info!(ca = imported.id, "imported the CA {} ({})", imported.name, imported.id);
        Ok(imported)
    }

    /// No longer accepts the clients of an imported CA. Their connections end when they end.
    ///
    /// # Errors
    /// [`EngineError::NotFound`].
    pub async fn remove_imported_ca(&self, actor: &Actor, id: &str) -> EngineResult<()> {
        actor.may_administer()?;
        let (authority, wanted, now) = (Arc::clone(&self.ports.authority), id.to_owned(), self.now());
        let removed = tokio::task::spawn_blocking(move || authority.remove_imported_ca(&wanted, now)).await;
        if !removed.map_err(died)?? {
            return Err(EngineError::not_found("imported CA", id));
        }
        let mut work = self.ports.registry.begin("identity").await?;
        audit(&mut *work, actor, "ca.remove", format!("ca:{id}"), json!({}), now).await?;
        Ok(work.commit().await?)
    }

    /// Imports up to [`MAX_IMPORT_ROWS`] devices with their identities, all or none. A device that exists with the same product is
    /// left as it is, and an identity that it has already is no error: a file that was cut off can be sent again.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] with the key in the message; `device_exists` for a key of another product; `identity_exists` for an
    /// identity that is another device's.
    pub async fn import_devices(&self, actor: &Actor, rows: Vec<ImportRow>) -> EngineResult<(u64, u64)> {
        actor.may_change()?;
        if rows.is_empty() || rows.len() > MAX_IMPORT_ROWS {
            let message = format!("give 1 to {MAX_IMPORT_ROWS} devices in one call");
            return Err(EngineError::invalid("devices", message));
        }
        let cas = self.ports.authority.imported_cas();
        let mut identities = Vec::new();
        let mut keys = BTreeSet::new();
        for row in &rows {
            if !keys.insert(row.key.clone()) {
                let message = format!("the key {} stands twice in this call", row.key);
                return Err(EngineError::invalid("devices", message));
            }
            identities.push(row_identity(row, &cas)?);
        }
        let now = self.now();
        let mut work = self.ports.registry.begin("import").await?;
        let keys: Vec<DeviceKey> = rows.iter().map(|r| r.key.clone()).collect();
        let mut ids: BTreeMap<DeviceKey, DeviceId> = BTreeMap::new();
        let products: BTreeMap<&DeviceKey, ProductId> = rows.iter().map(|r| (&r.key, r.product)).collect();
        for brief in work.device_briefs(&keys).await? {
            if products.get(&brief.key).is_some_and(|product| *product != brief.product) {
                let message = format!("the device {} exists and is of another product", brief.key);
                return Err(EngineError::conflict("device_exists", message));
            }
            ids.insert(brief.key, brief.id);
        }
        let mut fresh = Vec::new();
        for row in rows.iter().filter(|r| !ids.contains_key(&r.key)) {
            fresh.push(NewDevice {
                key: row.key.clone(),
                name: checked_name("name", row.name.as_deref().unwrap_or(row.key.as_str()))?,
                product: row.product,
                group: row.group,
                region: row.region,
                attributes: Attributes::new(),
                state: DeviceState::Active,
            });
        }
        if !fresh.is_empty() {
            for (device, id) in fresh.iter().zip(work.insert_devices(&fresh, now).await?) {
                ids.insert(device.key.clone(), id);
            }
        }
        let mut new = Vec::new();
        for (row, identity) in rows.iter().zip(identities) {
            let (Some((issuer, by, value)), Some(device)) = (identity, ids.get(&row.key).copied()) else {
                continue;
            };
            let identity = ImportedIdentity { device, issuer, by, value, created_at: now, retires_at: None };
            let same = |had: &ImportedIdentity| {
                (&had.issuer, had.by, &had.value) == (&identity.issuer, identity.by, &identity.value)
            };
            let is_new = fresh.iter().any(|d| d.key == row.key);
            if is_new || !work.imported_identities(device).await?.iter().any(same) {
                new.push(identity);
            }
        }
        if !new.is_empty() {
            work.insert_imported_identities(&new).await.map_err(|error| match error.constraint {
                Some("imported.identity") => EngineError::conflict(
                    "identity_exists",
                    "one of these identities (issuer, CN or serial) is another device's already",
                ),
                _ => EngineError::Port(error),
            })?;
        }
        let subject = keys.first().map(|key| format!("device:{key}")).unwrap_or_default();
        let detail = json!({ "devices": rows.len(), "created": fresh.len(), "identities": new.len() });
        audit(&mut *work, actor, "device.import", subject, detail, now).await?;
        work.commit().await?;
        self.feed.tell(crate::Change::Devices { ids: ids.values().copied().collect() });
        Ok((fresh.len() as u64, new.len() as u64))
    }
}

/// Issuer, kind and value as they are looked up.
fn row_identity(row: &ImportRow, cas: &[ImportedCa]) -> EngineResult<Option<(String, ImportedBy, String)>> {
    let Some((by, value)) = &row.identity else { return Ok(None) };
    let bad =
        |field: &'static str, why: &str| EngineError::invalid(field, format!("device {}: {why}", row.key));
    let ca = match (&row.issuer, cas) {
        (Some(wanted), _) => cas
            .iter()
            .find(|ca| ca.id == *wanted || ca.name == *wanted)
            .ok_or_else(|| bad("issuer", &format!("no CA {wanted:?} was imported (argosy ca list)")))?,
        (None, [only]) => only,
        (None, []) => return Err(bad("issuer", "no CA was imported: argosy ca import comes first")),
        (None, _) => return Err(bad("issuer", "several CAs were imported: say which (argosy ca list)")),
    };
    let value = match by {
        ImportedBy::CommonName => {
            let plain = (1..=64).contains(&value.len()) && value.bytes().all(|b| matches!(b, 0x20..=0x7e));
            if !plain {
                return Err(bad("cn", "a common name has 1 to 64 printable ASCII characters"));
            }
            value.clone()
        }
        ImportedBy::Serial => canonical_serial(value).ok_or_else(|| {
            bad("serial", "a serial number is hexadecimal, as openssl x509 -serial shows it")
        })?,
    };
    Ok(Some((ca.name.clone(), *by, value)))
}

/// A serial number as an operator pasted it. One that is in the form of the allow-list already, or is none at all, stays as it is.
pub(super) fn pasted_serial(text: &str) -> String {
    let listed = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if listed { text.to_owned() } else { canonical_serial(text).unwrap_or_else(|| text.to_owned()) }
}

/// Hexadecimal in the forms that tools print (upper case, colons, `0x`, leading zeros), in the one form of the allow-list.
fn canonical_serial(text: &str) -> Option<String> {
    let digits: String = text.trim().trim_start_matches("0x").chars().filter(|c| *c != ':').collect();
    let digits = digits.to_ascii_lowercase();
    let digits = digits.trim_start_matches('0');
    let ok = digits.len() <= 40 && digits.bytes().all(|b| b.is_ascii_hexdigit()) && !text.trim().is_empty();
    let padded = if !digits.len().is_multiple_of(2) { format!("0{digits}") } else { digits.to_owned() };
    ok.then(|| if padded.is_empty() { "00".to_owned() } else { padded })
}

fn died(error: tokio::task::JoinError) -> argosy_domain::ports::PortError {
    let kind = argosy_domain::ports::PortErrorKind::Internal;
    argosy_domain::ports::PortError::new("authority", kind).with_source(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{canonical_serial, pasted_serial};

    #[test]
    fn a_pasted_serial_number_is_found_on_the_allow_list() {
        for (text, listed) in [
            ("185807C0EC94", "185807c0ec94"),
            ("18:58:07:c0", "185807c0"),
            ("00a1", "00a1"),
            ("no serial", "no serial"),
        ] {
            assert_eq!(pasted_serial(text), listed, "{text}");
        }
    }

    #[test]
    fn a_serial_number_is_taken_as_tools_print_it() {
        for (text, canonical) in [
            ("61ACDF3101", Some("61acdf3101")),
            ("61:ac:df", Some("61acdf")),
            ("0x0A", Some("0a")),
            ("a", Some("0a")),
            ("00", Some("00")),
            (" 1001 ", Some("1001")),
            ("", None),
            ("xyz", None),
            ("0123456789012345678901234567890123456789012", None),
        ] {
            assert_eq!(canonical_serial(text).as_deref(), canonical, "{text}");
        }
    }
}
