-- SPDX-License-Identifier: Apache-2.0
--
-- 004 user metadata.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/004_usermetadata.sql
--
-- One that broke off is simply run again; see 001.

-- What an application keeps of a user, a JSON object; user_id is the external id if
-- there is one.
CREATE TABLE IF NOT EXISTS st_user_metadata (
    app_id   VARBINARY(256) NOT NULL,
    user_id  VARBINARY(512) NOT NULL,
    metadata MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    row_ver  BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (4, '004_usermetadata', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
