-- SPDX-License-Identifier: Apache-2.0
--
-- 006 time-based one-time passwords: devices, and the codes that were used.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/006_totp.sql
--
-- One that broke off is simply run again; see 001.

-- A user who has devices; the row that is locked.
CREATE TABLE IF NOT EXISTS st_totp_users (
    app_id  VARBINARY(256) NOT NULL,
    user_id VARBINARY(512) NOT NULL,
    row_ver BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A device and the secret it shares.
CREATE TABLE IF NOT EXISTS st_totp_devices (
    app_id      VARBINARY(256) NOT NULL,
    user_id     VARBINARY(512) NOT NULL,
    device_name VARBINARY(1024) NOT NULL,
    secret_key  VARBINARY(1024) NOT NULL,
    period      BIGINT NOT NULL,
    skew        BIGINT NOT NULL,
    verified    TINYINT(1) NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id, device_name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Codes that were tried, right or wrong, until they expire.
CREATE TABLE IF NOT EXISTS st_totp_used_codes (
    app_id     VARBINARY(256) NOT NULL,
    tenant_id  VARBINARY(256) NOT NULL,
    user_id    VARBINARY(512) NOT NULL,
    created_at BIGINT NOT NULL,
    nonce      VARBINARY(64) NOT NULL,
    code       VARBINARY(64) NOT NULL,
    is_valid   TINYINT(1) NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id, created_at, nonce),
    KEY user (app_id, user_id),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (6, '006_totp', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
