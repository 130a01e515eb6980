-- SPDX-License-Identifier: Apache-2.0
--
-- 007 the dashboard: who may use it, and their sessions.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/007_dashboard.sql
--
-- One that broke off is simply run again; see 001.

-- Who may sign in to the dashboard.
CREATE TABLE IF NOT EXISTS st_dashboard_users (
    app_id        VARBINARY(256) NOT NULL,
    user_id       VARBINARY(144) NOT NULL,
    email         VARBINARY(1024) NOT NULL,
    password_hash VARBINARY(2048) NOT NULL,
    time_joined   BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id),
    UNIQUE KEY email (app_id, email)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Sessions of the dashboard's users.
CREATE TABLE IF NOT EXISTS st_dashboard_sessions (
    app_id     VARBINARY(256) NOT NULL,
    session_id VARBINARY(256) NOT NULL,
    user_id    VARBINARY(144) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, session_id),
    KEY user (app_id, user_id),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (7, '007_dashboard', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
