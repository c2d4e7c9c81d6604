//! What the engines' errors mean to the port.

use argosy_domain::ports::{PortError, PortErrorKind};
use sqlx::error::{DatabaseError, ErrorKind};
use sqlx::mysql::MySqlDatabaseError;

/// What a unique constraint is called by SQLite (table and first column), by the servers (its name), and by the port.
const UNIQUE: &[(&str, &str, &str)] = &[
    ("products.name", "products_name", "product.name"),
    ("device_groups.name", "device_groups_name", "group.name"),
    ("regions.code", "regions_code", "region.code"),
    ("artifacts.hash", "artifacts_hash", "artifact.hash"),
    ("uploads.id", "uploads_pkey", "upload.id"),
    ("firmware.product_id", "firmware_file", "firmware.file"),
    ("contents.title_lower", "contents_title", "content.title"),
    ("contents.product_id", "contents_binary", "content.binary"),
    ("devices.device_key", "devices_key", "device.key"),
    ("certificates.issuer", "certificates_serial", "certificate.serial"),
    ("imported_identities.issuer", "imported_identities_pkey", "imported.identity"),
    ("users.name", "users_name", "user.name"),
    ("sessions.token_hash", "sessions_pkey", "session.token"),
    ("api_tokens.token_hash", "api_tokens_hash", "token.hash"),
    ("idempotency.record_key", "idempotency_pkey", "idempotency.key"),
    ("registration_codes.live_mac", "registration_codes_live", "registration.code"),
    ("registration_tries.device_id", "registration_tries_pkey", "registration.tries"),
];

/// Foreign keys that an inserting operation may break. SQLite does not name them: see `Session::name_reference`.
const FOREIGN: &[(&str, &str)] = &[
    ("firmware_product", "firmware.product"),
    ("firmware_artifact", "firmware.artifact"),
    ("contents_product", "content.product"),
    ("contents_original_file", "content.artifact"),
    ("contents_binary_file", "content.artifact"),
    ("contents_preview_file", "content.artifact"),
    ("contents_thumbnail_file", "content.artifact"),
    ("devices_product", "device.product"),
    ("devices_group", "device.group"),
    ("devices_region", "device.region"),
];

/// Turns an engine's error into the port's. Operations are named as the port's methods.
pub(super) fn classify(operation: &'static str, error: sqlx::Error) -> PortError {
    let (kind, constraint) = match &error {
        sqlx::Error::Database(source) => database(operation, source.as_ref()),
        sqlx::Error::Io(source) if source.kind() == std::io::ErrorKind::StorageFull => {
            (PortErrorKind::Full, None)
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => (PortErrorKind::Unavailable, None),
        _ => (PortErrorKind::Internal, None),
    };
    PortError { operation, kind, constraint, source: Some(Box::new(error)) }
}

fn database(operation: &'static str, error: &dyn DatabaseError) -> (PortErrorKind, Option<&'static str>) {
    match error.kind() {
        ErrorKind::UniqueViolation => (PortErrorKind::Conflict, unique(operation, error)),
        ErrorKind::ForeignKeyViolation => (PortErrorKind::Reference, foreign(operation, error)),
        // The one check that a valid value can fail: the 2^31st artifact.
        ErrorKind::CheckViolation if operation == "insert_artifact" => (PortErrorKind::Full, None),
        _ => (other(error), None),
    }
}

fn unique(operation: &'static str, error: &dyn DatabaseError) -> Option<&'static str> {
    // MySQL calls every primary key PRIMARY.
    match operation {
        "insert_upload" => return Some("upload.id"),
        "insert_idempotency" => return Some("idempotency.key"),
        "insert_session" => return Some("session.token"),
        "insert_imported_identities" => return Some("imported.identity"),
        _ => {}
    }
    let named = error.constraint();
    let found = UNIQUE.iter().find(|(sqlite, name, _)| match named {
        Some(constraint) => constraint == *name,
        None => names(error.message(), sqlite) || names(error.message(), name),
    });
    found.map(|(_, _, port)| *port)
}

fn foreign(operation: &'static str, error: &dyn DatabaseError) -> Option<&'static str> {
    match operation {
        "delete_product" => return Some("product.in_use"),
        "delete_group" => return Some("group.in_use"),
        "delete_region" => return Some("region.in_use"),
        "delete_firmware" => return Some("firmware.in_use"),
        "delete_content" => return Some("content.in_use"),
        "insert_certificates" => return Some("certificate.device"),
        "insert_imported_identities" => return Some("imported.device"),
        "insert_deployment" => return Some("deployment.firmware"),
        "insert_session" => return Some("session.user"),
        "insert_api_token" => return Some("token.user"),
        _ => {}
    }
    let named = error.constraint();
    let found = FOREIGN.iter().find(|(name, _)| match named {
        Some(constraint) => constraint == *name,
        None => names(error.message(), name),
    });
    found.map(|(_, port)| *port)
}

/// Whether the message names it as a whole word: the duplicate value stands in the message too, and could hold anything, so
/// the name is looked for at the end.
fn names(message: &str, name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    message.rmatch_indices(name).next().is_some_and(|(at, _)| {
        let before = message[..at].chars().next_back();
        let after = message[at + name.len()..].chars().next();
        // `table.name` in newer MySQL: what stands before the dot is the table.
        before.is_none_or(|c| !word(c) || c == '.') && after.is_none_or(|c| !word(c))
    })
}

fn other(error: &dyn DatabaseError) -> PortErrorKind {
    use PortErrorKind::{Full, Internal, Unavailable};
    if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
        return match error.number() {
            // Disk full, table full, no auto-increment value left.
            167 | 1021 | 1114 | 1467 => Full,
            // Connections, shutdown, lock wait, deadlock, read-only for now, killed, gone.
            1040
            | 1053
            | 1077
            | 1152..=1161
            | 1203
            | 1205
            | 1213
            | 1290
            | 1317
            | 1836
            | 1927
            | 2006
            | 2013
            | 4031 => Unavailable,
            _ => Internal,
        };
    }
    let Some(code) = error.code() else { return Internal };
    if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        return match code.as_ref() {
            // Disk full; a sequence at its end.
            "53100" | "2200H" => Full,
            // Serialisation, deadlock, lock, shutdown, connections, read-only standby.
            "40001" | "40P01" | "55P03" | "57P01" | "57P02" | "57P03" | "57014" | "53300" | "25006" => {
                Unavailable
            }
            code if code.starts_with("08") => Unavailable,
            _ => Internal,
        };
    }
    // SQLite's extended codes keep the primary one in the low byte: BUSY, LOCKED, FULL.
    match code.parse::<i32>().map(|code| code & 0xff) {
        Ok(5 | 6) => Unavailable,
        Ok(13) => Full,
        _ => Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_constraint_is_found_by_name_and_not_in_the_value() {
        assert!(names(
            "UNIQUE constraint failed: firmware.product_id, firmware.version",
            "firmware.product_id"
        ));
        assert!(names("Duplicate entry 'a' for key 'products_name'", "products_name"));
        assert!(names("Duplicate entry 'a' for key 'products.products_name'", "products_name"));
        assert!(!names("Duplicate entry 'regions_code' for key 'PRIMARY'", "products_name"));
        assert!(!names("UNIQUE constraint failed: other_products.name", "products.name"));
    }
}
