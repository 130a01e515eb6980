-- SPDX-License-Identifier: Apache-2.0
--
-- 001 initial schema: the platform tables, users, email/password, signing keys and
-- sessions.
--
-- The server runs it by itself. By hand, with the server stopped or running:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 001_initial_schema.sql
--
-- or \i from psql. The tables go to the first schema of search_path; for another one run
-- SET search_path TO name; before. Safe to run twice, and while a server migrates: the
-- lock makes one wait for the other. Times are milliseconds since 1970 in UTC; text that
-- is compared or ordered has COLLATE "C", byte by byte.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- The history of these scripts. compat is the lowest schema version a server must know to
-- use the database; the server fills in sha256, the hash of the script, when it first sees
-- the row.
CREATE TABLE IF NOT EXISTS st_schema_version (
    version    INTEGER NOT NULL,
    name       TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    compat     INTEGER NOT NULL,
    sha256     TEXT,
    CONSTRAINT st_schema_version_pkey PRIMARY KEY (version)
);

-- An application; state is 'active' or 'deleting'.
CREATE TABLE IF NOT EXISTS st_apps (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    state      VARCHAR(16) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT st_apps_pkey PRIMARY KEY (app_id)
);

-- A tenant of an application, in the database that holds its rows.
CREATE TABLE IF NOT EXISTS st_tenants (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id  VARCHAR(64) COLLATE "C" NOT NULL,
    state      VARCHAR(16) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    row_ver    BIGINT NOT NULL,
    CONSTRAINT st_tenants_pkey PRIMARY KEY (app_id, tenant_id)
);

-- What an operator set for a tenant; only in the base database. seq tells other
-- cores what changed.
CREATE TABLE IF NOT EXISTS st_tenant_configs (
    cud           VARCHAR(256) COLLATE "C" NOT NULL,
    app_id        VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id     VARCHAR(64) COLLATE "C" NOT NULL,
    core_config   TEXT NOT NULL,
    recipe_config TEXT NOT NULL,
    state         VARCHAR(16) COLLATE "C" NOT NULL,
    seq           BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    CONSTRAINT st_tenant_configs_pkey PRIMARY KEY (cud, app_id, tenant_id)
);
CREATE INDEX IF NOT EXISTS st_tenant_configs_seq ON st_tenant_configs (seq);

-- Small facts of an application: the refresh token key, the telemetry id.
CREATE TABLE IF NOT EXISTS st_key_value (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id  VARCHAR(64) COLLATE "C" NOT NULL,
    name       VARCHAR(128) COLLATE "C" NOT NULL,
    value      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT st_key_value_pkey PRIMARY KEY (app_id, tenant_id, name)
);

-- Named counters whose row is also a lock.
CREATE TABLE IF NOT EXISTS st_locks (
    app_id VARCHAR(64) COLLATE "C" NOT NULL,
    name   VARCHAR(255) COLLATE "C" NOT NULL,
    n      BIGINT NOT NULL,
    CONSTRAINT st_locks_pkey PRIMARY KEY (app_id, name)
);

-- Leases of background jobs: one core runs each.
CREATE TABLE IF NOT EXISTS st_jobs (
    name        VARCHAR(255) COLLATE "C" NOT NULL,
    owner       VARCHAR(64) COLLATE "C" NOT NULL,
    lease_until BIGINT NOT NULL,
    last_run    BIGINT NOT NULL,
    CONSTRAINT st_jobs_pkey PRIMARY KEY (name)
);

-- Private keys that sign tokens. The unique slot keeps two cores from making the
-- same successor.
CREATE TABLE IF NOT EXISTS st_signing_keys (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    key_id     VARCHAR(255) COLLATE "C" NOT NULL,
    kind       VARCHAR(8) COLLATE "C" NOT NULL,
    algorithm  VARCHAR(16) COLLATE "C" NOT NULL,
    key_data   TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    slot       VARCHAR(128) COLLATE "C",
    CONSTRAINT st_signing_keys_pkey PRIMARY KEY (app_id, key_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS st_signing_keys_slot ON st_signing_keys (app_id, slot);
CREATE INDEX IF NOT EXISTS st_signing_keys_kind ON st_signing_keys (app_id, kind, created_at);

-- One row per visible user; the row that is locked.
CREATE TABLE IF NOT EXISTS st_users (
    app_id           VARCHAR(64) COLLATE "C" NOT NULL,
    user_id          VARCHAR(36) COLLATE "C" NOT NULL,
    is_primary       BOOLEAN NOT NULL,
    time_joined      BIGINT NOT NULL,
    recipe_mask      BIGINT NOT NULL,
    lm_count         BIGINT NOT NULL,
    external_user_id VARCHAR(128) COLLATE "C",
    row_ver          BIGINT NOT NULL,
    CONSTRAINT st_users_pkey PRIMARY KEY (app_id, user_id)
);

-- One row per recipe user (one way of signing in).
CREATE TABLE IF NOT EXISTS st_login_methods (
    app_id           VARCHAR(64) COLLATE "C" NOT NULL,
    recipe_user_id   VARCHAR(36) COLLATE "C" NOT NULL,
    user_id          VARCHAR(36) COLLATE "C" NOT NULL,
    recipe_id        VARCHAR(16) COLLATE "C" NOT NULL,
    time_joined      BIGINT NOT NULL,
    email            VARCHAR(256) COLLATE "C",
    phone            VARCHAR(256) COLLATE "C",
    tp_id            VARCHAR(64) COLLATE "C",
    tp_user_id       VARCHAR(256) COLLATE "C",
    rp_id            VARCHAR(256) COLLATE "C",
    password_hash    VARCHAR(512) COLLATE "C",
    external_user_id VARCHAR(128) COLLATE "C",
    verified         BOOLEAN NOT NULL,
    updated_at       BIGINT NOT NULL,
    CONSTRAINT st_login_methods_pkey PRIMARY KEY (app_id, recipe_user_id)
);
CREATE INDEX IF NOT EXISTS st_login_methods_user ON st_login_methods (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_login_methods_email ON st_login_methods (app_id, email);
CREATE INDEX IF NOT EXISTS st_login_methods_phone ON st_login_methods (app_id, phone);
CREATE INDEX IF NOT EXISTS st_login_methods_tp ON st_login_methods (app_id, tp_id, tp_user_id);

-- A login method in a tenant; sign-in reads this row. uk_email is the email where it
-- must be unique and NULL elsewhere: a unique key does not constrain NULLs.
CREATE TABLE IF NOT EXISTS st_user_tenants (
    app_id           VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id        VARCHAR(64) COLLATE "C" NOT NULL,
    recipe_user_id   VARCHAR(36) COLLATE "C" NOT NULL,
    user_id          VARCHAR(36) COLLATE "C" NOT NULL,
    recipe_id        VARCHAR(16) COLLATE "C" NOT NULL,
    is_primary       BOOLEAN NOT NULL,
    time_joined      BIGINT NOT NULL,
    email            VARCHAR(256) COLLATE "C",
    email_domain     VARCHAR(256) COLLATE "C",
    phone            VARCHAR(256) COLLATE "C",
    tp_id            VARCHAR(64) COLLATE "C",
    tp_id_lc         VARCHAR(64) COLLATE "C",
    tp_user_id       VARCHAR(256) COLLATE "C",
    uk_email         VARCHAR(256) COLLATE "C",
    password_hash    VARCHAR(512) COLLATE "C",
    external_user_id VARCHAR(128) COLLATE "C",
    verified         BOOLEAN NOT NULL,
    CONSTRAINT st_user_tenants_pkey PRIMARY KEY (app_id, tenant_id, recipe_user_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS st_user_tenants_uk_email
    ON st_user_tenants (app_id, tenant_id, recipe_id, uk_email);
CREATE UNIQUE INDEX IF NOT EXISTS st_user_tenants_uk_phone
    ON st_user_tenants (app_id, tenant_id, phone);
CREATE UNIQUE INDEX IF NOT EXISTS st_user_tenants_uk_tp
    ON st_user_tenants (app_id, tenant_id, tp_id, tp_user_id);
CREATE INDEX IF NOT EXISTS st_user_tenants_email ON st_user_tenants (app_id, tenant_id, email);
CREATE INDEX IF NOT EXISTS st_user_tenants_email_domain
    ON st_user_tenants (app_id, tenant_id, email_domain);
CREATE INDEX IF NOT EXISTS st_user_tenants_tp ON st_user_tenants (app_id, tenant_id, tp_id_lc);
CREATE INDEX IF NOT EXISTS st_user_tenants_app_email ON st_user_tenants (app_id, email);
CREATE INDEX IF NOT EXISTS st_user_tenants_user ON st_user_tenants (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_user_tenants_recipe_user ON st_user_tenants (app_id, recipe_user_id);

-- A visible user in a tenant; pages of the user list read this table.
CREATE TABLE IF NOT EXISTS st_tenant_users (
    app_id      VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id   VARCHAR(64) COLLATE "C" NOT NULL,
    user_id     VARCHAR(36) COLLATE "C" NOT NULL,
    time_joined BIGINT NOT NULL,
    recipe_mask BIGINT NOT NULL,
    lm_count    BIGINT NOT NULL,
    CONSTRAINT st_tenant_users_pkey PRIMARY KEY (app_id, tenant_id, user_id)
);
CREATE INDEX IF NOT EXISTS st_tenant_users_joined
    ON st_tenant_users (app_id, tenant_id, time_joined, user_id);
CREATE INDEX IF NOT EXISTS st_tenant_users_recipe
    ON st_tenant_users (app_id, tenant_id, recipe_mask, time_joined, user_id);
CREATE INDEX IF NOT EXISTS st_tenant_users_user ON st_tenant_users (app_id, user_id);

-- Which primary user owns an email, phone or third-party account in a tenant.
CREATE TABLE IF NOT EXISTS st_account_reservations (
    app_id    VARCHAR(64) COLLATE "C" NOT NULL,
    rkey      VARCHAR(400) COLLATE "C" NOT NULL,
    tenant_id VARCHAR(64) COLLATE "C" NOT NULL,
    kind      VARCHAR(8) COLLATE "C" NOT NULL,
    user_id   VARCHAR(36) COLLATE "C" NOT NULL,
    CONSTRAINT st_account_reservations_pkey PRIMARY KEY (app_id, rkey)
);
CREATE INDEX IF NOT EXISTS st_account_reservations_user
    ON st_account_reservations (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_account_reservations_tenant
    ON st_account_reservations (app_id, tenant_id);

-- External ids of users.
CREATE TABLE IF NOT EXISTS st_user_id_mapping (
    app_id                VARCHAR(64) COLLATE "C" NOT NULL,
    supertokens_user_id   VARCHAR(36) COLLATE "C" NOT NULL,
    external_user_id      VARCHAR(128) COLLATE "C" NOT NULL,
    external_user_id_info TEXT,
    CONSTRAINT st_user_id_mapping_pkey PRIMARY KEY (app_id, supertokens_user_id)
);
CREATE UNIQUE INDEX IF NOT EXISTS st_user_id_mapping_external
    ON st_user_id_mapping (app_id, external_user_id);

-- Exact user counts in shards; tenant_id '' counts the whole application.
CREATE TABLE IF NOT EXISTS st_user_counters (
    app_id      VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id   VARCHAR(64) COLLATE "C" NOT NULL,
    recipe_mask BIGINT NOT NULL,
    shard       BIGINT NOT NULL,
    n           BIGINT NOT NULL,
    CONSTRAINT st_user_counters_pkey PRIMARY KEY (app_id, tenant_id, recipe_mask, shard)
);

-- When a user was last seen.
CREATE TABLE IF NOT EXISTS st_user_last_active (
    app_id      VARCHAR(64) COLLATE "C" NOT NULL,
    user_id     VARCHAR(128) COLLATE "C" NOT NULL,
    last_active BIGINT NOT NULL,
    CONSTRAINT st_user_last_active_pkey PRIMARY KEY (app_id, user_id)
);
CREATE INDEX IF NOT EXISTS st_user_last_active_last_active
    ON st_user_last_active (app_id, last_active);

-- Hashes of password reset tokens.
CREATE TABLE IF NOT EXISTS st_password_reset_tokens (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    token      VARCHAR(128) COLLATE "C" NOT NULL,
    user_id    VARCHAR(36) COLLATE "C" NOT NULL,
    email      VARCHAR(256) COLLATE "C",
    expires_at BIGINT NOT NULL,
    CONSTRAINT st_password_reset_tokens_pkey PRIMARY KEY (app_id, token)
);
CREATE INDEX IF NOT EXISTS st_password_reset_tokens_user
    ON st_password_reset_tokens (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_password_reset_tokens_expires
    ON st_password_reset_tokens (expires_at);

-- A session; user_id is the external id of the recipe user if it has one.
CREATE TABLE IF NOT EXISTS st_sessions (
    app_id             VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id          VARCHAR(64) COLLATE "C" NOT NULL,
    handle             VARCHAR(255) COLLATE "C" NOT NULL,
    user_id            VARCHAR(128) COLLATE "C" NOT NULL,
    refresh_hash2      VARCHAR(128) COLLATE "C" NOT NULL,
    prev_refresh_hash2 VARCHAR(128) COLLATE "C",
    rotated_at         BIGINT,
    session_data       TEXT NOT NULL,
    jwt_payload        TEXT NOT NULL,
    expires_at         BIGINT NOT NULL,
    created_at         BIGINT NOT NULL,
    use_static_key     BOOLEAN NOT NULL,
    CONSTRAINT st_sessions_pkey PRIMARY KEY (app_id, tenant_id, handle)
);
CREATE INDEX IF NOT EXISTS st_sessions_user ON st_sessions (app_id, user_id, expires_at);
CREATE INDEX IF NOT EXISTS st_sessions_expires ON st_sessions (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (1, '001_initial_schema', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
