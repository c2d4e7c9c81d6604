//! Telemetry rows: `data/{stream}`.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Serialize;
use serde_json::{Number, Value};

use super::Payload;
use super::error::{DecodeError, EncodeError, Problem};
use super::fields::{self, Fields};
use super::limits;
use crate::DeviceTime;

/// One row of a telemetry stream: names and plain values. The field `timestamp` is the device's time, never a column.
///
/// A null is a value that is not there. Names are 1 to [`limits::NAME`] characters without control characters; a row has 1 to
/// [`limits::COLUMNS`] of them. Texts are cut at [`limits::MESSAGE`] characters.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DataRow {
    /// The columns.
    #[serde(flatten)]
    pub values: BTreeMap<String, DataValue>,
    /// The device's time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<DeviceTime>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DataValue {
    /// A whole number.
    Int(i64),
    /// Any other finite number. One that is not finite is written as null: not there.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(String),
}

impl DataValue {
    fn read(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Bool(flag) => Ok(Self::Bool(flag)),
            Value::String(_) => fields::prose::<{ limits::MESSAGE }>(value).map(Self::Text),
            Value::Number(number) => Ok(Self::of(&number)),
            _ => Err(Problem::Expected("a number, a text or a boolean")),
        }
    }

    fn of(number: &Number) -> Self {
        match number.as_i64() {
            Some(whole) => Self::Int(whole),
            None => Self::Float(number.as_f64().unwrap_or_default()),
        }
    }
}

impl Payload for DataRow {
    fn read(fields: &mut Fields) -> Result<Self, DecodeError> {
        let timestamp = fields.timestamp();
        let columns = fields.take_rest();
        if columns.len() > limits::COLUMNS {
            return Err(DecodeError::field("(row)", Problem::TooMany(limits::COLUMNS)));
        }
        let mut values = BTreeMap::new();
        for (name, value) in columns.into_iter().filter(|(_, value)| !value.is_null()) {
            // An error may repeat a name only after it has been found to be one.
            let name = fields::name::<{ limits::NAME }>(Value::String(name))
                .map_err(|problem| DecodeError::field("(name)", problem))?;
            let value = DataValue::read(value).map_err(|problem| DecodeError::field(&name, problem))?;
            values.insert(name, value);
        }
        if values.is_empty() {
            return Err(DecodeError::field("(row)", Problem::Expected("at least one value")));
        }
        Ok(Self { values, timestamp })
    }

    fn check(&self) -> Result<(), EncodeError> {
        let named = |name: &String| name != "timestamp" && fields::is_name(name, limits::NAME);
        if self.values.is_empty() || self.values.len() > limits::COLUMNS || !self.values.keys().all(named) {
            return Err(EncodeError::BadRow { columns: limits::COLUMNS, name: limits::NAME });
        }
        Ok(())
    }
}
