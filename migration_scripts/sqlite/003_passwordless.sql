-- SPDX-License-Identifier: Apache-2.0
--
-- 003 passwordless: devices that were sent codes, and the codes.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <003_passwordless.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- Who was sent codes for one sign-in; the row that is locked.
CREATE TABLE IF NOT EXISTS st_passwordless_devices (
    app_id          TEXT NOT NULL,
    tenant_id       TEXT NOT NULL,
    device_id_hash  TEXT NOT NULL,
    email           TEXT,
    phone           TEXT,
    link_code_salt  TEXT NOT NULL,
    failed_attempts INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    row_ver         INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, device_id_hash)
) STRICT;
CREATE INDEX IF NOT EXISTS st_passwordless_devices_email
    ON st_passwordless_devices (app_id, tenant_id, email);
CREATE INDEX IF NOT EXISTS st_passwordless_devices_phone
    ON st_passwordless_devices (app_id, tenant_id, phone);
CREATE INDEX IF NOT EXISTS st_passwordless_devices_expires
    ON st_passwordless_devices (expires_at);

-- A code of a device; the user input code is not stored, only the hash of its link
-- code.
CREATE TABLE IF NOT EXISTS st_passwordless_codes (
    app_id         TEXT NOT NULL,
    tenant_id      TEXT NOT NULL,
    code_id        TEXT NOT NULL,
    device_id_hash TEXT NOT NULL,
    link_code_hash TEXT NOT NULL,
    created_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, code_id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS st_passwordless_codes_link
    ON st_passwordless_codes (app_id, tenant_id, link_code_hash);
CREATE INDEX IF NOT EXISTS st_passwordless_codes_device
    ON st_passwordless_codes (app_id, tenant_id, device_id_hash);
CREATE INDEX IF NOT EXISTS st_passwordless_codes_expires
    ON st_passwordless_codes (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (3, '003_passwordless', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
