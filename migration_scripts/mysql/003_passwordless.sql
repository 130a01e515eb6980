-- SPDX-License-Identifier: Apache-2.0
--
-- 003 passwordless: devices that were sent codes, and the codes.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/003_passwordless.sql
--
-- One that broke off is simply run again; see 001.

-- Who was sent codes for one sign-in; the row that is locked.
CREATE TABLE IF NOT EXISTS st_passwordless_devices (
    app_id          VARBINARY(256) NOT NULL,
    tenant_id       VARBINARY(256) NOT NULL,
    device_id_hash  VARBINARY(256) NOT NULL,
    email           VARBINARY(1024),
    phone           VARBINARY(1024),
    link_code_salt  VARBINARY(256) NOT NULL,
    failed_attempts BIGINT NOT NULL,
    expires_at      BIGINT NOT NULL,
    row_ver         BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, device_id_hash),
    KEY email (app_id, tenant_id, email),
    KEY phone (app_id, tenant_id, phone),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A code of a device; the user input code is not stored, only the hash of its link
-- code.
CREATE TABLE IF NOT EXISTS st_passwordless_codes (
    app_id         VARBINARY(256) NOT NULL,
    tenant_id      VARBINARY(256) NOT NULL,
    code_id        VARBINARY(256) NOT NULL,
    device_id_hash VARBINARY(256) NOT NULL,
    link_code_hash VARBINARY(256) NOT NULL,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, code_id),
    UNIQUE KEY link (app_id, tenant_id, link_code_hash),
    KEY device (app_id, tenant_id, device_id_hash),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (3, '003_passwordless', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
