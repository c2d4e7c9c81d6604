//! A device filter as conditions: shared by lists, counts and a deployment's stored selection.
//!
//! Lists go by id, so the question is what leads to the next ids: walking all devices, an index, or the search index. The fleet's
//! tallies say how many devices each way would pass, so the cheapest is chosen here and named to the engine, which has no such
//! statistics (SQLite), or does not trust them (MariaDB).

use argosy_domain::model::DeviceFilter;
use argosy_domain::page::PageRequest;
use argosy_domain::ports::PortResult;

use super::batch::Batch;
use super::dialect::{Dialect, int};
use super::names::Sought;
use super::query::{Query, cursor, json};
use super::session::Session;

/// A filter that selects no more devices is looked through one by one when something is searched for.
const FEW: u64 = 2_000;
/// Devices that a search looks at in its first steps, and all together before it walks the list instead.
pub(super) const STEPS: [usize; 5] = [256, 1_024, 4_096, 8_192, 8_192];

/// The conditions of a filter.
pub(super) struct Filtered {
    /// `devices AS d` with the way chosen to it, and `device_status AS s` if needed.
    pub(super) tables: String,
    /// What must hold, beginning with ` AND `, or empty.
    pub(super) conditions: Query,
}

/// The range of lower-cased keys that begin with `prefix`; `None` if no key can.
pub(super) fn key_range(prefix: &str) -> Option<(String, String)> {
    let prefix = prefix.to_ascii_lowercase();
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    // No character of a key comes after `z`.
    (prefix.len() <= argosy_proto::DeviceKey::MAX_LEN && prefix.bytes().all(plain))
        .then(|| (prefix.clone(), format!("{prefix}{{")))
}

/// The indexes that could lead, whether this filter can use them, and what of it they serve.
fn ways(filter: &DeviceFilter) -> [(&'static str, bool, DeviceFilter); 8] {
    let narrow = |f: &dyn Fn(&mut DeviceFilter)| {
        let mut part = DeviceFilter::default();
        f(&mut part);
        part
    };
    let groups = |part: &mut DeviceFilter| part.groups.clone_from(&filter.groups);
    let regions = |part: &mut DeviceFilter| part.regions.clone_from(&filter.regions);
    let version = |part: &mut DeviceFilter| part.firmware_version.clone_from(&filter.firmware_version);
    let (g, r, v) = (filter.groups.len() == 1, filter.regions.len() == 1, filter.firmware_version.is_some());
    [
        ("devices_by_group", g, narrow(&groups)),
        ("devices_by_region", r, narrow(&regions)),
        ("devices_by_version", v, narrow(&version)),
        ("devices_by_state", filter.state.is_some(), narrow(&|f| f.state = filter.state)),
        ("devices_by_product", filter.product.is_some(), narrow(&|f| f.product = filter.product)),
        ("devices_by_region_group", g && r, narrow(&|f| (groups(f), regions(f)).0)),
        ("devices_by_region_version", r && v, narrow(&|f| (version(f), regions(f)).0)),
        ("devices_by_group_version", g && v, narrow(&|f| (groups(f), version(f)).0)),
    ]
}

impl Session {
    /// The way to the first `wanted` devices by id that the filter selects, as what stands behind `FROM`.
    async fn way(
        &mut self,
        operation: &'static str,
        filter: &DeviceFilter,
        wanted: i64,
    ) -> PortResult<String> {
        const PLAIN: &str = "devices d";
        const WITH_STATUS: &str = "JOIN device_status s ON s.device_id = d.id";
        let status = if filter.online.is_some() { format!(" {WITH_STATUS}") } else { String::new() };
        let plain = Ok(format!("{PLAIN}{status}"));
        if self.dialect == Dialect::Postgres
            || !filter.devices.is_empty()
            || filter.contents_mismatch.is_some()
            || *filter == DeviceFilter::default()
        {
            return plain;
        }
        let online =
            filter.online.map(|online| DeviceFilter { online: Some(online), ..DeviceFilter::default() });
        let selected = DeviceFilter { search: None, ..filter.clone() };
        let all = self.fleet_size(operation, &DeviceFilter::default()).await?.unwrap_or(0);
        let selected = self.fleet_size(operation, &selected).await?.unwrap_or(all);
        let wanted = u64::try_from(wanted).unwrap_or(0);
        // What is passed on a way of `size` devices in order, until the wanted ones are found, if they are spread evenly.
        let passed =
            |size: u64| if selected <= wanted { size } else { size.saturating_mul(wanted) / selected.max(1) };
        // A device behind an index is somewhere else; one beside the other costs less.
        let (mut best, mut least) = (None, passed(all).saturating_mul(2) / 3);
        for (index, usable, part) in ways(filter) {
            if usable
                && let Some(size) = self.fleet_size(operation, &part).await?
                && passed(size) < least
            {
                (best, least) = (Some(index), passed(size));
            }
        }
        if let Some(part) = online
            && let Some(size) = self.fleet_size(operation, &part).await?
            && passed(size) < least
        {
            let hint = self.dialect.use_index("device_status_by_online");
            let lead = self.dialect.lead_join();
            return Ok(format!("device_status s{hint} {lead} devices d ON d.id = s.device_id"));
        }
        let Some(index) = best else {
            return if self.dialect == Dialect::Mysql {
                Ok(format!("devices d FORCE INDEX (PRIMARY){}", status.replace(" JOIN", " STRAIGHT_JOIN")))
            } else {
                Ok(format!("devices d NOT INDEXED{}", status.replace(" JOIN", " CROSS JOIN")))
            };
        };
        let status = status.replace("JOIN", self.dialect.lead_join());
        Ok(format!("devices d{}{status}", self.dialect.use_index(index)))
    }

    /// What a filter asks for apart from a search: conditions on `devices AS d` and `device_status AS s`.
    fn plain_conditions(&self, operation: &'static str, filter: &DeviceFilter) -> PortResult<Query> {
        let mut conditions = Query::default();
        let mut one_of = |column: &str, ids: &[i64]| -> PortResult<()> {
            match ids {
                [] => {}
                [id] => {
                    conditions.push(" AND ").push(column).push(" = ?").arg(*id);
                }
                ids => {
                    let set = Query::new(self.dialect.ids()).bind(json(operation, ids)?);
                    conditions.push(" AND ").push(column).push(" IN ").append(set);
                }
            }
            Ok(())
        };
        one_of("d.id", &filter.devices.iter().map(|id| id.get()).collect::<Vec<_>>())?;
        one_of("d.group_id", &filter.groups.iter().map(|id| id.get()).collect::<Vec<_>>())?;
        one_of("d.region_id", &filter.regions.iter().map(|id| id.get()).collect::<Vec<_>>())?;
        if let Some(version) = &filter.firmware_version {
            conditions.push(" AND d.firmware_version = ?").arg(version.as_str());
        }
        if let Some(product) = filter.product {
            conditions.push(" AND d.product_id = ?").arg(product.get());
        }
        if let Some(state) = filter.state {
            conditions.push(" AND d.state = ?").arg(state.as_str());
        }
        if let Some(mismatch) = filter.contents_mismatch {
            // Few, as a rule, found by their index; or all others.
            let within = if mismatch { "IN" } else { "NOT IN" };
            let those = "(SELECT m.device_id FROM device_shown m WHERE m.mismatch = 1)";
            conditions.push(&format!(" AND d.id {within} {those}"));
        }
        if let Some(online) = filter.online {
            conditions.push(" AND s.online = ?").arg(online);
        }
        Ok(conditions)
    }

    /// That a device's key begins with the text or its name contains it.
    fn found(&self, search: &str) -> Query {
        let mut found = Query::new(" AND (");
        if let Some((from, to)) = key_range(search) {
            let key = self.dialect.unindexed("d.key_lower");
            found.push(&format!("({key} >= ? AND {key} < ?) OR ")).arg(from).arg(to);
        }
        found.append(self.searched(&["d.name_lower"], search)).push(")");
        found
    }

    /// The filter as conditions, and the way to the first `wanted` devices.
    pub(super) async fn filtered(
        &mut self,
        operation: &'static str,
        filter: &DeviceFilter,
        wanted: i64,
    ) -> PortResult<Filtered> {
        let tables = self.way(operation, filter, wanted).await?;
        let mut conditions = self.plain_conditions(operation, filter)?;
        if let Some(search) = &filter.search {
            conditions.append(self.found(search));
        }
        Ok(Filtered { tables, conditions })
    }

    /// The ids of a page and one more, if there are so many.
    pub(super) async fn device_ids(
        &mut self,
        operation: &'static str,
        filter: &DeviceFilter,
        page: &PageRequest,
    ) -> PortResult<Vec<i64>> {
        let wanted = i64::from(page.bounded()) + 1;
        let mut after = cursor(operation, page)?.unwrap_or(0);
        let mut ids = Vec::new();
        let mut through = false;
        if let Some(search) = filter.search.as_ref().filter(|s| !s.is_empty() && filter.devices.is_empty()) {
            let others = DeviceFilter { search: None, ..filter.clone() };
            let few = self.fleet_size(operation, &others).await?.is_some_and(|size| size <= FEW);
            if !few {
                (ids, after, through) = self.searched_ids(operation, search, &others, after, wanted).await?;
            }
        }
        let left = wanted - i64::try_from(ids.len()).unwrap_or(wanted);
        if through || left <= 0 {
            return Ok(ids);
        }
        let filtered = self.filtered(operation, filter, left).await?;
        let id = if filtered.tables.starts_with("device_status") { "s.device_id" } else { "d.id" };
        let mut query =
            Query::new(format!("SELECT {id} FROM {} WHERE {id} > ?", filtered.tables)).bind(after);
        query.append(filtered.conditions).push(&format!(" ORDER BY {id} LIMIT ?")).arg(left);
        ids.extend(self.all(operation, query, |row| row.int()).await?);
        Ok(ids)
    }

    /// As many of the wanted ids as the search index leads to soon; behind which id to go on, and that there are no more.
    async fn searched_ids(
        &mut self,
        operation: &'static str,
        search: &str,
        others: &DeviceFilter,
        mut after: i64,
        wanted: i64,
    ) -> PortResult<(Vec<i64>, i64, bool)> {
        let mut conditions = self.plain_conditions(operation, others)?;
        conditions.append(self.found(search));
        let status = if others.online.is_some() {
            format!(" {} device_status s ON s.device_id = d.id", self.dialect.lead_join())
        } else {
            String::new()
        };
        let query = format!(
            "SELECT d.id FROM {} {} devices d ON d.id = e.id{status} WHERE 1 = 1",
            self.dialect.rows(&[int("id")]),
            self.dialect.lead_join(),
        );
        let mut ids: Vec<i64> = Vec::new();
        let sought = Sought::name_or_key(&search.to_ascii_lowercase());
        let mut walk = self.search(operation, sought, after).await?;
        for step in STEPS {
            let found = self.next_found(operation, &mut walk, step).await?;
            let mut batch = Batch::new(self.dialect, &[int("id")]);
            found.iter().for_each(|id| batch.row(&[(*id).into()]));
            for rows in batch.arguments() {
                let left = wanted - i64::try_from(ids.len()).unwrap_or(wanted);
                let mut query = Query::new(query.clone()).bind(rows);
                query.append(conditions.clone()).push(" ORDER BY d.id LIMIT ?").arg(left);
                ids.extend(self.all(operation, query, |row| row.int()).await?);
            }
            after = found.last().copied().unwrap_or(after);
            let enough = i64::try_from(ids.len()).is_ok_and(|n| n >= wanted);
            if enough || found.len() < step {
                return Ok((ids, after, true));
            }
        }
        Ok((ids, after, false))
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
