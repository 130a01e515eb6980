-- SPDX-License-Identifier: Apache-2.0
--
-- 001 initial schema: the platform tables, users, email/password, signing keys and
-- sessions.
--
-- The server runs it by itself. By hand, with the server stopped or running:
--
--     sqlite3 .started/supertokens.db <001_initial_schema.sql
--
-- Safe to run twice. Times are milliseconds since 1970 in UTC, booleans are 0 or 1,
-- text is compared byte by byte (BINARY, SQLite's default). Tables of small rows are
-- stored in their primary key (WITHOUT ROWID).

BEGIN IMMEDIATE;

-- The history of these scripts. compat is the lowest schema version a server must know to
-- use the database; the server fills in sha256, the hash of the script, when it first sees
-- the row.
CREATE TABLE IF NOT EXISTS st_schema_version (
    version    INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    compat     INTEGER NOT NULL,
    sha256     TEXT
) STRICT;

-- An application; state is 'active' or 'deleting'.
CREATE TABLE IF NOT EXISTS st_apps (
    app_id     TEXT NOT NULL,
    state      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id)
) STRICT, WITHOUT ROWID;

-- A tenant of an application, in the database that holds its rows.
CREATE TABLE IF NOT EXISTS st_tenants (
    app_id     TEXT NOT NULL,
    tenant_id  TEXT NOT NULL,
    state      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    row_ver    INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
) STRICT, WITHOUT ROWID;

-- What an operator set for a tenant; only in the base database. seq tells other
-- cores what changed.
CREATE TABLE IF NOT EXISTS st_tenant_configs (
    cud           TEXT NOT NULL,
    app_id        TEXT NOT NULL,
    tenant_id     TEXT NOT NULL,
    core_config   TEXT NOT NULL,
    recipe_config TEXT NOT NULL,
    state         TEXT NOT NULL,
    seq           INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (cud, app_id, tenant_id)
) STRICT;
CREATE INDEX IF NOT EXISTS st_tenant_configs_seq ON st_tenant_configs (seq);

-- Small facts of an application: the refresh token key, the telemetry id.
CREATE TABLE IF NOT EXISTS st_key_value (
    app_id     TEXT NOT NULL,
    tenant_id  TEXT NOT NULL,
    name       TEXT NOT NULL,
    value      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, name)
) STRICT;

-- Named counters whose row is also a lock.
CREATE TABLE IF NOT EXISTS st_locks (
    app_id TEXT NOT NULL,
    name   TEXT NOT NULL,
    n      INTEGER NOT NULL,
    PRIMARY KEY (app_id, name)
) STRICT, WITHOUT ROWID;

-- Leases of background jobs: one core runs each.
CREATE TABLE IF NOT EXISTS st_jobs (
    name        TEXT NOT NULL,
    owner       TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    last_run    INTEGER NOT NULL,
    PRIMARY KEY (name)
) STRICT, WITHOUT ROWID;

-- Private keys that sign tokens. The unique slot keeps two cores from making the
-- same successor.
CREATE TABLE IF NOT EXISTS st_signing_keys (
    app_id     TEXT NOT NULL,
    key_id     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    algorithm  TEXT NOT NULL,
    key_data   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    slot       TEXT,
    PRIMARY KEY (app_id, key_id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS st_signing_keys_slot ON st_signing_keys (app_id, slot);
CREATE INDEX IF NOT EXISTS st_signing_keys_kind ON st_signing_keys (app_id, kind, created_at);

-- One row per visible user; the row that is locked.
CREATE TABLE IF NOT EXISTS st_users (
    app_id           TEXT NOT NULL,
    user_id          TEXT NOT NULL,
    is_primary       INTEGER NOT NULL,
    time_joined      INTEGER NOT NULL,
    recipe_mask      INTEGER NOT NULL,
    lm_count         INTEGER NOT NULL,
    external_user_id TEXT,
    row_ver          INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT, WITHOUT ROWID;

-- One row per recipe user (one way of signing in).
CREATE TABLE IF NOT EXISTS st_login_methods (
    app_id           TEXT NOT NULL,
    recipe_user_id   TEXT NOT NULL,
    user_id          TEXT NOT NULL,
    recipe_id        TEXT NOT NULL,
    time_joined      INTEGER NOT NULL,
    email            TEXT,
    phone            TEXT,
    tp_id            TEXT,
    tp_user_id       TEXT,
    rp_id            TEXT,
    password_hash    TEXT,
    external_user_id TEXT,
    verified         INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    PRIMARY KEY (app_id, recipe_user_id)
) STRICT;
CREATE INDEX IF NOT EXISTS st_login_methods_user ON st_login_methods (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_login_methods_email ON st_login_methods (app_id, email);
CREATE INDEX IF NOT EXISTS st_login_methods_phone ON st_login_methods (app_id, phone);
CREATE INDEX IF NOT EXISTS st_login_methods_tp ON st_login_methods (app_id, tp_id, tp_user_id);

-- A login method in a tenant; sign-in reads this row. uk_email is the email where it
-- must be unique and NULL elsewhere: a unique key does not constrain NULLs.
CREATE TABLE IF NOT EXISTS st_user_tenants (
    app_id           TEXT NOT NULL,
    tenant_id        TEXT NOT NULL,
    recipe_user_id   TEXT NOT NULL,
    user_id          TEXT NOT NULL,
    recipe_id        TEXT NOT NULL,
    is_primary       INTEGER NOT NULL,
    time_joined      INTEGER NOT NULL,
    email            TEXT,
    email_domain     TEXT,
    phone            TEXT,
    tp_id            TEXT,
    tp_id_lc         TEXT,
    tp_user_id       TEXT,
    uk_email         TEXT,
    password_hash    TEXT,
    external_user_id TEXT,
    verified         INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, recipe_user_id)
) STRICT;
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
    app_id      TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    time_joined INTEGER NOT NULL,
    recipe_mask INTEGER NOT NULL,
    lm_count    INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_tenant_users_joined
    ON st_tenant_users (app_id, tenant_id, time_joined, user_id);
CREATE INDEX IF NOT EXISTS st_tenant_users_recipe
    ON st_tenant_users (app_id, tenant_id, recipe_mask, time_joined, user_id);
CREATE INDEX IF NOT EXISTS st_tenant_users_user ON st_tenant_users (app_id, user_id);

-- Which primary user owns an email, phone or third-party account in a tenant.
CREATE TABLE IF NOT EXISTS st_account_reservations (
    app_id    TEXT NOT NULL,
    rkey      TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    kind      TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    PRIMARY KEY (app_id, rkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_account_reservations_user
    ON st_account_reservations (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_account_reservations_tenant
    ON st_account_reservations (app_id, tenant_id);

-- External ids of users.
CREATE TABLE IF NOT EXISTS st_user_id_mapping (
    app_id                TEXT NOT NULL,
    supertokens_user_id   TEXT NOT NULL,
    external_user_id      TEXT NOT NULL,
    external_user_id_info TEXT,
    PRIMARY KEY (app_id, supertokens_user_id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS st_user_id_mapping_external
    ON st_user_id_mapping (app_id, external_user_id);

-- Exact user counts in shards; tenant_id '' counts the whole application.
CREATE TABLE IF NOT EXISTS st_user_counters (
    app_id      TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    recipe_mask INTEGER NOT NULL,
    shard       INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, recipe_mask, shard)
) STRICT, WITHOUT ROWID;

-- When a user was last seen.
CREATE TABLE IF NOT EXISTS st_user_last_active (
    app_id      TEXT NOT NULL,
    user_id     TEXT NOT NULL,
    last_active INTEGER NOT NULL,
    PRIMARY KEY (app_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_user_last_active_last_active
    ON st_user_last_active (app_id, last_active);

-- Hashes of password reset tokens.
CREATE TABLE IF NOT EXISTS st_password_reset_tokens (
    app_id     TEXT NOT NULL,
    token      TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    email      TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, token)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_password_reset_tokens_user
    ON st_password_reset_tokens (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_password_reset_tokens_expires
    ON st_password_reset_tokens (expires_at);

-- A session; user_id is the external id of the recipe user if it has one.
CREATE TABLE IF NOT EXISTS st_sessions (
    app_id             TEXT NOT NULL,
    tenant_id          TEXT NOT NULL,
    handle             TEXT NOT NULL,
    user_id            TEXT NOT NULL,
    refresh_hash2      TEXT NOT NULL,
    prev_refresh_hash2 TEXT,
    rotated_at         INTEGER,
    session_data       TEXT NOT NULL,
    jwt_payload        TEXT NOT NULL,
    expires_at         INTEGER NOT NULL,
    created_at         INTEGER NOT NULL,
    use_static_key     INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle)
) STRICT;
CREATE INDEX IF NOT EXISTS st_sessions_user ON st_sessions (app_id, user_id, expires_at);
CREATE INDEX IF NOT EXISTS st_sessions_expires ON st_sessions (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (1, '001_initial_schema', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
