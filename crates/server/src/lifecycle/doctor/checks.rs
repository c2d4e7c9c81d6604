//! The machine, the data folder, the certificates, the ports.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use argosy_domain::Timestamp;
use rustix::fs::{Access, access};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::Report;
use crate::config::Config;
use crate::lifecycle::files;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// 2026-01-01: no clock of a machine that runs this is before it.
const EARLIEST: Timestamp = Timestamp(1_767_225_600_000);

pub(super) fn clock(now: Timestamp, report: &mut Report) {
    if now < EARLIEST {
        let text = "it is far in the past: certificates would be wrong; set it, and keep it right (NTP)";
        return report.fail("clock", text);
    }
    report.ok("clock", argosy_api::Time(now.0).to_string());
}

pub(super) fn open_files(config: &Config, report: &mut Report) {
    let devices = config.fleet.expected_devices;
    let limit = files::raise();
    match files::too_few(limit, devices) {
        Some(text) => report.warn("open files", text),
        None => report.ok("open files", format!("{limit}, enough for {devices} devices")),
    }
}

pub(super) fn data_folder(config: &Config, running: Option<&str>, report: &mut Report) {
    let folder = &config.data_dir;
    let shown = folder.display();
    if let Some(pid) = running {
        return report.ok("data folder", format!("{shown}, in use by a running server (process {pid})"));
    }
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report.ok("data folder", format!("{shown} is not there yet: the first start makes it"));
        }
        Err(error) => report.fail("data folder", format!("{shown} cannot be read: {error}")),
        Ok(about) if !about.is_dir() => report.fail("data folder", format!("{shown} is no folder")),
        Ok(about) if about.mode() & 0o022 != 0 => {
            let text = format!(
                "{shown} may be written by other users (mode {:o}): chmod go-w it",
                about.mode() & 0o777
            );
            report.fail("data folder", text);
        }
        Ok(_) if access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_err() => {
            report.fail("data folder", format!("{shown} cannot be written by this user"));
        }
        Ok(_) => report.ok("data folder", shown.to_string()),
    }
}

/// When certificates end. Those of the authority end once in many years, and then everything does.
pub(super) fn certificates(config: &Config, now: Timestamp, report: &mut Report) {
    let folder = config.data_dir.join("pki");
    for (name, what, early_days) in [
        ("ca/root.pem", "the root", 730),
        ("ca/server-ca.pem", "the authority for servers", 365),
        ("ca/device-ca.pem", "the authority for devices", 365),
        // It renews itself with a month to go.
        ("server.pem", "the server certificate", 7),
    ] {
        let file = folder.join(name);
        if !file.exists() {
            if name == "ca/root.pem" {
                return report.ok("certificates", "there is no authority yet: the first start makes it");
            }
            report.warn("certificates", format!("{} is missing", file.display()));
            continue;
        }
        let ends = std::fs::read(&file)
            .ok()
            .and_then(|pem| CertificateDer::pem_slice_iter(&pem).next()?.ok())
            .and_then(|der| argosy_pki::leaf_facts(&der).ok())
            .map(|facts| facts.not_after);
        let Some(ends) = ends else {
            report.fail("certificates", format!("{} cannot be read as a certificate", file.display()));
            continue;
        };
        let days = (ends.0 - now.0) / DAY_MS;
        let text = format!("{what} ends in {days} days, at {}", argosy_api::Time(ends.0));
        if days < 0 {
            report.fail("certificates", text);
        } else if days < early_days {
            report.warn("certificates", text);
        } else {
            report.ok("certificates", text);
        }
    }
}

pub(super) fn ports(config: &Config, running: bool, report: &mut Report) {
    let listeners = [
        ("http.listen", config.http.listen.value().copied()),
        ("https.listen", Some(config.https.listen)),
        ("mqtt.listen", Some(config.mqtt.listen)),
        ("mqtt.plain.listen", config.mqtt.plain.listen.value().copied()),
    ];
    for (key, address) in listeners {
        let Some(address) = address else { continue };
        if running {
            match answers(address) {
                true => report.ok("ports", format!("{key}: the running server listens on {address}")),
                false => report.warn("ports", format!("{key}: nothing listens on {address}; was the running server started with another configuration?")),
            }
            continue;
        }
        match TcpListener::bind(address) {
            Ok(_) => report.ok("ports", format!("{key}: {address} is free")),
            Err(error) => {
                report.fail(
                    "ports",
                    format!(
                        "{key}: {address} cannot be used ({error}): end what has it, or give another address"
                    ),
                );
            }
        }
    }
}

/// Somebody accepts connections there.
fn answers(address: SocketAddr) -> bool {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        other => other.ip(),
    };
    TcpStream::connect_timeout(&SocketAddr::new(ip, address.port()), Duration::from_secs(2)).is_ok()
}
