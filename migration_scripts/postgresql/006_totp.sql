-- SPDX-License-Identifier: Apache-2.0
--
-- 006 time-based one-time passwords: devices, and the codes that were used.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 006_totp.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- A user who has devices; the row that is locked.
CREATE TABLE IF NOT EXISTS st_totp_users (
    app_id  VARCHAR(64) COLLATE "C" NOT NULL,
    user_id VARCHAR(128) COLLATE "C" NOT NULL,
    row_ver BIGINT NOT NULL,
    CONSTRAINT st_totp_users_pkey PRIMARY KEY (app_id, user_id)
);

-- A device and the secret it shares.
CREATE TABLE IF NOT EXISTS st_totp_devices (
    app_id      VARCHAR(64) COLLATE "C" NOT NULL,
    user_id     VARCHAR(128) COLLATE "C" NOT NULL,
    device_name VARCHAR(256) COLLATE "C" NOT NULL,
    secret_key  VARCHAR(256) COLLATE "C" NOT NULL,
    period      BIGINT NOT NULL,
    skew        BIGINT NOT NULL,
    verified    BOOLEAN NOT NULL,
    created_at  BIGINT NOT NULL,
    CONSTRAINT st_totp_devices_pkey PRIMARY KEY (app_id, user_id, device_name)
);

-- Codes that were tried, right or wrong, until they expire.
CREATE TABLE IF NOT EXISTS st_totp_used_codes (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id  VARCHAR(64) COLLATE "C" NOT NULL,
    user_id    VARCHAR(128) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    nonce      VARCHAR(16) COLLATE "C" NOT NULL,
    code       VARCHAR(16) COLLATE "C" NOT NULL,
    is_valid   BOOLEAN NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT st_totp_used_codes_pkey PRIMARY KEY (app_id, tenant_id, user_id, created_at, nonce)
);
CREATE INDEX IF NOT EXISTS st_totp_used_codes_user
    ON st_totp_used_codes (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_totp_used_codes_expires ON st_totp_used_codes (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (6, '006_totp', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
