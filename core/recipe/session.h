/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of sessions.  A session has one current refresh token, known by the hash
 * of its hash.
 *
 * Up to CDI 5.5 a refresh gives out a child of the current token and writes
 * nothing; the child becomes current when it is used: when its access token is
 * verified, or when it is refreshed itself.  From 5.6 on the refresh itself makes
 * its token current, and the one before stays good for a grace period. */
#ifndef CORE_RECIPE_SESSION_H
#define CORE_RECIPE_SESSION_H

#include "base/ctx.h"
#include "recipe/access_token.h"
#include "storage/tenant.h"
#include "store/session.h"
#include "store/session_users.h"

#include <jansson.h>

/* Outcomes besides RC_OK and RC_FAIL; result.message says why. */
enum {
    SESSION_UNAUTHORISED = 1,
    SESSION_TRY_REFRESH = 2,
    SESSION_THEFT = 3 /* result.handle and its user ids are set */
};

struct session_result {
    struct str handle, user_id, recipe_user_id, tenant_id;
    json_t *payload; /* borrowed */
    struct token_info access, refresh, id_refresh;
    struct str anti_csrf;
    bool payload_known, payload_changed; /* verify at CDI 5.6 with the database */
    struct str message;
    const char *reuse;      /* kind of reuse, from CDI 5.6 on; NULL: none told */
    struct str active_user; /* own id of the user who was seen; absent: none */
};

struct session_create_input {
    struct str user_id;
    json_t *payload, *data;
    bool anti_csrf, use_static_key;
    int64_t access_validity_ms; /* -1: as configured */
};
/* In c->tenant. */
int session_create(struct ctx *c, const struct session_create_input *in,
                   struct session_result *out);

struct session_verify_input {
    struct str token, anti_csrf;
    bool enable_anti_csrf, check_anti_csrf, check_database;
};
int session_verify(struct ctx *c, const struct session_verify_input *in,
                   struct session_result *out);

enum session_key_kind { SESSION_KEY_AS_BEFORE, SESSION_KEY_DYNAMIC, SESSION_KEY_STATIC };
struct session_refresh_input {
    struct str token, anti_csrf;
    bool enable_anti_csrf;
    enum session_key_kind key;
    int64_t access_validity_ms; /* -1: as configured */
};
int session_refresh(struct ctx *c, const struct session_refresh_input *in,
                    struct session_result *out);

/* payload NULL: as it is. */
int session_regenerate(struct ctx *c, struct str token, json_t *payload,
                       struct session_result *out);

/* ---- by handle, whose tenant is in its name */

struct str session_tenant_of(struct str handle);
struct session_info {
    struct str tenant_id;
    struct session_row row;
    struct session_user user; /* of session_get() only */
};
int session_get(struct ctx *c, struct str handle, struct session_info *info);
/* Without the user. */
int session_get_row(struct ctx *c, struct str handle, struct session_info *info);
/* data or payload; the other is NULL. */
int session_update(struct ctx *c, struct str handle, json_t *data, json_t *payload);
int session_revoke(struct ctx *c, const struct str *handles, size_t n, struct str **revoked,
                   size_t *nrevoked);

/* ---- by user */

struct session_scope {
    struct str user_id; /* own or external, of a recipe user or a primary one */
    bool all_tenants;   /* else c->tenant only */
    bool linked;        /* of all recipe users linked to it */
};
int session_list(struct ctx *c, const struct session_scope *scope, struct str **handles, size_t *n);
/* *active_user: own id of the user, who counts as seen. */
int session_revoke_user(struct ctx *c, const struct session_scope *scope, struct str **revoked,
                        size_t *nrevoked, struct str *active_user);

/* ---- shared by the parts of this recipe */

#define SESSION_GONE STR("Session does not exist.")
#define SESSION_PROTECTED "The user payload contains protected field"

/* The tenant of this id in c->tenant's app, referenced until the arena is reset. */
int session_tenant(struct ctx *c, struct str tenant_id, const struct tenant **t);
int64_t session_refresh_validity_ms(const struct settings *s);
/* When a token made at `now` expires: shortened at random by the configured
 * jitter, or after a validity that was asked for (else -1). */
int64_t session_access_expiry(const struct settings *s, int64_t now, int64_t asked_ms);
/* RC_FAIL with a 400 if the validity is out of range. */
int session_check_validity(struct ctx *c, const struct settings *s, int64_t asked_ms);

#endif
