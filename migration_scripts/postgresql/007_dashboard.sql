-- SPDX-License-Identifier: Apache-2.0
--
-- 007 the dashboard: who may use it, and their sessions.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 007_dashboard.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- Who may sign in to the dashboard.
CREATE TABLE IF NOT EXISTS st_dashboard_users (
    app_id        VARCHAR(64) COLLATE "C" NOT NULL,
    user_id       VARCHAR(36) COLLATE "C" NOT NULL,
    email         VARCHAR(256) COLLATE "C" NOT NULL,
    password_hash VARCHAR(512) COLLATE "C" NOT NULL,
    time_joined   BIGINT NOT NULL,
    CONSTRAINT st_dashboard_users_pkey PRIMARY KEY (app_id, user_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS st_dashboard_users_email
    ON st_dashboard_users (app_id, email);

-- Sessions of the dashboard's users.
CREATE TABLE IF NOT EXISTS st_dashboard_sessions (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    session_id VARCHAR(64) COLLATE "C" NOT NULL,
    user_id    VARCHAR(36) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT st_dashboard_sessions_pkey PRIMARY KEY (app_id, session_id)
);
CREATE INDEX IF NOT EXISTS st_dashboard_sessions_user
    ON st_dashboard_sessions (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_dashboard_sessions_expires
    ON st_dashboard_sessions (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (7, '007_dashboard', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
