//! What devices tell over time: `argosy logs`, `argosy sales`, `argosy device latest|metrics|stream|logs|sales|events`,
//! `argosy deployment downloads`.

use std::process::ExitCode;

use argosy_api::{
    DownloadEventView, DownloadQuery, LatestView, LogQuery, LogView, MetricsQuery, MetricsView, PresenceView,
    SalesQuery, SalesSumView, SalesView, SpanQuery, StreamRowView, Time,
};
use clap::Args;

use crate::args::Failure;
use crate::cli::client::{query_of, segment};
use crate::cli::context::{ConnectArgs, Context, Take};
use crate::cli::output::opt;

/// From when to when.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Span {
    /// From then, by the server's clock (2026-07-03T10:30:45Z)
    #[arg(long)]
    from: Option<Time>,
    /// To before then
    #[arg(long)]
    to: Option<Time>,
}

/// Which logs.
#[derive(Debug, Args)]
pub(crate) struct LogFilter {
    /// Whose text or tag contains it
    #[arg(long)]
    search: Option<String>,
    /// With exactly this tag
    #[arg(long)]
    tag: Option<String>,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    take: Take,
}

/// Error logs of the fleet.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    filter: LogFilter,
    /// Of the devices in this group
    #[arg(long)]
    group: Option<String>,
    /// Of the devices in this region
    #[arg(long)]
    region: Option<String>,
}

/// How sales are summed.
#[derive(Debug, Args)]
pub(crate) struct SumArgs {
    /// By what, separated by commas: device, group, region, item, and hour or day
    #[arg(long, value_name = "WORDS")]
    by: Option<String>,
    #[command(flatten)]
    span: Span,
    /// Where hours and days begin: how far local time is ahead of UTC (+09:00)
    #[arg(long, value_name = "OFFSET", allow_hyphen_values = true)]
    utc_offset: Option<String>,
}

/// Sales of the fleet.
#[derive(Debug, Args)]
pub(crate) struct SalesArgs {
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    sum: SumArgs,
    /// Only of the devices in this group
    #[arg(long)]
    group: Option<String>,
    /// Only of the devices in this region
    #[arg(long)]
    region: Option<String>,
    /// Only of the devices of this product
    #[arg(long)]
    product: Option<String>,
}

/// Which curves.
#[derive(Debug, Args)]
pub(crate) struct MetricArgs {
    /// The device's key, or id:42
    device: String,
    /// cpu_0, cpu_1, memory, storage, uptime, signal, or STREAM.COLUMN; several separated by commas
    metric: String,
    #[command(flatten)]
    span: Span,
    /// Points at most
    #[arg(long, default_value_t = 60)]
    points: u32,
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct EventArgs {
    /// The device's key, or id:42
    device: String,
    /// When it came and went, instead of the steps of its downloads
    #[arg(long)]
    presence: bool,
    /// Only this step of downloads
    #[arg(long, conflicts_with = "presence")]
    step: Option<String>,
    #[command(flatten)]
    span: Span,
    #[command(flatten)]
    take: Take,
}

pub(crate) async fn fleet_logs(args: LogArgs) -> Result<ExitCode, Failure> {
    logs(&mut args.connect.open()?, "logs", args.filter, args.group, args.region).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn device_logs(
    context: &mut Context,
    device: &str,
    filter: LogFilter,
) -> Result<(), Failure> {
    logs(context, &format!("devices/{}/logs", segment(device)), filter, None, None).await
}

async fn logs(
    context: &mut Context,
    path: &str,
    filter: LogFilter,
    group: Option<String>,
    region: Option<String>,
) -> Result<(), Failure> {
    let query = LogQuery {
        search: filter.search,
        tag: filter.tag,
        from: filter.span.from,
        to: filter.span.to,
        group,
        region,
        ..LogQuery::default()
    };
    let row = |log: &LogView| vec![log.at.to_string(), log.device.clone(), log.tag.clone(), log.text.clone()];
    context.list(path, &query, filter.take, &["at", "device", "tag", "text"], row).await
}

pub(crate) async fn fleet_sales(args: SalesArgs) -> Result<ExitCode, Failure> {
    let query =
        SalesQuery { group: args.group, region: args.region, product: args.product, ..asked(args.sum) };
    sales(&mut args.connect.open()?, query).await?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn device_sales(context: &mut Context, device: String, sum: SumArgs) -> Result<(), Failure> {
    sales(context, SalesQuery { device: Some(device), ..asked(sum) }).await
}

fn asked(sum: SumArgs) -> SalesQuery {
    SalesQuery {
        group_by: sum.by,
        from: sum.span.from,
        to: sum.span.to,
        utc_offset: sum.utc_offset,
        ..SalesQuery::default()
    }
}

async fn sales(context: &mut Context, query: SalesQuery) -> Result<(), Failure> {
    let found: SalesView = context.client.get(&format!("sales{}", query_of(&query))).await?;
    if context.out.is_json() {
        return context.out.done(&found, "");
    }
    if found.truncated {
        context.out.note("there are more sums than an answer may have: ask for a shorter time, or by less");
    }
    let row = |sum: &SalesSumView| {
        vec![
            opt(sum.at.as_ref()),
            sum.device.clone().unwrap_or_default(),
            sum.group.as_ref().map(|group| group.name.clone()).unwrap_or_default(),
            sum.region.as_ref().map(|region| region.code.clone()).unwrap_or_default(),
            sum.item.clone().unwrap_or_default(),
            sum.variety.clone().unwrap_or_default(),
            sum.count.to_string(),
        ]
    };
    context.out.rows(&found.sums, &["at", "device", "group", "region", "item", "variety", "count"], row)
}

pub(crate) async fn latest(context: &mut Context, device: &str) -> Result<(), Failure> {
    let found: LatestView = context.client.get(&format!("devices/{}/latest", segment(device))).await?;
    let text = |value: &serde_json::Value| value.to_string();
    let mut fields = vec![("status".to_owned(), found.status.as_ref().map(text).unwrap_or_default())];
    fields.extend(
        found.streams.iter().map(|(name, row)| (name.clone(), format!("{}  {}", row.at, values(row)))),
    );
    let fields: Vec<(&str, String)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    context.out.record(&found, &fields)
}

fn values(row: &StreamRowView) -> String {
    row.values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

pub(crate) async fn stream(
    context: &mut Context,
    device: &str,
    stream: &str,
    span: Span,
    take: Take,
) -> Result<(), Failure> {
    let path = format!("devices/{}/streams/{}", segment(device), segment(stream));
    let query = SpanQuery { from: span.from, to: span.to, ..SpanQuery::default() };
    let row = |row: &StreamRowView| vec![row.at.to_string(), opt(row.device_time.as_ref()), values(row)];
    context.list(&path, &query, take, &["at", "device's time", "values"], row).await
}

pub(crate) async fn metrics(context: &mut Context, args: MetricArgs) -> Result<(), Failure> {
    let query = MetricsQuery {
        metric: args.metric,
        from: args.span.from,
        to: args.span.to,
        points: Some(args.points),
    };
    let path = format!("devices/{}/metrics{}", segment(&args.device), query_of(&query));
    let found: MetricsView = context.client.get(&path).await?;
    if context.out.is_json() {
        return context.out.done(&found, "");
    }
    let mut rows = Vec::new();
    for curve in &found.curves {
        for (place, point) in curve.points.iter().enumerate() {
            let at = Time(found.from.0 + found.step_ms * i64::try_from(place).unwrap_or(0));
            rows.push((curve.metric.clone(), at, *point));
        }
    }
    context.out.rows(&rows, &["metric", "at", "min", "avg", "max", "values"], |(metric, at, point)| {
        let mut row = vec![metric.clone(), at.to_string()];
        match point {
            Some(p) => row.extend([
                format!("{:.2}", p.min),
                format!("{:.2}", p.avg),
                format!("{:.2}", p.max),
                p.count.to_string(),
            ]),
            None => row.extend(["-", "-", "-", "0"].map(str::to_owned)),
        }
        row
    })
}

pub(crate) async fn events(context: &mut Context, args: EventArgs) -> Result<(), Failure> {
    let device = segment(&args.device);
    if args.presence {
        let query = SpanQuery { from: args.span.from, to: args.span.to, ..SpanQuery::default() };
        let row = |event: &PresenceView| {
            vec![event.at.to_string(), if event.online { "online" } else { "offline" }.to_owned()]
        };
        let path = format!("devices/{device}/presence");
        return context.list(&path, &query, args.take, &["at", "presence"], row).await;
    }
    downloads(context, &format!("devices/{device}/downloads"), args.step, args.span, args.take).await
}

pub(crate) async fn downloads(
    context: &mut Context,
    path: &str,
    step: Option<String>,
    span: Span,
    take: Take,
) -> Result<(), Failure> {
    let query = DownloadQuery { step, from: span.from, to: span.to, ..DownloadQuery::default() };
    let row = |event: &DownloadEventView| {
        vec![
            event.at.to_string(),
            event.device.clone(),
            format!("id:{}", event.deployment_id),
            event.step.clone(),
            event.percent.map(|percent| format!("{percent} %")).unwrap_or_default(),
            opt(event.bytes.as_ref()),
            opt(event.speed_kbps.as_ref()),
            opt(event.download_ms.as_ref()),
            event.message.clone().unwrap_or_default(),
        ]
    };
    let headers =
        ["at", "device", "deployment", "step", "done", "bytes", "told speed", "told time", "message"];
    context.list(path, &query, take, &headers, row).await
}
