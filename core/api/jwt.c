/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs for any purpose, and the app's public keys. */
#include "recipe/jwt.h"

#include "http/api.h"

static int post_jwt(struct api *a)
{
    struct str algorithm, token;
    struct jwt_input in;
    if (api_str(a, "algorithm", &algorithm) || api_str(a, "jwksDomain", &in.issuer) ||
        api_object(a, "payload", &in.payload) || api_i64(a, "validity", &in.validity_s))
        return RC_FAIL;
    if (in.validity_s <= 0)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "validity must be greater than or equal to 0");
    if (api_bool_opt(a, "useStaticSigningKey", true, &in.use_static_key))
        return RC_FAIL;
    if (!str_ieq(algorithm, STR("RS256"))) {
        (void)api_status(a, "UNSUPPORTED_ALGORITHM_ERROR");
        return RC_OK;
    }
    int rc = jwt_create(&a->ctx, &in, &token);
    if (rc == RC_OK)
        json_add_str(api_ok(a), "jwt", token);
    return rc;
}

static int get_jwks(struct api *a)
{
    json_t *keys;
    int64_t fresh_s;
    int rc = jwt_keys(&a->ctx, &keys, &fresh_s);
    if (rc == RC_OK)
        json_object_set_new(api_ok(a), "keys", keys);
    return rc;
}

/* The same for any verifier: no key, no version, and a time to keep it. */
static int get_well_known(struct api *a)
{
    json_t *keys;
    int64_t fresh_s;
    int rc = jwt_keys(&a->ctx, &keys, &fresh_s);
    if (rc != RC_OK)
        return rc;
    a->reply.json = json_object();
    json_object_set_new(a->reply.json, "keys", keys);
    a->reply.cache_control =
        str_printf(a->ctx.arena, "max-age=%lld, must-revalidate", (long long)fresh_s);
    return RC_OK;
}

const struct route jwt_routes[] = {
    {HTTP_POST, "/recipe/jwt", ROUTE_APP | ROUTE_BODY, post_jwt},
    {HTTP_GET, "/recipe/jwt/jwks", ROUTE_APP, get_jwks},
    {HTTP_GET, "/.well-known/jwks.json", ROUTE_NO_KEY | ROUTE_NO_CDI, get_well_known},
    {0},
};
