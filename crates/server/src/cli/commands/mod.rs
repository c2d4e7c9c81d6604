//! The operator's commands, a file a group.

pub(super) mod account;
pub(super) mod backup;
pub(super) mod ca;
pub(super) mod content;
pub(super) mod deploy;
pub(super) mod deployment;
pub(super) mod device;
pub(super) mod firmware;
pub(super) mod group;
pub(super) mod ledger;
pub(super) mod product;
pub(super) mod provision;
pub(super) mod region;
pub(super) mod session;
pub(super) mod status;
pub(super) mod telemetry;
pub(super) mod token;

use crate::args::Failure;

/// `id:42`, or `42`: what has no name of its own is called by its id.
fn id_of(text: &str) -> Result<i64, Failure> {
    let number = text.strip_prefix("id:").unwrap_or(text);
    number
        .parse()
        .ok()
        .filter(|id| *id > 0)
        .ok_or_else(|| Failure::usage(format!("{text:?} is not an id: write id:42")))
}

/// `key=value`.
fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(id_of("id:42"), Ok(42));
        assert_eq!(id_of("42"), Ok(42));
        for bad in ["", "id:", "id:-1", "0", "x", "id:id:1"] {
            assert_eq!(id_of(bad).unwrap_err().exit, crate::args::Exit::Usage, "{bad}");
        }
    }
}
