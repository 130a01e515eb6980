/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about the core itself: whether it lives, what it speaks, how it is used. */
#include "recipe/core_info.h"

#include "base/clock.h"
#include "config/config.h"
#include "core.h"
#include "http/api.h"
#include "http/cdi.h"
#include "recipe/multitenancy.h"
#include "recipe/stats.h"

#include <unistd.h>

void core_request_done(const struct api *a)
{
    if (a->ctx.core->stats)
        stats_count(a->ctx.core->stats, a->cud, a->app_id, clock_ms());
}

/* ---- signs of life */

static int say_hello(struct api *a, const struct app *app)
{
    int rc = core_probe(&a->ctx, app);
    if (rc == RC_OK)
        a->reply.text = STR("Hello");
    return rc;
}

/* Of the app, whatever tenant is named. */
static int hello(struct api *a)
{
    const struct tenant *t;
    if (a->ctx.tenant)
        return say_hello(a, a->ctx.tenant->app);
    if (tenant_resolve(&a->ctx, a->cud, a->app_id, PUBLIC_ID, &t) != RC_OK)
        return RC_FAIL;
    int rc = say_hello(a, t->app);
    tenant_unref(t);
    return rc;
}

/* That this process serves requests, whatever its database does. */
static int live(struct api *a)
{
    a->reply.text = STR("Live");
    return RC_OK;
}

/* "/" and "/<tenant>": a word that is no tenant is a path that does not exist. */
static int root(struct api *a)
{
    const struct tenant *t;
    if (a->ctx.tenant)
        return say_hello(a, a->ctx.tenant->app);
    if (tenant_resolve(&a->ctx, a->cud, a->app_id, PUBLIC_ID, &t) != RC_OK)
        return RC_FAIL;
    tenant_unref(t);
    return ctx_fail(&a->ctx, FAIL_NOT_FOUND, "Not found");
}

/* ---- what it speaks */

static void save_domains(struct api *a)
{
    struct str website, api;
    if (api_query_opt(a, "websiteDomain", &website) == RC_OK &&
        api_query_opt(a, "apiDomain", &api) == RC_OK)
        (void)core_domains(&a->ctx, a->ctx.tenant->app, website, api);
}

static int apiversion(struct api *a)
{
    int list[32];
    size_t n = cdi_list(a->ctx.tenant->app->settings, list, sizeof(list) / sizeof(list[0]));
    json_t *versions = json_array();
    for (size_t i = 0; i < n; i++) {
        struct str text = cdi_text(a->ctx.arena, list[i]);
        json_array_append_new(versions, json_stringn(text.p, text.len));
    }
    a->reply.json = json_pack("{s:o}", "versions", versions);
    a->reply.after = save_domains;
    return RC_OK;
}

/* Tells a program on this machine, which knows our process id, our file. */
static int config_path(struct api *a)
{
    struct str pid;
    int64_t number;
    const struct config *config = a->ctx.core->config;
    if (api_query(a, "pid", &pid) != RC_OK)
        return RC_FAIL;
    if (!tenant_is_base(a->ctx.tenant))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "you can call this only from the base connection uri domain, public app "
                        "and tenant");
    if (!str_i64(pid, &number) || number != getpid() || !config) {
        api_status(a, "NOT_ALLOWED");
        return RC_OK;
    }
    struct str path = config->file;
    if (!path.p)
        path = str_printf(a->ctx.arena, "%.*s/config.yaml", STR_ARG(config->home));
    json_add_str(api_ok(a), "path", path);
    return RC_OK;
}

/* ---- how it is used */

static int request_stats(struct api *a)
{
    const struct stats_day *day =
        stats_day(a->ctx.core->stats, a->ctx.arena, a->cud, a->app_id, clock_ms());
    json_t *average = json_array(), *peak = json_array(), *reply = api_ok(a);
    for (int i = 0; i < STATS_MINUTES; i++) {
        json_array_append_new(average, json_real(day->average[i]));
        json_array_append_new(peak, json_integer(day->peak[i]));
    }
    json_add_i64(reply, "atMinute", day->at_minute);
    json_object_set_new(reply, "averageRequestsPerSecond", average);
    json_object_set_new(reply, "peakRequestsPerSecond", peak);
    return RC_OK;
}

static int telemetry(struct api *a)
{
    struct str id;
    if (core_telemetry_id(&a->ctx, a->ctx.tenant->app, &id) != RC_OK)
        return RC_FAIL;
    a->reply.json = json_object();
    json_add_bool(a->reply.json, "exists", id.p != NULL);
    json_add_str(a->reply.json, "telemetryId", id);
    return RC_OK;
}

/* Providers of which a tenant needs one of its own. */
static bool enterprise_login(const json_t *providers)
{
    static const char *const kinds[] = {"google-workspaces", "okta", "active-directory",
                                        "boxy-saml"};
    size_t i;
    json_t *provider;
    json_array_foreach(providers, i, provider)
    {
        struct str id = json_get_str(provider, "thirdPartyId");
        for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
            if (id.p && str_starts(id, str_z(kinds[k])))
                return true;
    }
    return false;
}

static json_t *usage_json(struct api *a, const struct tenant_usage *u)
{
    struct tenant_recipes r;
    json_t *o = json_object();
    tenant_recipes_parse(a->ctx.arena, u->tenant->recipe_config, &r);
    json_add_str(o, "tenantId", u->tenant_id);
    json_add_i64(o, "usersCount", u->users);
    json_add_bool(o, "hasUsersOrSessions", u->users_or_sessions);
    if (r.first_factors)
        json_object_set(o, "firstFactors", r.first_factors);
    if (r.required_secondary_factors)
        json_object_set(o, "requiredSecondaryFactors", r.required_secondary_factors);
    json_add_str(o, "userPoolId", u->pool);
    json_add_bool(o, "hasEnterpriseLogin", enterprise_login(r.providers));
    return o;
}

static json_t *tenants_json(struct api *a, const struct tenant_usage *list, size_t n)
{
    json_t *o = json_object(), *tenants = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(tenants, usage_json(a, &list[i]));
    json_add_str(o, "connectionUriDomain", a->cud);
    json_add_str(o, "appId", a->app_id);
    json_object_set_new(o, "tenants", tenants);
    return o;
}

/* What is told of the use of one feature. */
static json_t *feature_json(struct api *a, struct str name, const struct app_usage *usage,
                            const struct tenant_usage *list, size_t n)
{
    if (str_eqz(name, "multi_tenancy"))
        return tenants_json(a, list, n);
    json_t *o = json_object();
    if (str_eqz(name, "dashboard_login"))
        json_add_i64(o, "user_count", usage->dashboard_users);
    else if (str_eqz(name, "account_linking"))
        json_add_bool(o, "usesAccountLinking", usage->account_linking);
    return o;
}

static int feature_flag(struct api *a)
{
    const char *const *names;
    struct tenant_usage *list;
    struct app_usage usage;
    size_t n;
    if (core_usage(&a->ctx, &list, &n) != RC_OK || core_app_usage(&a->ctx, &usage) != RC_OK)
        return RC_FAIL;
    json_t *features = json_array(), *stats = json_object(), *maus = json_array();
    json_t *reply = api_ok(a);
    size_t nfeatures = core_features(&names);
    for (size_t i = 0; i < nfeatures; i++) {
        json_array_append_new(features, json_string(names[i]));
        json_object_set_new(stats, names[i], feature_json(a, str_z(names[i]), &usage, list, n));
    }
    for (int i = 0; i < USAGE_DAYS; i++)
        json_array_append_new(maus, json_integer(usage.maus[i]));
    json_object_set_new(stats, "maus", maus);
    json_object_set_new(reply, "features", features);
    json_object_set_new(reply, "usageStats", stats);
    return RC_OK;
}

/* ---- license keys */

static int put_license(struct api *a)
{
    struct str key;
    if (api_str_opt(a, "licenseKey", &key) != RC_OK)
        return RC_FAIL;
    if (!key.p && json_object_size(a->body) > 0)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "Field name 'licenseKey' is missing in JSON input");
    if (key.p && core_license_set(&a->ctx, a->ctx.tenant->app, key) != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

static int get_license(struct api *a)
{
    struct str key;
    if (core_license(&a->ctx, a->ctx.tenant->app, &key) != RC_OK)
        return RC_FAIL;
    if (!key.p)
        api_status(a, "NO_LICENSE_KEY_FOUND_ERROR");
    else
        json_add_str(api_ok(a), "licenseKey", key);
    return RC_OK;
}

static int delete_license(struct api *a)
{
    if (core_license_remove(&a->ctx, a->ctx.tenant->app) != RC_OK)
        return RC_FAIL;
    api_ok(a);
    return RC_OK;
}

enum {
    ROOT = ROUTE_NO_KEY | ROUTE_OLD_CDI | ROUTE_TENANT_OPTIONAL,
    HELLO = ROUTE_NO_KEY | ROUTE_NO_CDI | ROUTE_TENANT_OPTIONAL
};

const struct route core_routes[] = {
    {HTTP_GET, "/", ROOT, root},
    {HTTP_POST, "/", ROOT, root},
    {HTTP_PUT, "/", ROOT, root},
    {HTTP_DELETE, "/", ROOT, root},
    {HTTP_GET, "/hello", HELLO, hello},
    {HTTP_POST, "/hello", HELLO, hello},
    {HTTP_PUT, "/hello", HELLO, hello},
    {HTTP_DELETE, "/hello", HELLO, hello},
    {HTTP_GET, "/health/live", HELLO, live},
    {HTTP_GET, "/health/ready", HELLO, hello},
    {HTTP_GET, "/apiversion", ROUTE_APP | ROUTE_NO_CDI, apiversion},
    {HTTP_GET, "/config", ROUTE_NO_KEY, config_path},
    {HTTP_GET, "/requests/stats", ROUTE_APP, request_stats},
    {HTTP_GET, "/telemetry", ROUTE_APP, telemetry},
    {HTTP_GET, "/ee/featureflag", ROUTE_APP, feature_flag},
    {HTTP_PUT, "/ee/license", ROUTE_APP | ROUTE_BODY, put_license},
    {HTTP_GET, "/ee/license", ROUTE_APP, get_license},
    {HTTP_DELETE, "/ee/license", ROUTE_APP, delete_license},
    {HTTP_OTHER, NULL, 0, NULL},
};
