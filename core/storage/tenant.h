/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as the core sees them: immutable, reference-counted snapshots of what
 * st_tenant_configs says, resolved for every request without a query and
 * refreshed when the change number of the base storage moves.
 *
 * A tenant inherits its settings and its database from its app's public tenant,
 * that from the public app of its connection URI domain (cud), that from the
 * configuration file. */
#ifndef CORE_STORAGE_TENANT_H
#define CORE_STORAGE_TENANT_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>

struct plugin;
struct storage;
struct settings;
struct app_keys;
struct registry;

/* An application: what its tenants share. */
struct app {
    struct str cud, app_id;
    struct storage *storage;         /* of its public tenant: keys, roles, last-active */
    const struct settings *settings; /* of its public tenant */
    struct app_keys *keys;           /* cached keys; outlives this snapshot of the app */
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

#define PUBLIC_ID STR("public")

static inline bool tenant_is_base(const struct tenant *t)
{
    return t->cud.len == 0 && str_eq(t->app_id, PUBLIC_ID) && str_eq(t->tenant_id, PUBLIC_ID);
}

/* ---- used by every layer above */

/* Finds the tenant, opens its storage if this is its first use, and takes a
 * reference.  Unknown: RC_FAIL with the 400 text the SDKs know ("AppId or
 * tenantId not found => ..."); its database out of reach: RC_FAIL, 503.  A look
 * at an unknown tenant re-reads the change number, at most once for all who look
 * at the same moment, so a tenant made through another core is seen at once. */
int tenant_resolve(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                   const struct tenant **tenant);
/* As tenant_resolve, but *tenant is NULL if there is none. */
int tenant_find(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                const struct tenant **tenant);
const struct tenant *tenant_ref(const struct tenant *t);
void tenant_unref(const struct tenant *t);

/* The connection URI domain that a Host header stands for: the host itself if
 * it is a known one, else empty.  The text lives as long as host. */
struct str tenant_cud(struct core *core, struct str host);

/* The failure of an unknown tenant, for writers that find it gone. */
int tenant_unknown(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id);

/* Every distinct storage of the app's tenants, its public one first; they stay
 * valid until the arena is reset.  One that cannot be opened is RC_FAIL. */
int tenant_app_storages(struct ctx *c, const struct app *app, struct storage ***list, size_t *n);
/* Tenants of the app, or of all apps of the cud (app_id absent), or all (cud
 * absent too), by id; referenced until the arena is reset.  Their storage may
 * be NULL: resolve the one that is to be used. */
size_t tenant_list(struct ctx *c, struct str cud, struct str app_id, const struct tenant ***list);

/* The plugin of the tenant's storage and the keys it is opened with, defaults
 * included: where the database is, with its secrets. */
int tenant_connection(struct ctx *c, const struct tenant *t, const struct plugin **plugin,
                      const stk_kv **kv, size_t *n);

/* ---- the registry itself */

/* A row of st_tenant_configs. */
struct tenant_row {
    struct str cud, app_id, tenant_id, core_config, recipe_config;
    int64_t seq, created_at;
    bool active; /* false: the tenant is deleted */
};

/* What the layers above lend to the registry. */
struct registry_hooks {
    /* Rows whose seq is above `since`, lowest first, and the newest change
     * number; one cheap read when nothing changed. */
    int (*changes)(struct ctx *c, int64_t since, struct tenant_row **rows, size_t *n, int64_t *seq);
    struct app_keys *(*keys_new)(struct core *core);
    void (*keys_free)(struct app_keys *keys);
};

struct registry *registry_new(struct core *core, const struct registry_hooks *hooks);
/* Ends the poll thread, then frees; no tenant may be in use. */
void registry_free(struct registry *r);
/* Reads what changed since the last time. */
int registry_refresh(struct ctx *c);
/* Starts the thread that calls it every few seconds. */
void registry_start(struct registry *r);
/* Takes over one row that this core has just written. */
int registry_apply(struct ctx *c, const struct tenant_row *row);
/* Settings and storage as they would be if the row were written, without
 * keeping anything: how a change is checked.  *same_storage: the row's storage
 * is the base one.  RC_FAIL with a 400 text "Invalid core config: ...". */
int registry_check(struct ctx *c, const struct tenant_row *row, struct storage **storage);
/* Every storage opened for a tenant, the base one first; until arena reset. */
size_t registry_storages(struct ctx *c, struct storage ***list);

#endif
