//! `argosy firmware …`

mod push;

use std::process::ExitCode;

use argosy_api::{ChangeFirmwareRequest, FirmwareQuery, FirmwareState, FirmwareView};
use clap::Subcommand;
use hyper::Method;

use self::push::PushArgs;
use super::id_of;
use crate::args::Failure;
use crate::cli::context::{Context, Take};
use crate::cli::output::{bytes, opt};

/// What can be done with firmware.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upload a file and register it as a firmware of a product
    Push(PushArgs),
    /// List firmware
    List {
        /// Of this product
        #[arg(long)]
        product: Option<String>,
        /// In this state: draft, released or withdrawn
        #[arg(long)]
        state: Option<FirmwareState>,
        /// Only those whose version or file name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Show a firmware
    Show {
        /// id:42
        firmware: String,
    },
    /// Allow a firmware to be deployed
    Release {
        /// id:42
        firmware: String,
    },
    /// Allow no new deployment of a firmware
    Withdraw {
        /// id:42
        firmware: String,
    },
    /// Delete a firmware that no deployment refers to
    Delete {
        /// id:42
        firmware: String,
    },
}

fn path(firmware: &str) -> Result<String, Failure> {
    Ok(format!("firmware/{}", id_of(firmware)?))
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Push(args) => args.run(context).await?,
            Self::List { product, state, search, take } => {
                let query = FirmwareQuery { product, state, search, ..FirmwareQuery::default() };
                let headers = ["id", "product", "version", "state", "size", "file", "created"];
                let row = |firmware: &FirmwareView| {
                    vec![
                        format!("id:{}", firmware.id),
                        firmware.product.name.clone(),
                        firmware.version.clone(),
                        firmware.state.to_string(),
                        bytes(firmware.size as f64),
                        firmware.file_name.clone(),
                        firmware.created_at.to_string(),
                    ]
                };
                context.list("firmware", &query, take, &headers, row).await?;
            }
            Self::Show { firmware } => {
                let found: FirmwareView = context.client.get(&path(&firmware)?).await?;
                show(context, &found)?;
            }
            Self::Release { firmware } => set_state(context, &firmware, FirmwareState::Released).await?,
            Self::Withdraw { firmware } => set_state(context, &firmware, FirmwareState::Withdrawn).await?,
            Self::Delete { firmware } => {
                context.client.act(Method::DELETE, &path(&firmware)?, None::<&()>).await?;
                context.out.note(&format!("deleted the firmware {firmware}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn set_state(context: &mut Context, firmware: &str, state: FirmwareState) -> Result<(), Failure> {
    let change = ChangeFirmwareRequest { state: Some(state), release_notes: None };
    let changed: FirmwareView = context.client.call(Method::PATCH, &path(firmware)?, Some(&change)).await?;
    let text = format!("id:{} {} {} is {}", changed.id, changed.product.name, changed.version, changed.state);
    context.out.done(&changed, &text)
}

fn show(context: &Context, firmware: &FirmwareView) -> Result<(), Failure> {
    let image = &firmware.image;
    let fields = [
        ("id", format!("id:{}", firmware.id)),
        ("product", firmware.product.name.clone()),
        ("version", firmware.version.clone()),
        ("state", firmware.state.to_string()),
        ("file", firmware.file_name.clone()),
        ("size", format!("{} bytes", firmware.size)),
        ("sha256", firmware.sha256.clone()),
        ("format", image.format.to_string()),
        ("chip", opt(image.chip.as_ref())),
        ("project", opt(image.project.as_ref())),
        ("image version", opt(image.app_version.as_ref())),
        ("ESP-IDF", opt(image.idf_version.as_ref())),
        ("segments", opt(image.segments.as_ref())),
        ("notes", firmware.release_notes.clone()),
        ("created", firmware.created_at.to_string()),
    ];
    context.out.record(firmware, &fields)
}
