//! `argosy device import`.

use std::path::Path;

use argosy_api::{ImportDevice, ImportDevicesRequest, ImportDevicesResponse};
use hyper::Method;

use crate::args::Failure;
use crate::cli::context::Context;
use crate::cli::csv::Table;

/// Devices of one call.
const PER_CALL: usize = 500;
const COLUMNS: [&str; 8] = ["key", "name", "product", "group", "region", "issuer", "cn", "serial"];

/// Imports a file call by call. What was imported before it broke off stays, and the same file can be given again.
pub(super) async fn run(context: &mut Context, file: &Path) -> Result<(), Failure> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    let table =
        Table::read(&text, &COLUMNS).map_err(|why| Failure::usage(format!("{}: {why}", file.display())))?;
    let mut devices = Vec::with_capacity(table.rows.len());
    for (line, row) in &table.rows {
        let needed = |column: &str| {
            table
                .cell(row, column)
                .ok_or_else(|| Failure::usage(format!("{}: line {line} has no {column}", file.display())))
        };
        devices.push(ImportDevice {
            key: needed("key")?,
            name: table.cell(row, "name"),
            product: needed("product")?,
            group: table.cell(row, "group"),
            region: table.cell(row, "region"),
            issuer: table.cell(row, "issuer"),
            cn: table.cell(row, "cn"),
            serial: table.cell(row, "serial"),
        });
    }
    let all = devices.len();
    let mut sum = ImportDevicesResponse::default();
    for (done, part) in devices.chunks(PER_CALL).enumerate() {
        let request = ImportDevicesRequest { devices: part.to_vec() };
        let made: Result<ImportDevicesResponse, Failure> =
            context.client.call(Method::POST, "devices/import", Some(&request)).await;
        let made = made.inspect_err(|_| {
            let done = done * PER_CALL;
            context
                .out
                .note(&format!("{done} of {all} rows were imported; the same file can be given again"));
        })?;
        sum.created += made.created;
        sum.identities += made.identities;
    }
    let text = format!("{all} rows: {} new devices, {} new identities", sum.created, sum.identities);
    context.out.done(&sum, &text)
}
