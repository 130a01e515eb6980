-- SPDX-License-Identifier: Apache-2.0
--
-- 005 roles, their permissions, and who has them.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 005_userroles.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- A role of an application.
CREATE TABLE IF NOT EXISTS st_roles (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    role       VARCHAR(255) COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT st_roles_pkey PRIMARY KEY (app_id, role)
);

-- What a role permits.
CREATE TABLE IF NOT EXISTS st_role_permissions (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    role       VARCHAR(255) COLLATE "C" NOT NULL,
    permission VARCHAR(255) COLLATE "C" NOT NULL,
    CONSTRAINT st_role_permissions_pkey PRIMARY KEY (app_id, role, permission)
);
CREATE INDEX IF NOT EXISTS st_role_permissions_permission
    ON st_role_permissions (app_id, permission, role);

-- Who has which role in a tenant; user_id is the external id if there is one.
CREATE TABLE IF NOT EXISTS st_user_roles (
    app_id    VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id VARCHAR(64) COLLATE "C" NOT NULL,
    user_id   VARCHAR(128) COLLATE "C" NOT NULL,
    role      VARCHAR(255) COLLATE "C" NOT NULL,
    CONSTRAINT st_user_roles_pkey PRIMARY KEY (app_id, tenant_id, user_id, role)
);
CREATE INDEX IF NOT EXISTS st_user_roles_role
    ON st_user_roles (app_id, tenant_id, role, user_id);
CREATE INDEX IF NOT EXISTS st_user_roles_app_role ON st_user_roles (app_id, role);
CREATE INDEX IF NOT EXISTS st_user_roles_user ON st_user_roles (app_id, user_id);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (5, '005_userroles', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
