//! The first administrator's one-time password: into a file that only its owner can read, and onto the terminal if there is one.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context as _;
use argosy_engine::Engine;
use argosy_pki::write_atomically;

/// Name of the file in the data folder.
pub(super) const NAME: &str = "admin-password.txt";

/// Makes the administrator at the first start, and removes the file once its password has been changed. A file that is missing
/// before that (a start that was cut off, a file that was lost) is written anew with another password.
pub(crate) async fn prepare(engine: &Engine, data: &Path) -> anyhow::Result<()> {
    let file = data.join(NAME);
    let mut password = engine.ensure_administrator().await.context("cannot make the first administrator")?;
    if password.is_none() {
        let users = engine.registry().read().await?.users().await.context("cannot read the users")?;
        let changed = users.iter().all(|user| !user.must_change_password);
        match (changed, file.exists()) {
            (true, true) => {
                std::fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
                tracing::info!(file = %file.display(), "removed {}: its password has been changed", file.display());
            }
            (false, false) => {
                password = engine
                    .reissue_one_time_password()
                    .await
                    .context("cannot make another one-time password")?;
            }
            _ => {}
        }
    }
    let Some(password) = password else { return Ok(()) };
    write_atomically(&file, format!("{password}\n").as_bytes(), 0o600)
        .context("cannot write the administrator's one-time password")?;
    tracing::info!(
        file = %file.display(),
        "the administrator is `admin`, the one-time password is in {}; `argosy login` asks for it, and for a new one",
        file.display()
    );
    // Never into a log that is kept: only where a person looks.
    if std::io::stderr().is_terminal() {
        eprintln!("\n  one-time password of admin: {password}\n");
    }
    Ok(())
}
