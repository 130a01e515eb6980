/* SPDX-License-Identifier: Apache-2.0 */
/* Third-party providers of a tenant: their normal form, and what is accepted. */
#ifndef CORE_RECIPE_MULTITENANCY_PROVIDERS_H
#define CORE_RECIPE_MULTITENANCY_PROVIDERS_H

#include "recipe/multitenancy.h"

/* The provider as it is kept and shown: known members in their order, absent ones
 * left out, owned by the arena.  RC_FAIL: one is of a wrong type, 400. */
int provider_normalise(struct ctx *c, const json_t *config, json_t **provider);

/* Changes the providers of a tenant; part of a struct tenant_change. */
struct provider_change {
    json_t *set;    /* in normal form, replaces the one of its id; or NULL */
    struct str id;  /* of that, or of the one to be removed */
    bool unchecked; /* take it as it is */
    bool existed;   /* out: there was one of this id */
};
/* RC_FAIL: what the tenant then has is not valid, 400. */
int providers_apply(struct ctx *c, struct provider_change *change, struct tenant_recipes *r);

/* Sets or removes one in c->tenant. */
int multitenancy_put_provider(struct ctx *c, struct provider_change *change);

#endif
