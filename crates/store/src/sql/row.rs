//! Reads the columns of a row one after the other, in the order of the statement's column list.

use std::str::FromStr;

use argosy_domain::Timestamp;
use argosy_proto::DeviceKey;
use serde::de::DeserializeOwned;
use sqlx::Row as _;
use sqlx::any::AnyRow;

/// A row, and the column that is read next.
pub(super) struct Columns<'r> {
    row: &'r AnyRow,
    next: usize,
}

/// What a column's text or number should be, and is not: the database was written by something else.
#[derive(Debug, thiserror::Error)]
#[error("column {column} holds what cannot be a {wanted}")]
struct Damaged {
    column: usize,
    wanted: &'static str,
}

pub(super) type Decoded<T> = Result<T, sqlx::Error>;

impl<'r> Columns<'r> {
    pub(super) const fn new(row: &'r AnyRow) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn damaged<T>(&self, wanted: &'static str) -> Decoded<T> {
        Err(sqlx::Error::Decode(Box::new(Damaged { column: self.next - 1, wanted })))
    }

    pub(super) fn int(&mut self) -> Decoded<i64> {
        let at = self.step();
        self.row.try_get(at)
    }

    pub(super) fn opt_int(&mut self) -> Decoded<Option<i64>> {
        let at = self.step();
        self.row.try_get(at)
    }

    pub(super) fn text(&mut self) -> Decoded<String> {
        let at = self.step();
        self.row.try_get(at)
    }

    pub(super) fn opt_text(&mut self) -> Decoded<Option<String>> {
        let at = self.step();
        self.row.try_get(at)
    }

    pub(super) fn bytes(&mut self) -> Decoded<Vec<u8>> {
        let at = self.step();
        self.row.try_get(at)
    }

    pub(super) fn flag(&mut self) -> Decoded<bool> {
        Ok(self.int()? != 0)
    }

    /// A number of a narrower type.
    pub(super) fn number<T: TryFrom<i64>>(&mut self) -> Decoded<T> {
        match T::try_from(self.int()?) {
            Ok(number) => Ok(number),
            Err(_) => self.damaged(std::any::type_name::<T>()),
        }
    }

    pub(super) fn time(&mut self) -> Decoded<Timestamp> {
        self.int().map(Timestamp)
    }

    pub(super) fn opt_time(&mut self) -> Decoded<Option<Timestamp>> {
        Ok(self.opt_int()?.map(Timestamp))
    }

    /// A value that has a text form: a state's word, a hash.
    pub(super) fn word<T: FromStr>(&mut self) -> Decoded<T> {
        let text = self.text()?;
        T::from_str(&text).or_else(|_| self.damaged(std::any::type_name::<T>()))
    }

    pub(super) fn opt_word<T: FromStr>(&mut self) -> Decoded<Option<T>> {
        let Some(text) = self.opt_text()? else { return Ok(None) };
        T::from_str(&text).map(Some).or_else(|_| self.damaged(std::any::type_name::<T>()))
    }

    pub(super) fn key(&mut self) -> Decoded<DeviceKey> {
        let text = self.text()?;
        DeviceKey::new(text).or_else(|_| self.damaged("device key"))
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Decoded<T> {
        let text = self.text()?;
        serde_json::from_str(&text).or_else(|_| self.damaged(std::any::type_name::<T>()))
    }

    pub(super) fn opt_json<T: DeserializeOwned>(&mut self) -> Decoded<Option<T>> {
        let Some(text) = self.opt_text()? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).or_else(|_| self.damaged(std::any::type_name::<T>()))
    }
}
