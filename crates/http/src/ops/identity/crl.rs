//! `GET /crl/{file}`

use hyper::header::{CACHE_CONTROL, ETAG};

use crate::ops::prelude::*;

/// The current list of revoked certificates of an issuer: `device.crl` (DER) or `device.pem` for our device CA, the id of an imported
/// CA instead of `device` for that one. Public. A new one is made at every revocation, and when half of its life is over.
#[utoipa::path(get, path = "/crl/{file}", operation_id = "crl", tag = "system", security(()),
    params(("file" = String, Path, description = "`device.crl`, `device.pem`, or an imported CA's id with `.crl` or `.pem`")),
    responses((status = 200, description = "The list", body = String, content_type = "application/pkix-crl")))]
pub(crate) async fn handle(State(app): State<Arc<App>>, Segment(file): Segment) -> ApiResult<Response> {
    let unknown = || Problem::new(ProblemCode::NotFound, "lists are called device.crl and device.pem");
    let (id, form) = file.rsplit_once('.').ok_or_else(unknown)?;
    if !matches!(form, "crl" | "pem") {
        return Err(unknown().into());
    }
    let crl = app.engine.crl(id).await?.ok_or_else(unknown)?;
    let headers = [
        // Half an hour: what is cached on the way must not outlive a revocation for long.
        (CACHE_CONTROL, "public, max-age=1800".to_owned()),
        (ETAG, format!("\"{}-{form}\"", crl.number)),
    ];
    Ok(match form {
        "crl" => ([(CONTENT_TYPE, "application/pkix-crl")], headers, crl.der.to_vec()).into_response(),
        _ => ([(CONTENT_TYPE, "application/x-pem-file")], headers, pem(&crl.der)).into_response(),
    })
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;

    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN X509 CRL-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END X509 CRL-----\n");
    pem
}
