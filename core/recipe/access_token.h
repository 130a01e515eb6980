/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens of sessions, versions 2 to 5.  Version 2 has its own header and
 * base64, no key id, and times in milliseconds; from 3 on it is a usual JWT with
 * the session's payload at top level. */
#ifndef CORE_RECIPE_ACCESS_TOKEN_H
#define CORE_RECIPE_ACCESS_TOKEN_H

#include "base/ctx.h"
#include "storage/tenant.h"

#include <jansson.h>
#include <stdbool.h>

/* A token as clients get it; absent where token.p is NULL.  Times in ms. */
struct token_info {
    struct str token;
    int64_t expires_at, created_at;
};

struct access_token {
    int version;        /* 2 to 5 */
    struct str handle;  /* of the session */
    struct str user_id; /* the primary user's, as clients know it */
    struct str recipe_user_id;
    struct str hash1;        /* of the refresh token given out with it */
    struct str parent_hash1; /* of the refresh token that made it; absent once promoted */
    struct str anti_csrf;    /* absent if not enabled */
    struct str tenant_id;
    json_t *payload; /* userDataInJWT, borrowed */
    int64_t expires_at, created_at;
};

/* The version that a CDI version asks for. */
int access_token_version(int cdi);
/* Whether the payload has a member that a token of this version needs itself. */
bool access_token_protected(int version, const json_t *payload);

/* Signs t; the payload must have no protected member.  t's times are in ms, those
 * in *out are the ones the token carries. */
int access_token_sign(struct ctx *c, const struct app *app, const struct access_token *t,
                      bool use_static_key, struct token_info *out);

enum { ACCESS_TOKEN_BAD = 1 };
/* Checks signature and expiry: RC_OK, ACCESS_TOKEN_BAD with *why, or RC_FAIL.
 * need_anti_csrf: a token without one is bad. */
int access_token_verify(struct ctx *c, const struct app *app, struct str token, bool need_anti_csrf,
                        struct access_token *t, struct str *why);
/* The same for a token that may have expired.  One whose key is gone has expired
 * for certain; it is only read, and says so by expires_at 0. */
int access_token_read(struct ctx *c, const struct app *app, struct str token,
                      struct access_token *t, struct str *why);

#endif
