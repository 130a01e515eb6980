/* SPDX-License-Identifier: Apache-2.0 */
/* What concerns the core itself and no recipe: whether storages answer, values
 * an app stores once, which paid features of the incumbent are built. */
#ifndef CORE_RECIPE_CORE_INFO_H
#define CORE_RECIPE_CORE_INFO_H

#include "base/ctx.h"
#include "storage/tenant.h"
#include "store/core_info.h"

#include <stddef.h>

/* Asks every storage of the app for a sign of life, at most once in 200 ms; in
 * between the last answer stands.  RC_FAIL: a 503 that says which is silent. */
int core_probe(struct ctx *c, const struct app *app);

/* The app's telemetry id, made on first use and sent nowhere; STR_NULL where
 * telemetry is switched off. */
int core_telemetry_id(struct ctx *c, const struct app *app, struct str *id);

/* Any license key is taken, kept and given back; nobody is asked about it. */
int core_license(struct ctx *c, const struct app *app, struct str *key); /* STR_NULL: none */
int core_license_set(struct ctx *c, const struct app *app, struct str key);
int core_license_remove(struct ctx *c, const struct app *app);

/* Keeps the domains an SDK tells of itself (STR_NULL: not told); written only
 * when they differ from what is stored. */
int core_domains(struct ctx *c, const struct app *app, struct str website, struct str api);

/* Names of the features that this build has. */
size_t core_features(const char *const **names);

/* How a tenant of c->tenant's app is used. */
struct tenant_usage {
    struct str tenant_id;
    struct str pool; /* hash that is the same for tenants in one database */
    int64_t users;
    bool users_or_sessions;
    const struct tenant *tenant; /* until the arena is reset */
};
int core_usage(struct ctx *c, struct tenant_usage **list, size_t *n);

/* And the app itself. */
struct app_usage {
    int64_t maus[USAGE_DAYS]; /* [i]: users seen in the last i + 1 days */
    int64_t dashboard_users;
    bool account_linking; /* it has a primary user */
};
int core_app_usage(struct ctx *c, struct app_usage *usage);

#endif
