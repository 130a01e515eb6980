-- SPDX-License-Identifier: Apache-2.0
--
-- 004 user metadata.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <004_usermetadata.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- What an application keeps of a user, a JSON object; user_id is the external id if
-- there is one.
CREATE TABLE IF NOT EXISTS st_user_metadata (
    app_id   TEXT NOT NULL,
    user_id  TEXT NOT NULL,
    metadata TEXT NOT NULL,
    row_ver  INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (4, '004_usermetadata', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
