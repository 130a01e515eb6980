-- SPDX-License-Identifier: Apache-2.0
--
-- 002 email verification: which emails are verified, and the tokens that verify them.
--
-- The server runs it by itself. By hand, after the scripts before it:
--
--     psql -v ON_ERROR_STOP=1 "$POSTGRESQL_CONNECTION_URI" -f 002_emailverification.sql
--
-- Safe to run twice, and while a server migrates; see 001.

BEGIN;
SELECT pg_advisory_xact_lock(7310868735422148);

-- An email that a user has shown to be theirs; user_id is the external id if there is
-- one.
CREATE TABLE IF NOT EXISTS st_email_verified (
    app_id  VARCHAR(64) COLLATE "C" NOT NULL,
    user_id VARCHAR(128) COLLATE "C" NOT NULL,
    email   VARCHAR(256) COLLATE "C" NOT NULL,
    CONSTRAINT st_email_verified_pkey PRIMARY KEY (app_id, user_id, email)
);

-- Hashes of email verification tokens.
CREATE TABLE IF NOT EXISTS st_email_verification_tokens (
    app_id     VARCHAR(64) COLLATE "C" NOT NULL,
    tenant_id  VARCHAR(64) COLLATE "C" NOT NULL,
    token      VARCHAR(128) COLLATE "C" NOT NULL,
    user_id    VARCHAR(128) COLLATE "C" NOT NULL,
    email      VARCHAR(256) COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    CONSTRAINT st_email_verification_tokens_pkey PRIMARY KEY (app_id, tenant_id, token)
);
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_email
    ON st_email_verification_tokens (app_id, tenant_id, user_id, email);
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_user
    ON st_email_verification_tokens (app_id, user_id);
CREATE INDEX IF NOT EXISTS st_email_verification_tokens_expires
    ON st_email_verification_tokens (expires_at);

INSERT INTO st_schema_version (version, name, applied_at, compat)
VALUES (2, '002_emailverification', (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::BIGINT, 1)
ON CONFLICT (version) DO NOTHING;

COMMIT;
