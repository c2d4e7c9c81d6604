//! `argosy ca …`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use argosy_api::{ImportCaRequest, ImportedCaList, ImportedCaView, RevocationView};
use clap::Subcommand;
use hyper::Method;

use crate::args::Failure;
use crate::cli::client::segment;
use crate::cli::context::{Context, Take};

/// Bytes of a certificate or key file at most.
const MAX_FILE: u64 = 64 * 1024;

/// What can be done with authorities.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Accept the clients of a CA of an older system (see `argosy device import` for its devices)
    Import {
        /// Its certificate (PEM)
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// Its private key (PEM, not encrypted): without it, boards that trust only this CA cannot verify the server
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
    },
    /// List the CAs that were imported
    List,
    /// No longer accept the clients of an imported CA, and delete its key
    Remove {
        /// Its id
        id: String,
    },
    /// Print the roots that devices must trust
    Roots,
    /// List everything that was revoked
    Revocations {
        #[command(flatten)]
        take: Take,
    },
}

impl Command {
    pub(crate) async fn run(self, context: &mut Context) -> Result<ExitCode, Failure> {
        match self {
            Self::Import { cert, key } => import(context, &cert, key.as_deref()).await?,
            Self::List => {
                let list: ImportedCaList = context.client.get("ca/imported").await?;
                let row = |ca: &ImportedCaView| {
                    let key = if ca.has_key { "here" } else { "not here" };
                    vec![
                        ca.id.clone(),
                        ca.name.clone(),
                        ca.key_kind.clone(),
                        ca.not_after.to_string(),
                        key.to_owned(),
                    ]
                };
                context.out.rows(&list.items, &["id", "name", "kind", "until", "key"], row)?;
            }
            Self::Remove { id } => {
                let path = format!("ca/imported/{}", segment(&id));
                context.client.act(Method::DELETE, &path, None::<&()>).await?;
                context.out.note(&format!("removed the CA {id}"));
            }
            Self::Roots => {
                let pem = context.client.bytes("ca/roots.pem").await?;
                crate::args::print_whole(&String::from_utf8_lossy(&pem))?;
            }
            Self::Revocations { take } => revocations(context, take).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn import(context: &mut Context, cert: &Path, key: Option<&Path>) -> Result<(), Failure> {
    let request = ImportCaRequest { certificate_pem: read(cert)?, key_pem: key.map(read).transpose()? };
    let made: ImportedCaView = context.client.call(Method::POST, "ca/imported", Some(&request)).await?;
    let key = if made.has_key {
        "with its key"
    } else {
        "without its key: boards that trust only this CA cannot verify this server; import it again with --key"
    };
    context.out.done(&made, &format!("imported {} ({}) {key}", made.name, made.id))
}

async fn revocations(context: &mut Context, take: Take) -> Result<(), Failure> {
    let row = |revocation: &RevocationView| {
        vec![
            revocation.revoked_at.to_string(),
            revocation.device.clone(),
            revocation.serial.clone(),
            revocation.reason.to_string(),
            revocation.issuer.clone(),
        ]
    };
    let columns = ["at", "device", "serial", "reason", "issuer"];
    let query = argosy_api::RevocationQuery::default();
    context.list("revocations", &query, take, &columns, row).await
}

fn read(file: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > MAX_FILE {
        return Err(failed(&"it is too large"));
    }
    std::fs::read_to_string(file).map_err(|error| failed(&error))
}
