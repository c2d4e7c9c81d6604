-- The registry; see migrations/sqlite for what the tables are for. The same number says the same in every folder.
-- utf8mb4_bin everywhere: case matters in keys, names, versions and codes. (Its one difference: blanks at the end do not.)
-- Numbers are BIGINT (artifact ids INT): the driver that speaks to all engines knows no TINYINT and no DECIMAL.

CREATE TABLE products (
    id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name         VARCHAR(512) NOT NULL,
    name_lower   VARCHAR(512) NOT NULL,
    chip         VARCHAR(255) NOT NULL,
    image_format VARCHAR(32) NOT NULL,
    slot_size    BIGINT NOT NULL,
    display      TEXT,
    created_at   BIGINT NOT NULL,
    CONSTRAINT products_name UNIQUE (name)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE device_groups (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARCHAR(512) NOT NULL,
    name_lower VARCHAR(512) NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT device_groups_name UNIQUE (name)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE regions (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    code       VARCHAR(255) NOT NULL,
    code_lower VARCHAR(255) NOT NULL,
    name       VARCHAR(512) NOT NULL,
    name_lower VARCHAR(512) NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT regions_code UNIQUE (code)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE artifacts (
    id         INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    hash       VARCHAR(64) NOT NULL,
    size       BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- An id is `file_info.id` on the wire, which old boards keep in 32 bits: INT.
    CONSTRAINT artifacts_hash UNIQUE (hash)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE uploads (
    id         VARCHAR(64) NOT NULL PRIMARY KEY,
    file_name  VARCHAR(512) NOT NULL,
    state      VARCHAR(32) NOT NULL,
    hash       VARCHAR(64),
    size       BIGINT,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX uploads_by_expiry ON uploads (expires_at, id);

CREATE TABLE firmware (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    product_id    BIGINT NOT NULL,
    version       VARCHAR(255) NOT NULL,
    file_name     VARCHAR(255) NOT NULL,
    version_lower VARCHAR(255) NOT NULL,
    file_name_lower VARCHAR(255) NOT NULL,
    artifact_id   INT NOT NULL,
    release_notes MEDIUMTEXT NOT NULL,
    facts         MEDIUMTEXT NOT NULL,
    state         VARCHAR(32) NOT NULL,
    created_at    BIGINT NOT NULL,
    CONSTRAINT firmware_file UNIQUE (product_id, version, file_name),
    CONSTRAINT firmware_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT firmware_artifact FOREIGN KEY (artifact_id) REFERENCES artifacts (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX firmware_by_artifact ON firmware (artifact_id, product_id);

-- What is written by every status message stands apart (device_status): this table is rarely written and well indexed.
CREATE TABLE devices (
    id               BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_key       VARCHAR(64) NOT NULL,
    key_lower        VARCHAR(64) NOT NULL,
    name             VARCHAR(512) NOT NULL,
    name_lower       VARCHAR(512) NOT NULL,
    product_id       BIGINT NOT NULL,
    group_id         BIGINT,
    region_id        BIGINT,
    attributes       TEXT NOT NULL,
    state            VARCHAR(32) NOT NULL,
    firmware_version VARCHAR(255),
    image_hash       VARCHAR(64),
    capabilities     TEXT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    CONSTRAINT devices_key UNIQUE (device_key),
    CONSTRAINT devices_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT devices_group FOREIGN KEY (group_id) REFERENCES device_groups (id),
    CONSTRAINT devices_region FOREIGN KEY (region_id) REFERENCES regions (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX devices_by_key_lower ON devices (key_lower, id);
CREATE INDEX devices_by_product ON devices (product_id, id);
CREATE INDEX devices_by_group ON devices (group_id, id);
CREATE INDEX devices_by_region ON devices (region_id, id);
CREATE INDEX devices_by_version ON devices (firmware_version, id);
CREATE INDEX devices_by_state ON devices (state, id);

-- One row a device, made with it.
CREATE TABLE device_status (
    device_id         BIGINT NOT NULL PRIMARY KEY,
    online            BIGINT NOT NULL,
    online_changed_at BIGINT,
    last_seen_at      BIGINT,
    status            LONGTEXT
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX device_status_by_online ON device_status (online, device_id);

CREATE TABLE certificates (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    issuer     VARCHAR(255) NOT NULL,
    serial     VARCHAR(64) NOT NULL,
    device_id  BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    not_after  BIGINT NOT NULL,
    state      VARCHAR(32) NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT certificates_serial UNIQUE (issuer, serial),
    CONSTRAINT certificates_device FOREIGN KEY (device_id) REFERENCES devices (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX certificates_by_device ON certificates (device_id);

CREATE TABLE firmware_history (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_id     BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    from_version  VARCHAR(255),
    to_version    VARCHAR(255),
    image_hash    VARCHAR(64),
    deployment_id BIGINT,
    kind          VARCHAR(32) NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX firmware_history_by_device ON firmware_history (device_id, id);

CREATE TABLE deployments (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name        VARCHAR(512) NOT NULL,
    name_lower  VARCHAR(512) NOT NULL,
    firmware_id BIGINT NOT NULL,
    target      LONGTEXT NOT NULL,
    policy      TEXT NOT NULL,
    created_by  BIGINT NOT NULL,
    hash        VARCHAR(64) NOT NULL,
    size        BIGINT NOT NULL,
    version     VARCHAR(255) NOT NULL,
    state       VARCHAR(32) NOT NULL,
    planned     BIGINT NOT NULL,
    plan_cursor BIGINT NOT NULL,
    generation  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    started_at  BIGINT,
    finished_at BIGINT,
    CONSTRAINT deployments_firmware FOREIGN KEY (firmware_id) REFERENCES firmware (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX deployments_by_state ON deployments (state);
CREATE INDEX deployments_by_firmware ON deployments (firmware_id);

-- `finished_at` is set exactly when the state is final: the second index finds a device's open updates by it.
-- The device's key stands here too (it never changes): what a page, a search or a dispatch needs is then one row.
-- No foreign keys: devices and deployments are never deleted, and checking a chunk at once is far cheaper than row by row.
CREATE TABLE device_updates (
    deployment_id       BIGINT NOT NULL,
    device_id           BIGINT NOT NULL,
    device_key          VARCHAR(64) NOT NULL,
    state               VARCHAR(32) NOT NULL,
    attempt             BIGINT NOT NULL,
    progress            BIGINT NOT NULL,
    downloaded_bytes    BIGINT NOT NULL,
    total_bytes         BIGINT NOT NULL,
    message             TEXT,
    dispatched_at       BIGINT,
    download_started_at BIGINT,
    last_event_at       BIGINT,
    finished_at         BIGINT,
    revision            BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, device_id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX device_updates_by_state ON device_updates (deployment_id, state, device_id);
CREATE INDEX device_updates_by_device ON device_updates (device_id, finished_at);

CREATE TABLE outbox (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_id     BIGINT NOT NULL,
    device_key    VARCHAR(64) NOT NULL,
    kind          VARCHAR(32) NOT NULL,
    deployment_id BIGINT NOT NULL,
    command_id    VARCHAR(255) NOT NULL,
    created_at    BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE inbox (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_key  VARCHAR(64) NOT NULL,
    topic       VARCHAR(1024) NOT NULL,
    kind        VARCHAR(32) NOT NULL,
    reason      TEXT,
    payload     LONGBLOB NOT NULL,
    received_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX inbox_by_kind ON inbox (kind, id);

CREATE TABLE audit (
    id      BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    done_at BIGINT NOT NULL,
    actor   VARCHAR(255) NOT NULL,
    action  VARCHAR(255) NOT NULL,
    subject VARCHAR(255) NOT NULL,
    detail  MEDIUMTEXT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE idempotency (
    record_key   VARCHAR(255) NOT NULL PRIMARY KEY,
    request_hash VARCHAR(64) NOT NULL,
    status       BIGINT NOT NULL,
    body         LONGTEXT NOT NULL,
    created_at   BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX idempotency_by_age ON idempotency (created_at);

CREATE TABLE users (
    id                   BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name                 VARCHAR(512) NOT NULL,
    password_hash        VARCHAR(512) NOT NULL,
    role                 VARCHAR(32) NOT NULL,
    must_change_password BIGINT NOT NULL,
    created_at           BIGINT NOT NULL,
    CONSTRAINT users_name UNIQUE (name)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE sessions (
    token_hash VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT sessions_user FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE api_tokens (
    id         BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    name       VARCHAR(512) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    user_id    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    CONSTRAINT api_tokens_hash UNIQUE (token_hash),
    CONSTRAINT api_tokens_user FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);
