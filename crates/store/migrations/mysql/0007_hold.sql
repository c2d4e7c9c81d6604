-- The hold of a server that was restored (one row, or none), and messages that ask for what a held server does not do: they are
-- judged when it resumes. The same number says the same in every folder.

CREATE TABLE server_hold (
    slot      BIGINT NOT NULL PRIMARY KEY,
    since     BIGINT NOT NULL,
    reason    VARCHAR(1024) NOT NULL,
    backup_at BIGINT
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;

CREATE TABLE deferred_messages (
    id          BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    device_key  VARCHAR(64) NOT NULL,
    topic       VARCHAR(256) NOT NULL,
    payload     LONGBLOB NOT NULL,
    context     TEXT NOT NULL,
    received_at BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
CREATE INDEX deferred_messages_by_device ON deferred_messages (device_key, topic);
