-- Contents; see migrations/sqlite for what the tables are for. The same number says the same in every folder.

CREATE TABLE contents (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    title           VARCHAR(512) NOT NULL,
    title_lower     VARCHAR(512) NOT NULL,
    description     MEDIUMTEXT NOT NULL,
    product_id      BIGINT NOT NULL,
    file_name       VARCHAR(255) NOT NULL,
    file_name_lower VARCHAR(255) NOT NULL,
    original_id     INT,
    binary_id       INT NOT NULL,
    preview_id      INT NOT NULL,
    thumbnail_id    INT NOT NULL,
    facts           TEXT NOT NULL,
    state           VARCHAR(32) NOT NULL,
    created_at      BIGINT NOT NULL,
    CONSTRAINT contents_title UNIQUE (title_lower),
    CONSTRAINT contents_binary UNIQUE (product_id, binary_id),
    CONSTRAINT contents_product FOREIGN KEY (product_id) REFERENCES products (id),
    CONSTRAINT contents_original_file FOREIGN KEY (original_id) REFERENCES artifacts (id),
    CONSTRAINT contents_binary_file FOREIGN KEY (binary_id) REFERENCES artifacts (id),
    CONSTRAINT contents_preview_file FOREIGN KEY (preview_id) REFERENCES artifacts (id),
    CONSTRAINT contents_thumbnail_file FOREIGN KEY (thumbnail_id) REFERENCES artifacts (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

-- A deployment is of one firmware, or of contents.
ALTER TABLE deployments MODIFY firmware_id BIGINT NULL;
ALTER TABLE deployments ADD COLUMN content_ids TEXT;
ALTER TABLE deployments ADD COLUMN product_id BIGINT;
ALTER TABLE deployments ADD COLUMN files TEXT;
UPDATE deployments d JOIN firmware f ON f.id = d.firmware_id
SET d.product_id = f.product_id,
    d.files = JSON_ARRAY(JSON_OBJECT('artifact', f.artifact_id, 'hash', d.hash, 'size', d.size, 'name', f.file_name));
ALTER TABLE deployments MODIFY product_id BIGINT NOT NULL;
ALTER TABLE deployments MODIFY files TEXT NOT NULL;
ALTER TABLE deployments DROP COLUMN hash;
ALTER TABLE deployments ADD CONSTRAINT deployments_product FOREIGN KEY (product_id) REFERENCES products (id);
ALTER TABLE deployments ADD CONSTRAINT deployments_payload CHECK ((firmware_id IS NULL) <> (content_ids IS NULL));

CREATE TABLE deployment_contents (
    deployment_id BIGINT NOT NULL,
    content_id    BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, content_id),
    CONSTRAINT deployment_contents_content FOREIGN KEY (content_id) REFERENCES contents (id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX deployment_contents_by_content ON deployment_contents (content_id);

ALTER TABLE device_updates ADD COLUMN files BIGINT NOT NULL DEFAULT 0;
ALTER TABLE device_updates ADD COLUMN files_done BIGINT NOT NULL DEFAULT 0;

CREATE TABLE device_shown (
    device_id     BIGINT NOT NULL PRIMARY KEY,
    shown         MEDIUMTEXT NOT NULL,
    since         BIGINT NOT NULL,
    reported      BIGINT NOT NULL,
    expected      MEDIUMTEXT,
    deployment_id BIGINT,
    mismatch      BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX device_shown_by_mismatch ON device_shown (mismatch, device_id);

CREATE TABLE device_contents (
    product_id  BIGINT NOT NULL,
    artifact_id BIGINT NOT NULL,
    device_id   BIGINT NOT NULL,
    PRIMARY KEY (product_id, artifact_id, device_id)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX device_contents_by_device ON device_contents (device_id);

CREATE TABLE content_history (
    id            BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_id     BIGINT NOT NULL,
    changed_at    BIGINT NOT NULL,
    shown         MEDIUMTEXT NOT NULL,
    deployment_id BIGINT,
    kind          VARCHAR(32) NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX content_history_by_device ON content_history (device_id, id);
