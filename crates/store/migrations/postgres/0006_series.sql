-- The last status of a device is the series store's. The table inbox stays until the server has drained it into there at its
-- next start; then it drops it.
ALTER TABLE device_status DROP COLUMN status;
