/* SPDX-License-Identifier: Apache-2.0 */
/* Refreshing a session.  The row is read, what it means decided, and the change,
 * if there is one, made by a compare-and-set on the hash that was read; who loses
 * that race reads again and decides anew.  The user is looked up alongside. */
#include "recipe/session.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/refresh_token.h"
#include "recipe/active.h"
#include "recipe/app_keys.h"

enum { ATTEMPTS = 10 };

/* One refresh under way. */
struct refresh {
    struct ctx *c;
    const struct session_refresh_input *in;
    const struct tenant *tenant;
    struct str master_key;
    struct refresh_token token;            /* as presented */
    struct str hash1, hash2, parent_hash2; /* of it and of its parent */
    struct session_key key;
    struct session_row row;
    struct session_user_lookup lookup;
    bool user_known;           /* the lookup needs no further read */
    struct batch more;         /* what is to be read or written next */
    struct str written_hash2;  /* of the token the last write was to make current */
    struct token_info next;    /* the token given out */
    struct str next_anti_csrf; /* absent if not enabled */
    struct session_result *out;
};

static bool same(struct str a, struct str b)
{
    return a.p && b.p && str_eq(a, b);
}

static bool static_key(const struct refresh *r)
{
    return r->in->key == SESSION_KEY_AS_BEFORE ? r->row.use_static_key
                                               : r->in->key == SESSION_KEY_STATIC;
}

/* ---- reading */

static int unauthorised(struct refresh *r, const char *why)
{
    r->out->message = str_z(why);
    return SESSION_UNAUTHORISED;
}

static int read_token(struct refresh *r)
{
    struct ctx *c = r->c;
    const struct key_set *keys;
    int rc = app_keys_get(c, c->tenant->app, &keys);
    if (rc != RC_OK)
        return rc;
    r->master_key = keys->refresh_key;
    if (!refresh_token_read(c->arena, r->master_key, r->in->token, &r->token))
        return unauthorised(r, "Invalid refresh token");
    if (r->in->enable_anti_csrf && r->token.anti_csrf.p &&
        !(r->in->anti_csrf.p && str_eq_secret(r->token.anti_csrf, r->in->anti_csrf)))
        return unauthorised(r, "Anti CSRF token missing, or not matching");
    rc = session_tenant(c, r->token.tenant_id.p ? r->token.tenant_id : PUBLIC_ID, &r->tenant);
    if (rc != RC_OK)
        return rc;
    r->hash1 = refresh_token_hash1(c->arena, r->in->token);
    r->hash2 = refresh_token_hash2(c->arena, r->hash1);
    if (r->token.parent_hash1.p)
        r->parent_hash2 = refresh_token_hash2(c->arena, r->token.parent_hash1);
    r->key = (struct session_key){r->tenant->app_id, r->tenant->tenant_id, r->token.handle};
    return RC_OK;
}

/* The row, and on the first time the user the token names. */
static int read_row(struct refresh *r, bool first)
{
    struct batch b;
    batch_init(&b, r->c);
    stk_call *get = batch_session_get(&b, &r->key);
    if (first)
        session_user_start(&r->lookup, &b, r->key.app_id, r->token.user_id,
                           r->token.supertokens_id);
    int rc = storage_read(r->c, r->tenant->storage, &b);
    if (rc != RC_OK)
        return rc;
    batch_init(&r->more, r->c);
    if (!session_row_of(get, &r->row) || r->row.expires_at < clock_ms())
        return unauthorised(r, "Session missing in db or has expired");
    /* The session may have been given to another id since the token was made. */
    if (!str_eq(r->row.user_id, r->lookup.id)) {
        r->user_known = false;
        session_user_start(&r->lookup, &r->more, r->key.app_id, r->row.user_id, STR_NULL);
    } else if (first) {
        r->user_known = !session_user_step(&r->lookup, &r->more);
    }
    return RC_OK;
}

/* Runs what was gathered, with a swap in it or without. */
static int run_more(struct refresh *r, const stk_call *swap)
{
    int rc = swap ? storage_write(r->c, r->tenant->storage, &r->more, NULL, NULL)
                  : storage_read(r->c, r->tenant->storage, &r->more);
    batch_init(&r->more, r->c);
    return rc;
}

/* Reads what is left to know of the user. */
static int finish_user(struct refresh *r)
{
    int rc;
    do
        rc = run_more(r, NULL);
    while (rc == RC_OK && session_user_step(&r->lookup, &r->more));
    r->out->handle = r->key.handle;
    r->out->tenant_id = r->key.tenant_id;
    r->out->user_id = r->lookup.user.primary_shown;
    r->out->recipe_user_id = r->row.user_id;
    return rc;
}

/* ---- new tokens */

static void make_refresh_token(struct refresh *r)
{
    struct arena *a = r->c->arena;
    r->next_anti_csrf = r->in->enable_anti_csrf ? uuid_v4_str(a) : STR_NULL;
    struct refresh_token t = {
        .handle = r->key.handle,
        .user_id = r->row.user_id,
        .parent_hash1 = r->hash1,
        .anti_csrf = r->next_anti_csrf,
        .tenant_id = r->token.tenant_id,
    };
    /* Known since the first step, where it is another than the session has. */
    const struct session_user *u = &r->lookup.user;
    if (str_eq(r->lookup.id, r->row.user_id) && u->own_id.p && !str_eq(u->own_id, r->lookup.id))
        t.supertokens_id = u->own_id;
    int64_t now = clock_ms();
    r->next = (struct token_info){refresh_token_make(a, r->master_key, &t),
                                  now + session_refresh_validity_ms(r->tenant->settings), now};
}

/* parent_hash1 as the access token has it: absent where its refresh token is
 * current already. */
static int give_out(struct refresh *r, struct str parent_hash1, int64_t validity_ms)
{
    struct ctx *c = r->c;
    struct session_result *out = r->out;
    int rc = finish_user(r);
    if (rc != RC_OK)
        return rc;
    int version = access_token_version(c->cdi);
    out->payload = json_own(c->arena, json_object_parse(r->row.payload));
    if (version >= 3 && access_token_protected(version, out->payload))
        return unauthorised(r, SESSION_PROTECTED);
    out->refresh = r->next;
    out->anti_csrf = r->next_anti_csrf;
    out->active_user = r->lookup.user.primary_own;
    out->id_refresh = (struct token_info){uuid_v4_str(c->arena), out->refresh.expires_at,
                                          out->refresh.created_at};
    int64_t now = clock_ms();
    struct access_token t = {
        .version = version,
        .handle = out->handle,
        .user_id = out->user_id,
        .recipe_user_id = out->recipe_user_id,
        .hash1 = refresh_token_hash1(c->arena, out->refresh.token),
        .parent_hash1 = parent_hash1,
        .anti_csrf = out->anti_csrf,
        .tenant_id = out->tenant_id,
        .payload = out->payload,
        .expires_at = session_access_expiry(r->tenant->settings, now, validity_ms),
        .created_at = now,
    };
    return access_token_sign(c, c->tenant->app, &t, static_key(r), &out->access);
}

/* ---- up to CDI 5.5 */

enum { AGAIN = 100 }; /* the row has changed since it was read */

/* Makes the row what `to` says, unless it has changed meanwhile. */
static int swap_row(struct refresh *r, const struct session_row *to)
{
    stk_call *swap = batch_session_swap(&r->more, &r->key, r->row.hash2, to);
    r->written_hash2 = to->hash2;
    struct str user = r->lookup.user.primary_own;
    bool marked = r->user_known && active_add(r->c, r->tenant->storage, &r->more, user);
    int rc = run_more(r, swap);
    if (rc != RC_OK)
        return rc;
    if (marked)
        active_noted(r->c, user);
    if (call_affected(swap) == 0)
        return AGAIN;
    r->row = *to;
    return RC_OK;
}

static int theft(struct refresh *r)
{
    int rc = finish_user(r);
    return rc == RC_OK ? SESSION_THEFT : rc;
}

static int refresh_child(struct refresh *r)
{
    struct session_row to = r->row;
    to.use_static_key = static_key(r);
    bool current = same(r->hash2, r->row.hash2);
    if (!current && !same(r->parent_hash2, r->row.hash2))
        return theft(r);
    if (!current) {
        int64_t now = clock_ms();
        to.hash2 = r->hash2;
        to.prev_hash2 = r->row.hash2;
        to.rotated_at = now;
        to.expires_at = now + session_refresh_validity_ms(r->tenant->settings);
    }
    if (!current || to.use_static_key != r->row.use_static_key) {
        int rc = swap_row(r, &to);
        if (rc != RC_OK)
            return rc;
    }
    make_refresh_token(r);
    return give_out(r, r->hash1, -1);
}

/* ---- from CDI 5.6 on */

/* The new token becomes current.  Within the grace period the token before the
 * last rotation may do that again and again, the rest of the row stays. */
static int rotate(struct refresh *r, bool in_grace)
{
    int64_t now = clock_ms();
    make_refresh_token(r);
    struct session_row to = r->row;
    to.hash2 = refresh_token_hash2(r->c->arena, refresh_token_hash1(r->c->arena, r->next.token));
    to.use_static_key = static_key(r);
    if (!in_grace) {
        to.prev_hash2 = r->hash2;
        to.rotated_at = now;
        to.expires_at = now + session_refresh_validity_ms(r->tenant->settings);
    }
    int rc = swap_row(r, &to);
    return rc == RC_OK ? give_out(r, STR_NULL, r->in->access_validity_ms) : rc;
}

/* A token that was replaced: the session ends, whatever is told. */
static int reused(struct refresh *r)
{
    struct session_result *out = r->out;
    bool recent = true;
    out->reuse = "STALE_LINEAGE";
    if (same(r->hash2, r->row.prev_hash2))
        out->reuse = "RECENT_PREV";
    else if (same(r->parent_hash2, r->row.prev_hash2))
        out->reuse = "ORPHANED_BRANCH";
    else
        recent = false;
    int rc = finish_user(r);
    if (rc != RC_OK)
        return rc;
    struct str *gone;
    size_t n;
    rc = sessions_delete(r->c, r->tenant->storage, r->key.app_id, r->key.tenant_id, &r->key.handle,
                         1, &gone, &n);
    if (rc != RC_OK)
        return rc;
    log_debug("session", "a refresh token was used again (%s): session %.*s is revoked", out->reuse,
              STR_ARG(r->key.handle));
    if (recent && r->tenant->settings->recent_token_reuse_behaviour == REUSE_UNAUTHORISED)
        return unauthorised(r, "refresh token reuse detected");
    return SESSION_THEFT;
}

static int refresh_rotating(struct refresh *r)
{
    /* The write was made after all, though its answer was lost. */
    if (same(r->written_hash2, r->row.hash2))
        return give_out(r, STR_NULL, r->in->access_validity_ms);
    if (same(r->hash2, r->row.hash2) || same(r->parent_hash2, r->row.hash2))
        return rotate(r, false);
    int64_t grace = r->tenant->settings->refresh_token_rotation_grace_period * 1000;
    if (same(r->hash2, r->row.prev_hash2) && clock_ms() <= r->row.rotated_at + grace)
        return rotate(r, true);
    return reused(r);
}

int session_refresh(struct ctx *c, const struct session_refresh_input *in,
                    struct session_result *out)
{
    *out = (struct session_result){0};
    struct refresh r = {.c = c, .in = in, .out = out};
    int rc = read_token(&r);
    if (rc != RC_OK)
        return rc;
    if (session_check_validity(c, r.tenant->settings, in->access_validity_ms) != RC_OK)
        return RC_FAIL;
    for (int i = 0; i < ATTEMPTS; i++) {
        rc = read_row(&r, i == 0);
        if (rc == RC_OK)
            rc = c->cdi >= CDI(5, 6) ? refresh_rotating(&r) : refresh_child(&r);
        if (rc != AGAIN)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE, "The session is being refreshed by too many at once");
}
