/* SPDX-License-Identifier: Apache-2.0 */
/* The session calls that take or give tokens: create, verify, refresh,
 * regenerate. */
#include "api/session_internal.h"
#include "config/settings.h"
#include "recipe/active.h"

/* ---- encoding */

static void add_token(json_t *reply, const char *name, const struct token_info *t)
{
    if (!t->token.p)
        return;
    json_t *o = json_object();
    json_add_str(o, "token", t->token);
    json_add_i64(o, "expiry", t->expires_at);
    json_add_i64(o, "createdTime", t->created_at);
    json_object_set_new(reply, name, o);
}

static json_t *reply_session(struct api *a, const struct session_result *r)
{
    int cdi = a->ctx.cdi;
    json_t *reply = api_ok(a), *session = json_object();
    json_add_str(session, "handle", r->handle);
    json_add_str(session, "userId", r->user_id);
    if (cdi >= CDI(4, 0))
        json_add_str(session, "recipeUserId", r->recipe_user_id);
    json_object_set(session, "userDataInJWT", r->payload);
    if (cdi >= CDI(3, 0))
        json_add_str(session, "tenantId", r->tenant_id);
    json_object_set_new(reply, "session", session);
    add_token(reply, "accessToken", &r->access);
    add_token(reply, "refreshToken", &r->refresh);
    if (cdi < CDI(2, 21))
        add_token(reply, "idRefreshToken", &r->id_refresh);
    json_add_str(reply, "antiCsrfToken", r->anti_csrf);
    if (r->payload_known)
        json_add_bool(reply, "payloadUpdateAvailable", r->payload_changed);
    return reply;
}

static void mark_active(struct api *a, const struct session_result *r)
{
    if (r->active_user.p)
        users_last_active_mark(&a->ctx, r->active_user);
}

/* ---- decoding */

/* -1 if none is asked for. */
static int asked_validity(struct api *a, int64_t *ms)
{
    *ms = -1;
    if (a->ctx.cdi < CDI(5, 6) || !json_object_get(a->body, "accessTokenValidity"))
        return RC_OK;
    int rc = api_i64(a, "accessTokenValidity", ms);
    if (*ms < 0)
        *ms = 0; /* out of range like any other that is not positive */
    return rc;
}

static int decode_create(struct api *a, struct session_create_input *in)
{
    bool dynamic;
    *in = (struct session_create_input){0};
    if (api_str(a, "userId", &in->user_id) || api_bool(a, "enableAntiCsrf", &in->anti_csrf) ||
        api_object(a, "userDataInJWT", &in->payload) ||
        api_object(a, "userDataInDatabase", &in->data) ||
        asked_validity(a, &in->access_validity_ms))
        return RC_FAIL;
    dynamic = a->ctx.tenant->settings->access_token_signing_key_dynamic;
    if (a->ctx.cdi >= CDI(2, 21) && api_bool_opt(a, "useDynamicSigningKey", true, &dynamic))
        return RC_FAIL;
    in->use_static_key = !dynamic;
    return RC_OK;
}

int session_api_create(struct api *a)
{
    struct session_create_input in;
    struct session_result r;
    if (decode_create(a, &in))
        return RC_FAIL;
    int rc = session_create(&a->ctx, &in, &r);
    if (rc != RC_OK)
        return rc;
    mark_active(a, &r);
    json_t *reply = reply_session(a, &r);
    return a->ctx.cdi < CDI(2, 21) ? session_add_old_keys(a, reply) : RC_OK;
}

static int decode_verify(struct api *a, struct session_verify_input *in)
{
    *in = (struct session_verify_input){
        .check_database = a->ctx.tenant->app->settings->access_token_blacklisting};
    if (api_str(a, "accessToken", &in->token) || api_str_opt(a, "antiCsrfToken", &in->anti_csrf) ||
        api_bool(a, "doAntiCsrfCheck", &in->check_anti_csrf) ||
        api_bool(a, "enableAntiCsrf", &in->enable_anti_csrf) ||
        session_require_public(a, CDI(5, 6)))
        return RC_FAIL;
    return a->ctx.cdi >= CDI(2, 21) ? api_bool(a, "checkDatabase", &in->check_database) : RC_OK;
}

int session_api_verify(struct api *a)
{
    struct session_verify_input in;
    struct session_result r;
    if (decode_verify(a, &in))
        return RC_FAIL;
    int rc = session_verify(&a->ctx, &in, &r);
    json_t *reply;
    if (rc == SESSION_UNAUTHORISED)
        return session_reply_unauthorised(a, r.message);
    if (rc == SESSION_TRY_REFRESH) {
        reply = api_status(a, "TRY_REFRESH_TOKEN");
        json_add_str(reply, "message", r.message);
    } else if (rc == RC_OK) {
        reply = reply_session(a, &r);
    } else {
        return rc;
    }
    return a->ctx.cdi < CDI(2, 21) ? session_add_old_keys(a, reply) : RC_OK;
}

static int decode_refresh(struct api *a, struct session_refresh_input *in)
{
    int cdi = a->ctx.cdi;
    bool dynamic = true;
    *in = (struct session_refresh_input){.key = SESSION_KEY_AS_BEFORE};
    if (api_str(a, "refreshToken", &in->token) || api_str_opt(a, "antiCsrfToken", &in->anti_csrf) ||
        api_bool(a, "enableAntiCsrf", &in->enable_anti_csrf) ||
        asked_validity(a, &in->access_validity_ms))
        return RC_FAIL;
    bool given = json_object_get(a->body, "useDynamicSigningKey") != NULL;
    if (cdi < CDI(3, 0) || (cdi < CDI(5, 0) && !given))
        return RC_OK;
    if (api_bool(a, "useDynamicSigningKey", &dynamic))
        return RC_FAIL;
    in->key = dynamic ? SESSION_KEY_DYNAMIC : SESSION_KEY_STATIC;
    return RC_OK;
}

static int reply_theft(struct api *a, const struct session_result *r)
{
    json_t *reply = api_status(a, "TOKEN_THEFT_DETECTED"), *session = json_object();
    json_add_str(session, "handle", r->handle);
    json_add_str(session, "userId", r->user_id);
    json_add_str(session, "recipeUserId", r->recipe_user_id);
    json_object_set_new(reply, "session", session);
    json_add_str(reply, "recentTokenReuseSubtype", str_z(r->reuse));
    return RC_OK;
}

int session_api_refresh(struct api *a)
{
    struct session_refresh_input in;
    struct session_result r;
    if (decode_refresh(a, &in))
        return RC_FAIL;
    int rc = session_refresh(&a->ctx, &in, &r);
    if (rc == SESSION_THEFT)
        return reply_theft(a, &r);
    if (rc == SESSION_UNAUTHORISED) {
        (void)session_reply_unauthorised(a, r.message);
        json_add_str(a->reply.json, "recentTokenReuseSubtype", str_z(r.reuse));
        return RC_OK;
    }
    if (rc != RC_OK)
        return rc;
    mark_active(a, &r);
    (void)reply_session(a, &r);
    return RC_OK;
}

int session_api_regenerate(struct api *a)
{
    struct str token;
    json_t *payload;
    struct session_result r;
    if (api_str(a, "accessToken", &token) || api_object_opt(a, "userDataInJWT", &payload))
        return RC_FAIL;
    int rc = session_regenerate(&a->ctx, token, payload, &r);
    if (rc == SESSION_UNAUTHORISED)
        return session_reply_unauthorised(a, r.message);
    if (rc != RC_OK)
        return rc;
    (void)reply_session(a, &r);
    return RC_OK;
}
