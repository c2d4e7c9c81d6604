//! `argosy content …`

use std::path::PathBuf;
use std::process::ExitCode;

use argosy_api::{
    ChangeContentRequest, ContentFit, ContentQuery, ContentState, ContentView, CreateContentRequest,
    PageQuery,
};
use clap::{Args, Subcommand, ValueEnum};
use hyper::Method;

use super::device::{DEVICE_COLUMNS, device_row};
use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};
use crate::cli::output::{bytes, opt};
use crate::cli::upload::{file_name, resend_hint, upload};

/// What can be done with contents.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Upload a picture (PNG, JPEG, WebP) or a ready LVGL 8 .bin, and make content of it
    Push(PushArgs),
    /// List contents
    List {
        /// Of this product
        #[arg(long)]
        product: Option<String>,
        /// In this state: available or withdrawn
        #[arg(long)]
        state: Option<ContentState>,
        /// Only those whose title or file name contains it
        #[arg(long)]
        search: Option<String>,
        #[command(flatten)]
        take: Take,
    },
    /// Show a content, and how many devices show it now
    Show {
        /// Its title, or id:42
        content: String,
    },
    /// Change a content's title or description; what is not given stays
    Update {
        /// Its title, or id:42
        content: String,
        /// Its new title
        #[arg(long, required_unless_present = "description")]
        title: Option<String>,
        /// Its new description
        #[arg(long)]
        description: Option<String>,
    },
    /// Allow no new deployment of a content
    Withdraw {
        /// Its title, or id:42
        content: String,
    },
    /// Allow a withdrawn content to be deployed again
    Restore {
        /// Its title, or id:42
        content: String,
    },
    /// Delete a content that no deployment refers to
    Delete {
        /// Its title, or id:42
        content: String,
    },
    /// List the devices that show a content now
    Devices {
        /// Its title, or id:42
        content: String,
        #[command(flatten)]
        take: Take,
    },
    /// Save one of a content's files
    Save {
        /// Its title, or id:42
        content: String,
        /// Which file
        #[arg(long, value_enum, default_value_t = Part::Preview)]
        part: Part,
        /// Where to
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// A content's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// As it was uploaded
    Original,
    /// The binary that devices download
    File,
    /// What the display shows (PNG)
    Preview,
    /// The same, small (PNG)
    Thumbnail,
}

/// Uploads a file and makes content of it.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The picture, or the ready binary
    file: PathBuf,
    /// For which product; it must have a display
    #[arg(long)]
    product: String,
    /// Its title; no other content may have it
    #[arg(long)]
    title: String,
    /// What it is
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// How a picture of another shape is brought onto the display: fit (bars) or fill (cut off) [default: fit]
    #[arg(long)]
    fit: Option<ContentFit>,
    /// Colour of the bars, and behind a transparent picture: #rrggbb [default: black]
    #[arg(long, value_name = "COLOUR")]
    background: Option<String>,
    /// Make it of an upload that is there already, without sending the file again
    #[arg(long, value_name = "ID")]
    upload: Option<String>,
}

fn path(content: &str) -> String {
    format!("contents/{}", segment(content))
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Push(args) => args.run(context).await?,
            Self::List { product, state, search, take } => {
                let query = ContentQuery { product, state, search, ..ContentQuery::default() };
                let headers = ["id", "title", "product", "state", "pixels", "size", "made of", "created"];
                let row = |content: &ContentView| {
                    vec![
                        format!("id:{}", content.id),
                        content.title.clone(),
                        content.product.name.clone(),
                        content.state.to_string(),
                        format!("{}x{}", content.width, content.height),
                        bytes(content.size as f64),
                        content.source.to_string(),
                        content.created_at.to_string(),
                    ]
                };
                context.list("contents", &query, take, &headers, row).await?;
            }
            Self::Show { content } => {
                let found: ContentView = context.client.get(&path(&content)).await?;
                show(context, &found)?;
            }
            Self::Update { content, title, description } => {
                let change = ChangeContentRequest { title, description, state: None };
                let changed: ContentView =
                    context.client.call(Method::PATCH, &path(&content), Some(&change)).await?;
                show(context, &changed)?;
            }
            Self::Withdraw { content } => set_state(context, &content, ContentState::Withdrawn).await?,
            Self::Restore { content } => set_state(context, &content, ContentState::Available).await?,
            Self::Delete { content } => {
                context.client.act(Method::DELETE, &path(&content), None::<&()>).await?;
                context.out.note(&format!("deleted the content {content}"));
            }
            Self::Devices { content, take } => {
                let path = format!("{}/devices", path(&content));
                let query = PageQuery::default();
                context.list(&path, &query, take, DEVICE_COLUMNS, device_row).await?;
            }
            Self::Save { content, part, out } => {
                let part = part.to_possible_value().map(|value| value.get_name().to_owned());
                let path = format!("{}/{}", path(&content), part.unwrap_or_default());
                let file = context.client.bytes(&path).await?;
                tokio::fs::write(&out, &file)
                    .await
                    .map_err(|error| Failure::because(&format!("cannot write {}", out.display()), &error))?;
                context.out.note(&format!("{} bytes in {}", file.len(), out.display()));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl PushArgs {
    async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let upload = match self.upload.clone() {
            Some(upload) => upload,
            None => upload(context, &self.file, &file_name(&self.file)?).await?,
        };
        let request = CreateContentRequest {
            upload_id: upload.clone(),
            product: self.product,
            title: self.title,
            description: self.description,
            fit: self.fit,
            background: self.background,
        };
        let made = context.client.create("contents", &request).await;
        let content: ContentView = made.map_err(|failure| resend_hint(failure, &upload))?;
        show(context, &content)
    }
}

async fn set_state(context: &mut Context, content: &str, state: ContentState) -> Result<(), Failure> {
    let change = ChangeContentRequest { state: Some(state), ..ChangeContentRequest::default() };
    let changed: ContentView = context.client.call(Method::PATCH, &path(content), Some(&change)).await?;
    context.out.done(&changed, &format!("{} is {}", changed.title, changed.state))
}

fn show(context: &Context, content: &ContentView) -> Result<(), Failure> {
    let made = match content.fit {
        Some(fit) => format!(
            "{} of {} ({}x{}, {fit})",
            content.made, content.source, content.source_width, content.source_height
        ),
        None => content.made.to_string(),
    };
    let fields = [
        ("id", format!("id:{}", content.id)),
        ("title", content.title.clone()),
        ("description", content.description.clone()),
        ("product", content.product.name.clone()),
        ("state", content.state.to_string()),
        ("file", content.file_name.clone()),
        ("made", made),
        ("background", opt(content.background.as_ref())),
        ("pixels", format!("{}x{} {}", content.width, content.height, content.color_format)),
        ("size", format!("{} bytes", content.size)),
        ("sha256", content.sha256.clone()),
        ("file id", content.artifact.to_string()),
        ("shown by", content.shown_by.map(|n| format!("{n} devices")).unwrap_or_default()),
        ("preview", content.preview_path.clone()),
        ("created", content.created_at.to_string()),
    ];
    context.out.record(content, &fields)
}
