//! Keyset pagination: a page begins after the last key of the one before it, so a deep page costs what the first one does.

use serde::{Deserialize, Serialize};

/// The most rows a page may have.
pub const MAX_PAGE: u32 = 1000;

/// What page is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// Rows at most, 1…[`MAX_PAGE`] (a larger number is cut to it).
    pub limit: u32,
    /// The cursor that the page before gave ([`Page::next`]); `None` for the first page.
    pub after: Option<String>,
}

impl PageRequest {
    /// The first page of `limit` rows.
    pub fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }

    /// The limit within its bounds.
    pub fn bounded(&self) -> u32 {
        self.limit.clamp(1, MAX_PAGE)
    }
}

/// One page of rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last one. Opaque: lists by id give the id, lists by name the name.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page with each row mapped.
    pub fn map<U>(self, map: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(map).collect(), next: self.next }
    }
}
