-- SPDX-License-Identifier: Apache-2.0
--
-- 001 initial schema: the platform tables, users, email/password, signing keys and
-- sessions.  For MySQL 5.7 and newer and MariaDB 10.2 and newer alike.
--
-- The server runs it by itself. By hand, with the server stopped or running, in the
-- client program mysql after USE of the database:
--
--     source migration_scripts/mysql/001_initial_schema.sql
--
-- DDL commits by itself here, so each statement may be run twice and the record of the
-- script comes last: one that broke off is simply run again. Times are milliseconds since
-- 1970 in UTC; text that is compared or ordered is VARBINARY, four bytes a character, for
-- no collation is bytewise and unpadded on all of these servers.

-- The history of these scripts. compat is the lowest schema version a server must know to
-- use the database; the server fills in sha256, the hash of the script, when it first sees
-- the row.
CREATE TABLE IF NOT EXISTS st_schema_version (
    version    INTEGER NOT NULL,
    name       VARCHAR(255) NOT NULL,
    applied_at BIGINT NOT NULL,
    compat     INTEGER NOT NULL,
    sha256     CHAR(64),
    PRIMARY KEY (version)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- An application; state is 'active' or 'deleting'.
CREATE TABLE IF NOT EXISTS st_apps (
    app_id     VARBINARY(256) NOT NULL,
    state      VARBINARY(64) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (app_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A tenant of an application, in the database that holds its rows.
CREATE TABLE IF NOT EXISTS st_tenants (
    app_id     VARBINARY(256) NOT NULL,
    tenant_id  VARBINARY(256) NOT NULL,
    state      VARBINARY(64) NOT NULL,
    created_at BIGINT NOT NULL,
    row_ver    BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- What an operator set for a tenant; only in the base database. seq tells other
-- cores what changed.
CREATE TABLE IF NOT EXISTS st_tenant_configs (
    cud           VARBINARY(1024) NOT NULL,
    app_id        VARBINARY(256) NOT NULL,
    tenant_id     VARBINARY(256) NOT NULL,
    core_config   MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    recipe_config MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    state         VARBINARY(64) NOT NULL,
    seq           BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    PRIMARY KEY (cud, app_id, tenant_id),
    KEY seq (seq)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Small facts of an application: the refresh token key, the telemetry id.
CREATE TABLE IF NOT EXISTS st_key_value (
    app_id     VARBINARY(256) NOT NULL,
    tenant_id  VARBINARY(256) NOT NULL,
    name       VARBINARY(512) NOT NULL,
    value      MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Named counters whose row is also a lock.
CREATE TABLE IF NOT EXISTS st_locks (
    app_id VARBINARY(256) NOT NULL,
    name   VARBINARY(1020) NOT NULL,
    n      BIGINT NOT NULL,
    PRIMARY KEY (app_id, name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Leases of background jobs: one core runs each.
CREATE TABLE IF NOT EXISTS st_jobs (
    name        VARBINARY(1020) NOT NULL,
    owner       VARBINARY(256) NOT NULL,
    lease_until BIGINT NOT NULL,
    last_run    BIGINT NOT NULL,
    PRIMARY KEY (name)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Private keys that sign tokens. The unique slot keeps two cores from making the
-- same successor.
CREATE TABLE IF NOT EXISTS st_signing_keys (
    app_id     VARBINARY(256) NOT NULL,
    key_id     VARBINARY(1020) NOT NULL,
    kind       VARBINARY(32) NOT NULL,
    algorithm  VARBINARY(64) NOT NULL,
    key_data   MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created_at BIGINT NOT NULL,
    slot       VARBINARY(512),
    PRIMARY KEY (app_id, key_id),
    UNIQUE KEY slot (app_id, slot),
    KEY kind (app_id, kind, created_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- One row per visible user; the row that is locked.
CREATE TABLE IF NOT EXISTS st_users (
    app_id           VARBINARY(256) NOT NULL,
    user_id          VARBINARY(144) NOT NULL,
    is_primary       TINYINT(1) NOT NULL,
    time_joined      BIGINT NOT NULL,
    recipe_mask      BIGINT NOT NULL,
    lm_count         BIGINT NOT NULL,
    external_user_id VARBINARY(512),
    row_ver          BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- One row per recipe user (one way of signing in).
CREATE TABLE IF NOT EXISTS st_login_methods (
    app_id           VARBINARY(256) NOT NULL,
    recipe_user_id   VARBINARY(144) NOT NULL,
    user_id          VARBINARY(144) NOT NULL,
    recipe_id        VARBINARY(64) NOT NULL,
    time_joined      BIGINT NOT NULL,
    email            VARBINARY(1024),
    phone            VARBINARY(1024),
    tp_id            VARBINARY(256),
    tp_user_id       VARBINARY(1024),
    rp_id            VARBINARY(1024),
    password_hash    VARBINARY(2048),
    external_user_id VARBINARY(512),
    verified         TINYINT(1) NOT NULL,
    updated_at       BIGINT NOT NULL,
    PRIMARY KEY (app_id, recipe_user_id),
    KEY user (app_id, user_id),
    KEY email (app_id, email),
    KEY phone (app_id, phone),
    KEY tp (app_id, tp_id, tp_user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A login method in a tenant; sign-in reads this row. uk_email is the email where it
-- must be unique and NULL elsewhere: a unique key does not constrain NULLs.
CREATE TABLE IF NOT EXISTS st_user_tenants (
    app_id           VARBINARY(256) NOT NULL,
    tenant_id        VARBINARY(256) NOT NULL,
    recipe_user_id   VARBINARY(144) NOT NULL,
    user_id          VARBINARY(144) NOT NULL,
    recipe_id        VARBINARY(64) NOT NULL,
    is_primary       TINYINT(1) NOT NULL,
    time_joined      BIGINT NOT NULL,
    email            VARBINARY(1024),
    email_domain     VARBINARY(1024),
    phone            VARBINARY(1024),
    tp_id            VARBINARY(256),
    tp_id_lc         VARBINARY(256),
    tp_user_id       VARBINARY(1024),
    uk_email         VARBINARY(1024),
    password_hash    VARBINARY(2048),
    external_user_id VARBINARY(512),
    verified         TINYINT(1) NOT NULL,
    PRIMARY KEY (app_id, tenant_id, recipe_user_id),
    UNIQUE KEY uk_email (app_id, tenant_id, recipe_id, uk_email),
    UNIQUE KEY uk_phone (app_id, tenant_id, phone),
    UNIQUE KEY uk_tp (app_id, tenant_id, tp_id, tp_user_id),
    KEY email (app_id, tenant_id, email),
    KEY email_domain (app_id, tenant_id, email_domain),
    KEY tp (app_id, tenant_id, tp_id_lc),
    KEY app_email (app_id, email),
    KEY user (app_id, user_id),
    KEY recipe_user (app_id, recipe_user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A visible user in a tenant; pages of the user list read this table.
CREATE TABLE IF NOT EXISTS st_tenant_users (
    app_id      VARBINARY(256) NOT NULL,
    tenant_id   VARBINARY(256) NOT NULL,
    user_id     VARBINARY(144) NOT NULL,
    time_joined BIGINT NOT NULL,
    recipe_mask BIGINT NOT NULL,
    lm_count    BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id),
    KEY joined (app_id, tenant_id, time_joined, user_id),
    KEY recipe (app_id, tenant_id, recipe_mask, time_joined, user_id),
    KEY user (app_id, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Which primary user owns an email, phone or third-party account in a tenant.
CREATE TABLE IF NOT EXISTS st_account_reservations (
    app_id    VARBINARY(256) NOT NULL,
    rkey      VARBINARY(1600) NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    kind      VARBINARY(32) NOT NULL,
    user_id   VARBINARY(144) NOT NULL,
    PRIMARY KEY (app_id, rkey),
    KEY user (app_id, user_id),
    KEY tenant (app_id, tenant_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- External ids of users.
CREATE TABLE IF NOT EXISTS st_user_id_mapping (
    app_id                VARBINARY(256) NOT NULL,
    supertokens_user_id   VARBINARY(144) NOT NULL,
    external_user_id      VARBINARY(512) NOT NULL,
    external_user_id_info MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (app_id, supertokens_user_id),
    UNIQUE KEY external (app_id, external_user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Exact user counts in shards; tenant_id '' counts the whole application.
CREATE TABLE IF NOT EXISTS st_user_counters (
    app_id      VARBINARY(256) NOT NULL,
    tenant_id   VARBINARY(256) NOT NULL,
    recipe_mask BIGINT NOT NULL,
    shard       BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, recipe_mask, shard)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- When a user was last seen.
CREATE TABLE IF NOT EXISTS st_user_last_active (
    app_id      VARBINARY(256) NOT NULL,
    user_id     VARBINARY(512) NOT NULL,
    last_active BIGINT NOT NULL,
    PRIMARY KEY (app_id, user_id),
    KEY last_active (app_id, last_active)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Hashes of password reset tokens.
CREATE TABLE IF NOT EXISTS st_password_reset_tokens (
    app_id     VARBINARY(256) NOT NULL,
    token      VARBINARY(512) NOT NULL,
    user_id    VARBINARY(144) NOT NULL,
    email      VARBINARY(1024),
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, token),
    KEY user (app_id, user_id),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- A session; user_id is the external id of the recipe user if it has one.
CREATE TABLE IF NOT EXISTS st_sessions (
    app_id             VARBINARY(256) NOT NULL,
    tenant_id          VARBINARY(256) NOT NULL,
    handle             VARBINARY(1020) NOT NULL,
    user_id            VARBINARY(512) NOT NULL,
    refresh_hash2      VARBINARY(512) NOT NULL,
    prev_refresh_hash2 VARBINARY(512),
    rotated_at         BIGINT,
    session_data       MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    jwt_payload        MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    expires_at         BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    use_static_key     TINYINT(1) NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle),
    KEY user (app_id, user_id, expires_at),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (1, '001_initial_schema', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
