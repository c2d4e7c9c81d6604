//! The values that keys take besides plain numbers and texts.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// How the reference describes a type, and whether a text from the environment is taken as it is.
pub(crate) trait Shape {
    /// For the reference.
    fn words() -> String;
    /// Texts (`true`) are never read as numbers or lists.
    const TEXT: bool = false;
    /// Numbers of bytes are shown with their unit.
    const BYTES: bool = false;
}

macro_rules! shapes {
    ($($type:ty: $words:literal, $text:literal;)*) => {$(
        impl Shape for $type {
            fn words() -> String { $words.to_owned() }
            const TEXT: bool = $text;
        }
    )*};
}

shapes! {
    bool: "`true` or `false`", false;
    u16: "integer", false;
    u32: "integer", false;
    u64: "integer", false;
    String: "text", true;
    PathBuf: "path", true;
    SocketAddr: "address and port", true;
    List: "list of texts", false;
}

/// Bytes: a number, or a text with a unit (`64KiB`, `256MiB`, `2GiB`; `kB`, `MB`, `GB` are powers of ten).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub u64);

const UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
];

impl Shape for Size {
    fn words() -> String {
        "bytes (`65536`) or a size (`\"64KiB\"`)".to_owned()
    }
    const BYTES: bool = true;
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().take(3).find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = if unit.is_empty() {
            Some(1)
        } else {
            UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
        };
        number
            .parse::<u64>()
            .ok()
            .zip(factor)
            .and_then(|(number, factor)| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size: write bytes (65536) or a size such as \"64KiB\""))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Size;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 65536 or \"64KiB\"")
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<Size, E> {
                Ok(Size(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<Size, E> {
                u64::try_from(bytes).map(Size).map_err(|_| E::custom("a size is not negative"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Size, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A list of texts: a TOML array, or one text with commas (convenient in the environment).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct List(pub Vec<String>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = List;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list such as [\"a\", \"b\"], or a text such as \"a,b\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<List, E> {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                Ok(List(parts.map(str::to_owned).collect()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<List, E> {
                Ok(List(vec![number.to_string()]))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<List, E> {
                Ok(List(vec![number.to_string()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List, A::Error> {
                let mut list = Vec::new();
                while let Some(Entry(text)) = items.next_element()? {
                    list.push(text);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// One entry of a list: a text, or a number (a decimal device key).
struct Entry(String);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry(text.to_owned()))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Entry, E> {
                Ok(Entry(number.to_string()))
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Entry, E> {
                Ok(Entry(number.to_string()))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A URI that may hold a password: shown masked, wherever it is shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretUri(String);

impl SecretUri {
    /// The whole URI, for who connects with it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is something in it that is not shown.
    pub(crate) fn holds_secret(&self) -> bool {
        self.masked() != self.0
    }

    /// The URI without the password in it.
    fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return self.0.clone() };
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or_default();
                format!("{scheme}://{user}:…@{host}{query}")
            }
            None => format!("{scheme}://{rest}{query}"),
        }
    }
}

impl Shape for SecretUri {
    fn words() -> String {
        "URI".to_owned()
    }
    const TEXT: bool = true;
}

impl fmt::Debug for SecretUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl FromStr for SecretUri {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Serialize for SecretUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

macro_rules! or_word {
    ($(#[$doc:meta])* $name:ident, $none:ident, $word:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) enum $name<T> {
            /// The word.
            #[default]
            $none,
            /// A value.
            Value(T),
        }

        impl<T: Shape> Shape for $name<T> {
            fn words() -> String { format!("{}, or `{:?}`", T::words(), $word) }
            const TEXT: bool = T::TEXT;
        }

        impl<T> $name<T> {
            /// The value, if there is one.
            pub(crate) fn value(&self) -> Option<&T> {
                match self { Self::$none => None, Self::Value(value) => Some(value) }
            }
        }

        impl<T: Serialize> Serialize for $name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::$none => serializer.serialize_str($word),
                    Self::Value(value) => value.serialize(serializer),
                }
            }
        }

        impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                match text.trim() {
                    $word => Ok(Self::$none),
                    text => text.parse().map(Self::Value).map_err(|e| {
                        de::Error::custom(format!("{text:?} is not understood: {e} (or write {:?})", $word))
                    }),
                }
            }
        }
    };
}

or_word! {
    /// Something that can be switched off.
    Switch, Off, "off"
}
or_word! {
    /// Something that is worked out from other keys if it is not given.
    Auto, Auto, "auto"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes, shown) in [
            ("65536", 65536, "64KiB"),
            ("64KiB", 65536, "64KiB"),
            ("1 MB", 1_000_000, "1000000"),
            ("0", 0, "0"),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)));
            assert_eq!(Size(bytes).to_string(), shown);
        }
        for bad in ["", "KiB", "-1", "1.5MiB", "1 XB", "99999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_masked() {
        for (uri, shown) in [
            ("sqlite:/var/lib/argosy.db", "sqlite:/var/lib/argosy.db"),
            ("postgres://argosy:p@ss:w0rd@db:5432/x", "postgres://argosy:…@db:5432/x"),
            ("postgres://db/x?password=secret", "postgres://db/x?…"),
        ] {
            let uri: SecretUri = uri.parse().unwrap();
            assert_eq!(format!("{uri:?}"), shown);
            assert_eq!(serde_json::to_value(&uri).unwrap(), shown);
        }
    }

    #[test]
    fn lists_and_words() {
        let list = |text: &str| serde_json::from_str::<List>(text).map(|l| l.0);
        assert_eq!(list(r#"["a", 7]"#).unwrap(), ["a", "7"]);
        assert_eq!(list(r#""a, 1..500""#).unwrap(), ["a", "1..500"]);
        assert_eq!(list("7").unwrap(), ["7"]);
        assert!(list("true").is_err());
        let address = |text: &str| serde_json::from_str::<Switch<SocketAddr>>(text);
        assert_eq!(address(r#""off""#).unwrap(), Switch::Off);
        assert_eq!(address(r#""127.0.0.1:1""#).unwrap().value().unwrap().port(), 1);
        assert!(address(r#""localhost""#).unwrap_err().to_string().contains("off"));
    }
}
