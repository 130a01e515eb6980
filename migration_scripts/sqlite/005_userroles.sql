-- SPDX-License-Identifier: Apache-2.0
--
-- 005 roles, their permissions, and who has them.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <005_userroles.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- A role of an application.
CREATE TABLE IF NOT EXISTS st_roles (
    app_id     TEXT NOT NULL,
    role       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, role)
) STRICT, WITHOUT ROWID;

-- What a role permits.
CREATE TABLE IF NOT EXISTS st_role_permissions (
    app_id     TEXT NOT NULL,
    role       TEXT NOT NULL,
    permission TEXT NOT NULL,
    PRIMARY KEY (app_id, role, permission)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_role_permissions_permission
    ON st_role_permissions (app_id, permission, role);

-- Who has which role in a tenant; user_id is the external id if there is one.
CREATE TABLE IF NOT EXISTS st_user_roles (
    app_id    TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    user_id   TEXT NOT NULL,
    role      TEXT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id, role)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS st_user_roles_role
    ON st_user_roles (app_id, tenant_id, role, user_id);
CREATE INDEX IF NOT EXISTS st_user_roles_app_role ON st_user_roles (app_id, role);
CREATE INDEX IF NOT EXISTS st_user_roles_user ON st_user_roles (app_id, user_id);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (5, '005_userroles', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
