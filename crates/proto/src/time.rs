//! Points in time as they stand on the wire: RFC 3339 text, held as milliseconds since the epoch.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A point in time, to the millisecond, in UTC, between the years 0000 and 9999.
///
/// Read from RFC 3339 with any offset and any number of fraction digits (finer ones are cut); written as
/// `2025-07-03T10:30:45Z`, with `.123` only when the milliseconds are not zero: old boards parse the short form only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceTime(i64);

/// The text is not an RFC 3339 date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is RFC 3339 text, such as 2025-07-03T10:30:45Z")]
pub struct DeviceTimeError;

impl DeviceTime {
    /// What a board without a clock sends: `2025-01-01T00:00:00Z`.
    pub const NO_CLOCK: Self = Self(1_735_689_600_000);
    /// The earliest: `0000-01-01T00:00:00Z`.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The latest: `9999-12-31T23:59:59.999Z`.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the epoch; what RFC 3339 cannot write becomes [`Self::MIN`] or [`Self::MAX`].
    pub const fn from_unix_ms(ms: i64) -> Self {
        if ms < Self::MIN.0 {
            Self::MIN
        } else if ms > Self::MAX.0 {
            Self::MAX
        } else {
            Self(ms)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whether this is the literal of a board that does not know the time.
    pub const fn is_no_clock(self) -> bool {
        self.0 == Self::NO_CLOCK.0
    }
}

impl FromStr for DeviceTime {
    type Err = DeviceTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| DeviceTimeError)?;
        let ms = parsed.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(ms).map(Self::from_unix_ms).map_err(|_| DeviceTimeError)
    }
}

impl fmt::Display for DeviceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Cannot fail: every constructor keeps the value between the years 0000 and 9999.
        let Ok(utc) = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)) else {
            return Err(fmt::Error);
        };
        let (year, month, day) = utc.to_calendar_date();
        let (hour, minute, second) = utc.to_hms();
        write!(f, "{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))?;
        match self.0.rem_euclid(1000) {
            0 => f.write_str("Z"),
            ms => write!(f, ".{ms:03}Z"),
        }
    }
}

impl fmt::Debug for DeviceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceTime({self})")
    }
}

impl Serialize for DeviceTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeviceTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_short_form_is_written_unless_there_are_milliseconds() {
        assert_eq!(DeviceTime::from_unix_ms(1_751_538_645_000).to_string(), "2025-07-03T10:30:45Z");
        assert_eq!(DeviceTime::from_unix_ms(1_751_538_645_007).to_string(), "2025-07-03T10:30:45.007Z");
        assert_eq!(DeviceTime::from_unix_ms(-1).to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn offsets_and_fractions_are_understood() {
        let expected = DeviceTime::from_unix_ms(1_751_538_645_120);
        for text in
            ["2025-07-03T10:30:45.12Z", "2025-07-03T19:30:45.120+09:00", "2025-07-03T10:30:45.120999999Z"]
        {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_literal_of_a_board_without_a_clock_is_known() {
        let time: DeviceTime = "2025-01-01T00:00:00Z".parse().unwrap();
        assert!(time.is_no_clock());
        assert_eq!(time, DeviceTime::NO_CLOCK);
    }

    #[test]
    fn the_ends_of_the_range_are_written_and_read() {
        for (time, text) in
            [(DeviceTime::MIN, "0000-01-01T00:00:00Z"), (DeviceTime::MAX, "9999-12-31T23:59:59.999Z")]
        {
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        assert_eq!(DeviceTime::from_unix_ms(i64::MAX), DeviceTime::MAX);
        assert_eq!(DeviceTime::from_unix_ms(i64::MIN), DeviceTime::MIN);
        assert_eq!("9999-12-31T23:59:59-23:59".parse(), Ok(DeviceTime::MAX));
        assert_eq!("0000-01-01T00:00:00+23:59".parse(), Ok(DeviceTime::MIN));
    }

    #[test]
    fn what_is_not_rfc_3339_is_refused() {
        for bad in ["", "2025-07-03", "10:30:45", "2025-13-03T10:30:45Z", "1751538645", "2025-07-03T10:30:45"]
        {
            assert_eq!(bad.parse::<DeviceTime>(), Err(DeviceTimeError), "{bad}");
        }
    }
}
