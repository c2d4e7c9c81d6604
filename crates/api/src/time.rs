//! A moment, as the API writes it.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment in milliseconds since 1970-01-01T00:00:00Z; RFC 3339 UTC in JSON (`2025-07-03T10:30:45.123Z`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Time(pub i64);

/// The text is not RFC 3339, or outside the years 0000 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeError;

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time is written like 2025-07-03T10:30:45Z (RFC 3339)")
    }
}

impl core::error::Error for TimeError {}

impl Time {
    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let text = OffsetDateTime::from_unix_timestamp_nanos(nanos)
            .map_err(|_| fmt::Error)
            .and_then(|t| t.format(&Rfc3339).map_err(|_| fmt::Error))?;
        f.write_str(&text)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let t = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| TimeError)?;
        i64::try_from(t.unix_timestamp_nanos().div_euclid(1_000_000)).map(Self).map_err(|_| TimeError)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for Time {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .into()
    }
}

impl ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_to_the_millisecond() {
        for (ms, text) in [
            (1_751_538_645_000, "2025-07-03T10:30:45Z"),
            (1_751_538_645_007, "2025-07-03T10:30:45.007Z"),
            (0, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(Time(ms).to_string(), text);
            assert_eq!(text.parse(), Ok(Time(ms)));
        }
        assert_eq!("2025-07-03".parse::<Time>(), Err(TimeError));
    }
}
