-- The life of certificates: renewal, revocation, identities of imported CAs. The same number says the same in every folder.

-- Refused from then on; let in for renewal though ended, until then.
ALTER TABLE certificates ADD COLUMN retires_at BIGINT;
ALTER TABLE certificates ADD COLUMN expired_until BIGINT;

-- Answers to renewals, until the new certificate has been seen in use. `public_key`: SubjectPublicKeyInfo, hexadecimal;
-- `key_hash`: its SHA-256, since a key can be longer than an index takes.
CREATE TABLE renewals (
    device_id       BIGINT NOT NULL,
    key_hash        VARCHAR(64) NOT NULL,
    device_key      VARCHAR(64) NOT NULL,
    public_key      MEDIUMTEXT NOT NULL,
    asked_issuer    VARCHAR(255) NOT NULL,
    asked_serial    VARCHAR(64) NOT NULL,
    issuer          VARCHAR(255) NOT NULL,
    serial          VARCHAR(64) NOT NULL,
    certificate_pem MEDIUMTEXT NOT NULL,
    chain_pem       MEDIUMTEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    requested_at    BIGINT NOT NULL,
    PRIMARY KEY (device_id, key_hash)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX renewals_by_certificate ON renewals (issuer, serial);

-- Refused for ever, whether the allow-list knows them or not. No foreign keys: a revocation outlives everything.
CREATE TABLE revocations (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    issuer     VARCHAR(255) NOT NULL,
    serial     VARCHAR(64) NOT NULL,
    device_key VARCHAR(64) NOT NULL,
    reason     VARCHAR(64) NOT NULL,
    revoked_at BIGINT NOT NULL,
    not_after  BIGINT,
    CONSTRAINT revocations_certificate UNIQUE (issuer, serial)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- Certificates of `issuer` with that common name (cn) or serial number (serial) are the device's.
CREATE TABLE imported_identities (
    issuer     VARCHAR(255) NOT NULL,
    kind       VARCHAR(64) NOT NULL,
    value      VARCHAR(64) NOT NULL,
    device_id  BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    retires_at BIGINT,
    PRIMARY KEY (issuer, kind, value),
    CONSTRAINT imported_identities_device FOREIGN KEY (device_id) REFERENCES devices (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX imported_identities_by_device ON imported_identities (device_id);

-- The number of the last CRL of each issuer: it never goes back.
CREATE TABLE crl_numbers (
    issuer VARCHAR(255) NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- What was revoked before this table was.
INSERT INTO revocations (issuer, serial, device_key, reason, revoked_at, not_after)
SELECT c.issuer, c.serial, d.device_key, 'unspecified', c.created_at, c.not_after
FROM certificates c JOIN devices d ON d.id = c.device_id WHERE c.state = 'revoked' ORDER BY c.id;
