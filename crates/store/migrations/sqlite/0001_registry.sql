-- The registry. The same number says the same in migrations/postgres and migrations/mysql; never edit a released file.
-- Times: milliseconds since the epoch. Booleans: 0 or 1. JSON and hashes (lower-case hex): text.
-- `*_lower` is the ASCII-lower-cased twin that searches look at, so that all engines fold case alike.
-- AUTOINCREMENT: an id is never given twice, since cursors, command ids and boards' file names are made of ids.

-- `ARGO`: so that another program's file is not taken for ours.
PRAGMA application_id = 1095911247;

CREATE TABLE products (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL,
    name_lower   TEXT    NOT NULL,
    chip         TEXT    NOT NULL,
    image_format TEXT    NOT NULL,
    slot_size    INTEGER NOT NULL,
    display      TEXT,
    created_at   INTEGER NOT NULL,
    CONSTRAINT products_name UNIQUE (name)
) STRICT;

CREATE TABLE device_groups (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    name_lower TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT device_groups_name UNIQUE (name)
) STRICT;

CREATE TABLE regions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    code       TEXT    NOT NULL,
    code_lower TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    name_lower TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT regions_code UNIQUE (code)
) STRICT;

CREATE TABLE artifacts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    hash       TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT artifacts_hash UNIQUE (hash),
    -- It is `file_info.id` on the wire, which old boards keep in 32 bits.
    CONSTRAINT artifacts_id_on_the_wire CHECK (id BETWEEN 1 AND 2147483647)
) STRICT;

CREATE TABLE uploads (
    id         TEXT    NOT NULL PRIMARY KEY,
    file_name  TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    hash       TEXT,
    size       INTEGER,
    created_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_by_expiry ON uploads (expires_at, id);

CREATE TABLE firmware (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    product_id    INTEGER NOT NULL,
    version       TEXT    NOT NULL,
    file_name     TEXT    NOT NULL,
    version_lower   TEXT NOT NULL,
    file_name_lower TEXT NOT NULL,
    artifact_id   INTEGER NOT NULL,
    release_notes TEXT    NOT NULL,
    facts         TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    CONSTRAINT firmware_file UNIQUE (product_id, version, file_name),
    CONSTRAINT firmware_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT firmware_artifact FOREIGN KEY (artifact_id) REFERENCES artifacts (id)
) STRICT;
CREATE INDEX firmware_by_artifact ON firmware (artifact_id, product_id);

-- What is written by every status message stands apart (device_status): this table is rarely written and well indexed.
CREATE TABLE devices (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    device_key       TEXT    NOT NULL,
    key_lower        TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    name_lower       TEXT    NOT NULL,
    product_id       INTEGER NOT NULL,
    group_id         INTEGER,
    region_id        INTEGER,
    attributes       TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    firmware_version TEXT,
    image_hash       TEXT,
    capabilities     TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    CONSTRAINT devices_key UNIQUE (device_key),
    CONSTRAINT devices_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT devices_group FOREIGN KEY (group_id) REFERENCES device_groups (id),
    CONSTRAINT devices_region FOREIGN KEY (region_id) REFERENCES regions (id)
) STRICT;
CREATE INDEX devices_by_key_lower ON devices (key_lower);
CREATE INDEX devices_by_product ON devices (product_id);
CREATE INDEX devices_by_group ON devices (group_id);
CREATE INDEX devices_by_region ON devices (region_id);
CREATE INDEX devices_by_version ON devices (firmware_version);
CREATE INDEX devices_by_state ON devices (state);

-- One row a device, made with it.
CREATE TABLE device_status (
    device_id         INTEGER NOT NULL PRIMARY KEY,
    online            INTEGER NOT NULL,
    online_changed_at INTEGER,
    last_seen_at      INTEGER,
    status            TEXT
) STRICT;
CREATE INDEX device_status_by_online ON device_status (online);

CREATE TABLE certificates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    issuer     TEXT    NOT NULL,
    serial     TEXT    NOT NULL,
    device_id  INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT certificates_serial UNIQUE (issuer, serial),
    CONSTRAINT certificates_device FOREIGN KEY (device_id) REFERENCES devices (id)
) STRICT;
CREATE INDEX certificates_by_device ON certificates (device_id);

CREATE TABLE firmware_history (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id     INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    from_version  TEXT,
    to_version    TEXT,
    image_hash    TEXT,
    deployment_id INTEGER,
    kind          TEXT    NOT NULL
) STRICT;
CREATE INDEX firmware_history_by_device ON firmware_history (device_id);

CREATE TABLE deployments (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    name_lower  TEXT    NOT NULL,
    firmware_id INTEGER NOT NULL,
    target      TEXT    NOT NULL,
    policy      TEXT    NOT NULL,
    created_by  INTEGER NOT NULL,
    hash        TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    version     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    planned     INTEGER NOT NULL,
    plan_cursor INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    CONSTRAINT deployments_firmware FOREIGN KEY (firmware_id) REFERENCES firmware (id)
) STRICT;
CREATE INDEX deployments_by_state ON deployments (state);
CREATE INDEX deployments_by_firmware ON deployments (firmware_id);

-- `finished_at` is set exactly when the state is final: the second index finds a device's open updates by it.
-- The device's key stands here too (it never changes): what a page, a search or a dispatch needs is then one row.
-- No foreign keys: devices and deployments are never deleted, and checking a chunk at once is far cheaper than row by row.
CREATE TABLE device_updates (
    deployment_id       INTEGER NOT NULL,
    device_id           INTEGER NOT NULL,
    device_key          TEXT    NOT NULL,
    state               TEXT    NOT NULL,
    attempt             INTEGER NOT NULL,
    progress            INTEGER NOT NULL,
    downloaded_bytes    INTEGER NOT NULL,
    total_bytes         INTEGER NOT NULL,
    message             TEXT,
    dispatched_at       INTEGER,
    download_started_at INTEGER,
    last_event_at       INTEGER,
    finished_at         INTEGER,
    revision            INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_updates_by_state ON device_updates (deployment_id, state, device_id);
CREATE INDEX device_updates_by_device ON device_updates (device_id, finished_at);

CREATE TABLE outbox (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id     INTEGER NOT NULL,
    device_key    TEXT    NOT NULL,
    kind          TEXT    NOT NULL,
    deployment_id INTEGER NOT NULL,
    command_id    TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE inbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device_key  TEXT    NOT NULL,
    topic       TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    reason      TEXT,
    payload     BLOB    NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX inbox_by_kind ON inbox (kind);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    done_at INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;

CREATE TABLE idempotency (
    record_key   TEXT    NOT NULL PRIMARY KEY,
    request_hash TEXT    NOT NULL,
    status       INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE users (
    id                   INTEGER PRIMARY KEY AUTOINCREMENT,
    name                 TEXT    NOT NULL,
    password_hash        TEXT    NOT NULL,
    role                 TEXT    NOT NULL,
    must_change_password INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    CONSTRAINT users_name UNIQUE (name)
) STRICT;

CREATE TABLE sessions (
    token_hash TEXT    NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    CONSTRAINT sessions_user FOREIGN KEY (user_id) REFERENCES users (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    name       TEXT    NOT NULL,
    token_hash TEXT    NOT NULL,
    user_id    INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    CONSTRAINT api_tokens_hash UNIQUE (token_hash),
    CONSTRAINT api_tokens_user FOREIGN KEY (user_id) REFERENCES users (id)
) STRICT;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);
