/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying an access token: without the database where nothing asks for it. */
#include "recipe/session.h"

#include "base/clock.h"
#include "base/json.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/refresh_token.h"
#include "recipe/app_keys.h"

static int refused(struct session_result *out, int outcome, const char *why)
{
    out->message = str_z(why);
    return outcome;
}

static void fill(struct session_result *out, const struct access_token *t, json_t *payload)
{
    out->handle = t->handle;
    out->user_id = t->user_id;
    out->recipe_user_id = t->recipe_user_id;
    out->tenant_id = t->tenant_id;
    out->payload = payload;
}

static struct str hash2(struct ctx *c, struct str hash1)
{
    return hash1.p ? refresh_token_hash2(c->arena, hash1) : STR_NULL;
}

static bool same(struct str a, struct str b)
{
    return a.p && b.p && str_eq(a, b);
}

/* Reads the session; with `swap`, first makes the token's refresh token current
 * if the one it descends from still is: both in one round trip. */
static int read_session(struct ctx *c, const struct access_token *t, const struct tenant *tenant,
                        const struct session_row *swap, bool *found, struct session_row *row)
{
    struct session_key key = {tenant->app_id, tenant->tenant_id, t->handle};
    struct batch b;
    batch_init(&b, c);
    if (swap)
        (void)batch_session_promote(&b, &key, swap);
    stk_call *get = batch_session_get(&b, &key);
    int rc = swap ? storage_write(c, tenant->storage, &b, NULL, NULL)
                  : storage_read(c, tenant->storage, &b);
    *found = rc == RC_OK && session_row_of(get, row);
    return rc;
}

/* From CDI 5.6 on nothing is written and no token made. */
static int verify_stateless(struct ctx *c, const struct access_token *t,
                            const struct tenant *tenant, bool check_database,
                            struct session_result *out)
{
    fill(out, t, t->payload);
    if (!check_database)
        return RC_OK;
    struct session_row row;
    bool found;
    int rc = read_session(c, t, tenant, NULL, &found, &row);
    if (rc != RC_OK)
        return rc;
    if (!found)
        return refused(out, SESSION_UNAUTHORISED,
                       "Either the session has ended or has been blacklisted");
    struct str mine = hash2(c, t->hash1), parent = hash2(c, t->parent_hash1);
    if (!same(mine, row.hash2) && !same(mine, row.prev_hash2) && !same(parent, row.hash2) &&
        !same(parent, row.prev_hash2))
        return refused(out, SESSION_UNAUTHORISED, "rotated-out token branch; refresh required");
    out->payload_known = true;
    json_t *stored = json_own(c->arena, json_object_parse(row.payload));
    out->payload_changed = !json_equal(stored, t->payload);
    return RC_OK;
}

/* A token whose refresh token is current, with the payload as it is stored. */
static int renew(struct ctx *c, struct access_token *t, const struct tenant *tenant,
                 json_t *payload, bool use_static_key, struct session_result *out)
{
    if (t->version >= 3 && access_token_protected(t->version, payload))
        return ctx_fail(c, FAIL_BAD_REQUEST, SESSION_PROTECTED);
    fill(out, t, payload);
    int64_t now = clock_ms();
    t->payload = payload;
    t->parent_hash1 = STR_NULL;
    t->created_at = now;
    t->expires_at = now + tenant->settings->access_token_validity * 1000;
    return access_token_sign(c, c->tenant->app, t, use_static_key, &out->access);
}

static int verify_promoting(struct ctx *c, struct access_token *t, const struct tenant *tenant,
                            bool check_database, struct session_result *out)
{
    fill(out, t, t->payload);
    if (!check_database && !t->parent_hash1.p)
        return RC_OK;
    int64_t now = clock_ms();
    struct session_row row, swap = {
                                .hash2 = hash2(c, t->hash1),
                                .prev_hash2 = hash2(c, t->parent_hash1),
                                .rotated_at = now,
                                .expires_at = now + session_refresh_validity_ms(tenant->settings),
                            };
    bool found;
    int rc = read_session(c, t, tenant, t->parent_hash1.p ? &swap : NULL, &found, &row);
    if (rc != RC_OK)
        return rc;
    if (!found)
        return refused(out, SESSION_UNAUTHORISED,
                       check_database ? "Either the session has ended or has been blacklisted"
                                      : "Session missing in db");
    json_t *stored = json_own(c->arena, json_object_parse(row.payload));
    bool changed = check_database && !json_equal(stored, t->payload);
    bool promoted = t->parent_hash1.p && str_eq(row.hash2, swap.hash2);
    if (!changed && !promoted)
        return RC_OK;
    return renew(c, t, tenant, stored, row.use_static_key, out);
}

int session_verify(struct ctx *c, const struct session_verify_input *in, struct session_result *out)
{
    struct access_token t;
    const struct tenant *tenant;
    bool anti_csrf = in->enable_anti_csrf && in->check_anti_csrf;
    *out = (struct session_result){0};
    int rc = access_token_verify(c, c->tenant->app, in->token, anti_csrf, &t, &out->message);
    if (rc == ACCESS_TOKEN_BAD)
        return SESSION_TRY_REFRESH;
    if (rc == RC_OK)
        rc = session_tenant(c, t.tenant_id, &tenant);
    if (rc != RC_OK)
        return rc;
    if (anti_csrf && !(in->anti_csrf.p && str_eq_secret(in->anti_csrf, t.anti_csrf)))
        return refused(out, SESSION_TRY_REFRESH, "anti-csrf check failed");
    if (c->cdi >= CDI(5, 6))
        return verify_stateless(c, &t, tenant, in->check_database, out);
    return verify_promoting(c, &t, tenant, in->check_database, out);
}
