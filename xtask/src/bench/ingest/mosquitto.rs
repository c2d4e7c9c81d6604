//! Debian's mosquitto, plain: mutual TLS with the same certificates, nothing kept, no access rules.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{self, Process};
use crate::shell;

/// The running broker. Dropping it kills it.
pub(super) struct Mosquitto {
    pub(super) process: Process,
    pub(super) port: u16,
}

impl Mosquitto {
    /// Starts it with the certificates in `pki`, an Argosy's folder.
    pub(super) fn start(folder: &Path, pki: &Path) -> Result<Self> {
        let program = shell::find_program("mosquitto")
            .or_else(|| Some("/usr/sbin/mosquitto".into()).filter(|path: &std::path::PathBuf| path.exists()))
            .context(
                "there is no mosquitto to compare with: install Debian's package, or use --no-mosquitto",
            )?;
        let port = process::free_port()?;
        let authorities = folder.join("authorities.pem");
        let mut pem = Vec::new();
        for file in ["root.pem", "device-ca.pem"] {
            let path = pki.join("ca").join(file);
            pem.extend(std::fs::read(&path).with_context(|| format!("could not read {}", path.display()))?);
            pem.push(b'\n');
        }
        std::fs::write(&authorities, pem)?;
        let server = pki.join("server.pem");
        // As it comes: no persistence, no rules, no queue limits that a QoS 1 publisher would feel. It gives up root, and could then
        // not read its key: so it stays who we are.
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nrequire_certificate true\ncafile {}\ncertfile {}\nkeyfile {}\n\
             persistence false\nlog_dest none\nmax_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\n{}",
            authorities.display(),
            server.display(),
            server.display(),
            if is_root() { "user root\n" } else { "" },
        );
        let file = folder.join("mosquitto.conf");
        std::fs::write(&file, config)?;
        let mut command = process::bound_to_us(&program, "TERM", None);
        command.arg("-c").arg(&file);
        let mut process = Process::spawn(command, &folder.join("mosquitto.log"))?;
        process
            .wait_until(Duration::from_secs(10), || match std::net::TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Ok(()),
                Err(error) => bail!("{error}"),
            })
            .context("mosquitto does not start")?;
        Ok(Self { process, port })
    }
}

fn is_root() -> bool {
    shell::output(shell::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}
