//! `argosy group …`

use std::process::ExitCode;

use argosy_api::{GroupSpec, GroupView, ListQuery};
use clap::Subcommand;
use hyper::Method;

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};

/// What can be done with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List groups
    List {
        /// Only those whose name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Make a group
    Create {
        /// Its name
        name: String,
    },
    /// Show a group
    Show {
        /// Its name, or id:42
        group: String,
    },
    /// Rename a group
    Update {
        /// Its name, or id:42
        group: String,
        /// Its new name
        #[arg(long)]
        name: String,
    },
    /// Delete a group that no device is in
    Delete {
        /// Its name, or id:42
        group: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { search, take } => {
                let query = ListQuery { search, ..ListQuery::default() };
                let row = |group: &GroupView| {
                    vec![
                        group.id.to_string(),
                        group.name.clone(),
                        group.devices.to_string(),
                        group.online.to_string(),
                        group.created_at.to_string(),
                    ]
                };
                let columns = &["id", "name", "devices", "online", "created"];
                context.list("groups", &query, take, columns, row).await?;
            }
            Self::Create { name } => {
                let made: GroupView = context.client.create("groups", &GroupSpec { name }).await?;
                show(context, &made)?;
            }
            Self::Show { group } => {
                let found: GroupView = context.client.get(&path(&group)).await?;
                show(context, &found)?;
            }
            Self::Update { group, name } => {
                let spec = GroupSpec { name };
                let changed: GroupView = context.client.call(Method::PUT, &path(&group), Some(&spec)).await?;
                show(context, &changed)?;
            }
            Self::Delete { group } => {
                context.client.act(Method::DELETE, &path(&group), None::<&()>).await?;
                context.out.note(&format!("deleted the group {group}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn path(group: &str) -> String {
    format!("groups/{}", segment(group))
}

fn show(context: &Context, group: &GroupView) -> Result<(), Failure> {
    let fields = [
        ("id", group.id.to_string()),
        ("name", group.name.clone()),
        ("devices", group.devices.to_string()),
        ("online", group.online.to_string()),
        ("created", group.created_at.to_string()),
    ];
    context.out.record(group, &fields)
}
