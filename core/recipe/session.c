/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: creation, and reads and changes by handle or access token. */
#include "recipe/session.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/refresh_token.h"
#include "recipe/app_keys.h"
#include "store/multitenancy.h"

/* ---- shared */

static void unref_tenant(void *t)
{
    tenant_unref(t);
}

int session_tenant(struct ctx *c, struct str tenant_id, const struct tenant **t)
{
    *t = c->tenant;
    if (str_eq(tenant_id, c->tenant->tenant_id))
        return RC_OK;
    int rc = tenant_resolve(c, c->tenant->cud, c->tenant->app_id, tenant_id, t);
    if (rc == RC_OK)
        arena_defer(c->arena, unref_tenant, (void *)(uintptr_t)*t);
    return rc;
}

int64_t session_refresh_validity_ms(const struct settings *s)
{
    return (int64_t)(s->refresh_token_validity * 60 * 1000);
}

int64_t session_access_expiry(const struct settings *s, int64_t now, int64_t asked_ms)
{
    if (asked_ms >= 0)
        return now + asked_ms;
    int64_t validity = s->access_token_validity * 1000;
    double jitter = s->access_token_validity_jitter;
    if (jitter <= 0)
        return now + validity;
    double random = (double)random_below(1u << 30) / (double)(1u << 30);
    return now + (int64_t)((double)validity * (1 - random * jitter));
}

int session_check_validity(struct ctx *c, const struct settings *s, int64_t asked_ms)
{
    int64_t most = s->access_token_validity * 1000;
    if (asked_ms == -1 || (asked_ms > 0 && asked_ms <= most))
        return RC_OK;
    return ctx_fail(c, FAIL_BAD_REQUEST,
                    "accessTokenValidity must be greater than 0 and at most the configured "
                    "access_token_validity (%lld ms)",
                    (long long)most);
}

struct str session_tenant_of(struct str handle)
{
    struct str rest = handle, id, tenant;
    if (str_split(&rest, '_', &id) && str_split(&rest, '_', &tenant) && tenant.len)
        return tenant;
    return PUBLIC_ID;
}

/* ---- creation */

static struct str new_handle(struct ctx *c)
{
    struct str id = uuid_v7_str(c->arena), tenant = c->tenant->tenant_id;
    if (str_eq(tenant, PUBLIC_ID))
        return id;
    return str_printf(c->arena, "%.*s_%.*s", STR_ARG(id), STR_ARG(tenant));
}

static struct token_info first_refresh_token(struct ctx *c, struct str master_key,
                                             const struct session_result *r,
                                             const struct session_user *u)
{
    const struct tenant *t = c->tenant;
    struct refresh_token token = {
        .handle = r->handle,
        .user_id = u->shown_id,
        .anti_csrf = r->anti_csrf,
        .tenant_id = str_eq(t->tenant_id, PUBLIC_ID) ? STR_NULL : t->tenant_id,
        .supertokens_id = str_eq(u->own_id, u->shown_id) ? STR_NULL : u->own_id,
    };
    int64_t now = clock_ms();
    return (struct token_info){refresh_token_make(c->arena, master_key, &token),
                               now + session_refresh_validity_ms(t->settings), now};
}

static struct str hash2_of(struct ctx *c, struct str token)
{
    return refresh_token_hash2(c->arena, refresh_token_hash1(c->arena, token));
}

/* Inserts the session for the user id as it was given, and reads in the same
 * round trip whom that means.  Only a user who was named by an own id though it
 * has an external one, and one with links, needs a second. */
static int insert_session(struct ctx *c, const struct session_key *key,
                          const struct session_row *row, struct session_user *user)
{
    struct storage *s = c->tenant->storage;
    struct session_user_lookup l;
    struct batch b;
    batch_init(&b, c);
    stk_call *active = batch_tenant_active(&b, key->app_id, key->tenant_id);
    session_user_start(&l, &b, key->app_id, row->user_id, STR_NULL);
    batch_session_insert(&b, key, row);
    int rc = storage_write(c, s, &b, session_witness, (void *)(uintptr_t)key);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, c->tenant->cud, key->app_id, key->tenant_id);
    if (rc != RC_OK)
        return rc;
    if (call_rows(active) == 0) /* the answer was lost, only the commit is known */
        return session_user_find(c, s, key->app_id, row->user_id, user);
    batch_init(&b, c);
    while (rc == RC_OK && session_user_step(&l, &b)) {
        rc = storage_read(c, s, &b);
        batch_init(&b, c);
    }
    *user = l.user;
    return rc;
}

/* The session was stored under an id that is not the one clients know. */
static int correct_session(struct ctx *c, const struct session_key *key, struct str master_key,
                           struct session_result *r, const struct session_user *user)
{
    r->refresh = first_refresh_token(c, master_key, r, user);
    struct batch b;
    batch_init(&b, c);
    batch_session_set_user(&b, key, user->shown_id, hash2_of(c, r->refresh.token));
    return storage_write(c, c->tenant->storage, &b, NULL, NULL);
}

static int store_session(struct ctx *c, const struct session_create_input *in,
                         struct session_result *r, struct session_user *user)
{
    const struct key_set *keys;
    int rc = app_keys_get(c, c->tenant->app, &keys);
    if (rc != RC_OK)
        return rc;
    *user = (struct session_user){.own_id = in->user_id, .shown_id = in->user_id};
    r->refresh = first_refresh_token(c, keys->refresh_key, r, user);
    struct session_key key = {c->tenant->app_id, c->tenant->tenant_id, r->handle};
    struct session_row row = {
        .user_id = in->user_id,
        .hash2 = hash2_of(c, r->refresh.token),
        .data = json_text(c->arena, in->data),
        .payload = json_text(c->arena, in->payload),
        .expires_at = r->refresh.expires_at,
        .created_at = r->refresh.created_at,
        .use_static_key = in->use_static_key,
    };
    rc = insert_session(c, &key, &row, user);
    if (rc == RC_OK && !str_eq(user->shown_id, in->user_id))
        rc = correct_session(c, &key, keys->refresh_key, r, user);
    return rc;
}

int session_create(struct ctx *c, const struct session_create_input *in, struct session_result *out)
{
    const struct settings *settings = c->tenant->settings;
    int version = access_token_version(c->cdi);
    if (session_check_validity(c, settings, in->access_validity_ms) != RC_OK)
        return RC_FAIL;
    if (access_token_protected(version, in->payload) && version >= 3)
        return ctx_fail(c, FAIL_BAD_REQUEST, SESSION_PROTECTED);
    *out = (struct session_result){
        .handle = new_handle(c), .tenant_id = c->tenant->tenant_id, .payload = in->payload};
    if (in->anti_csrf)
        out->anti_csrf = uuid_v4_str(c->arena);
    struct session_user user;
    int rc = store_session(c, in, out, &user);
    if (rc != RC_OK)
        return rc;
    out->user_id = user.primary_shown;
    out->recipe_user_id = user.shown_id;
    out->active_user = user.primary_own;
    out->id_refresh = (struct token_info){uuid_v4_str(c->arena), out->refresh.expires_at,
                                          out->refresh.created_at};
    int64_t now = clock_ms();
    struct access_token token = {
        .version = version,
        .handle = out->handle,
        .user_id = out->user_id,
        .recipe_user_id = out->recipe_user_id,
        .hash1 = refresh_token_hash1(c->arena, out->refresh.token),
        .anti_csrf = out->anti_csrf,
        .tenant_id = out->tenant_id,
        .payload = in->payload,
        .expires_at = session_access_expiry(settings, now, in->access_validity_ms),
        .created_at = now,
    };
    return access_token_sign(c, c->tenant->app, &token, in->use_static_key, &out->access);
}

/* ---- by handle */

static int read_row(struct ctx *c, const struct tenant *t, struct str handle,
                    struct session_row *row)
{
    struct session_key key = {t->app_id, t->tenant_id, handle};
    struct batch b;
    batch_init(&b, c);
    stk_call *get = batch_session_get(&b, &key);
    int rc = storage_read(c, t->storage, &b);
    if (rc != RC_OK)
        return rc;
    return session_row_of(get, row) && row->expires_at > clock_ms() ? RC_OK : SESSION_UNAUTHORISED;
}

int session_get_row(struct ctx *c, struct str handle, struct session_info *info)
{
    const struct tenant *t;
    int rc = session_tenant(c, session_tenant_of(handle), &t);
    if (rc != RC_OK)
        return rc;
    info->tenant_id = t->tenant_id;
    return read_row(c, t, handle, &info->row);
}

int session_get(struct ctx *c, struct str handle, struct session_info *info)
{
    const struct tenant *t;
    int rc = session_get_row(c, handle, info);
    if (rc == RC_OK)
        rc = session_tenant(c, info->tenant_id, &t);
    if (rc != RC_OK)
        return rc;
    return session_user_find(c, t->storage, t->app_id, info->row.user_id, &info->user);
}

int session_update(struct ctx *c, struct str handle, json_t *data, json_t *payload)
{
    if (payload && c->cdi >= CDI(2, 21) &&
        access_token_protected(access_token_version(c->cdi), payload))
        return ctx_fail(c, FAIL_BAD_REQUEST, SESSION_PROTECTED);
    const struct tenant *t;
    int rc = session_tenant(c, session_tenant_of(handle), &t);
    if (rc != RC_OK)
        return rc;
    struct session_key key = {t->app_id, t->tenant_id, handle};
    struct batch b;
    batch_init(&b, c);
    stk_call *set =
        data ? batch_session_set_data(&b, &key, json_text(c->arena, data), clock_ms())
             : batch_session_set_payload(&b, &key, json_text(c->arena, payload), clock_ms());
    rc = storage_write(c, t->storage, &b, NULL, NULL);
    if (rc != RC_OK)
        return rc;
    return call_affected(set) ? RC_OK : SESSION_UNAUTHORISED;
}

/* ---- a new access token with another payload */

/* Writes the payload if there is one, and reads the row it is in. */
static int set_payload(struct ctx *c, const struct tenant *t, struct str handle, json_t *payload,
                       struct session_row *row)
{
    struct session_key key = {t->app_id, t->tenant_id, handle};
    int64_t now = clock_ms();
    struct batch b;
    batch_init(&b, c);
    if (payload)
        batch_session_set_payload(&b, &key, json_text(c->arena, payload), now);
    stk_call *get = batch_session_get(&b, &key);
    int rc =
        payload ? storage_write(c, t->storage, &b, NULL, NULL) : storage_read(c, t->storage, &b);
    if (rc != RC_OK)
        return rc;
    return session_row_of(get, row) && row->expires_at > now ? RC_OK : SESSION_UNAUTHORISED;
}

/* The stored payload of a session that keeps it may have a member that this
 * version of tokens needs for itself. */
static int check_payload(struct ctx *c, int version, const json_t *payload)
{
    if (c->cdi < CDI(2, 21) && version < 3)
        return RC_OK;
    return access_token_protected(version, payload)
               ? ctx_fail(c, FAIL_BAD_REQUEST, SESSION_PROTECTED)
               : RC_OK;
}

int session_regenerate(struct ctx *c, struct str token, json_t *payload, struct session_result *out)
{
    struct access_token t;
    const struct tenant *tenant;
    struct session_row row;
    *out = (struct session_result){.message = SESSION_GONE};
    int rc = access_token_read(c, c->tenant->app, token, &t, &out->message);
    if (rc == ACCESS_TOKEN_BAD)
        return SESSION_UNAUTHORISED;
    if (rc == RC_OK)
        rc = session_tenant(c, t.tenant_id, &tenant);
    if (rc == RC_OK && payload)
        rc = check_payload(c, t.version, payload);
    if (rc == RC_OK)
        rc = set_payload(c, tenant, t.handle, payload, &row);
    if (rc != RC_OK)
        return rc;
    if (!payload)
        payload = json_own(c->arena, json_object_parse(row.payload));
    if (check_payload(c, t.version, payload) != RC_OK)
        return RC_FAIL;
    out->handle = t.handle;
    out->user_id = t.user_id;
    out->recipe_user_id = t.recipe_user_id;
    out->tenant_id = tenant->tenant_id;
    out->payload = t.payload = payload;
    if (t.expires_at < clock_ms())
        return RC_OK;
    t.created_at = clock_ms();
    return access_token_sign(c, c->tenant->app, &t, row.use_static_key, &out->access);
}
