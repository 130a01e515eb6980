/* SPDX-License-Identifier: Apache-2.0 */
/* The session API: its routes, and what its calls have in common. */
#include "api/session_internal.h"

#include "base/clock.h"
#include "config/settings.h"
#include "recipe/app_keys.h"

const struct route session_routes[] = {
    {HTTP_POST, "/recipe/session", ROUTE_BODY | ROUTE_OLD_CDI, session_api_create},
    {HTTP_GET, "/recipe/session", ROUTE_OLD_CDI, session_api_get},
    {HTTP_POST, "/recipe/session/verify", ROUTE_BODY | ROUTE_OLD_CDI, session_api_verify},
    {HTTP_POST, "/recipe/session/refresh", ROUTE_BODY | ROUTE_OLD_CDI, session_api_refresh},
    {HTTP_POST, "/recipe/session/regenerate", ROUTE_BODY | ROUTE_OLD_CDI, session_api_regenerate},
    {HTTP_GET, "/recipe/session/user", ROUTE_OLD_CDI, session_api_list},
    {HTTP_POST, "/recipe/session/remove", ROUTE_BODY | ROUTE_OLD_CDI, session_api_remove},
    {HTTP_GET, "/recipe/session/data", ROUTE_OLD_CDI, session_api_get_data},
    {HTTP_PUT, "/recipe/session/data", ROUTE_BODY | ROUTE_OLD_CDI, session_api_put_data},
    {HTTP_GET, "/recipe/jwt/data", ROUTE_OLD_CDI, session_api_get_payload},
    {HTTP_PUT, "/recipe/jwt/data", ROUTE_BODY | ROUTE_OLD_CDI, session_api_put_payload},
    {HTTP_POST, "/recipe/handshake", ROUTE_OLD_CDI, session_api_handshake},
    {0},
};

int session_require_public(struct api *a, int since)
{
    if (a->ctx.cdi < since || str_eq(a->ctx.tenant->tenant_id, PUBLIC_ID))
        return RC_OK;
    return ctx_fail(&a->ctx, FAIL_FORBIDDEN, "Only public tenantId can call this app specific API");
}

int session_reply_unauthorised(struct api *a, struct str message)
{
    json_add_str(api_status(a, "UNAUTHORISED"), "message", message);
    return RC_OK;
}

int session_reply_handles(struct api *a, const char *name, const struct str *handles, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_stringn(handles[i].p, handles[i].len));
    json_object_set_new(api_ok(a), name, array);
    return RC_OK;
}

/* ---- CDI below 2.21: keys in the answer instead of a JWKS */

/* A static key is told as good for ten years. */
#define STATIC_KEY_MS (10LL * 365 * 24 * 3600 * 1000)

static json_t *old_key(const struct signing_key *key, int64_t expires_at)
{
    json_t *o = json_object();
    json_add_str(o, "publicKey", rsa_public(key->rsa));
    json_add_i64(o, "expiryTime", expires_at);
    json_add_i64(o, "createdAt", key->created_at);
    return o;
}

static json_t *old_key_list(const struct app *app, const struct key_set *set, bool dynamic)
{
    json_t *list = json_array();
    int64_t now = clock_ms();
    if (!dynamic) {
        const struct signing_key *key = &set->keys[set->ndynamic];
        json_array_append_new(list, old_key(key, key->created_at + STATIC_KEY_MS));
    }
    for (size_t i = 0; dynamic && i < set->ndynamic; i++)
        if (app_key_valid(app, &set->keys[i], now))
            json_array_append_new(
                list, old_key(&set->keys[i], app_key_verifies_until(app, &set->keys[i])));
    return list;
}

int session_add_old_keys(struct api *a, json_t *reply)
{
    const struct app *app = a->ctx.tenant->app;
    bool dynamic = app->settings->access_token_signing_key_dynamic;
    const struct signing_key *key;
    const struct key_set *set;
    int rc = app_keys_signer(&a->ctx, app, !dynamic, &key);
    if (rc == RC_OK)
        rc = dynamic ? app_keys_get(&a->ctx, app, &set) : app_keys_get_all(&a->ctx, app, &set);
    if (rc != RC_OK)
        return rc;
    json_add_str(reply, "jwtSigningPublicKey", rsa_public(key->rsa));
    json_add_i64(reply, "jwtSigningPublicKeyExpiryTime",
                 dynamic ? app_key_signs_until(app, key) : STATIC_KEY_MS);
    if (a->ctx.cdi >= CDI(2, 9))
        json_object_set_new(reply, "jwtSigningPublicKeyList", old_key_list(app, set, dynamic));
    return RC_OK;
}

int session_api_handshake(struct api *a)
{
    if (a->ctx.cdi >= CDI(2, 21))
        return ctx_fail(&a->ctx, FAIL_NOT_FOUND, "Not found");
    const struct settings *s = a->ctx.tenant->settings;
    json_t *reply = api_ok(a);
    json_add_bool(reply, "accessTokenBlacklistingEnabled", s->access_token_blacklisting);
    json_add_i64(reply, "accessTokenValidity", s->access_token_validity * 1000);
    json_add_i64(reply, "refreshTokenValidity", session_refresh_validity_ms(s));
    return session_add_old_keys(a, reply);
}
