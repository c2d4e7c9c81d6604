-- The life of certificates: renewal, revocation, identities of imported CAs. The same number says the same in every folder.

-- Refused from then on; let in for renewal though ended, until then.
ALTER TABLE certificates ADD COLUMN retires_at INTEGER;
ALTER TABLE certificates ADD COLUMN expired_until INTEGER;

-- Answers to renewals, until the new certificate has been seen in use. `public_key`: SubjectPublicKeyInfo, hexadecimal;
-- `key_hash`: its SHA-256, since a key can be longer than an index takes.
CREATE TABLE renewals (
    device_id       INTEGER NOT NULL,
    key_hash        TEXT NOT NULL,
    device_key      TEXT NOT NULL,
    public_key      TEXT NOT NULL,
    asked_issuer    TEXT NOT NULL,
    asked_serial    TEXT NOT NULL,
    issuer          TEXT NOT NULL,
    serial          TEXT NOT NULL,
    certificate_pem TEXT NOT NULL,
    chain_pem       TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    requested_at    INTEGER NOT NULL,
    PRIMARY KEY (device_id, key_hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX renewals_by_certificate ON renewals (issuer, serial);

-- Refused for ever, whether the allow-list knows them or not. No foreign keys: a revocation outlives everything.
CREATE TABLE revocations (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer     TEXT NOT NULL,
    serial     TEXT NOT NULL,
    device_key TEXT NOT NULL,
    reason     TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    not_after  INTEGER,
    CONSTRAINT revocations_certificate UNIQUE (issuer, serial)
) STRICT;

-- Certificates of `issuer` with that common name (cn) or serial number (serial) are the device's.
CREATE TABLE imported_identities (
    issuer     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    value      TEXT NOT NULL,
    device_id  INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    retires_at INTEGER,
    PRIMARY KEY (issuer, kind, value),
    CONSTRAINT imported_identities_device FOREIGN KEY (device_id) REFERENCES devices (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX imported_identities_by_device ON imported_identities (device_id);

-- The number of the last CRL of each issuer: it never goes back.
CREATE TABLE crl_numbers (
    issuer TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was revoked before this table was.
INSERT INTO revocations (issuer, serial, device_key, reason, revoked_at, not_after)
SELECT c.issuer, c.serial, d.device_key, 'unspecified', c.created_at, c.not_after
FROM certificates c JOIN devices d ON d.id = c.device_id WHERE c.state = 'revoked' ORDER BY c.id;
