//! Firmware.

pub(crate) mod change;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod download_url;
pub(crate) mod get;
pub(crate) mod list;

use argosy_domain::model::Firmware;

use crate::ops::prelude::*;

/// The firmware that a path names.
pub(crate) async fn find(read: &mut dyn ReadSession, id: &str) -> ApiResult<Firmware> {
    let found = read.firmware(resolve::firmware_id(id)?).await?;
    found.ok_or_else(|| {
        Problem::new(ProblemCode::NotFound, format!("the firmware {id:?} does not exist")).into()
    })
}
