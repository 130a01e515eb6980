-- SPDX-License-Identifier: Apache-2.0
--
-- 002 email verification: which emails are verified, and the tokens that verify them.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     sqlite3 .started/supertokens.db <002_emailverification.sql
--
-- Safe to run twice; see 001.

BEGIN IMMEDIATE;

-- An email that a user has shown to be theirs; user_id is the external id if there is
-- one.
CREATE TABLE IF NOT EXISTS st_email_verified (
    app_id  TEXT NOT NULL,
    user_id TEXT NOT NULL,
    email   TEXT NOT NULL,
    PRIMARY KEY (app_id, user_id, email)
) STRICT, WITHOUT ROWID;

-- Hashes of email verification tokens.
CREATE TABLE IF NOT EXISTS st_email_verification_tokens (
    app_id     TEXT NOT NULL,
    tenant_id  TEXT NOT NULL,
    token      TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    email      TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, token)
) STRICT;
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_email
    ON st_email_verification_tokens (app_id, tenant_id, user_id, email);
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_user
    ON st_email_verification_tokens (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_expires
    ON st_email_verification_tokens (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (2, '002_emailverification', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER), 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
