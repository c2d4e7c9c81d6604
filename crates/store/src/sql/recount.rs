//! Whether the tallies and the search index say what the tables say, and making them anew (`argosy doctor`, tests, bulk loads).

use argosy_domain::ports::{PortResult, UnitOfWork as _};

use super::grams::{self, CHUNK, Members, place};
use super::query::Query;
use super::registry::SqlRegistry;
use super::session::Session;

/// Differences told at most, of each kind.
const TOLD: i64 = 10;

/// The parts of the fleet's tallies that are counted from the devices: the columns for region and group of each.
const LEVELS: [(&str, &str); 4] = [
    ("COALESCE(d.region_id, 0)", "COALESCE(d.group_id, 0)"),
    ("COALESCE(d.region_id, 0)", "-1"),
    ("-1", "COALESCE(d.group_id, 0)"),
    ("-1", "-1"),
];

impl Session {
    /// The version of `devices AS d` as the tallies store it.
    fn stored_version(&self) -> String {
        format!("COALESCE({}, '')", self.dialect.join_text("'='", "d.firmware_version"))
    }

    /// One part of the fleet's tallies, as the devices are.
    fn counted_fleet(&self, (region, group): (&str, &str), sign: &str) -> String {
        let version = self.stored_version();
        format!(
            "SELECT {region} AS region_id, {group} AS group_id, d.product_id, d.state, {version} AS version, \
             {sign}COUNT(*) AS devices, {sign}SUM(s.online) AS online \
             FROM devices d JOIN device_status s ON s.device_id = d.id GROUP BY 1, 2, 3, 4, 5"
        )
    }

    /// What the tallies count and the tables do not, or the other way round.
    async fn tally_differences(&mut self) -> PortResult<Vec<String>> {
        const OPERATION: &str = "check_tallies";
        let dialect = self.dialect;
        let sum = |column: &str| dialect.sum(column);
        let (n, d, t) = (sum("updates"), sum("downloaded_bytes"), sum("total_bytes"));
        // One statement, so one moment.
        let query = format!(
            "SELECT deployment_id, state, {n}, {d}, {t} FROM (\
             SELECT deployment_id, state, updates, downloaded_bytes, total_bytes FROM deployment_tallies UNION ALL \
             SELECT deployment_id, state, -COUNT(*), -SUM(downloaded_bytes), -SUM(total_bytes) FROM device_updates \
             GROUP BY deployment_id, state) AS x GROUP BY deployment_id, state HAVING {n} <> 0 OR {d} <> 0 OR {t} <> 0 \
             ORDER BY deployment_id, state LIMIT ?"
        );
        let mut told = self
            .all(OPERATION, Query::new(query).bind(TOLD), |row| {
                let (id, state) = (row.int()?, row.text()?);
                let (n, d, t) = (row.int()?, row.int()?, row.int()?);
                Ok(format!("deployment {id}, {state}: {n:+} updates, {d:+} of {t:+} bytes"))
            })
            .await?;
        let (devices, online) = (sum("devices"), sum("online"));
        let counted =
            LEVELS.map(|level| format!(" UNION ALL SELECT * FROM ({}) AS c", self.counted_fleet(level, "-")));
        let query = format!(
            "SELECT region_id, group_id, product_id, state, version, {devices}, {online} FROM (\
             SELECT region_id, group_id, product_id, state, version, devices, online FROM fleet_tallies{}) AS x \
             GROUP BY region_id, group_id, product_id, state, version HAVING {devices} <> 0 OR {online} <> 0 \
             ORDER BY region_id, group_id, product_id, state, version LIMIT ?",
            counted.concat()
        );
        let fleet = self
            .all(OPERATION, Query::new(query).bind(TOLD), |row| {
                let (region, group, product) = (row.int()?, row.int()?, row.int()?);
                let (state, version) = (row.text()?, row.text()?);
                let (devices, online) = (row.int()?, row.int()?);
                Ok(format!(
                    "region {region}, group {group}, product {product}, {state}, version {version:?}: \
                     {devices:+} devices, {online:+} online"
                ))
            })
            .await?;
        told.extend(fleet);
        Ok(told)
    }

    /// Devices of the next chunk behind `upto` that the search index would not find; `None`: there are no more devices.
    async fn unfindable(&mut self, upto: &mut i64) -> PortResult<Option<Vec<i64>>> {
        const OPERATION: &str = "check_names";
        let query =
            Query::new("SELECT id, name_lower, key_lower FROM devices WHERE id > ? AND id <= ? ORDER BY id");
        let next = Query::new("SELECT COALESCE(MIN(id), 0) FROM devices WHERE id > ?").bind(*upto);
        let chunk = match self.one(OPERATION, next, |row| row.int()).await?.unwrap_or(0) {
            0 => return Ok(None),
            id => place(id).0,
        };
        let last = (chunk + 1) * CHUNK - 1;
        let devices = self
            .all(OPERATION, query.bind(*upto).bind(last), |row| Ok((row.int()?, row.text()?, row.text()?)))
            .await?;
        *upto = last;
        let query = Query::new("SELECT gram, members FROM name_grams WHERE chunk = ?").bind(chunk);
        let rows = self.all(OPERATION, query, |row| Ok((row.int()?, row.bytes()?))).await?;
        let known: std::collections::HashMap<i64, Members> =
            rows.into_iter().map(|(gram, members)| (gram, Members::decode(&members))).collect();
        let missing = devices.into_iter().filter(|(id, name, key)| {
            let own = grams::of_device(name, key);
            !own.iter().all(|gram| known.get(gram).is_some_and(|members| members.has(place(*id).1)))
        });
        Ok(Some(missing.map(|(id, ..)| id).collect()))
    }
}

impl SqlRegistry {
    /// Counts everything again and compares it with the tallies and the search index: what differs, in words, empty if nothing
    /// does. Reads whole tables: seconds for a large fleet. The tallies are compared in one moment; a device that is renamed while
    /// the index is read may be told of wrongly.
    ///
    /// # Errors
    /// The database.
    pub async fn check_tallies(&self) -> PortResult<Vec<String>> {
        let mut session = self.reader("check_tallies").await?;
        let mut told = session.tally_differences().await?;
        let mut upto = 0;
        let mut missing = 0;
        while let Some(unfindable) = session.unfindable(&mut upto).await? {
            missing += unfindable.len();
        }
        if missing > 0 {
            told.push(format!("{missing} devices that a search does not find"));
        }
        Ok(told)
    }

    /// Makes the tallies and the search index anew from the tables, after a bulk load behind the registry's back, or when
    /// [`Self::check_tallies`] found a difference. Nobody else may write meanwhile.
    ///
    /// # Errors
    /// The database.
    pub async fn rebuild_tallies(&self) -> PortResult<()> {
        const OPERATION: &str = "rebuild_tallies";
        let mut unit = self.unit(OPERATION).await?;
        let updates = "INSERT INTO deployment_tallies (deployment_id, state, updates, downloaded_bytes, total_bytes) \
                       SELECT deployment_id, state, COUNT(*), SUM(downloaded_bytes), SUM(total_bytes) FROM device_updates \
                       GROUP BY deployment_id, state";
        let mut statements = vec!["DELETE FROM deployment_tallies".to_owned(), updates.to_owned()];
        statements.push("DELETE FROM fleet_tallies".to_owned());
        statements.extend(LEVELS.map(|level| {
            format!(
                "INSERT INTO fleet_tallies (region_id, group_id, product_id, state, version, devices, online) {}",
                unit.counted_fleet(level, "")
            )
        }));
        statements.push("DELETE FROM name_grams".to_owned());
        statements.push("UPDATE name_index SET upto = 0, complete = 0 WHERE id = 1".to_owned());
        for statement in statements {
            unit.run(OPERATION, Query::new(statement)).await?;
        }
        Box::new(unit).commit().await?;
        self.fill_names().await.map(drop)
    }
}
