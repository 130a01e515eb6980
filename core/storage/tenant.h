/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as the core sees them: immutable, reference-counted snapshots of what
 * st_tenant_configs says, resolved for every request without a query and
 * refreshed when the change number of the base storage moves. */
#ifndef CORE_STORAGE_TENANT_H
#define CORE_STORAGE_TENANT_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>

struct storage;
struct settings;

/* An application: what its tenants share. */
struct app {
    struct str cud, app_id;
    struct storage *storage;         /* of its public tenant: keys, roles, last-active */
    const struct settings *settings; /* of its public tenant */
    struct app_keys *keys;           /* crypto/app_keys.h: cached signing and refresh keys */
};

struct tenant {
    struct str cud, app_id, tenant_id;
    struct app *app;
    struct storage *storage; /* of this tenant's rows */
    const struct settings *settings;
    struct str core_config;   /* JSON object as set for this very tenant */
    struct str recipe_config; /* JSON: first factors, providers, enabled flags */
    int64_t created_at;
};

/* Finds the tenant and takes a reference.  Unknown: RC_FAIL with the 400 text
 * the SDKs know ("AppId or tenantId not found => ...").  The first look at an
 * unknown tenant re-reads the change number (rate-limited), so a tenant made
 * through another core is seen at once. */
int tenant_resolve(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                   const struct tenant **tenant);
const struct tenant *tenant_ref(const struct tenant *t);
void tenant_unref(const struct tenant *t);

/* Every distinct storage of the app's tenants, its public one first; they stay
 * valid while the ctx's tenant reference is held. */
size_t tenant_app_storages(struct ctx *c, const struct app *app, struct storage ***list);
/* All tenants of the app, referenced until the arena is reset. */
size_t tenant_app_tenants(struct ctx *c, const struct app *app, const struct tenant ***list);

#endif
