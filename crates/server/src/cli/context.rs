//! How a command reaches the server, and what every command works with.

use std::path::PathBuf;

use argosy_api::Page;
use clap::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::{Base, Client, query_of};
use super::output::Output;
use super::settings::Settings;
use crate::args::Failure;

/// Rows that one request asks for.
const PAGE: u32 = 500;

/// How to reach the server.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Connection and output")]
pub(crate) struct ConnectArgs {
    /// The server [default: the one of `argosy login`, else http://127.0.0.1:8080]
    #[arg(long, global = true, env = "ARGOSY_SERVER", value_name = "URL")]
    pub server: Option<String>,
    /// A token, instead of the one of `argosy login`
    #[arg(long, global = true, env = "ARGOSY_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
    /// The roots (PEM) that an https server is trusted by
    #[arg(long, global = true, env = "ARGOSY_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// JSON on standard output instead of tables
    #[arg(long, global = true)]
    pub json: bool,
}

/// A command's tools.
#[derive(Debug)]
pub(crate) struct Context {
    /// The server.
    pub client: Client,
    /// The terminal.
    pub out: Output,
}

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Take {
    /// Rows at most
    #[arg(long, default_value_t = 100, value_name = "ROWS")]
    limit: u32,
    /// All rows
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl ConnectArgs {
    /// The server that is meant, and the roots it is trusted by.
    pub(crate) fn target(&self, settings: &Settings) -> Result<(Base, Option<Vec<u8>>), Failure> {
        let base = match self.server.as_ref().or(settings.server.as_ref()) {
            Some(text) => text.parse().map_err(Failure::usage)?,
            None => Base::default(),
        };
        let roots = match &self.ca {
            Some(file) => Some(std::fs::read(file).map_err(|error| {
                Failure::usage(format!("cannot read the roots of --ca {}: {error}", file.display()))
            })?),
            None => settings.ca_pem.clone().map(String::into_bytes),
        };
        Ok((base, roots))
    }

    /// A context with the credentials that are known.
    pub(crate) fn open(&self) -> Result<Context, Failure> {
        let settings = Settings::load()?;
        let (base, roots) = self.target(&settings)?;
        // A remembered token is only for the server that it was made at.
        let same =
            settings.server.as_deref().and_then(|text| text.parse::<Base>().ok()).as_ref() == Some(&base);
        let token = self.token.clone().or(settings.token.filter(|_| same));
        if base.is_open() && token.is_some() {
            eprintln!("warning: {base} is without TLS: the token passes in clear");
        }
        Ok(Context { client: Client::new(base, roots.as_deref(), token)?, out: Output::new(self.json) })
    }
}

impl Context {
    /// Reads a list page by page as far as it is wanted, and shows it.
    pub(crate) async fn list<T>(
        &mut self,
        path: &str,
        query: &impl Serialize,
        take: Take,
        headers: &[&str],
        row: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure>
    where
        T: DeserializeOwned + Serialize,
    {
        let query = serde_json::to_value(query)
            .map_err(|error| Failure::because("the request cannot be written", &error))?;
        let wanted = if take.all { usize::MAX } else { take.limit as usize };
        let (mut items, mut next): (Vec<T>, Option<String>) = (Vec::new(), None);
        loop {
            let mut query = query.clone();
            let limit = u32::try_from(wanted - items.len()).unwrap_or(PAGE).clamp(1, PAGE);
            query["limit"] = limit.into();
            if let Some(cursor) = next.take() {
                query["cursor"] = cursor.into();
            }
            let page: Page<T> = self.client.get(&format!("{path}{}", query_of(&query))).await?;
            items.extend(page.items);
            next = page.next;
            if next.is_none() || items.len() >= wanted {
                break;
            }
        }
        self.out.rows(&items, headers, row)?;
        if next.is_some() {
            self.out.note(&format!("there are more than these {}: --limit or --all shows them", items.len()));
        }
        Ok(())
    }
}
