-- Contents (what displays show), deployments of them, and what devices show. The same number says the same in the other folders.

CREATE TABLE contents (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    title           TEXT    NOT NULL,
    title_lower     TEXT    NOT NULL,
    description     TEXT    NOT NULL,
    product_id      INTEGER NOT NULL,
    file_name       TEXT    NOT NULL,
    file_name_lower TEXT    NOT NULL,
    original_id     INTEGER,
    binary_id       INTEGER NOT NULL,
    preview_id      INTEGER NOT NULL,
    thumbnail_id    INTEGER NOT NULL,
    facts           TEXT    NOT NULL,
    state           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    CONSTRAINT contents_title UNIQUE (title_lower),
    -- One content for one binary, so that a device's report names it.
    CONSTRAINT contents_binary UNIQUE (product_id, binary_id),
    CONSTRAINT contents_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT contents_original_file FOREIGN KEY (original_id) REFERENCES artifacts (id),
    CONSTRAINT contents_binary_file FOREIGN KEY (binary_id) REFERENCES artifacts (id),
    CONSTRAINT contents_preview_file FOREIGN KEY (preview_id) REFERENCES artifacts (id),
    CONSTRAINT contents_thumbnail_file FOREIGN KEY (thumbnail_id) REFERENCES artifacts (id)
) STRICT;

-- A deployment is of one firmware, or of contents (`content_ids`: a JSON array, in order). `files` says for ever what is sent:
-- [{artifact, hash, size, name}]. SQLite cannot make a column nullable: the table is built anew.
CREATE TABLE deployments_new (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT    NOT NULL,
    name_lower  TEXT    NOT NULL,
    firmware_id INTEGER,
    content_ids TEXT,
    product_id  INTEGER NOT NULL,
    files       TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    policy      TEXT    NOT NULL,
    created_by  INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    version     TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    planned     INTEGER NOT NULL,
    plan_cursor INTEGER NOT NULL,
    generation  INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    started_at  INTEGER,
    finished_at INTEGER,
    CONSTRAINT deployments_firmware FOREIGN KEY (firmware_id) REFERENCES firmware (id),
    CONSTRAINT deployments_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT deployments_payload CHECK ((firmware_id IS NULL) <> (content_ids IS NULL))
) STRICT;
INSERT INTO deployments_new (id, name, name_lower, firmware_id, product_id, files, target, policy, created_by, size, version, state,
                             planned, plan_cursor, generation, created_at, started_at, finished_at)
SELECT d.id, d.name, d.name_lower, d.firmware_id, f.product_id,
       json_array(json_object('artifact', f.artifact_id, 'hash', d.hash, 'size', d.size, 'name', f.file_name)),
       d.target, d.policy, d.created_by, d.size, d.version, d.state, d.planned, d.plan_cursor, d.generation, d.created_at,
       d.started_at, d.finished_at
FROM deployments d JOIN firmware f ON f.id = d.firmware_id;
DROP TABLE deployments;
ALTER TABLE deployments_new RENAME TO deployments;
CREATE INDEX deployments_by_state ON deployments (state);
CREATE INDEX deployments_by_firmware ON deployments (firmware_id);

CREATE TABLE deployment_contents (
    deployment_id INTEGER NOT NULL,
    content_id    INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, content_id),
    CONSTRAINT deployment_contents_content FOREIGN KEY (content_id) REFERENCES contents (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX deployment_contents_by_content ON deployment_contents (content_id);

-- Files of a content update (0: firmware), and how many the device said it has.
ALTER TABLE device_updates ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE device_updates ADD COLUMN files_done INTEGER NOT NULL DEFAULT 0;

-- What a device shows and what it was last sent with success, as sorted JSON arrays of artifact ids. Written when it changes, never by
-- a status that says what is known.
CREATE TABLE device_shown (
    device_id     INTEGER NOT NULL PRIMARY KEY,
    shown         TEXT    NOT NULL,
    since         INTEGER NOT NULL,
    reported      INTEGER NOT NULL,
    expected      TEXT,
    deployment_id INTEGER,
    mismatch      INTEGER NOT NULL
) STRICT;
CREATE INDEX device_shown_by_mismatch ON device_shown (mismatch, device_id);

-- The same by product and file: which devices show it. Ids are what devices say: they may be none that exists.
CREATE TABLE device_contents (
    product_id  INTEGER NOT NULL,
    artifact_id INTEGER NOT NULL,
    device_id   INTEGER NOT NULL,
    PRIMARY KEY (product_id, artifact_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_contents_by_device ON device_contents (device_id);

CREATE TABLE content_history (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id     INTEGER NOT NULL,
    changed_at    INTEGER NOT NULL,
    shown         TEXT    NOT NULL,
    deployment_id INTEGER,
    kind          TEXT    NOT NULL
) STRICT;
CREATE INDEX content_history_by_device ON content_history (device_id);
