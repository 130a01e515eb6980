-- SPDX-License-Identifier: Apache-2.0
--
-- 003 passwordless: devices that were sent codes, and the codes.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 003_passwordless.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- Who was sent codes for one sign-in; the row that is locked.
CREATE TABLE IF NOT EXISTS st_passwordless_devices (
    app_id          VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id       VARCHAR(64) COLLATE "C" NOT NULL,
    device_id_hash  VARCHAR(64) COLLATE "C" NOT NULL,
    email           VARCHAR(256) COLLATE "C",
    phone           VARCHAR(256) COLLATE "C",
    link_code_salt  VARCHAR(64) COLLATE "C" NOT NULL,
    failed_attempts BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    row_ver         BIGINT NOT NULL,
    CONSTRAINT st_passwordless_devices_pkey PRIMARY KEY (app_id, tenant_id, device_id_hash)
);
CREATE INDEX IF NOT EXISTS st_passwordless_devices_email
    ON st_passwordless_devices (app_id, tenant_id, email);
CREATE INDEX IF NOT EXISTS st_passwordless_devices_phone
    ON st_passwordless_devices (app_id, tenant_id, phone);
CREATE INDEX IF NOT EXISTS st_passwordless_devices_expires
    ON st_passwordless_devices (expires_at);

-- A code of a device; the user input code is not stored, only the hash of its link
-- code.
CREATE TABLE IF NOT EXISTS st_passwordless_codes (
    app_id         VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id      VARCHAR(64) COLLATE "C" NOT NULL,
    code_id        VARCHAR(64) COLLATE "C" NOT NULL,
    device_id_hash VARCHAR(64) COLLATE "C" NOT NULL,
    link_code_hash VARCHAR(64) COLLATE "C" NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    CONSTRAINT st_passwordless_codes_pkey PRIMARY KEY (app_id, tenant_id, code_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS st_passwordless_codes_link
    ON st_passwordless_codes (app_id, tenant_id, link_code_hash);
CREATE INDEX IF NOT EXISTS st_passwordless_codes_device
    ON st_passwordless_codes (app_id, tenant_id, device_id_hash);
CREATE INDEX IF NOT EXISTS st_passwordless_codes_expires
    ON st_passwordless_codes (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (3, '003_passwordless', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
