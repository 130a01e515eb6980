-- SPDX-License-Identifier: Apache-2.0
--
-- 006 time-based one-time passwords: devices, and the codes that were used.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <006_totp.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- A user who has devices; the row that is locked.
CREATE TABLE IF NOT EXISTS st_totp_users (
    app_id  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    row_ver INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT, WITHOUT ROWID;

-- A device and the secret it shares.
CREATE TABLE IF NOT EXISTS st_totp_devices (
    app_id      TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    device_name TEXT NOT NULL,
    secret_key  TEXT NOT NULL,
    period      INTEGER NOT NULL,
    skew        INTEGER NOT NULL,
    verified    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id, device_name)
) STRICT, WITHOUT ROWID;

-- Codes that were tried, right or wrong, until they expire.
CREATE TABLE IF NOT EXISTS st_totp_used_codes (
    app_id     TEXT NOT NULL,
    tenant_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    nonce      TEXT NOT NULL,
    code       TEXT NOT NULL,
    is_valid   INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id, created_at, nonce)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_totp_used_codes_user
    ON st_totp_used_codes (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_totp_used_codes_expires ON st_totp_used_codes (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (6, '006_totp', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
