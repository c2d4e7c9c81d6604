//! Texts in paths and queries.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    encode(text)
}

/// A query type of the API as `?a=b&c=d`; empty when nothing is set.
pub(crate) fn query_of(query: &impl Serialize) -> String {
    let mut text = String::new();
    if let Ok(Value::Object(fields)) = serde_json::to_value(query) {
        for (name, value) in fields {
            let value = match value {
                Value::Null => continue,
                Value::String(value) => value,
                value => value.to_string(),
            };
            text.push(if text.is_empty() { '?' } else { '&' });
            let _ = write!(text, "{}={}", encode(&name), encode(&value));
        }
    }
    text
}

/// Percent-encodes everything but RFC 3986's unreserved characters.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    // Alone they mean a folder, even encoded by some proxies.
    if matches!(out.as_str(), "." | "..") { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argosy_api::ListQuery;

    #[test]
    fn nothing_escapes_its_place() {
        assert_eq!(segment("vm-1"), "vm-1");
        assert_eq!(segment("id:42"), "id%3A42");
        assert_eq!(segment("a/../b?c#d&e=서울"), "a%2F..%2Fb%3Fc%23d%26e%3D%EC%84%9C%EC%9A%B8");
        assert_eq!(segment(".."), "%2E%2E");
        let query = ListQuery { search: Some("a b&c".to_owned()), cursor: None, limit: Some(5) };
        assert_eq!(query_of(&query), "?limit=5&search=a%20b%26c");
        assert_eq!(query_of(&ListQuery::default()), "");
    }
}
