//! `argosy device certificates` and `enroll`.

use std::path::Path;

use argosy_api::{CertificateList, CertificateView, IssueCertificateRequest, IssueCertificateResponse};

use super::path;
use crate::args::{Exit, Failure};
use crate::cli::context::Context;
use crate::cli::output::opt;

/// Bytes of a certificate request at most.
const MAX_CSR: u64 = 64 * 1024;

pub(super) async fn list(context: &mut Context, device: &str) -> Result<(), Failure> {
    // The number of a device's renewals is bounded: one page holds them all.
    let list: CertificateList =
        context.client.get(&format!("{}/certificates?limit=1000", path(device))).await?;
    let row = |certificate: &CertificateView| {
        vec![
            certificate.serial.clone(),
            certificate.state.to_string(),
            // A newer one took its place: it is refused before its own end.
            certificate.retires_at.unwrap_or(certificate.not_after).min(certificate.not_after).to_string(),
            opt(certificate.expired_allowed_until.as_ref()),
            certificate.issuer.clone(),
        ]
    };
    context.out.rows(&list.items, &["serial", "state", "until", "may renew until", "issuer"], row)
}

pub(super) async fn enroll(
    context: &mut Context,
    device: &str,
    csr: &Path,
    out: Option<&Path>,
    roots: Option<&Path>,
) -> Result<(), Failure> {
    let request = IssueCertificateRequest { csr: read_csr(csr)? };
    let path = format!("{}/certificates", path(device));
    let issued: IssueCertificateResponse = context.client.create(&path, &request).await?;
    if let Some(file) = roots {
        write_or_print(context, Some(file), &issued.roots_pem)?;
    }
    let certificate = &issued.certificate;
    if let Some(file) = out {
        write_or_print(
            context,
            Some(file),
            &format!("{}{}", certificate.certificate_pem, certificate.chain_pem),
        )?;
    }
    if context.out.is_json() {
        return context.out.done(&issued, "");
    }
    context
        .out
        .note(&format!("certificate {} for {device} until {}", certificate.serial, certificate.not_after));
    match out {
        Some(_) => Ok(()),
        None => write_or_print(
            context,
            None,
            &format!("{}{}", certificate.certificate_pem, certificate.chain_pem),
        ),
    }
}

/// A certificate request from a file.
pub(super) fn read_csr(file: &Path) -> Result<String, Failure> {
    let failed =
        |error: &dyn std::fmt::Display| Failure::usage(format!("cannot read {}: {error}", file.display()));
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > MAX_CSR {
        return Err(failed(&"it is too large for a certificate request"));
    }
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    if text.contains("PRIVATE KEY") {
        // It must never leave the machine that made it.
        return Err(failed(&"it holds a private key; give the file with the certificate request alone"));
    }
    Ok(text)
}

/// Writes PEM text to a file, or to standard output.
pub(super) fn write_or_print(context: &Context, file: Option<&Path>, text: &str) -> Result<(), Failure> {
    match file {
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Failure::new(Exit::Failed, format!("cannot write {}: {error}", file.display()))),
        None if context.out.is_json() => Ok(()),
        None => crate::args::print_whole(text).map(drop),
    }
}
