//! One-time codes of registration.

pub(crate) mod create;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod revoke;

use argosy_domain::model::{CodeFate, RegistrationCode};
use argosy_domain::ports::PortResult;
use argosy_proto::RegistrationCodeId;

use crate::ops::prelude::*;

/// `12` or `id:12` in a path.
fn id_of(text: &str) -> ApiResult<RegistrationCodeId> {
    let number = text.strip_prefix("id:").unwrap_or(text).parse().ok().filter(|id| *id > 0);
    let missing = || Problem::new(ProblemCode::NotFound, "there is no such registration code").into();
    number.map(RegistrationCodeId).ok_or_else(missing)
}

async fn view(
    names: &mut Names,
    read: &mut dyn ReadSession,
    code: RegistrationCode,
    now: Timestamp,
) -> PortResult<api::RegistrationCodeView> {
    let state = present::registration_code_state(code.state(now));
    let (ended_at, used_by, revoked_by) = match code.fate {
        CodeFate::Untouched => (None, None, None),
        CodeFate::Used { at, key, .. } => (Some(at), Some(key.to_string()), None),
        CodeFate::Revoked { at, by } => (Some(at), None, Some(by)),
    };
    Ok(api::RegistrationCodeView {
        id: code.id.0,
        state,
        product: names.product(read, code.spec.product).await?,
        group: names.group(read, code.spec.group).await?,
        region: names.region(read, code.spec.region).await?,
        device_name: code.spec.device_name,
        created_by: code.spec.actor,
        created_at: present::time(code.spec.created_at),
        expires_at: present::time(code.spec.expires_at),
        ended_at: ended_at.map(present::time),
        used_by,
        revoked_by,
    })
}
