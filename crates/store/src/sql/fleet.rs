//! The fleet's tallies: devices by region, group, product, state and version, and how many of them are connected.
//!
//! A device is counted in four rows: of its region and group, of its region and all groups, of all regions and its group, and of
//! all. So whatever of the two a question names, the rows that answer it are few and stand together.

use argosy_domain::model::{DeviceFilter, DeviceState, NewDevice};
use argosy_domain::ports::{CountScope, DeviceCounts, DeviceTally, PortResult};
use argosy_proto::{GroupId, ProductId, RegionId};

use super::batch::Batch;
use super::dialect::{Column, int, text};
use super::query::{Query, json};
use super::row::{Columns, Decoded};
use super::session::Session;

/// In no region, in no group.
const NONE: i64 = 0;
/// All regions, all groups.
const ALL: i64 = -1;
/// Versions told at most.
const VERSIONS: usize = 100;

/// What a row of the tallies counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    region: i64,
    group: i64,
    product: i64,
    state: DeviceState,
    /// As stored.
    version: String,
}

/// The columns: key, then sums.
const FLEET: (&[Column], &[Column]) = (
    &[int("region_id"), int("group_id"), int("product_id"), text("state"), text("version")],
    &[int("devices"), int("online")],
);

/// A version as the tallies store it: what was reported after a `=`, or nothing.
fn stored(version: Option<&str>) -> String {
    version.map(|v| format!("={v}")).unwrap_or_default()
}

/// Where a device counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) region: Option<i64>,
    pub(super) group: Option<i64>,
    pub(super) product: i64,
    pub(super) state: DeviceState,
    pub(super) version: Option<String>,
    pub(super) online: bool,
}

/// The columns of `devices AS d` and `device_status AS s` that [`standing`] reads.
pub(super) const STANDING: &str =
    "d.region_id, d.group_id, d.product_id, d.state, d.firmware_version, s.online";

pub(super) fn standing(row: &mut Columns<'_>) -> Decoded<Standing> {
    Ok(Standing {
        region: row.opt_int()?,
        group: row.opt_int()?,
        product: row.int()?,
        state: row.word()?,
        version: row.opt_text()?,
        online: row.flag()?,
    })
}

impl From<&NewDevice> for Standing {
    fn from(new: &NewDevice) -> Self {
        Self {
            region: new.region.map(|r| r.get()),
            group: new.group.map(|g| g.get()),
            product: new.product.get(),
            state: new.state,
            version: None,
            online: false,
        }
    }
}

impl Session {
    /// Notes that a device counts there, or no longer.
    pub(super) fn tally_device(&mut self, standing: &Standing, devices: i64) {
        let online = if standing.online { devices } else { 0 };
        let (region, group) = (standing.region.unwrap_or(NONE), standing.group.unwrap_or(NONE));
        for (region, group) in [(region, group), (region, ALL), (ALL, group), (ALL, ALL)] {
            let cell = Cell {
                region,
                group,
                product: standing.product,
                state: standing.state,
                version: stored(standing.version.as_deref()),
            };
            let sums = self.pending.fleet.entry(cell).or_default();
            sums[0] += devices;
            sums[1] += online;
        }
    }

    /// Notes that a device moved from one standing to another.
    pub(super) fn tally_device_moved(&mut self, before: &Standing, after: &Standing) {
        if before != after {
            self.tally_device(before, -1);
            self.tally_device(after, 1);
        }
    }

    pub(super) async fn write_fleet(&mut self, operation: &'static str) -> PortResult<()> {
        let fleet = std::mem::take(&mut self.pending.fleet);
        let mut batch = Batch::numbered(self.dialect, &[FLEET.0, FLEET.1].concat());
        let mut left = Batch::numbered(self.dialect, FLEET.0);
        for (cell, [devices, online]) in fleet {
            if (devices, online) == (0, 0) {
                continue;
            }
            let key = [
                cell.region.into(),
                cell.group.into(),
                cell.product.into(),
                cell.state.as_str().into(),
                cell.version.as_str().into(),
            ];
            if devices < 0 {
                left.row(&key);
            }
            let cells: Vec<_> = key.into_iter().chain([devices.into(), online.into()]).collect();
            batch.row(&cells);
        }
        let add = self.dialect.add_rows("fleet_tallies", FLEET.0, FLEET.1);
        for rows in batch.arguments() {
            self.run(operation, Query::new(add.clone()).bind(rows)).await?;
        }
        // A version that no device has any more leaves no row behind: devices choose versions freely.
        let delete = self.dialect.delete_rows("fleet_tallies", FLEET.0, "t.devices = 0");
        for rows in left.arguments() {
            self.run(operation, Query::new(delete.clone()).bind(rows)).await?;
        }
        Ok(())
    }

    /// Every device is offline from now on. (Only at start, when nobody else writes.)
    pub(super) async fn tally_all_offline(&mut self, operation: &'static str) -> PortResult<()> {
        self.write_tallies().await?;
        self.run(operation, Query::new("UPDATE fleet_tallies SET online = 0 WHERE online <> 0")).await?;
        Ok(())
    }

    /// The conditions of a filter on the tallies; `None` if they do not know all of it.
    pub(super) fn fleet_condition(
        operation: &'static str,
        dialect: super::dialect::Dialect,
        filter: &DeviceFilter,
    ) -> PortResult<Option<Query>> {
        if !filter.devices.is_empty() || filter.contents_mismatch.is_some() || filter.search.is_some() {
            return Ok(None);
        }
        let mut query = Query::new("1 = 1");
        let regions: Vec<_> = filter.regions.iter().map(|id| id.get()).collect();
        let groups: Vec<_> = filter.groups.iter().map(|id| id.get()).collect();
        for (column, ids) in [("region_id", regions), ("group_id", groups)] {
            match ids[..] {
                [] => query.push(&format!(" AND {column} = ?")).arg(ALL),
                [id] => query.push(&format!(" AND {column} = ?")).arg(id),
                _ => query.push(&format!(" AND {column} IN {}", dialect.ids())).arg(json(operation, &ids)?),
            };
        }
        if let Some(product) = filter.product {
            query.push(" AND product_id = ?").arg(product.get());
        }
        if let Some(state) = filter.state {
            query.push(" AND state = ?").arg(state.as_str());
        }
        if let Some(version) = &filter.firmware_version {
            query.push(" AND version = ?").arg(stored(Some(version)));
        }
        Ok(Some(query))
    }

    /// How many devices a filter selects, by the tallies; `None` if they do not know all of it.
    pub(super) async fn fleet_size(
        &mut self,
        operation: &'static str,
        filter: &DeviceFilter,
    ) -> PortResult<Option<u64>> {
        let Some(condition) = Self::fleet_condition(operation, self.dialect, filter)? else {
            return Ok(None);
        };
        self.write_tallies().await?;
        let size = match filter.online {
            None => "devices",
            Some(true) => "online",
            Some(false) => "devices - online",
        };
        let mut query = Query::new(format!("SELECT {} FROM fleet_tallies WHERE ", self.dialect.sum(size)));
        query.append(condition);
        self.count(operation, query).await.map(Some)
    }

    /// Counts within `scope`, of the rows that `per` groups by.
    async fn fleet_by<T>(
        &mut self,
        per: &str,
        regions: (&str, i64),
        groups: (&str, i64),
        product: Option<ProductId>,
        decode: fn(&mut Columns<'_>) -> Decoded<(T, DeviceTally)>,
    ) -> PortResult<Vec<(T, DeviceTally)>> {
        let (devices, online) = (self.dialect.sum("devices"), self.dialect.sum("online"));
        let mut query = Query::new(format!(
            "SELECT {per}, {devices}, {online} FROM fleet_tallies WHERE region_id {} ? AND group_id {} ?",
            regions.0, groups.0
        ));
        query.arg(regions.1).arg(groups.1);
        if let Some(product) = product {
            query.push(" AND product_id = ?").arg(product.get());
        }
        query.push(&format!(" GROUP BY {per} HAVING {devices} > 0 ORDER BY {per}"));
        self.all("device_counts", query, decode).await
    }

    pub(super) async fn fleet_counts(&mut self, scope: &CountScope) -> PortResult<DeviceCounts> {
        self.write_tallies().await?;
        let product = scope.product;
        let region = ("=", scope.region.map_or(ALL, |r| r.get()));
        let group = ("=", scope.group.map_or(ALL, |g| g.get()));
        let by_state =
            self.fleet_by("state", region, group, product, |row| Ok((row.word()?, tally(row)?))).await?;
        let mut by_state: Vec<(DeviceState, DeviceTally)> = by_state;
        by_state.sort_unstable_by_key(|(state, _)| *state);
        let mut by_version = self
            .fleet_by("version", region, group, product, |row| {
                let version = row.text()?;
                Ok((version.strip_prefix('=').map(str::to_owned), tally(row)?))
            })
            .await?;
        by_version.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.devices));
        by_version.truncate(VERSIONS);
        let by_product = self
            .fleet_by("product_id", region, group, product, |row| Ok((ProductId(row.int()?), tally(row)?)))
            .await?;
        let each = |id: Option<i64>| id.map_or((">=", NONE), |id| ("=", id));
        let by_group = self
            .fleet_by("group_id", region, each(scope.group.map(|g| g.get())), product, |row| {
                Ok((Some(row.int()?).filter(|id| *id != NONE).map(GroupId), tally(row)?))
            })
            .await?;
        let by_region = self
            .fleet_by("region_id", each(scope.region.map(|r| r.get())), group, product, |row| {
                Ok((Some(row.int()?).filter(|id| *id != NONE).map(RegionId), tally(row)?))
            })
            .await?;
        let (total, online) =
            by_state.iter().fold((0, 0), |(n, on), (_, tally)| (n + tally.devices, on + tally.online));
        Ok(DeviceCounts { total, online, by_state, by_version, by_product, by_group, by_region })
    }

    /// The devices of each of these groups (`column` is `group_id`) or regions; none of those that have none.
    pub(super) async fn fleet_sizes(
        &mut self,
        operation: &'static str,
        (column, other): (&str, &str),
        ids: &[i64],
    ) -> PortResult<Vec<(i64, DeviceTally)>> {
        self.write_tallies().await?;
        let (devices, online) = (self.dialect.sum("t.devices"), self.dialect.sum("t.online"));
        let mut batch = Batch::new(self.dialect, &[int("id")]);
        ids.iter().for_each(|id| batch.row(&[(*id).into()]));
        let query = format!(
            "SELECT t.{column}, {devices}, {online} FROM {} {} fleet_tallies t ON t.{column} = e.id AND t.{other} = {ALL} \
             GROUP BY t.{column} HAVING {devices} > 0",
            self.dialect.rows(batch.columns()),
            self.dialect.lead_join(),
        );
        let mut found = Vec::new();
        for rows in batch.arguments() {
            let query = Query::new(query.clone()).bind(rows);
            found.extend(self.all(operation, query, |row| Ok((row.int()?, tally(row)?))).await?);
        }
        Ok(found)
    }
}

fn tally(row: &mut Columns<'_>) -> Decoded<DeviceTally> {
    Ok(DeviceTally { devices: row.number()?, online: row.number()? })
}
