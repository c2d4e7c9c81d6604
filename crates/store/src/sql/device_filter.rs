//! A device filter as conditions: shared by lists, counts and a deployment's stored selection.

use argosy_domain::model::DeviceFilter;
use argosy_domain::ports::PortResult;

use super::query::{Query, json};
use super::session::Session;

/// A prefix of keys that fewer devices than this share is looked up by index, one that more share is found soon enough by
/// walking the list.
const RARE: i64 = 2_000;

/// The conditions of a filter.
pub(super) struct Filtered {
    /// What must hold, beginning with ` AND `, or empty.
    pub(super) conditions: Query,
    /// The filter needs `device_status AS s`.
    pub(super) needs_status: bool,
    /// Nothing but the presence narrows the list: its index then leads.
    pub(super) by_presence: bool,
}

/// Collects conditions; the first equality is the one that an index serves, those after it only check.
struct Builder<'a> {
    session: &'a Session,
    conditions: Query,
    narrowed: bool,
}

impl Builder<'_> {
    fn column(&mut self, column: &str) -> String {
        if std::mem::replace(&mut self.narrowed, true) {
            self.session.dialect.unindexed(column)
        } else {
            column.to_owned()
        }
    }

    fn equal(&mut self, column: &str, value: Query) {
        let column = self.column(column);
        self.conditions.push(" AND ").push(&column).push(" = ").append(value);
    }

    fn one_of(&mut self, operation: &'static str, column: &str, ids: &[i64]) -> PortResult<()> {
        match ids {
            [] => {}
            [id] => self.equal(column, Query::new("?").bind(*id)),
            ids => {
                let column = self.column(column);
                let set = Query::new(self.session.dialect.ids()).bind(json(operation, ids)?);
                self.conditions.push(" AND ").push(&column).push(" IN ").append(set);
            }
        }
        Ok(())
    }
}

/// The range of lower-cased keys that begin with `prefix`; `None` if no key can.
fn key_range(prefix: &str) -> Option<(String, String)> {
    let prefix = prefix.to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    // No character of a key comes after `z`.
    (prefix.len() <= argosy_proto::DeviceKey::MAX_LEN && prefix.bytes().all(plain))
        .then(|| (prefix.clone(), format!("{prefix}{{")))
}

impl Session {
    /// The condition that a device's lower-cased key, `column`, begins with `prefix`. Where few devices share the prefix the
    /// condition is one on ids.
    pub(super) async fn key_begins(
        &mut self,
        operation: &'static str,
        column: &str,
        id_column: &str,
        prefix: &str,
    ) -> PortResult<Query> {
        let Some((from, to)) = key_range(prefix) else { return Ok(Query::new("1 = 0")) };
        let range = |text: &str| Query::new(text).bind(from.clone()).bind(to.clone());
        let probe = "SELECT COUNT(*) FROM (SELECT 1 FROM devices WHERE key_lower >= ? AND key_lower < ? LIMIT ?) AS few";
        let few = self.count(operation, range(probe).bind(RARE)).await?;
        Ok(if few < RARE.unsigned_abs() {
            range(&format!(
                "{id_column} IN (SELECT k.id FROM devices k WHERE k.key_lower >= ? AND k.key_lower < ?)"
            ))
        } else {
            let column = self.dialect.unindexed(column);
            range(&format!("({column} >= ? AND {column} < ?)"))
        })
    }

    /// The filter's conditions on `devices AS d` and `device_status AS s`.
    pub(super) async fn filtered(
        &mut self,
        operation: &'static str,
        filter: &DeviceFilter,
    ) -> PortResult<Filtered> {
        let search = match &filter.search {
            None => None,
            Some(search) => {
                let mut either = Query::new("(");
                let key = self.key_begins(operation, "d.key_lower", "d.id", search).await?;
                either.append(key).push(" OR ").append(self.searched(&["d.name_lower"], search)).push(")");
                Some(either)
            }
        };
        let mut builder = Builder { session: self, conditions: Query::default(), narrowed: false };
        // From what narrows most, as a rule, to what narrows least.
        let devices: Vec<_> = filter.devices.iter().map(|id| id.get()).collect();
        builder.one_of(operation, "d.id", &devices)?;
        let groups: Vec<_> = filter.groups.iter().map(|id| id.get()).collect();
        builder.one_of(operation, "d.group_id", &groups)?;
        let regions: Vec<_> = filter.regions.iter().map(|id| id.get()).collect();
        builder.one_of(operation, "d.region_id", &regions)?;
        if let Some(version) = &filter.firmware_version {
            builder.equal("d.firmware_version", Query::new("?").bind(version.as_str()));
        }
        if let Some(product) = filter.product {
            builder.equal("d.product_id", Query::new("?").bind(product.get()));
        }
        if let Some(state) = filter.state {
            builder.equal("d.state", Query::new("?").bind(state.as_str()));
        }
        let by_presence = filter.online.is_some() && !builder.narrowed && search.is_none();
        if let Some(online) = filter.online {
            let column = if by_presence {
                "s.online".to_owned()
            } else {
                builder.session.dialect.unindexed("s.online")
            };
            builder.conditions.push(" AND ").push(&column).push(" = ?").arg(online);
        }
        if let Some(search) = search {
            builder.conditions.push(" AND ").append(search);
        }
        Ok(Filtered { conditions: builder.conditions, needs_status: filter.online.is_some(), by_presence })
    }
}

#[cfg(test)]
mod tests {
    use super::key_range;

    #[test]
    fn a_range_holds_exactly_the_keys_with_the_prefix() {
        let (from, to) = key_range("VM-1").unwrap();
        let inside = |key: &str| key >= from.as_str() && key < to.as_str();
        for key in ["vm-1", "vm-1z", "vm-10", "vm-1.zzz", "vm-1_"] {
            assert!(inside(key), "{key}");
        }
        for key in ["vm-0", "vm-2", "vm-", "vm", "vn-1"] {
            assert!(!inside(key), "{key}");
        }
        for never in ["vm 1", "%", "가", "vm'", "\0", &"a".repeat(65)] {
            assert!(key_range(never).is_none(), "{never:?}");
        }
    }
}
