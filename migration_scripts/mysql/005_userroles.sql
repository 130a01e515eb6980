-- SPDX-License-Identifier: Apache-2.0
--
-- 005 roles, their permissions, and who has them.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/005_userroles.sql
--
-- One that broke off is simply run again; see 001.

-- A role of an application.
CREATE TABLE IF NOT EXISTS st_roles (
    app_id     VARBINARY(256) NOT NULL,
    role       VARBINARY(1020) NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, role)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- What a role permits.
CREATE TABLE IF NOT EXISTS st_role_permissions (
    app_id     VARBINARY(256) NOT NULL,
    role       VARBINARY(1020) NOT NULL,
    permission VARBINARY(1020) NOT NULL,
    PRIMARY KEY (app_id, role, permission),
    KEY permission (app_id, permission, role)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Who has which role in a tenant; user_id is the external id if there is one.
CREATE TABLE IF NOT EXISTS st_user_roles (
    app_id    VARBINARY(256) NOT NULL,
    tenant_id VARBINARY(256) NOT NULL,
    user_id   VARBINARY(512) NOT NULL,
    role      VARBINARY(1020) NOT NULL,
    PRIMARY KEY (app_id, tenant_id, user_id, role),
    KEY role (app_id, tenant_id, role, user_id),
    KEY app_role (app_id, role),
    KEY user (app_id, user_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (5, '005_userroles', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
