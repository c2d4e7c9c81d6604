-- One-time codes of registration, and the wrong codes that devices sent. The same number says the same in every folder.
-- `mac` is the keyed hash of a code (the code stands nowhere). `live_mac` is the same while the code may be open, so that of two
-- equal codes only one is; it is cleared when the code ends, and before a new one is made for all that have expired.
-- No foreign keys: a code lives minutes, and what it refers to is looked up when it is used.

CREATE TABLE registration_codes (
    id              BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    mac             VARCHAR(64) NOT NULL,
    live_mac        VARCHAR(64),
    product_id      BIGINT NOT NULL,
    group_id        BIGINT NOT NULL,
    region_id       BIGINT NOT NULL,
    device_name     VARCHAR(512),
    created_by      BIGINT NOT NULL,
    actor           VARCHAR(512) NOT NULL,
    created_at      BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    fate            VARCHAR(32) NOT NULL,
    ended_at        BIGINT,
    ended_by        VARCHAR(512),
    used_by_id      BIGINT,
    used_by_key     VARCHAR(64),
    CONSTRAINT registration_codes_live UNIQUE (live_mac)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX registration_codes_by_mac ON registration_codes (mac);
CREATE INDEX registration_codes_by_expiry ON registration_codes (expires_at);

CREATE TABLE registration_tries (
    device_id BIGINT NOT NULL PRIMARY KEY,
    wrong     BIGINT NOT NULL,
    last_at   BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
