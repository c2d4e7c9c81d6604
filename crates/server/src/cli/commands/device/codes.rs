//! `argosy device code`, `codes` and `revoke-code`: one-time codes with which devices register.

use argosy_api::{
    CreateRegistrationCodeRequest, CreateRegistrationCodeResponse, RegistrationCodeQuery,
    RegistrationCodeState, RegistrationCodeView,
};
use clap::Args;
use hyper::Method;

use super::super::id_of;
use crate::args::Failure;
use crate::cli::context::{Context, Take};
use crate::cli::output::opt;

/// Makes a code.
#[derive(Debug, Args)]
pub(crate) struct CodeArgs {
    /// The device's product; a device of another product cannot use the code
    #[arg(long)]
    product: String,
    /// The group that the device joins
    #[arg(long)]
    group: String,
    /// The region that the device is in
    #[arg(long)]
    region: String,
    /// What the device is called [default: as it was called before, or as it calls itself]
    #[arg(long)]
    name: Option<String>,
}

/// Lists codes.
#[derive(Debug, Args)]
pub(crate) struct CodesArgs {
    /// In this state: open, used, expired or revoked
    #[arg(long)]
    state: Option<RegistrationCodeState>,
    /// For devices of this product
    #[arg(long)]
    product: Option<String>,
    #[command(flatten)]
    take: Take,
}

impl CodeArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let request = CreateRegistrationCodeRequest {
            product: self.product,
            group: self.group,
            region: self.region,
            device_name: self.name,
        };
        let made: CreateRegistrationCodeResponse =
            context.client.create("registration-codes", &request).await?;
        if !context.out.is_json() {
            context.out.note(&format!(
                "the code id:{} can be used once, until {} ({} s from now), by a device of {}; it is not shown again:",
                made.view.id, made.view.expires_at, made.expires_in_s, made.view.product.name
            ));
        }
        context.out.done(&made, &made.code)
    }
}

impl CodesArgs {
    pub(crate) async fn run(self, context: &mut Context) -> Result<(), Failure> {
        let query = RegistrationCodeQuery { state: self.state, product: self.product, ..Default::default() };
        context.list("registration-codes", &query, self.take, COLUMNS, row).await
    }
}

const COLUMNS: &[&str] = &["id", "state", "product", "group", "region", "expires", "used by", "made by"];

fn row(code: &RegistrationCodeView) -> Vec<String> {
    vec![
        format!("id:{}", code.id),
        code.state.to_string(),
        code.product.name.clone(),
        code.group.name.clone(),
        code.region.code.clone(),
        code.expires_at.to_string(),
        opt(code.used_by.as_ref()),
        code.created_by.clone(),
    ]
}

pub(crate) async fn revoke(context: &mut Context, code: &str) -> Result<(), Failure> {
    let path = format!("registration-codes/{}", id_of(code)?);
    context.client.act(Method::DELETE, &path, None::<&()>).await?;
    context.out.note(&format!("revoked the registration code {code}"));
    Ok(())
}
