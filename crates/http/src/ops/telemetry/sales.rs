//! `GET /sales`

use std::collections::HashMap;

use argosy_domain::model::DeviceFilter;
use argosy_domain::ports::{SalesBucket, SalesQuery, SalesSplit};
use argosy_proto::{DeviceId, GroupId, RegionId};

use crate::ops::prelude::*;

/// By what is summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct By {
    device: bool,
    group: bool,
    region: bool,
    item: bool,
    hour: bool,
    day: bool,
}

impl By {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        let mut by = Self::default();
        for word in text.unwrap_or_default().split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let flag = match word {
                "device" => &mut by.device,
                "group" => &mut by.group,
                "region" => &mut by.region,
                "item" => &mut by.item,
                "hour" => &mut by.hour,
                "day" => &mut by.day,
                _ => return Err(format!("{word:?} is none of device, group, region, item, hour and day")),
            };
            *flag = true;
        }
        if by.hour && by.day {
            return Err("sum by hour or by day, not both".to_owned());
        }
        Ok(by)
    }
}

/// Minutes of `+09:00`, `-0330` or `Z`.
fn offset_minutes(text: &str) -> Option<i32> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    // A plus sign that nobody encoded arrives as a space.
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+" | " ", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = rest.replace(':', "");
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
}

type Where = (Option<GroupId>, Option<RegionId>);

/// Sales, summed by what is asked for: any of device, group, region and item, and by hour or day of the time zone given. Groups and
/// regions are those that the devices are in now.
#[utoipa::path(get, path = "/api/v1/sales", operation_id = "sumSales", tag = "telemetry", params(api::SalesQuery),
    responses((status = 200, description = "The sums", body = api::SalesView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Params(query): Params<api::SalesQuery>,
) -> ApiResult<Answer<api::SalesView>> {
    let bad =
        |field: &'static str, detail: String| Problem::new(ProblemCode::BadRequest, detail).about(field);
    let by = By::parse(query.group_by.as_deref()).map_err(|why| bad("group_by", why))?;
    let offset = query.utc_offset.as_deref().unwrap_or("Z");
    let utc_offset_min =
        offset_minutes(offset).ok_or_else(|| bad("utc_offset", "it is written like +09:00".to_owned()))?;
    let span = super::span(query.from, query.to)?;

    let mut read = app.engine.registry().read().await?;
    let selection = api::DeviceSelection {
        product: query.product,
        group: query.group,
        region: query.region,
        ..api::DeviceSelection::default()
    };
    let mut filter = crate::ops::devices::filter_of(&mut *read, selection).await?;
    if let Some(key) = &query.device {
        filter.devices.push(resolve::device(&mut *read, key, Place::Field("device")).await?.id);
    }
    let part = filter != DeviceFilter::default();
    let (mut places, mut ids): (HashMap<DeviceId, Where>, Vec<DeviceId>) = (HashMap::new(), Vec::new());
    // The series store knows no groups: where devices are is read here. Without such a question nothing is.
    if part || by.group || by.region {
        super::fleet::walk(&mut *read, &filter, |device| {
            if by.group || by.region {
                let group = device.spec.group.filter(|_| by.group);
                places.insert(device.id, (group, device.spec.region.filter(|_| by.region)));
            }
            ids.push(device.id);
            Ok(())
        })
        .await?;
    }
    let mut labels: Vec<Where> = places.values().copied().collect();
    labels.sort_unstable();
    labels.dedup();
    let split = if by.device {
        SalesSplit::Device
    } else if by.group || by.region {
        let number = |place: &Where| labels.binary_search(place).map_or(0, |at| at as i64);
        SalesSplit::Label(Arc::new(places.iter().map(|(id, place)| (*id, number(place))).collect()))
    } else {
        SalesSplit::None
    };
    let bucket = match by {
        By { hour: true, .. } => SalesBucket::Hour,
        By { day: true, .. } => SalesBucket::Day,
        _ => SalesBucket::Whole,
    };
    let asked = SalesQuery {
        span,
        devices: part.then(|| Arc::new(ids)),
        bucket,
        utc_offset_min,
        split,
        by_item: by.item,
    };
    let report = app.engine.series().sales(&asked).await?;

    let named = if by.device {
        super::keys(&app, report.sums.iter().filter_map(|sum| sum.who.map(DeviceId))).await?
    } else {
        HashMap::new()
    };
    let (mut names, mut sums) = (Names::default(), Vec::with_capacity(report.sums.len()));
    for sum in report.sums {
        let place = if by.device {
            sum.who.and_then(|id| places.get(&DeviceId(id)).copied())
        } else {
            sum.who.and_then(|number| labels.get(usize::try_from(number).ok()?).copied())
        };
        let (group, region) = place.unwrap_or_default();
        sums.push(api::SalesSumView {
            at: sum.bucket.map(present::time),
            device: sum
                .who
                .filter(|_| by.device)
                .map(|id| named.get(&DeviceId(id)).cloned().unwrap_or_else(|| format!("id:{id}"))),
            group: match group {
                Some(id) => Some(names.group(&mut *read, id).await?),
                None => None,
            },
            region: match region {
                Some(id) => Some(names.region(&mut *read, id).await?),
                None => None,
            },
            item: sum.item,
            variety: sum.variety,
            count: sum.count,
        });
    }
    Ok(Answer(api::SalesView { sums, truncated: report.truncated }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read() {
        for (text, minutes) in [
            ("+09:00", Some(540)),
            (" 09:00", Some(540)),
            ("-0330", Some(-210)),
            ("Z", Some(0)),
            ("9", None),
            ("+24:00", None),
            ("+9:00", None),
            ("", None),
        ] {
            assert_eq!(offset_minutes(text), minutes, "{text:?}");
        }
    }

    #[test]
    fn what_is_summed_by_is_read() {
        let by = By::parse(Some("device, day")).unwrap();
        assert!(by.device && by.day && !by.hour && !by.item);
        assert_eq!(By::parse(None).unwrap(), By::default());
        assert!(By::parse(Some("hour,day")).is_err());
        assert!(By::parse(Some("week")).is_err());
    }
}
