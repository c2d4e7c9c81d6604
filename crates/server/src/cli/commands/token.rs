//! `argosy token …`

use std::process::ExitCode;

use argosy_api::{CreateTokenRequest, CreateTokenResponse, PageQuery, Time, TokenView};
use clap::Subcommand;
use hyper::Method;

use super::id_of;
use crate::args::Failure;
use crate::cli::context::{Context, Take};
use crate::cli::output::opt;

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List your tokens
    List {
        #[command(flatten)]
        take: Take,
    },
    /// Make a token for a program, with your rights; it is printed this once
    Create {
        /// What it is called
        name: String,
        /// When it ends, for example 2027-01-01T00:00:00Z [default: when it is deleted]
        #[arg(long, value_name = "TIME")]
        expires: Option<Time>,
    },
    /// Delete a token: it is refused from then on
    Delete {
        /// id:42
        token: String,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::List { take } => {
                let row = |token: &TokenView| {
                    vec![
                        format!("id:{}", token.id),
                        token.name.clone(),
                        token.created_at.to_string(),
                        opt(token.expires_at.as_ref()),
                    ]
                };
                let headers = ["id", "name", "created", "expires"];
                context.list("tokens", &PageQuery::default(), take, &headers, row).await?;
            }
            Self::Create { name, expires } => {
                let request = CreateTokenRequest { name, expires_at: expires };
                let made: CreateTokenResponse =
                    context.client.call(Method::POST, "tokens", Some(&request)).await?;
                if !context.out.is_json() {
                    context.out.note(&format!("made the token id:{}; it is not shown again:", made.view.id));
                }
                context.out.done(&made, &made.token)?;
            }
            Self::Delete { token } => {
                let path = format!("tokens/{}", id_of(&token)?);
                context.client.act(Method::DELETE, &path, None::<&()>).await?;
                context.out.note(&format!("deleted the token {token}"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
