//! `argosy config show`: every key with its value and where it came from. Secrets are masked.

use serde_json::Value;

use super::key::Key;
use super::load::{Loaded, Origin};
use super::value::Size;
use super::{all_keys, all_sections, check};

/// The effective configuration as a TOML file, each value that somebody set with its origin as a comment.
pub(crate) fn show(loaded: &Loaded) -> String {
    let values = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut text = String::new();
    for section in all_sections() {
        if !section.name.is_empty() {
            text.push_str(&format!("\n[{}]\n", section.name));
        }
        for key in &section.keys {
            let name = key.path().rsplit('.').next().unwrap_or_default();
            let value = check::at(&values, key.path()).unwrap_or(&Value::Null);
            let line = format!("{name} = {}", shown(key, value));
            match loaded.origins.of(key.path()) {
                Origin::Default => text.push_str(&format!("{line}\n")),
                origin => text.push_str(&format!("{line:<44} # {origin}\n")),
            }
        }
    }
    text
}

/// The same for programs.
pub(crate) fn show_json(loaded: &Loaded) -> Value {
    let values = serde_json::to_value(&loaded.config).unwrap_or_default();
    let one = |key: Key| {
        let value = check::at(&values, key.path()).cloned().unwrap_or_default();
        (
            key.path().to_owned(),
            serde_json::json!({"value": value, "origin": loaded.origins.of(key.path()).to_string()}),
        )
    };
    Value::Object(all_keys().into_iter().map(one).collect())
}

/// A value as TOML.
pub(super) fn shown(key: &Key, value: &Value) -> String {
    match value {
        Value::Number(bytes) if key.bytes => {
            let size = Size(bytes.as_u64().unwrap_or_default()).to_string();
            if size.bytes().all(|b| b.is_ascii_digit()) { size } else { format!("{size:?}") }
        }
        // Texts, numbers, booleans and lists of texts look the same in JSON and TOML.
        value => value.to_string(),
    }
}
