//! The console: built once per change of its sources, with the machine's Node where that will do, else with one from PyPI.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};

use crate::{setup, shell, workspace};

/// What the console's build wants, as in `web/package.json`: 20.19 and later of 20, or 22.12 and later.
const NODE: &str = "20.19, or 22.12 and later";

/// Where Node is, and the script that is npm.
#[derive(Debug, Clone)]
struct Node {
    node: PathBuf,
    npm: Npm,
}

#[derive(Debug, Clone)]
enum Npm {
    Program(PathBuf),
    Script(PathBuf),
}

impl Node {
    fn npm(&self, arguments: &[&str]) -> Command {
        let mut command = match &self.npm {
            Npm::Program(npm) => shell::command(npm),
            Npm::Script(script) => {
                let mut command = shell::command(&self.node);
                command.arg(script);
                command
            }
        };
        command.args(arguments).current_dir(folder());
        // Scripts of packages find this Node too.
        if let Some(bin) = self.node.parent() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let paths = std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&path));
            if let Ok(path) = std::env::join_paths(paths) {
                command.env("PATH", path);
            }
        }
        command
    }
}

fn folder() -> PathBuf {
    workspace::root().join("web")
}

/// Builds the console when its sources are newer than what was built. `false`: there is no Node to build it with, which was explained.
pub(crate) fn build() -> Result<bool> {
    let built = modified(&folder().join("dist").join("index.html"));
    if built.is_some_and(|at| newest(&sources()) <= Some(at)) {
        return Ok(true);
    }
    let node = match node() {
        Ok(node) => node,
        Err(error) => {
            println!(
                "The console is left out: its build needs Node {NODE}, which is not here and could not be installed ({error:#}). \
                 Everything else works."
            );
            return Ok(false);
        }
    };
    install(&node)?;
    shell::run(&mut node.npm(&["run", "--silent", "build"]))?;
    Ok(true)
}

/// Every check of the console: generated types, types, lints, unit tests, and the build that is embedded.
pub(crate) fn check() -> Result<()> {
    let node = node()?;
    install(&node)?;
    let schema = folder().join("src/shared/api/schema.d.ts");
    let committed = std::fs::read_to_string(&schema).unwrap_or_default();
    shell::run(&mut node.npm(&["run", "--silent", "types"]))?;
    if std::fs::read_to_string(&schema).unwrap_or_default() != committed {
        bail!(
            "web/src/shared/api/schema.d.ts was stale; it is written again from openapi/argosy.json: commit it"
        );
    }
    shell::run(&mut node.npm(&["run", "--silent", "lint"]))?;
    shell::run(&mut node.npm(&["run", "--silent", "test"]))?;
    shell::run(&mut node.npm(&["run", "--silent", "build"]))
}

/// Installs what `package-lock.json` names, once per content of it.
fn install(node: &Node) -> Result<()> {
    let lock = folder().join("package-lock.json");
    let stamp = folder().join("node_modules").join(".argosy-installed");
    let wanted =
        std::fs::read_to_string(&lock).with_context(|| format!("could not read {}", lock.display()))?;
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    shell::run(&mut node.npm(&["ci", "--no-audit", "--no-fund", "--silent"]))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("could not write {}", stamp.display()))
}

fn node() -> Result<Node> {
    if let (Some(node), Some(npm)) = (shell::find_program("node"), shell::find_program("npm"))
        && version(&node).is_some_and(is_enough)
    {
        return Ok(Node { node, npm: Npm::Program(npm) });
    }
    let site = setup::python_node()?;
    let node = site.join("bin/node");
    let script = site.join("lib/node_modules/npm/bin/npm-cli.js");
    if !version(&node).is_some_and(is_enough) || !script.is_file() {
        bail!("the Node from PyPI does not run here");
    }
    Ok(Node { node, npm: Npm::Script(script) })
}

fn version(node: &Path) -> Option<(u32, u32)> {
    let text = shell::output(shell::command(node).arg("--version")).ok()?;
    let mut parts = text.trim().trim_start_matches('v').split('.').map(str::parse::<u32>);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn is_enough((major, minor): (u32, u32)) -> bool {
    matches!((major, minor), (20, 19..) | (22, 12..) | (23.., _))
}

/// What the build is made from.
fn sources() -> Vec<PathBuf> {
    let names = [
        "src",
        "public",
        "index.html",
        "package-lock.json",
        "vite.config.ts",
        "vite-compress.ts",
        "postcss.config.cjs",
    ];
    names.iter().map(|name| folder().join(name)).collect()
}

fn newest(paths: &[PathBuf]) -> Option<SystemTime> {
    paths
        .iter()
        .filter_map(|path| {
            if !path.is_dir() {
                return modified(path);
            }
            let entries = std::fs::read_dir(path).ok()?;
            newest(&entries.flatten().map(|entry| entry.path()).collect::<Vec<_>>())
        })
        .max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::is_enough;

    #[test]
    fn the_versions_that_the_build_takes() {
        assert!(is_enough((20, 19)) && is_enough((22, 12)) && is_enough((24, 0)));
        assert!(!is_enough((18, 19)) && !is_enough((20, 18)) && !is_enough((21, 7)) && !is_enough((22, 11)));
    }
}
