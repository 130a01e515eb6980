-- SPDX-License-Identifier: Apache-2.0
--
-- 007 the dashboard: who may use it, and their sessions.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <007_dashboard.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- Who may sign in to the dashboard.
CREATE TABLE IF NOT EXISTS st_dashboard_users (
    app_id        TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    email         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    time_joined   INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS st_dashboard_users_email
    ON st_dashboard_users (app_id, email);

-- Sessions of the dashboard's users.
CREATE TABLE IF NOT EXISTS st_dashboard_sessions (
    app_id     TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_dashboard_sessions_user
    ON st_dashboard_sessions (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_dashboard_sessions_expires
    ON st_dashboard_sessions (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (7, '007_dashboard', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
