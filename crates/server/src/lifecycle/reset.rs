//! `argosy reset-password`: another one-time password for somebody who lost theirs, written into the database from outside the server.

use std::process::ExitCode;
use std::sync::Arc;

use argosy_engine::reset_password as reset;
use argosy_pki::write_atomically;
use clap::Args;

use super::admin;
use super::compose;
use super::lock::DataLock;
use super::metrics::TxHistogram;
use crate::args::{ConfigArgs, Failure, print_whole};
use crate::system::{SystemClock, SystemEntropy};

/// Whose password.
#[derive(Debug, Args)]
pub(crate) struct ResetPasswordArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The user
    #[arg(default_value = "admin")]
    name: String,
}

/// Resets it; the server must not be running on the same folder.
pub(crate) fn reset_password(args: &ResetPasswordArgs) -> Result<ExitCode, Failure> {
    let config = args.config.load()?.config;
    let _lock = DataLock::take(&config.data_dir)
        .map_err(|error| Failure::because("cannot reset the password", &error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because("cannot start", &error))?;
    let password = runtime.block_on(async {
        let (registry, _alone) = compose::registry(&config, TxHistogram::default())
            .await
            .map_err(|error| Failure::new(crate::args::Exit::Failed, format!("{error:#}")))?;
        let password = reset(registry.as_ref(), &SystemClock, &SystemEntropy, &args.name)
            .await
            .map_err(|error| Failure::because("cannot reset the password", &error));
        if let Some(registry) = Arc::into_inner(registry) {
            registry.close().await;
        }
        password
    })?;
    let file = config.data_dir.join(admin::NAME);
    write_atomically(&file, format!("{password}\n").as_bytes(), 0o600)
        .map_err(|error| Failure::because("cannot write the one-time password", &error))?;
    print_whole(&format!(
        "the one-time password of {} is in {}; `argosy login` asks for it, and for a new one.\n\
         Sessions of {} have ended; tokens rest until the password has been changed: then remove those that may be in wrong hands\n",
        args.name,
        file.display(),
        args.name
    ))
}
