//! A table of the fake, and how its rows are searched and paged.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;

use crate::page::{Page, PageRequest};
use crate::ports::{PortError, PortErrorKind, PortResult};

/// Rows by key. Clones share them until one writes.
#[derive(Debug)]
pub(super) struct Table<K, V>(Arc<BTreeMap<K, V>>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Deref for Table<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Clone + Ord, V: Clone> DerefMut for Table<K, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

/// Whether `text` contains `part`, ASCII case aside.
pub(super) fn contains(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().contains(&part.to_ascii_lowercase())
}

/// Whether `text` begins with `part`, ASCII case aside.
pub(super) fn begins(text: &str, part: &str) -> bool {
    text.to_ascii_lowercase().starts_with(&part.to_ascii_lowercase())
}

/// Which way a list goes.
#[derive(Clone, Copy)]
pub(super) enum Order {
    OldestFirst,
    NewestFirst,
}

/// One page of `rows`, which come by ascending id.
pub(super) fn page<T>(
    operation: &'static str,
    rows: impl DoubleEndedIterator<Item = (i64, T)>,
    order: Order,
    request: &PageRequest,
) -> PortResult<Page<T>> {
    let after = match &request.after {
        None => None,
        Some(cursor) => Some(
            i64::from_str(cursor)
                .map_err(|source| PortError::new(operation, PortErrorKind::Internal).with_source(source))?,
        ),
    };
    let limit = usize::try_from(request.bounded()).unwrap_or(usize::MAX);
    let taken: Vec<_> = match order {
        Order::OldestFirst => rows.filter(|(id, _)| after.is_none_or(|a| *id > a)).take(limit + 1).collect(),
        Order::NewestFirst => {
            rows.rev().filter(|(id, _)| after.is_none_or(|a| *id < a)).take(limit + 1).collect()
        }
    };
    let more = taken.len() > limit;
    let next = if more { taken.get(limit - 1).map(|(id, _)| id.to_string()) } else { None };
    Ok(Page { items: taken.into_iter().take(limit).map(|(_, row)| row).collect(), next })
}
