-- SPDX-License-Identifier: Apache-2.0
--
-- 004 user metadata.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 004_usermetadata.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- What an application keeps of a user, a JSON object; user_id is the external id if
-- there is one.
CREATE TABLE IF NOT EXISTS st_user_metadata (
    app_id   VARCHAR(64) COLLATE "C" NOT NULL,
    user_id  VARCHAR(128) COLLATE "C" NOT NULL,
    metadata TEXT NOT NULL,
    row_ver  BIGINT NOT NULL,
    CONSTRAINT st_user_metadata_pkey PRIMARY KEY (app_id, user_id)
);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (4, '004_usermetadata', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
