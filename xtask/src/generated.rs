//! Files that are generated and committed: the OpenAPI description and the configuration reference.
//!
//! `cargo xtask openapi` writes them; `--check` (and `cargo xtask test`) fails when writing them would change them, so that
//! what is committed is always what the program says. One more such file is a line in [`FILES`].

use anyhow::{Context as _, Result, bail};

use crate::{shell, workspace};

/// A committed file, and the arguments of `argosy` that print its content.
const FILES: &[(&str, &[&str])] =
    &[("openapi/argosy.json", &["openapi"]), ("docs/configuration.md", &["config", "reference"])];

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Change nothing; fail when a file is not what the program prints
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    shell::run(shell::cargo().args(["build", "--quiet", "--package", "argosy"]))?;
    let argosy = workspace::target().join("debug").join("argosy");
    let mut stale = Vec::new();
    for (name, arguments) in FILES {
        let content = shell::output(shell::command(&argosy).args(*arguments))?;
        let file = workspace::root().join(name);
        if std::fs::read_to_string(&file).is_ok_and(|found| found == content) {
            println!("{name}: unchanged");
        } else if options.check {
            stale.push(*name);
        } else {
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("could not make the folder {}", folder.display()))?;
            }
            std::fs::write(&file, content).with_context(|| format!("could not write {name}"))?;
            println!("{name}: written");
        }
    }
    if !stale.is_empty() {
        bail!(
            "{} is not what the program prints: run `cargo xtask openapi` and commit the result",
            stale.join(", ")
        );
    }
    Ok(())
}
