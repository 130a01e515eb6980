/* SPDX-License-Identifier: Apache-2.0 */
/* /recipe/multitenancy: apps, tenants and connection URI domains. */
#include "recipe/multitenancy.h"
#include "base/json.h"
#include "http/api.h"

#include <string.h>

/* ---- ids */

static bool valid_id(struct str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char ch = id.p[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '-'))
            return false;
    }
    return id.len > 0;
}

/* field is "appId" or "tenantId"; *id is trimmed and lower-cased. */
static int normalise_id(struct ctx *c, const char *field, struct str *id)
{
    static const char *const reserved[] = {"recipe", "config", "users", "hello"};
    struct str s = str_lower(c->arena, str_trim(*id));
    if (s.len == 0)
        return ctx_fail(c, FAIL_BAD_REQUEST, "%s should not be an empty String", field);
    for (size_t i = 0; strcmp(field, "tenantId") == 0 && i < 4; i++)
        if (str_eqz(s, reserved[i]))
            return ctx_fail(c, FAIL_BAD_REQUEST, "Cannot use '%s' as a tenantId", reserved[i]);
    if (str_starts(s, STR("appid-")))
        return ctx_fail(c, FAIL_BAD_REQUEST, "%s must not start with 'appid-'", field);
    if (!valid_id(s))
        return ctx_fail(c, FAIL_BAD_REQUEST, "%s can only contain letters, numbers and hyphens",
                        field);
    *id = s;
    return RC_OK;
}

/* A host name or IPv4 address; a port is accepted and dropped. */
static int normalise_cud(struct ctx *c, struct str *cud)
{
    struct str s = str_lower(c->arena, str_trim(*cud));
    if (s.len == 0)
        return ctx_fail(c, FAIL_BAD_REQUEST, "connectionUriDomain should not be an empty String");
    ptrdiff_t colon = str_find(s, ':');
    struct str host = colon < 0 ? s : str_sub(s, 0, (size_t)colon);
    int64_t port = 0;
    bool ok = colon < 0 ||
              (str_i64(str_sub(s, (size_t)colon + 1, s.len), &port) && port >= 0 && port <= 65535);
    struct str rest = host, label;
    while (ok && str_split(&rest, '.', &label))
        ok = valid_id(label);
    if (!ok)
        return ctx_fail(c, FAIL_BAD_REQUEST, "connectionUriDomain is invalid");
    *cud = str_dup(c->arena, host);
    return RC_OK;
}

/* Reads the optional id field of a PUT; absent means the default. */
static int id_field(struct api *a, const char *field, struct str dflt, struct str *id)
{
    if (api_str_opt(a, field, id) != RC_OK)
        return RC_FAIL;
    if (!id->p) {
        *id = dflt;
        return RC_OK;
    }
    return normalise_id(&a->ctx, field, id);
}

/* ---- PUT */

static int tri_field(struct api *a, const char *field, enum tri *out)
{
    bool v = false;
    const json_t *member = json_object_get(a->body, field);
    *out = TRI_UNSET;
    if (!member || json_is_null(member))
        return RC_OK;
    if (api_bool(a, field, &v) != RC_OK)
        return RC_FAIL;
    *out = v ? TRI_TRUE : TRI_FALSE;
    return RC_OK;
}

static int factors_field(struct api *a, const char *field, bool *has, json_t **out)
{
    const json_t *member = json_object_get(a->body, field);
    *has = member != NULL;
    *out = NULL;
    if (!member || json_is_null(member))
        return RC_OK;
    if (api_array(a, field, out) != RC_OK)
        return RC_FAIL;
    for (size_t i = 0; i < json_array_size(*out); i++) {
        const char *name = json_string_value(json_array_get(*out, i));
        if (!name)
            return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' is invalid in JSON input",
                            field);
        for (size_t k = 0; k < i; k++)
            if (strcmp(name, json_string_value(json_array_get(*out, k))) == 0)
                return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                                "%s input should not contain duplicate values", field);
    }
    return RC_OK;
}

static int no_flags_in_v2(struct api *a)
{
    if (json_object_get(a->body, "emailPasswordEnabled"))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "emailPasswordEnabled is not a valid input for this API");
    if (json_object_get(a->body, "thirdPartyEnabled"))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "thirdParty is not a valid input for this API");
    if (json_object_get(a->body, "passwordlessEnabled"))
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST,
                        "passwordless is not a valid input for this API");
    return RC_OK;
}

static int decode_change(struct api *a, struct tenant_change *change)
{
    if (api_object_opt(a, "coreConfig", &change->core_config) != RC_OK)
        return RC_FAIL;
    if (change->v2 && no_flags_in_v2(a) != RC_OK)
        return RC_FAIL;
    if (tri_field(a, "emailPasswordEnabled", &change->emailpassword) != RC_OK ||
        tri_field(a, "thirdPartyEnabled", &change->thirdparty) != RC_OK ||
        tri_field(a, "passwordlessEnabled", &change->passwordless) != RC_OK)
        return RC_FAIL;
    if (!change->v2 && a->ctx.cdi < CDI(5, 0))
        return RC_OK;
    if (factors_field(a, "firstFactors", &change->has_first_factors, &change->first_factors) !=
        RC_OK)
        return RC_FAIL;
    return factors_field(a, "requiredSecondaryFactors", &change->has_required_secondary_factors,
                         &change->required_secondary_factors);
}

static int put(struct api *a, struct tenant_change *change)
{
    bool created = false;
    change->protect = a->protect_config;
    if (decode_change(a, change) != RC_OK || multitenancy_put(&a->ctx, change, &created) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "createdNew", created);
    return RC_OK;
}

static int put_app(struct api *a, bool v2)
{
    struct tenant_change change = {.v2 = v2, .cud = a->ctx.tenant->cud, .tenant_id = PUBLIC_ID};
    if (id_field(a, "appId", PUBLIC_ID, &change.app_id) != RC_OK)
        return RC_FAIL;
    return put(a, &change);
}

static int put_app_v1(struct api *a)
{
    return put_app(a, false);
}

static int put_app_v2(struct api *a)
{
    return put_app(a, true);
}

static int put_tenant(struct api *a, bool v2)
{
    struct tenant_change change = {
        .v2 = v2, .cud = a->ctx.tenant->cud, .app_id = a->ctx.tenant->app_id};
    if (id_field(a, "tenantId", PUBLIC_ID, &change.tenant_id) != RC_OK)
        return RC_FAIL;
    return put(a, &change);
}

static int put_tenant_v1(struct api *a)
{
    return put_tenant(a, false);
}

static int put_tenant_v2(struct api *a)
{
    return put_tenant(a, true);
}

static int put_cud(struct api *a, bool v2)
{
    struct tenant_change change = {.v2 = v2, .app_id = PUBLIC_ID, .tenant_id = PUBLIC_ID};
    if (api_str_opt(a, "connectionUriDomain", &change.cud) != RC_OK)
        return RC_FAIL;
    if (!change.cud.p)
        change.cud = STR("");
    else if (normalise_cud(&a->ctx, &change.cud) != RC_OK)
        return RC_FAIL;
    return put(a, &change);
}

static int put_cud_v1(struct api *a)
{
    return put_cud(a, false);
}

static int put_cud_v2(struct api *a)
{
    return put_cud(a, true);
}

/* ---- GET: the three shapes of a tenant */

enum shape { SHAPE_4_0, SHAPE_5_0, SHAPE_V2 };

static enum shape shape_v1(const struct api *a)
{
    return a->ctx.cdi < CDI(5, 0) ? SHAPE_4_0 : SHAPE_5_0;
}

static bool enabled(enum shape shape, const json_t *first, bool flag, const char *const *factors)
{
    if (!flag || !first)
        return flag;
    if (shape == SHAPE_5_0)
        return json_array_size(first) > 0;
    for (; *factors; factors++)
        if (tenant_has_factor(first, *factors))
            return true;
    return false;
}

static json_t *enabled_json(bool on)
{
    return json_pack("{s:b}", "enabled", on);
}

static void add_flags(json_t *out, enum shape shape, const struct tenant_recipes *r)
{
    static const char *const ep[] = {"emailpassword", NULL}, *const tp[] = {"thirdparty", NULL};
    static const char *const pl[] = {"otp-phone", "otp-email", "link-phone", "link-email", NULL};
    json_object_set_new(out, "emailPassword",
                        enabled_json(enabled(shape, r->first_factors, r->emailpassword, ep)));
    json_t *third = enabled_json(enabled(shape, r->first_factors, r->thirdparty, tp));
    json_object_set(third, "providers", r->providers);
    json_object_set_new(out, "thirdParty", third);
    json_object_set_new(out, "passwordless",
                        enabled_json(enabled(shape, r->first_factors, r->passwordless, pl)));
}

/* In v2 flags that are off show as the list of what is on. */
static json_t *v2_first_factors(const struct tenant_recipes *r)
{
    if (r->first_factors)
        return json_incref(r->first_factors);
    if (r->emailpassword && r->thirdparty && r->passwordless)
        return NULL;
    json_t *list = json_array();
    if (r->emailpassword)
        json_array_append_new(list, json_string("emailpassword"));
    if (r->thirdparty)
        json_array_append_new(list, json_string("thirdparty"));
    static const char *const pl[] = {"otp-email", "otp-phone", "link-email", "link-phone"};
    for (size_t i = 0; r->passwordless && i < 4; i++)
        json_array_append_new(list, json_string(pl[i]));
    return list;
}

static json_t *core_config_json(const struct api *a, const struct tenant *t)
{
    json_t *config = json_object_parse(t->core_config);
    const char *key;
    json_t *value;
    void *next;
    if (!config)
        return json_object();
    json_object_foreach_safe(config, next, key, value)
    {
        if (a->protect_config && tenant_key_protected(key))
            json_object_del(config, key);
    }
    return config;
}

static void tenant_json(struct api *a, json_t *out, enum shape shape, const struct tenant *t)
{
    struct tenant_recipes r;
    tenant_recipes_parse(a->ctx.arena, t->recipe_config, &r);
    json_add_str(out, "tenantId", t->tenant_id);
    if (shape == SHAPE_V2) {
        json_t *third = json_object();
        json_object_set(third, "providers", r.providers);
        json_object_set_new(out, "thirdParty", third);
        json_t *first = v2_first_factors(&r);
        if (first)
            json_object_set_new(out, "firstFactors", first);
    } else {
        add_flags(out, shape, &r);
        if (shape == SHAPE_5_0 && r.first_factors && json_array_size(r.first_factors) > 0)
            json_object_set(out, "firstFactors", r.first_factors);
    }
    if (shape != SHAPE_4_0 && r.required_secondary_factors)
        json_object_set(out, "requiredSecondaryFactors", r.required_secondary_factors);
    json_object_set_new(out, "coreConfig", core_config_json(a, t));
}

static int get_tenant(struct api *a, enum shape shape)
{
    if (!a->ctx.tenant) {
        api_status(a, "TENANT_NOT_FOUND_ERROR");
        return RC_OK;
    }
    tenant_json(a, api_ok(a), shape, a->ctx.tenant);
    return RC_OK;
}

static int get_tenant_v1(struct api *a)
{
    return get_tenant(a, shape_v1(a));
}

static int get_tenant_v2(struct api *a)
{
    return get_tenant(a, SHAPE_V2);
}

static int list_tenants(struct api *a, enum shape shape)
{
    const struct tenant *me = a->ctx.tenant, **tenants;
    if (!str_eq(me->tenant_id, PUBLIC_ID))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only the public tenantId is allowed to list all tenants associated with "
                        "this app");
    if (registry_refresh(&a->ctx) != RC_OK)
        return RC_FAIL;
    size_t n = tenant_list(&a->ctx, me->cud, me->app_id, &tenants);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *one = json_object();
        tenant_json(a, one, shape, tenants[i]);
        json_array_append_new(list, one);
    }
    json_object_set_new(api_ok(a), "tenants", list);
    return RC_OK;
}

static int list_tenants_v1(struct api *a)
{
    return list_tenants(a, shape_v1(a));
}

static int list_tenants_v2(struct api *a)
{
    return list_tenants(a, SHAPE_V2);
}

/* Groups tenants, which come sorted, under "appId" objects. */
static json_t *apps_json(struct api *a, enum shape shape, const struct tenant *const *tenants,
                         size_t n)
{
    json_t *apps = json_array(), *members = NULL;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(tenants[i]->app_id, tenants[i - 1]->app_id)) {
            json_t *app = json_object();
            json_add_str(app, "appId", tenants[i]->app_id);
            members = json_array();
            json_object_set_new(app, "tenants", members);
            json_array_append_new(apps, app);
        }
        json_t *one = json_object();
        tenant_json(a, one, shape, tenants[i]);
        json_array_append_new(members, one);
    }
    return apps;
}

static int list_apps(struct api *a, enum shape shape)
{
    const struct tenant *me = a->ctx.tenant, **tenants;
    if (!str_eq(me->tenant_id, PUBLIC_ID) || !str_eq(me->app_id, PUBLIC_ID))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only the public tenantId and public appId is allowed to list all apps "
                        "associated with this connection uri domain");
    if (registry_refresh(&a->ctx) != RC_OK)
        return RC_FAIL;
    size_t n = tenant_list(&a->ctx, me->cud, STR_NULL, &tenants);
    json_object_set_new(api_ok(a), "apps", apps_json(a, shape, tenants, n));
    return RC_OK;
}

static int list_apps_v1(struct api *a)
{
    return list_apps(a, shape_v1(a));
}

static int list_apps_v2(struct api *a)
{
    return list_apps(a, SHAPE_V2);
}

static int list_cuds(struct api *a, enum shape shape)
{
    const struct tenant **tenants;
    if (!tenant_is_base(a->ctx.tenant))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Only the public tenantId, public appId and default connectionUriDomain is "
                        "allowed to list all connectionUriDomains and appIds associated with this "
                        "core");
    if (registry_refresh(&a->ctx) != RC_OK)
        return RC_FAIL;
    size_t n = tenant_list(&a->ctx, STR_NULL, STR_NULL, &tenants);
    json_t *cuds = json_array();
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && str_eq(tenants[end]->cud, tenants[i]->cud); end++)
            ;
        json_t *one = json_object();
        json_add_str(one, "connectionUriDomain", tenants[i]->cud);
        json_object_set_new(one, "apps", apps_json(a, shape, tenants + i, end - i));
        json_array_append_new(cuds, one);
    }
    json_object_set_new(api_ok(a), "connectionUriDomains", cuds);
    return RC_OK;
}

static int list_cuds_v1(struct api *a)
{
    return list_cuds(a, shape_v1(a));
}

static int list_cuds_v2(struct api *a)
{
    return list_cuds(a, SHAPE_V2);
}

/* ---- POST remove */

static int remove_tenant(struct api *a)
{
    struct str id;
    bool existed = false;
    if (api_str(a, "tenantId", &id) != RC_OK || normalise_id(&a->ctx, "tenantId", &id) != RC_OK)
        return RC_FAIL;
    if (str_eq(id, PUBLIC_ID))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Cannot delete public tenant, use remove app API instead");
    if (multitenancy_remove_tenant(&a->ctx, id, &existed) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didExist", existed);
    return RC_OK;
}

static int remove_app(struct api *a)
{
    struct str id;
    bool existed = false;
    if (api_str(a, "appId", &id) != RC_OK || normalise_id(&a->ctx, "appId", &id) != RC_OK)
        return RC_FAIL;
    if (str_eq(id, PUBLIC_ID))
        return ctx_fail(&a->ctx, FAIL_FORBIDDEN,
                        "Cannot delete the public app, use remove connection uri domain API "
                        "instead");
    if (multitenancy_remove_app(&a->ctx, id, &existed) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didExist", existed);
    return RC_OK;
}

static int remove_cud(struct api *a)
{
    struct str cud;
    bool existed = false;
    if (api_str(a, "connectionUriDomain", &cud) != RC_OK || normalise_cud(&a->ctx, &cud) != RC_OK)
        return RC_FAIL;
    if (multitenancy_remove_cud(&a->ctx, cud, &existed) != RC_OK)
        return RC_FAIL;
    json_add_bool(api_ok(a), "didExist", existed);
    return RC_OK;
}

const struct route multitenancy_routes[] = {
    {HTTP_PUT, "/recipe/multitenancy/app", ROUTE_BODY, put_app_v1},
    {HTTP_PUT, "/recipe/multitenancy/app/v2", ROUTE_BODY, put_app_v2},
    {HTTP_GET, "/recipe/multitenancy/app/list", 0, list_apps_v1},
    {HTTP_GET, "/recipe/multitenancy/app/list/v2", 0, list_apps_v2},
    {HTTP_POST, "/recipe/multitenancy/app/remove", ROUTE_BODY, remove_app},
    {HTTP_PUT, "/recipe/multitenancy/tenant", ROUTE_BODY, put_tenant_v1},
    {HTTP_PUT, "/recipe/multitenancy/tenant/v2", ROUTE_BODY, put_tenant_v2},
    {HTTP_GET, "/recipe/multitenancy/tenant", ROUTE_TENANT_OPTIONAL, get_tenant_v1},
    {HTTP_GET, "/recipe/multitenancy/tenant/v2", ROUTE_TENANT_OPTIONAL, get_tenant_v2},
    {HTTP_GET, "/recipe/multitenancy/tenant/list", 0, list_tenants_v1},
    {HTTP_GET, "/recipe/multitenancy/tenant/list/v2", 0, list_tenants_v2},
    {HTTP_POST, "/recipe/multitenancy/tenant/remove", ROUTE_BODY, remove_tenant},
    {HTTP_PUT, "/recipe/multitenancy/connectionuridomain", ROUTE_BODY, put_cud_v1},
    {HTTP_PUT, "/recipe/multitenancy/connectionuridomain/v2", ROUTE_BODY, put_cud_v2},
    {HTTP_GET, "/recipe/multitenancy/connectionuridomain/list", 0, list_cuds_v1},
    {HTTP_GET, "/recipe/multitenancy/connectionuridomain/list/v2", 0, list_cuds_v2},
    {HTTP_POST, "/recipe/multitenancy/connectionuridomain/remove", ROUTE_BODY, remove_cud},
    {HTTP_OTHER, NULL, 0, NULL},
};
