-- SPDX-License-Identifier: Apache-2.0
--
-- 002 email verification: which emails are verified, and the tokens that verify them.
--
-- The server runs it by itself. By hand, after the scripts before it, in the client
-- program mysql after USE of the database:
--
--     source migration_scripts/mysql/002_emailverification.sql
--
-- One that broke off is simply run again; see 001.

-- An email that a user has shown to be theirs; user_id is the external id if there is
-- one.
CREATE TABLE IF NOT EXISTS st_email_verified (
    app_id  VARBINARY(256) NOT NULL,
    user_id VARBINARY(512) NOT NULL,
    email   VARBINARY(1024) NOT NULL,
    PRIMARY KEY (app_id, user_id, email)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

-- Hashes of email verification tokens.
CREATE TABLE IF NOT EXISTS st_email_verification_tokens (
    app_id     VARBINARY(256) NOT NULL,
    tenant_id  VARBINARY(256) NOT NULL,
    token      VARBINARY(512) NOT NULL,
    user_id    VARBINARY(512) NOT NULL,
    email      VARBINARY(1024) NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, token),
    KEY email (app_id, tenant_id, user_id, email),
    KEY user (app_id, user_id),
    KEY expires (expires_at)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC;

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (2, '002_emailverification', CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED), 1)
ON DUPLICATE KEY UPDATE version = version;
