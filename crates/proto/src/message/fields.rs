//! Reading a JSON object field by field.
//!
//! By hand rather than derived: errors name the field and never the value, what is tolerated is visible at the field, and
//! every text that comes out is safe to store (no NUL, which PostgreSQL refuses, and no length without a limit).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::error::{DecodeError, Problem};
use crate::{ArtifactId, CommandId, DeviceTime, FirmwareVersion, Sha256Hash};

/// The largest id and size of a file: old boards keep both in a signed 32-bit integer.
pub(super) const MAX_FILE_NUMBER: u64 = i32::MAX as u64;

/// The fields of one object that are not read yet.
pub(super) struct Fields(Map<String, Value>);

type Read<T> = Result<T, Problem>;

impl Fields {
    pub(super) fn parse(payload: &[u8], limit: usize) -> Result<Self, DecodeError> {
        if payload.len() > limit {
            return Err(DecodeError::TooLarge { size: payload.len(), limit });
        }
        Self::of(serde_json::from_slice(payload)?)
    }

    fn of(value: Value) -> Result<Self, DecodeError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(DecodeError::NotAnObject),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A field that must be there and be right.
    pub(super) fn required<T>(&mut self, name: &str, read: fn(Value) -> Read<T>) -> Result<T, DecodeError> {
        self.take(name)
            .ok_or(Problem::Missing)
            .and_then(read)
            .map_err(|problem| DecodeError::field(name, problem))
    }

    /// A field that may be absent or null, but must be right if it is there.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: fn(Value) -> Read<T>,
    ) -> Result<Option<T>, DecodeError> {
        self.take(name).map(read).transpose().map_err(|problem| DecodeError::field(name, problem))
    }

    /// A field that is only a fact: if it cannot be read it is as if absent.
    pub(super) fn lenient<T>(&mut self, name: &str, read: fn(Value) -> Read<T>) -> Option<T> {
        self.take(name).and_then(|value| read(value).ok())
    }

    /// The device's own time: a fact that is stored and never computed with.
    pub(super) fn timestamp(&mut self) -> Option<DeviceTime> {
        self.lenient("timestamp", time)
    }

    /// An inner object that must be there.
    pub(super) fn object<T>(
        &mut self,
        name: &str,
        read: fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.optional_object(name, read)?.ok_or_else(|| DecodeError::field(name, Problem::Missing))
    }

    /// An inner object that may be absent or null.
    pub(super) fn optional_object<T>(
        &mut self,
        name: &str,
        read: fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        Self::of(value).and_then(|mut inner| read(&mut inner)).map(Some).map_err(|error| error.within(name))
    }

    /// An inner object of facts: anything else than an object is as if absent.
    pub(super) fn lenient_object<T>(&mut self, name: &str, read: fn(&mut Self) -> T) -> Option<T> {
        Self::of(self.take(name)?).ok().map(|mut inner| read(&mut inner))
    }

    /// A list of objects; absent or null is `None`.
    pub(super) fn list<T>(
        &mut self,
        name: &str,
        limit: usize,
        read: fn(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let items = entries(value, limit).map_err(|problem| DecodeError::field(name, problem))?;
        let read_at = |(at, item)| {
            Self::of(item)
                .and_then(|mut inner| read(&mut inner))
                .map_err(|e| e.within(&format!("{name}[{at}]")))
        };
        items.into_iter().enumerate().map(read_at).collect::<Result<_, _>>().map(Some)
    }

    /// What has not been taken yet.
    pub(super) fn take_rest(&mut self) -> Map<String, Value> {
        core::mem::take(&mut self.0)
    }
}

fn entries(value: Value, limit: usize) -> Read<Vec<Value>> {
    match value {
        Value::Array(items) if items.len() <= limit => Ok(items),
        Value::Array(_) => Err(Problem::TooMany(limit)),
        _ => Err(Problem::Expected("a list")),
    }
}

/// A list of names: see [`name`].
pub(super) fn names<const ENTRIES: usize, const LENGTH: usize>(value: Value) -> Read<Vec<String>> {
    entries(value, ENTRIES)?.into_iter().map(name::<LENGTH>).collect()
}

/// A text that names something: 1 to `MAX` characters without control characters.
pub(super) fn name<const MAX: usize>(value: Value) -> Read<String> {
    match value {
        Value::String(text) if is_name(&text, MAX) => Ok(text),
        Value::String(text) if text.chars().count() > MAX => Err(Problem::TooLong(MAX)),
        _ => Err(Problem::Expected("a text that is not empty and has no control characters")),
    }
}

/// Whether `text` could be a [`name`].
pub(super) fn is_name(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().take(max + 1).count() <= max && !text.chars().any(char::is_control)
}

/// A text for people: cut at `MAX` characters rather than refused, because what it comes with matters more. Numbers and
/// booleans are taken as their text.
pub(super) fn prose<const MAX: usize>(value: Value) -> Read<String> {
    let mut text = match value {
        Value::String(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        _ => return Err(Problem::Expected("a text")),
    };
    if let Some((end, _)) = text.char_indices().nth(MAX) {
        text.truncate(end);
    }
    Ok(storable(text))
}

/// A block of text that is of no use when cut, such as PEM or Base64: 1 to `MAX` bytes.
pub(super) fn block<const MAX: usize>(value: Value) -> Read<String> {
    match value {
        Value::String(text) if text.len() > MAX => Err(Problem::TooLong(MAX)),
        Value::String(text) if !text.is_empty() && !text.contains('\0') => Ok(text),
        _ => Err(Problem::Expected("a text that is not empty")),
    }
}

/// Replaces NUL, which no database column of text is sure to hold.
pub(super) fn storable(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// Any JSON, made storable at every depth.
pub(super) fn json(value: Value) -> Read<Value> {
    Ok(match value {
        Value::String(text) => Value::String(storable(text)),
        Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<Read<_>>()?),
        Value::Object(map) => Value::Object(
            map.into_iter().map(|(name, value)| Ok((storable(name), json(value)?))).collect::<Read<_>>()?,
        ),
        plain => plain,
    })
}

/// A finite number; a text that is one counts.
pub(super) fn number(value: Value) -> Read<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
    .ok_or(Problem::Expected("a number"))
}

/// A count: what is negative becomes 0, fractions are cut, what is too large becomes the largest.
pub(super) fn count(value: Value) -> Read<u64> {
    match value.as_u64() {
        Some(exact) => Ok(exact),
        // `as` saturates.
        None => number(value).map(|number| number as u64),
    }
}

/// A [`count`] of 32 bits.
pub(super) fn small_count(value: Value) -> Read<u32> {
    count(value).map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A percentage: clamped to 0…100.
pub(super) fn percent(value: Value) -> Read<u8> {
    count(value).map(|count| count.min(100) as u8)
}

/// A boolean; boards also write 0, 1 and the words.
pub(super) fn flag(value: Value) -> Read<bool> {
    match &value {
        Value::Bool(flag) => return Ok(*flag),
        Value::Number(number) => number.as_f64().map(|number| number != 0.0),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
    .ok_or(Problem::Expected("true or false"))
}

/// A strict boolean.
pub(super) fn boolean(value: Value) -> Read<bool> {
    value.as_bool().ok_or(Problem::Expected("true or false"))
}

/// A file's id, strictly.
pub(super) fn file_id(value: Value) -> Read<ArtifactId> {
    file_number(value).map(|id| ArtifactId(id as i64))
}

/// A file's size, strictly.
pub(super) fn file_size(value: Value) -> Read<u64> {
    file_number(value)
}

fn file_number(value: Value) -> Read<u64> {
    value
        .as_u64()
        .or_else(|| whole(value.as_f64()?))
        .filter(|number| (1..=MAX_FILE_NUMBER).contains(number))
        .ok_or(Problem::Expected("a whole number from 1 to 2147483647"))
}

/// A float that stands for a whole number: some JSON writers know no other numbers.
fn whole(number: f64) -> Option<u64> {
    let cut = number as u64;
    (cut as f64 == number).then_some(cut)
}

/// The id of a file as a device reports it: any whole number, so that one odd entry does not lose the report; an id that
/// was never given out equals none of ours.
pub(super) fn shown_id(value: Value) -> Read<ArtifactId> {
    value
        .as_i64()
        .or_else(|| number(value).ok().map(|number| number as i64))
        .map(ArtifactId)
        .ok_or(Problem::Expected("a number"))
}

/// A command id.
pub(super) fn command_id(value: Value) -> Read<CommandId> {
    parsed(value, "a command id: FW-, AD- or CM- and at most 61 of A-Z a-z 0-9 _ . -")
}

/// A SHA-256 digest.
pub(super) fn hash(value: Value) -> Read<Sha256Hash> {
    parsed(value, "a SHA-256 hash of 64 hexadecimal digits")
}

/// A firmware version.
pub(super) fn version(value: Value) -> Read<FirmwareVersion> {
    parsed(value, "a version of 1 to 64 characters")
}

/// A point in time.
pub(super) fn time(value: Value) -> Read<DeviceTime> {
    parsed(value, "an RFC 3339 time, such as 2025-07-03T10:30:45Z")
}

fn parsed<T: core::str::FromStr>(value: Value, expected: &'static str) -> Read<T> {
    value.as_str().and_then(|text| text.parse().ok()).ok_or(Problem::Expected(expected))
}
