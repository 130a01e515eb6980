/* SPDX-License-Identifier: Apache-2.0 */
/* Access tokens; see access_token.h. */
#include "recipe/access_token.h"

#include "base/clock.h"
#include "base/json.h"
#include "core.h"
#include "crypto/base64.h"
#include "crypto/jwt.h"
#include "recipe/app_keys.h"

#include <string.h>

/* Base64 of {"alg":"RS256","typ":"JWT","version":"2"}: compared as text. */
#define OLD_HEADER_JSON STR("{\"alg\":\"RS256\",\"typ\":\"JWT\",\"version\":\"2\"}")
#define OLD_HEADER STR("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=")

#define INCOMPLETE                                                                                 \
    "Access token does not contain all the information. Maybe the structure has changed?"

enum { NEWEST_VERSION = 5 };

static const char *const old_names[] = {"userId",        "expiryTime",        "timeCreated",
                                        "sessionHandle", "refreshTokenHash1", NULL};
/* Version 3 has the first seven, 4 one more, 5 all. */
static const char *const names[] = {
    "sub",           "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1",
    "antiCsrfToken", "tId", "rsub"};

int access_token_version(int cdi)
{
    return cdi >= CDI(4, 0) ? 5 : cdi >= CDI(3, 0) ? 4 : cdi >= CDI(2, 21) ? 3 : 2;
}

/* The i-th member a token of this version must have, NULL after the last. */
static const char *required(int version, size_t i)
{
    if (version < 3)
        return old_names[i];
    return i < (size_t)version + 4 ? names[i] : NULL;
}

static bool is_required(int version, const char *name)
{
    for (size_t i = 0; required(version, i); i++)
        if (strcmp(required(version, i), name) == 0)
            return true;
    return false;
}

bool access_token_protected(int version, const json_t *payload)
{
    for (size_t i = 0; required(version, i); i++)
        if (json_object_get(payload, required(version, i)))
            return true;
    return false;
}

/* ---- signing */

static void add_or_null(json_t *o, const char *key, struct str s)
{
    json_object_set_new(o, key, s.p ? json_stringn(s.p, s.len) : json_null());
}

static json_t *claims_old(const struct access_token *t)
{
    json_t *o = json_object();
    json_add_str(o, "userId", t->user_id);
    json_add_i64(o, "expiryTime", t->expires_at);
    json_add_i64(o, "timeCreated", t->created_at);
    json_add_str(o, "sessionHandle", t->handle);
    json_add_str(o, "refreshTokenHash1", t->hash1);
    json_add_str(o, "parentRefreshTokenHash1", t->parent_hash1);
    json_add_str(o, "antiCsrfToken", t->anti_csrf);
    json_object_set(o, "userData", t->payload);
    return o;
}

static json_t *claims(const struct access_token *t)
{
    json_t *o = json_object();
    json_add_str(o, "sub", t->user_id);
    json_add_i64(o, "exp", t->expires_at / 1000);
    json_add_i64(o, "iat", t->created_at / 1000);
    if (t->version >= 4)
        json_add_str(o, "tId", t->tenant_id);
    if (t->version >= 5)
        json_add_str(o, "rsub", t->recipe_user_id);
    json_add_str(o, "sessionHandle", t->handle);
    json_add_str(o, "refreshTokenHash1", t->hash1);
    add_or_null(o, "parentRefreshTokenHash1", t->parent_hash1);
    add_or_null(o, "antiCsrfToken", t->anti_csrf);
    (void)json_object_update_missing(o, t->payload);
    return o;
}

int access_token_sign(struct ctx *c, const struct app *app, const struct access_token *t,
                      bool use_static_key, struct token_info *out)
{
    const struct signing_key *key;
    int rc = app_keys_signer(c, app, use_static_key, &key);
    if (rc != RC_OK)
        return rc;
    bool old = t->version < 3;
    struct str header =
        old ? OLD_HEADER_JSON
            : str_printf(c->arena,
                         "{\"kid\":\"%.*s\",\"typ\":\"JWT\",\"version\":\"%d\",\"alg\":\"RS256\"}",
                         STR_ARG(key->id), t->version);
    json_t *payload = json_own(c->arena, old ? claims_old(t) : claims(t));
    out->token =
        jwt_sign(c->arena, key->rsa, old ? JWT_OLD : JWT_URL, header, json_text(c->arena, payload));
    out->expires_at = old ? t->expires_at : t->expires_at / 1000 * 1000;
    out->created_at = old ? t->created_at : t->created_at / 1000 * 1000;
    return RC_OK;
}

/* ---- reading */

struct head {
    int version;
    struct str key_id; /* from version 3 on */
};

static int bad(struct str *why, const char *text)
{
    *why = str_z(text);
    return ACCESS_TOKEN_BAD;
}

/* Members that must be these very texts, or texts at all. */
static const char *head_error(const json_t *o, struct head *h)
{
    if (!o)
        return "Invalid JWT";
    struct str typ = json_get_str(o, "typ"), alg = json_get_str(o, "alg");
    if (!str_eqz(typ, "JWT"))
        return json_object_get(o, "typ") ? "JWT header mismatch - typ" : "JWT header missing - typ";
    if (!str_eqz(alg, "RS256"))
        return json_object_get(o, "alg") ? "JWT header mismatch - alg" : "JWT header missing - alg";
    /* A JWT made outside of sessions names no version. */
    h->version = NEWEST_VERSION;
    struct str version = json_get_str(o, "version");
    if (json_object_get(o, "version")) {
        if (version.len != 1 || version.p[0] < '3' || version.p[0] > '0' + NEWEST_VERSION)
            return "JWT header mismatch - version";
        h->version = version.p[0] - '0';
    }
    h->key_id = json_get_str(o, "kid");
    if (!h->key_id.p)
        return json_object_get(o, "kid") ? "JWT header mismatch - kid" : "JWT header missing - kid";
    return NULL;
}

static int read_head(struct ctx *c, const struct jwt_parts *parts, struct head *h, struct str *why)
{
    *h = (struct head){.version = 2};
    if (str_eq(parts->header, OLD_HEADER))
        return RC_OK;
    struct str text;
    if (!base64_decode(c->arena, parts->header, &text))
        return bad(why, "Invalid JWT");
    const char *error = head_error(json_own(c->arena, json_object_parse(text)), h);
    return error ? bad(why, error) : RC_OK;
}

static bool get_time(const json_t *o, const char *key, int64_t unit, int64_t *out)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_number(v))
        return false;
    double ms = json_number_value(v) * (double)unit;
    if (!(ms > -9e15 && ms < 9e15))
        return false;
    *out = json_is_integer(v) ? (int64_t)json_integer_value(v) * unit : (int64_t)ms;
    return true;
}

/* What is not a required member is the user's. */
static json_t *user_payload(struct ctx *c, int version, json_t *claim)
{
    json_t *o = json_own(c->arena, json_object());
    const char *key;
    json_t *value;
    json_object_foreach(claim, key, value)
    {
        if (!is_required(version, key))
            json_object_set(o, key, value);
    }
    return o;
}

static int read_claims(struct ctx *c, int version, struct str encoded, struct access_token *t,
                       struct str *why)
{
    struct str text;
    json_t *o = base64_decode(c->arena, encoded, &text)
                    ? json_own(c->arena, json_object_parse(text))
                    : NULL;
    if (!o)
        return bad(why, "Invalid JWT");
    for (size_t i = 0; required(version, i); i++)
        if (!json_object_get(o, required(version, i))) {
            *why = str_printf(c->arena, INCOMPLETE " %s", required(version, i));
            return ACCESS_TOKEN_BAD;
        }
    bool old = version < 3;
    *t = (struct access_token){
        .version = version,
        .handle = json_get_str(o, "sessionHandle"),
        .user_id = json_get_str(o, old ? "userId" : "sub"),
        .hash1 = json_get_str(o, "refreshTokenHash1"),
        .parent_hash1 = json_get_str(o, "parentRefreshTokenHash1"),
        .anti_csrf = json_get_str(o, "antiCsrfToken"),
        .tenant_id = version >= 4 ? json_get_str(o, "tId") : PUBLIC_ID,
        .payload = old ? json_object_get(o, "userData") : user_payload(c, version, o),
    };
    t->recipe_user_id = version >= 5 ? json_get_str(o, "rsub") : t->user_id;
    bool times = get_time(o, old ? "expiryTime" : "exp", old ? 1 : 1000, &t->expires_at) &&
                 get_time(o, old ? "timeCreated" : "iat", old ? 1 : 1000, &t->created_at);
    if (!times || !t->handle.p || !t->user_id.p || !t->recipe_user_id.p || !t->hash1.p ||
        !t->tenant_id.p || !json_is_object(t->payload))
        return bad(why, INCOMPLETE);
    return RC_OK;
}

/* A token of version 2 names no key: each is tried. */
static int verify_old(struct ctx *c, const struct app *app, const struct jwt_parts *parts,
                      bool *good)
{
    const struct key_set *set;
    int rc = app_keys_get(c, app, &set);
    int64_t now = clock_ms();
    *good = false;
    for (size_t i = 0; rc == RC_OK && !*good && i < set->n; i++)
        *good = app_key_valid(app, &set->keys[i], now) &&
                jwt_verify(c->core->verify_cache, set->keys[i].rsa, parts, c->arena);
    return rc;
}

enum signature { SIGNATURE_GOOD, SIGNATURE_BAD, SIGNATURE_NO_KEY };

static int check_signature(struct ctx *c, const struct app *app, const struct head *h,
                           const struct jwt_parts *parts, enum signature *result)
{
    bool good = false;
    const struct signing_key *key = NULL;
    int rc;
    if (h->version < 3) {
        rc = verify_old(c, app, parts, &good);
        *result = good ? SIGNATURE_GOOD : SIGNATURE_BAD;
        return rc;
    }
    rc = app_keys_find(c, app, h->key_id, &key);
    if (rc != RC_OK)
        return rc;
    if (key)
        good = jwt_verify(c->core->verify_cache, key->rsa, parts, c->arena);
    *result = !key ? SIGNATURE_NO_KEY : good ? SIGNATURE_GOOD : SIGNATURE_BAD;
    return RC_OK;
}

int access_token_verify(struct ctx *c, const struct app *app, struct str token, bool need_anti_csrf,
                        struct access_token *t, struct str *why)
{
    struct jwt_parts parts;
    struct head h;
    enum signature signature;
    if (!jwt_split(token, &parts))
        return bad(why, "Invalid JWT");
    int rc = read_head(c, &parts, &h, why);
    if (rc == RC_OK)
        rc = check_signature(c, app, &h, &parts, &signature);
    if (rc != RC_OK)
        return rc;
    if (signature != SIGNATURE_GOOD)
        return bad(why,
                   signature == SIGNATURE_NO_KEY ? "Key not found" : "JWT verification failed");
    rc = read_claims(c, h.version, parts.payload, t, why);
    if (rc != RC_OK)
        return rc;
    if (t->expires_at < clock_ms())
        return bad(why, "Access token expired");
    if (need_anti_csrf && !t->anti_csrf.p)
        return bad(why, INCOMPLETE);
    return RC_OK;
}

int access_token_read(struct ctx *c, const struct app *app, struct str token,
                      struct access_token *t, struct str *why)
{
    struct jwt_parts parts;
    struct head h;
    enum signature signature;
    if (!jwt_split(token, &parts))
        return bad(why, "Invalid JWT");
    int rc = read_head(c, &parts, &h, why);
    if (rc == RC_OK)
        rc = check_signature(c, app, &h, &parts, &signature);
    if (rc == RC_OK)
        rc = read_claims(c, h.version, parts.payload, t, why);
    if (rc != RC_OK)
        return rc;
    /* Without a key id, a key that is gone and a wrong signature look the same. */
    if (signature == SIGNATURE_BAD && h.version >= 3)
        return bad(why, "JWT verification failed");
    if (signature != SIGNATURE_GOOD)
        t->expires_at = 0;
    return RC_OK;
}
