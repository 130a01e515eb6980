/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the core itself; see core_info.h.  (A "core.h" here would hide the
 * one of the process from its neighbours.) */
#include "recipe/core_info.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/permits.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/sha.h"
#include "recipe/stats.h"
#include "recipe/users.h"
#include "storage/storages.h"
#include "store/keys.h"

enum { PROBE_MS = 2000 };

/* ---- probes */

static int probe_all(struct ctx *c, const struct app *app)
{
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, app, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        stk_health health = {.size = sizeof(health)};
        struct str error;
        permit_pause(c);
        stk_status status = storage_health(list[i], c->arena, PROBE_MS, &health, &error);
        permit_resume(c);
        if (status != STK_OK)
            rc = ctx_fail_text(c, FAIL_UNAVAILABLE, error);
    }
    return rc;
}

int core_probe(struct ctx *c, const struct app *app)
{
    bool ok;
    struct stats *s = c->core->stats;
    if (!stats_probe_due(s, app->cud, app->app_id, clock_us(), &ok))
        return ok ? RC_OK
                  : ctx_fail(c, FAIL_UNAVAILABLE, "The database did not answer a moment ago");
    int rc = probe_all(c, app);
    stats_probed(s, app->cud, app->app_id, rc == RC_OK);
    return rc;
}

/* ---- values */

int core_telemetry_id(struct ctx *c, const struct app *app, struct str *id)
{
    *id = STR_NULL;
    if (app->settings->disable_telemetry)
        return RC_OK;
    int rc = value_get(c, app->storage, app->app_id, VALUE_TELEMETRY_ID, id);
    if (rc != RC_OK || id->p)
        return rc;
    struct batch b;
    batch_init(&b, c);
    batch_value_if_absent(&b, app->app_id, VALUE_TELEMETRY_ID, uuid_v4_str(c->arena), clock_ms());
    rc = storage_write(c, app->storage, &b, NULL, NULL);
    return rc == RC_OK ? value_get(c, app->storage, app->app_id, VALUE_TELEMETRY_ID, id) : rc;
}

int core_license(struct ctx *c, const struct app *app, struct str *key)
{
    return value_get(c, app->storage, app->app_id, VALUE_LICENSE_KEY, key);
}

int core_license_set(struct ctx *c, const struct app *app, struct str key)
{
    struct batch b;
    batch_init(&b, c);
    batch_value_put(&b, app->app_id, VALUE_LICENSE_KEY, key, clock_ms());
    return storage_write(c, app->storage, &b, NULL, NULL);
}

int core_license_remove(struct ctx *c, const struct app *app)
{
    return value_delete(c, app->storage, app->app_id, VALUE_LICENSE_KEY);
}

int core_domains(struct ctx *c, const struct app *app, struct str website, struct str api)
{
    const struct str names[2] = {VALUE_WEBSITE_DOMAIN, VALUE_API_DOMAIN};
    const struct str told[2] = {website, api};
    struct str stored[2];
    struct stats *s = c->core->stats;
    if ((!website.p && !api.p) || stats_domains_known(s, app->cud, app->app_id, website, api))
        return RC_OK;
    int rc = value_get2(c, app->storage, app->app_id, names, stored);
    struct batch b;
    batch_init(&b, c);
    for (int i = 0; rc == RC_OK && i < 2; i++)
        if (told[i].p && !(stored[i].p && str_eq(told[i], stored[i])))
            batch_value_put(&b, app->app_id, names[i], told[i], clock_ms());
    if (rc == RC_OK)
        rc = storage_write(c, app->storage, &b, NULL, NULL);
    if (rc == RC_OK)
        stats_domains_note(s, app->cud, app->app_id, website, api);
    return rc;
}

/* ---- features */

size_t core_features(const char *const **names)
{
    static const char *const built[] = {"multi_tenancy", "account_linking", "dashboard_login",
                                        "mfa", "security"};
    *names = built;
    return sizeof(built) / sizeof(built[0]);
}

static int usage_of(struct ctx *c, const struct tenant *t, struct tenant_usage *u)
{
    struct ctx sub = *c;
    bool session = false;
    int rc = tenant_resolve(&sub, t->cud, t->app_id, t->tenant_id, &sub.tenant);
    if (rc == RC_OK) {
        rc = users_count_all(&sub, false, 0, false, &u->users);
        if (rc == RC_OK)
            rc = tenant_has_session(&sub, sub.tenant->storage, t->app_id, t->tenant_id, &session);
        u->tenant_id = t->tenant_id;
        u->pool = sha256_hex(c->arena, str_z(storage_data_id(sub.tenant->storage)));
        u->users_or_sessions = u->users > 0 || session;
        u->tenant = t;
        tenant_unref(sub.tenant);
    }
    c->fail = sub.fail;
    c->fail_text = sub.fail_text;
    c->round_trips = sub.round_trips;
    c->statements = sub.statements;
    c->batches = sub.batches;
    return rc;
}

int core_usage(struct ctx *c, struct tenant_usage **list, size_t *n)
{
    const struct tenant **tenants;
    *n = tenant_list(c, c->tenant->cud, c->tenant->app_id, &tenants);
    *list = ARENA_ARRAY(c->arena, struct tenant_usage, *n + 1);
    int rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < *n; i++)
        rc = usage_of(c, tenants[i], &(*list)[i]);
    return rc;
}

int core_app_usage(struct ctx *c, struct app_usage *usage)
{
    const struct app *app = c->tenant->app;
    struct storage **list;
    size_t n;
    *usage = (struct app_usage){.dashboard_users = 0};
    int rc = app_usage_read(c, app->storage, app->app_id, clock_ms(), usage->maus,
                            &usage->dashboard_users);
    for (int i = 1; i < USAGE_DAYS; i++)
        usage->maus[i] += usage->maus[i - 1];
    if (rc == RC_OK)
        rc = tenant_app_storages(c, app, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n && !usage->account_linking; i++)
        rc = app_has_primary(c, list[i], app->app_id, &usage->account_linking);
    return rc;
}
