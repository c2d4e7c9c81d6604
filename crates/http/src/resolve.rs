//! From the names of the API to rows: a device key, a product's or group's name, a region's code, or `id:42`.

use argosy_api::{Problem, ProblemCode};
use argosy_domain::model::{Content, Device, Group, Product, Region};
use argosy_domain::page::PageRequest;
use argosy_domain::ports::ReadSession;
use argosy_proto::{ContentId, DeploymentId, DeviceId, DeviceKey, FirmwareId, GroupId, ProductId, RegionId};

use crate::error::{ApiError, ApiResult};

/// Where a name stands decides what its absence means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In the path: 404.
    Path,
    /// In this field of a body or query: 422.
    Field(&'static str),
}

impl Place {
    pub(crate) fn missing(self, what: &str, name: &str) -> ApiError {
        let detail = format!("the {what} {:?} does not exist", name.chars().take(80).collect::<String>());
        match self {
            Self::Path => Problem::new(ProblemCode::NotFound, detail).into(),
            Self::Field(field) => Problem::new(ProblemCode::UnknownReference, detail).about(field).into(),
        }
    }
}

/// `id:42`, if it is one; names cannot look like it because of the colon only by custom, so the prefix wins.
fn by_id(text: &str) -> Option<i64> {
    text.strip_prefix("id:")?.parse().ok()
}

type Read<'a> = &'a mut dyn ReadSession;

pub(crate) async fn product(read: Read<'_>, name: &str, place: Place) -> ApiResult<Product> {
    let found = match by_id(name) {
        Some(id) => read.product(ProductId(id)).await?,
        None => read.product_by_name(name).await?,
    };
    found.ok_or_else(|| place.missing("product", name))
}

pub(crate) async fn group(read: Read<'_>, name: &str, place: Place) -> ApiResult<Group> {
    let found = match by_id(name) {
        Some(id) => read.group(GroupId(id)).await?,
        None => read.group_by_name(name).await?,
    };
    found.ok_or_else(|| place.missing("group", name))
}

pub(crate) async fn region(read: Read<'_>, code: &str, place: Place) -> ApiResult<Region> {
    let found = match by_id(code) {
        Some(id) => read.region(RegionId(id)).await?,
        None => read.region_by_code(code).await?,
    };
    found.ok_or_else(|| place.missing("region", code))
}

pub(crate) async fn device(read: Read<'_>, key: &str, place: Place) -> ApiResult<Device> {
    let found = match by_id(key) {
        Some(id) => read.device(DeviceId(id)).await?,
        None => match DeviceKey::new(key) {
            Ok(key) => read.device_by_key(&key).await?,
            // What is not a key names no device.
            Err(_) => None,
        },
    };
    found.ok_or_else(|| place.missing("device", key))
}

/// A content by title, by `id:12`, or in a path by `12` too: a title that is nothing but digits is then reached by its id.
pub(crate) async fn content(read: Read<'_>, name: &str, place: Place) -> ApiResult<Content> {
    let number = match place {
        Place::Path => name.parse().ok().filter(|_| name.bytes().all(|b| b.is_ascii_digit())),
        Place::Field(_) => None,
    };
    let found = match by_id(name).or(number) {
        Some(id) => read.content(ContentId(id)).await?,
        None => read.content_by_title(name.trim()).await?,
    };
    found.ok_or_else(|| place.missing("content", name))
}

/// A number in a path: `12` or `id:12`.
fn number(text: &str, what: &str) -> ApiResult<i64> {
    by_id(text)
        .or_else(|| text.parse().ok())
        .filter(|n| *n > 0)
        .ok_or_else(|| Place::Path.missing(what, text))
}

pub(crate) fn firmware_id(text: &str) -> ApiResult<FirmwareId> {
    number(text, "firmware").map(FirmwareId)
}

pub(crate) fn deployment_id(text: &str) -> ApiResult<DeploymentId> {
    number(text, "deployment").map(DeploymentId)
}

/// A device key in a body.
pub(crate) fn device_key(text: &str, field: impl FnOnce() -> String) -> ApiResult<DeviceKey> {
    DeviceKey::new(text)
        .map_err(|error| Problem::new(ProblemCode::Invalid, error.to_string()).about(field()).into())
}

/// The answer to a cursor that no list gives.
pub(crate) fn foreign_cursor() -> ApiError {
    Problem::new(ProblemCode::BadRequest, "a cursor is the `next` of the page before").about("cursor").into()
}

/// The page that a query asks for, of a list whose cursors are ids.
pub(crate) fn page(cursor: Option<String>, limit: Option<u32>) -> ApiResult<PageRequest> {
    let limit = limit.unwrap_or(argosy_api::DEFAULT_LIMIT);
    if !(1..=argosy_domain::page::MAX_PAGE).contains(&limit) {
        let detail = format!("limit is 1 to {}", argosy_domain::page::MAX_PAGE);
        return Err(Problem::new(ProblemCode::BadRequest, detail).about("limit").into());
    }
    if cursor.as_deref().is_some_and(|text| text.parse::<i64>().is_err()) {
        return Err(foreign_cursor());
    }
    Ok(PageRequest { limit, after: cursor })
}

/// The words of a comma-separated list.
pub(crate) fn words<T: std::str::FromStr>(text: Option<&str>, field: &'static str) -> ApiResult<Vec<T>>
where
    T::Err: std::fmt::Display,
{
    let words = text.unwrap_or_default().split(',').map(str::trim).filter(|w| !w.is_empty());
    words
        .map(|w| {
            w.parse()
                .map_err(|e: T::Err| Problem::new(ProblemCode::BadRequest, e.to_string()).about(field).into())
        })
        .collect()
}
