-- The hold of a server that was restored (one row, or none), and messages that ask for what a held server does not do: they are
-- judged when it resumes. The same number says the same in every folder.

CREATE TABLE server_hold (
    slot      INTEGER NOT NULL PRIMARY KEY,
    since     INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    backup_at INTEGER
) STRICT;

CREATE TABLE deferred_messages (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device_key  TEXT    NOT NULL,
    topic       TEXT    NOT NULL,
    payload     BLOB    NOT NULL,
    context     TEXT    NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
CREATE INDEX deferred_messages_by_device ON deferred_messages (device_key, topic);
