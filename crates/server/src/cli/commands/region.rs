//! `argosy region …`

use std::process::ExitCode;

use argosy_api::{ListQuery, RegionSpec, RegionView};
use clap::Subcommand;
use hyper::Method;

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};

/// What can be done with regions.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List regions
    List {
        /// Only those whose code or name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Make a region
    Create {
        /// Its short code
        code: String,
        /// Its name [default: the code]
        #[arg(long)]
        name: Option<String>,
    },
    /// Show a region
    Show {
        /// Its code, or id:42
        region: String,
    },
    /// Change a region
    Update {
        /// Its code, or id:42
        region: String,
        /// Its new code
        #[arg(long)]
        code: Option<String>,
        /// Its new name
        #[arg(long, required_unless_present = "code")]
        name: Option<String>,
    },
    /// Delete a region that no device is in
    Delete {
        /// Its code, or id:42
        region: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { search, take } => {
                let query = ListQuery { search, ..ListQuery::default() };
                let row = |region: &RegionView| {
                    vec![
                        region.id.to_string(),
                        region.code.clone(),
                        region.name.clone(),
                        region.devices.to_string(),
                        region.online.to_string(),
                        region.created_at.to_string(),
                    ]
                };
                let columns = &["id", "code", "name", "devices", "online", "created"];
                context.list("regions", &query, take, columns, row).await?;
            }
            Self::Create { code, name } => {
                let spec = RegionSpec { name: name.unwrap_or_else(|| code.clone()), code };
                let made: RegionView = context.client.create("regions", &spec).await?;
                show(context, &made)?;
            }
            Self::Show { region } => {
                let found: RegionView = context.client.get(&path(&region)).await?;
                show(context, &found)?;
            }
            Self::Update { region, code, name } => {
                let now: RegionView = context.client.get(&path(&region)).await?;
                let spec = RegionSpec { code: code.unwrap_or(now.code), name: name.unwrap_or(now.name) };
                // By id: the code itself may change.
                let path = path(&format!("id:{}", now.id));
                let changed: RegionView = context.client.call(Method::PUT, &path, Some(&spec)).await?;
                show(context, &changed)?;
            }
            Self::Delete { region } => {
                context.client.act(Method::DELETE, &path(&region), None::<&()>).await?;
                context.out.note(&format!("deleted the region {region}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn path(region: &str) -> String {
    format!("regions/{}", segment(region))
}

fn show(context: &Context, region: &RegionView) -> Result<(), Failure> {
    let fields = [
        ("id", region.id.to_string()),
        ("code", region.code.clone()),
        ("name", region.name.clone()),
        ("devices", region.devices.to_string()),
        ("online", region.online.to_string()),
        ("created", region.created_at.to_string()),
    ];
    context.out.record(region, &fields)
}
