//! The search index of names and keys: kept, asked, filled.
//!
//! A row says which of 4,096 devices have a gram (see [`grams`]). To search is to read the rows of the term's rarest grams, intersect
//! them, and look at what is left: so the index may say too much, and a renamed device's old grams just stay. It must never say
//! too little: rows are changed while the one row of `name_index` is held, at the end of a unit of work.

use std::collections::{BTreeMap, HashMap};

use argosy_domain::ports::PortResult;
use argosy_proto::{DeviceId, DeviceKey};

use super::batch::Batch;
use super::device_filter::key_range;
use super::dialect::{Column, bytes, int};
use super::grams::{self, CHUNK, Members, place};
use super::query::Query;
use super::registry::SqlRegistry;
use super::row::{Columns, Decoded};
use super::session::Session;

const PLACE: &[Column] = &[int("chunk"), int("gram")];
const ROW: &[Column] = &[int("chunk"), int("gram"), bytes("members")];

/// Chunks that the first step of a search looks at, and each that follows: a frequent term is found at once.
const STEPS: (i64, i64) = (32, 256);
/// The rarest grams of a term that are intersected.
const RAREST: usize = 4;
/// Beginnings of keys that fewer devices share are looked up in the index of keys.
const FEW_KEYS: i64 = 2_000;
/// The most grams of a term that are weighed against each other, and in how many chunks.
const WEIGHED: (usize, i64) = (24, 8);

/// A row of the index, and the length of what it holds.
struct Row {
    chunk: i64,
    gram: i64,
    members: Vec<u8>,
}

fn row(row: &mut Columns<'_>) -> Decoded<Row> {
    Ok(Row { chunk: row.int()?, gram: row.int()?, members: row.bytes()? })
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Sought {
    /// Each part finds devices by itself.
    parts: Vec<Vec<i64>>,
    /// The range of lower-cased keys, if a key is looked for.
    keys: Option<(String, String)>,
}

impl Sought {
    /// Devices whose name contains the lower-cased text, or whose key begins with it.
    pub(super) fn name_or_key(text: &str) -> Self {
        Self { parts: vec![grams::in_name(text)], keys: key_range(text) }
    }

    /// Devices whose key begins with the lower-cased text.
    pub(super) fn key(text: &str) -> Self {
        Self { parts: Vec::new(), keys: key_range(text) }
    }
}

/// A search on its way through the ids.
pub(super) struct Search {
    sought: Sought,
    after: i64,
    next: i64,
    last: i64,
    step: i64,
    /// Found by the index of keys, if that was better.
    keys: Vec<i64>,
    found: std::vec::IntoIter<i64>,
}

/// Every one of these with every one of those.
fn product(chunks: &[i64], grams: &[i64]) -> Vec<(i64, i64)> {
    chunks.iter().flat_map(|chunk| grams.iter().map(move |gram| (*chunk, *gram))).collect()
}

impl Session {
    async fn gram_rows(&mut self, operation: &'static str, places: Vec<(i64, i64)>) -> PortResult<Vec<Row>> {
        let mut batch = Batch::new(self.dialect, PLACE);
        places.into_iter().for_each(|(chunk, gram)| batch.row(&[chunk.into(), gram.into()]));
        let query = format!(
            "SELECT g.chunk, g.gram, g.members FROM {} {} name_grams g ON g.chunk = e.chunk AND g.gram = e.gram",
            self.dialect.rows(PLACE),
            self.dialect.lead_join(),
        );
        let mut found = Vec::new();
        for rows in batch.arguments() {
            found.extend(self.all(operation, Query::new(query.clone()).bind(rows), row).await?);
        }
        Ok(found)
    }

    /// Notes a device's name and key for the index.
    pub(super) fn name_device(&mut self, id: DeviceId, name: &str, key: &DeviceKey) {
        let names = (name.to_ascii_lowercase(), key.as_str().to_ascii_lowercase());
        self.pending.names.insert(id.get(), names);
    }

    /// Begins a search for devices with ids above `after`.
    pub(super) async fn search(
        &mut self,
        operation: &'static str,
        mut sought: Sought,
        after: i64,
    ) -> PortResult<Search> {
        let last = self.count(operation, Query::new("SELECT COALESCE(MAX(id), 0) FROM devices")).await?;
        let last = place(i64::try_from(last).unwrap_or(i64::MAX)).0;
        let first = place(after.max(0)).0;
        let mut keys = Vec::new();
        if let Some((from, to)) = sought.keys.take() {
            let query = "SELECT id FROM devices WHERE key_lower >= ? AND key_lower < ? LIMIT ?";
            let query = Query::new(query).bind(from.as_str()).bind(to).bind(FEW_KEYS);
            keys = self.all(operation, query, |row| row.int()).await?;
            if i64::try_from(keys.len()).is_ok_and(|n| n >= FEW_KEYS) {
                keys.clear();
                sought.parts.push(grams::of_prefix(&from));
            }
        }
        // Which grams are rare is seen in a few chunks, spread over those that are searched.
        let step = ((last - first) / WEIGHED.1).max(1);
        let samples: Vec<i64> = (first..=last).step_by(usize::try_from(step).unwrap_or(1)).collect();
        for part in &mut sought.parts {
            if part.len() <= 1 {
                continue;
            }
            let every = part.len().div_ceil(WEIGHED.0);
            let some: Vec<i64> = part.iter().copied().step_by(every).collect();
            let places = product(&samples, &some);
            let mut weights: HashMap<i64, usize> = some.iter().map(|gram| (*gram, 0)).collect();
            for row in self.gram_rows(operation, places).await? {
                *weights.entry(row.gram).or_default() += row.members.len();
            }
            let mut by_weight: Vec<(usize, i64)> = weights.into_iter().map(|(g, w)| (w, g)).collect();
            by_weight.sort_unstable();
            *part = by_weight.into_iter().take(RAREST).map(|(_, gram)| gram).collect();
        }
        Ok(Search { sought, after, next: first, last, step: STEPS.0, keys, found: Vec::new().into_iter() })
    }

    /// The next `count` ids at least (the last time: those that are left, at the end none) that the index knows, in order.
    pub(super) async fn next_found(
        &mut self,
        operation: &'static str,
        search: &mut Search,
        count: usize,
    ) -> PortResult<Vec<i64>> {
        let mut ids: Vec<i64> = search.found.by_ref().take(count).collect();
        while ids.len() < count && search.next <= search.last {
            let end = (search.next + search.step).min(search.last + 1);
            let chunks: Vec<i64> = (search.next..end).collect();
            (search.next, search.step) = (end, STEPS.1);
            let mut found: BTreeMap<i64, Members> = BTreeMap::new();
            for part in &search.sought.parts {
                // The rarest gram first: the others matter only where it is.
                let mut seen: BTreeMap<i64, Members> =
                    chunks.iter().map(|chunk| (*chunk, Members::ALL)).collect();
                for gram in part {
                    let left: Vec<i64> = seen.keys().copied().collect();
                    let mut narrowed = BTreeMap::new();
                    for row in self.gram_rows(operation, product(&left, &[*gram])).await? {
                        if let Some(mut members) = seen.remove(&row.chunk) {
                            members.keep(&Members::decode(&row.members));
                            if members != Members::NONE {
                                narrowed.insert(row.chunk, members);
                            }
                        }
                    }
                    seen = narrowed;
                    if seen.is_empty() {
                        break;
                    }
                }
                for (chunk, members) in seen {
                    found.entry(chunk).or_insert(Members::NONE).join(&members);
                }
            }
            for id in &search.keys {
                let (chunk, place) = place(*id);
                if chunks.binary_search(&chunk).is_ok() {
                    found.entry(chunk).or_insert(Members::NONE).add(place);
                }
            }
            // What this unit of work has named itself is not in the index yet.
            for id in self.pending.names.keys() {
                let (chunk, place) = place(*id);
                if chunks.contains(&chunk) {
                    found.entry(chunk).or_insert(Members::NONE).add(place);
                }
            }
            let mut all = Vec::new();
            for (chunk, members) in found {
                all.extend(
                    members.places().map(|place| chunk * CHUNK + place).filter(|id| *id > search.after),
                );
            }
            let mut all = all.into_iter();
            ids.extend(all.by_ref().take(count - ids.len()));
            search.found = all;
        }
        Ok(ids)
    }

    /// Writes the names that are pending to the index: last in a unit of work.
    pub(super) async fn write_names(&mut self) -> PortResult<()> {
        const OPERATION: &str = "name_index";
        let names = std::mem::take(&mut self.pending.names);
        if names.is_empty() {
            return Ok(());
        }
        // Two who change the same row after each other, without seeing each other's change, would lose one.
        let held = format!("SELECT id FROM name_index WHERE id = 1{}", self.dialect.for_update());
        self.one(OPERATION, Query::new(held), |row| row.int()).await?;
        let mut new: BTreeMap<(i64, i64), Members> = BTreeMap::new();
        for (id, (name, key)) in &names {
            let (chunk, place) = place(*id);
            for gram in grams::of_device(name, key) {
                new.entry((chunk, gram)).or_insert(Members::NONE).add(place);
            }
        }
        for row in self.gram_rows(OPERATION, new.keys().copied().collect()).await? {
            let stored = Members::decode(&row.members);
            if let Some(members) = new.get_mut(&(row.chunk, row.gram)) {
                members.join(&stored);
                if *members == stored {
                    new.remove(&(row.chunk, row.gram));
                }
            }
        }
        let mut batch = Batch::numbered(self.dialect, ROW);
        for ((chunk, gram), members) in &new {
            batch.row(&[(*chunk).into(), (*gram).into(), members.encode().into()]);
        }
        let put = self.dialect.put_rows("name_grams", PLACE, ROW);
        for rows in batch.arguments() {
            self.run(OPERATION, Query::new(put.clone()).bind(rows)).await?;
        }
        Ok(())
    }
}

impl SqlRegistry {
    /// Fills the search index from where it stands: after the migration that made it, or after [`Self::rebuild`]. A run that breaks
    /// off is taken up by the next. Returns how many devices were added.
    ///
    /// # Errors
    /// The database.
    pub(super) async fn fill_names(&self) -> PortResult<u64> {
        const OPERATION: &str = "fill_names";
        let complete = Query::new("SELECT complete FROM name_index WHERE id = 1");
        if self.reader(OPERATION).await?.one(OPERATION, complete, |row| row.flag()).await? == Some(true) {
            return Ok(0);
        }
        let mut added = 0;
        loop {
            let mut unit = self.unit(OPERATION).await?;
            let state = Query::new("SELECT upto, complete FROM name_index WHERE id = 1");
            let state = unit.one(OPERATION, state, |row| Ok((row.int()?, row.flag()?))).await?;
            let Some((upto, false)) = state else { return Ok(added) };
            let query =
                Query::new("SELECT id, name_lower, key_lower FROM devices WHERE id > ? ORDER BY id LIMIT ?");
            let devices = unit
                .all(OPERATION, query.bind(upto).bind(CHUNK), |row| {
                    Ok((row.int()?, (row.text()?, row.text()?)))
                })
                .await?;
            let complete = devices.len() < usize::try_from(CHUNK).unwrap_or(0);
            let upto = devices.last().map_or(upto, |(id, _)| *id);
            added += devices.len() as u64;
            unit.pending.names.extend(devices);
            unit.write_names().await?;
            let query = Query::new("UPDATE name_index SET upto = ?, complete = ? WHERE id = 1");
            unit.run(OPERATION, query.bind(upto).bind(complete)).await?;
            argosy_domain::ports::UnitOfWork::commit(Box::new(unit)).await?;
        }
    }
}
