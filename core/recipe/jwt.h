/* SPDX-License-Identifier: Apache-2.0 */
/* JWTs for any purpose, and the public keys of an app. */
#ifndef CORE_RECIPE_JWT_H
#define CORE_RECIPE_JWT_H

#include "base/ctx.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>

struct jwt_input {
    struct str issuer; /* "iss", unless the payload has one */
    json_t *payload;
    int64_t validity_s;
    bool use_static_key;
};
int jwt_create(struct ctx *c, const struct jwt_input *in, struct str *token);

/* The array of JWKs, dynamic keys first; the caller owns it.  *fresh_s: how long
 * it may be kept. */
int jwt_keys(struct ctx *c, json_t **keys, int64_t *fresh_s);

#endif
