/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs for any purpose; see jwt.h. */
#include "recipe/jwt.h"

#include "base/clock.h"
#include "base/json.h"
#include "crypto/jwt.h"
#include "recipe/app_keys.h"

/* Some thirty thousand years: what is longer would not fit in milliseconds. */
#define LONGEST_S 1000000000000

int jwt_create(struct ctx *c, const struct jwt_input *in, struct str *token)
{
    const struct signing_key *key;
    int rc = app_keys_signer(c, c->tenant->app, in->use_static_key, &key);
    if (rc != RC_OK)
        return rc;
    int64_t now = clock_ms() / 1000;
    json_t *claims = json_own(c->arena, json_copy(in->payload));
    if (!json_object_get(claims, "iss"))
        json_add_str(claims, "iss", in->issuer);
    if (!json_object_get(claims, "iat"))
        json_add_i64(claims, "iat", now);
    if (!json_object_get(claims, "exp"))
        json_add_i64(claims, "exp",
                     now + (in->validity_s < LONGEST_S ? in->validity_s : LONGEST_S));
    struct str header = str_printf(c->arena, "{\"kid\":\"%.*s\",\"typ\":\"JWT\",\"alg\":\"RS256\"}",
                                   STR_ARG(key->id));
    *token = jwt_sign(c->arena, key->rsa, JWT_URL, header, json_text(c->arena, claims));
    return RC_OK;
}

static json_t *jwk(const struct signing_key *key)
{
    json_t *o = json_object();
    json_add_str(o, "kty", STR("RSA"));
    json_add_str(o, "kid", key->id);
    json_add_str(o, "n", rsa_modulus(key->rsa));
    json_add_str(o, "e", rsa_exponent(key->rsa));
    json_add_str(o, "alg", STR("RS256"));
    json_add_str(o, "use", STR("sig"));
    return o;
}

int jwt_keys(struct ctx *c, json_t **keys, int64_t *fresh_s)
{
    const struct app *app = c->tenant->app;
    const struct key_set *set;
    int rc = app_keys_get_all(c, app, &set);
    if (rc != RC_OK)
        return rc;
    int64_t now = clock_ms();
    *keys = json_array();
    for (size_t i = 0; i < set->n; i++)
        if (app_key_valid(app, &set->keys[i], now))
            json_array_append_new(*keys, jwk(&set->keys[i]));
    *fresh_s = app_keys_fresh_for(c, app, set);
    return RC_OK;
}
