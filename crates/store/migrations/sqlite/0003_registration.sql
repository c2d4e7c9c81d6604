-- One-time codes of registration, and the wrong codes that devices sent. The same number says the same in every folder.
-- `mac` is the keyed hash of a code (the code stands nowhere). `live_mac` is the same while the code may be open, so that of two
-- equal codes only one is; it is cleared when the code ends, and before a new one is made for all that have expired.
-- No foreign keys: a code lives minutes, and what it refers to is looked up when it is used.

CREATE TABLE registration_codes (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    mac             TEXT    NOT NULL,
    live_mac        TEXT,
    product_id      INTEGER NOT NULL,
    group_id        INTEGER NOT NULL,
    region_id       INTEGER NOT NULL,
    device_name     TEXT,
    created_by      INTEGER NOT NULL,
    actor           TEXT    NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    fate            TEXT    NOT NULL,
    ended_at        INTEGER,
    ended_by        TEXT,
    used_by_id      INTEGER,
    used_by_key     TEXT,
    CONSTRAINT registration_codes_live UNIQUE (live_mac)
) STRICT;
CREATE INDEX registration_codes_by_mac ON registration_codes (mac);
CREATE INDEX registration_codes_by_expiry ON registration_codes (expires_at);

CREATE TABLE registration_tries (
    device_id INTEGER NOT NULL PRIMARY KEY,
    wrong     INTEGER NOT NULL,
    last_at   INTEGER NOT NULL
) STRICT;
