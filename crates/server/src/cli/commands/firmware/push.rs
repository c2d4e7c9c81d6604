//! `argosy firmware push`: a file on its way to the server.

use std::path::PathBuf;

use argosy_api::{CreateFirmwareRequest, FirmwareState, FirmwareView};
use clap::Args;

use super::show;
use crate::args::Failure;
use crate::cli::context::Context;
use crate::cli::upload::{file_name, resend_hint, upload};

/// Uploads and registers a firmware.
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// The image
    file: PathBuf,
    /// For which product
    #[arg(long)]
    product: String,
    /// Its version
    #[arg(long = "version", value_name = "VERSION")]
    firmware_version: String,
    /// Release notes
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Register it as a draft: it cannot be deployed until it is released
    #[arg(long)]
    draft: bool,
    /// Register an upload that is there already, without sending the file again
    #[arg(long, value_name = "ID")]
    upload: Option<String>,
}

impl PushArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let file_name = file_name(&self.file)?;
        let upload = match self.upload.clone() {
            Some(upload) => upload,
            None => upload(context, &self.file, &file_name).await?,
        };
        let request = CreateFirmwareRequest {
            upload_id: upload.clone(),
            product: self.product.clone(),
            version: self.firmware_version.clone(),
            file_name: Some(file_name),
            release_notes: self.notes.clone(),
            state: self.draft.then_some(FirmwareState::Draft),
        };
        let firmware: FirmwareView = context
            .client
            .create("firmware", &request)
            .await
            .map_err(|failure| resend_hint(failure, &upload))?;
        show(context, &firmware)
    }
}
