/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of apps and tenants: who may make them, what a change of their
 * configuration means at each CDI version, and how they are taken down. */
#ifndef CORE_RECIPE_MULTITENANCY_H
#define CORE_RECIPE_MULTITENANCY_H

#include "base/ctx.h"
#include "storage/tenant.h"

#include <jansson.h>

/* The recipe part of a tenant's configuration.  Arrays are NULL where the CDI
 * has null; references are owned by the struct. */
struct tenant_recipes {
    bool emailpassword, thirdparty, passwordless;
    json_t *first_factors, *required_secondary_factors;
    json_t *providers; /* never NULL */
};
/* From the stored text; dropped when the arena is reset. */
void tenant_recipes_parse(struct arena *a, struct str text, struct tenant_recipes *r);
/* Whether only the hoster, who has supertokens_saas_secret, sees and sets the key:
 * where the database is, and what the table of settings says of it. */
bool tenant_key_protected(const char *key);
bool tenant_has_factor(const json_t *factors, const char *name);
/* Whether users may sign in to c->tenant with the recipe.  From CDI 5.1 on that is
 * the SDK's business. */
enum tenant_recipe { TENANT_EMAILPASSWORD, TENANT_THIRDPARTY, TENANT_PASSWORDLESS };
bool tenant_allows(struct ctx *c, enum tenant_recipe recipe);

struct provider_change; /* multitenancy_providers.h */

enum tri { TRI_UNSET = -1, TRI_FALSE = 0, TRI_TRUE = 1 };

/* What a PUT asks for. */
struct tenant_change {
    struct str cud, app_id, tenant_id; /* the target */
    bool v2;                           /* the /v2 calls */
    bool protect;                      /* keys that only the hoster sets must stay as they are */
    json_t *core_config;               /* members to lay over, null removes; NULL: none */
    enum tri emailpassword, thirdparty, passwordless; /* not in v2 */
    bool has_first_factors, has_required_secondary_factors;
    json_t *first_factors, *required_secondary_factors; /* NULL: null */
    struct provider_change *provider;                   /* of a tenant that exists; NULL: none */
};

/* Applies the change to r as the CDI version says; RC_FAIL with a 400. */
int tenant_recipes_apply(struct ctx *c, const struct tenant_change *change,
                         struct tenant_recipes *r);
/* What a new tenant starts from. */
void tenant_recipes_initial(struct ctx *c, const struct tenant_change *change,
                            struct tenant_recipes *r);

/* Creates or changes the target in the name of c->tenant. */
int multitenancy_put(struct ctx *c, const struct tenant_change *change, bool *created);
/* c->tenant must be allowed to; *existed says whether there was one. */
int multitenancy_remove_tenant(struct ctx *c, struct str tenant_id, bool *existed);
int multitenancy_remove_app(struct ctx *c, struct str app_id, bool *existed);
int multitenancy_remove_cud(struct ctx *c, struct str cud, bool *existed);

/* At start: makes the base tenant exist and the registry know all others. */
int multitenancy_bootstrap(struct ctx *c);
/* Works on the pending sweeps of a storage that are due; called by a job. */
int multitenancy_sweep(struct ctx *c, struct storage *s);

/* What the registry needs from here, for registry_new(). */
extern const struct registry_hooks multitenancy_hooks;

#endif
