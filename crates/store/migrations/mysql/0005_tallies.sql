-- Tallies (exact counts, kept by the transaction that changes what they count), the search index of names and keys, and indexes for
-- filters of several columns. The same number says the same in every folder.

CREATE TABLE deployment_tallies (
    deployment_id    BIGINT NOT NULL,
    state            VARCHAR(32) NOT NULL,
    updates          BIGINT NOT NULL,
    downloaded_bytes BIGINT NOT NULL,
    total_bytes      BIGINT NOT NULL,
    PRIMARY KEY (deployment_id, state)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
INSERT INTO deployment_tallies (deployment_id, state, updates, downloaded_bytes, total_bytes)
SELECT deployment_id, state, COUNT(*), SUM(downloaded_bytes), SUM(total_bytes) FROM device_updates GROUP BY deployment_id, state;

-- Devices, and those of them that are connected. `region_id`, `group_id`: 0 is none, -1 is all, so each device is counted in four rows.
-- `version`: what was reported after a `=`; empty if nothing was.
CREATE TABLE fleet_tallies (
    region_id  BIGINT NOT NULL,
    group_id   BIGINT NOT NULL,
    product_id BIGINT NOT NULL,
    state      VARCHAR(32) NOT NULL,
    version    VARCHAR(256) NOT NULL,
    devices    BIGINT NOT NULL,
    online     BIGINT NOT NULL,
    PRIMARY KEY (region_id, group_id, product_id, state, version)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
INSERT INTO fleet_tallies (region_id, group_id, product_id, state, version, devices, online)
SELECT COALESCE(d.region_id, 0), COALESCE(d.group_id, 0), d.product_id, d.state, COALESCE(CONCAT('=', d.firmware_version), ''), COUNT(*),
       SUM(s.online)
FROM devices d JOIN device_status s ON s.device_id = d.id GROUP BY 1, 2, 3, 4, 5;
INSERT INTO fleet_tallies (region_id, group_id, product_id, state, version, devices, online)
SELECT region_id, -1, product_id, state, version, SUM(devices), SUM(online)
FROM fleet_tallies WHERE group_id >= 0 GROUP BY region_id, product_id, state, version;
INSERT INTO fleet_tallies (region_id, group_id, product_id, state, version, devices, online)
SELECT -1, group_id, product_id, state, version, SUM(devices), SUM(online)
FROM fleet_tallies WHERE region_id >= 0 GROUP BY group_id, product_id, state, version;

-- Which devices' names (gram > 0) and keys (gram < 0) hold a gram of one to three characters: `members` are those of 4,096 ids
-- (`chunk` = id / 4096), as 16-bit places or as a bitmap. A superset: what is found is looked at once more. The program fills it.
CREATE TABLE name_grams (
    chunk   BIGINT NOT NULL,
    gram    BIGINT NOT NULL,
    members VARBINARY(512) NOT NULL,
    PRIMARY KEY (chunk, gram)
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
-- One row: up to which device the index was filled, and whether that is all there were.
CREATE TABLE name_index (
    id       BIGINT NOT NULL PRIMARY KEY,
    upto     BIGINT NOT NULL,
    complete BIGINT NOT NULL
) ENGINE = InnoDB, CHARACTER SET utf8mb4, COLLATE utf8mb4_bin;
INSERT INTO name_index (id, upto, complete) SELECT 1, 0, CASE WHEN COUNT(*) = 0 THEN 1 ELSE 0 END FROM devices;

CREATE INDEX devices_by_region_group ON devices (region_id, group_id, id);
CREATE INDEX devices_by_region_version ON devices (region_id, firmware_version, id);
CREATE INDEX devices_by_group_version ON devices (group_id, firmware_version, id);
