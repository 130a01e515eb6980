/* SPDX-License-Identifier: Apache-2.0 */
/* The checks before a call and their order; see router.h. */
#include "http/router.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/permits.h"
#include "config/settings.h"
#include "http/cdi.h"
#include "http/reply.h"
#include "storage/tenant.h"

enum { AFTER_US = 2 * 1000 * 1000 };

/* ---- who is asked for */

/* "Example.com:3567" gives "example.com", "[::1]:3567" gives "::1". */
static struct str host_of(struct arena *a, struct str header)
{
    struct str h = str_lower(a, str_trim(header));
    ptrdiff_t colon = str_rfind(h, ':');
    if (h.len && h.p[0] == '[') {
        ptrdiff_t end = str_find(h, ']');
        return end > 0 ? str_sub(h, 1, (size_t)end) : STR("");
    }
    return str_dup(a, colon < 0 ? h : str_sub(h, 0, (size_t)colon));
}

static bool below_base(struct str base, struct str *path)
{
    if (!str_starts(*path, base) || (path->len > base.len && path->p[base.len] != '/'))
        return false;
    *path = str_sub(*path, base.len, path->len);
    return true;
}

static int read_target(struct router *r, struct exchange *x)
{
    struct api *api = &x->api;
    struct arena *a = api->ctx.arena;
    const struct request *req = api->request;
    struct str path, rid = request_header(req, "rid");
    if (!url_path(a, req->path, &path))
        return ctx_fail(&api->ctx, FAIL_BAD_REQUEST, "The path is malformed");
    if (!below_base(r->base_path, &path))
        return ctx_fail(&api->ctx, FAIL_NOT_FOUND, "Not found");
    api->rid = rid.p ? str_lower(a, str_trim(rid)) : STR_NULL;
    routes_match(r->routes, a, path, api->rid, &x->match);
    api->path = x->match.found ? x->match.endpoint->path : path;
    api->app_id = str_dup(a, x->match.app_id);
    api->tenant_id = str_dup(a, x->match.tenant_id);
    api->has_tenant = x->match.has_tenant;
    struct str host = request_header(req, "host");
    api->host = host.p ? host_of(a, host) : STR("");
    api->cud = str_dup(a, tenant_cud(r->core, api->host));
    return RC_OK;
}

/* The app's public tenant and the tenant; each stays NULL where there is none. */
static int find_tenants(struct exchange *x)
{
    struct api *api = &x->api;
    int rc = tenant_find(&api->ctx, api->cud, api->app_id, PUBLIC_ID, &x->app);
    if (rc != RC_OK || !x->app)
        return rc;
    if (!api->has_tenant) {
        x->tenant = tenant_ref(x->app);
        return RC_OK;
    }
    return tenant_find(&api->ctx, api->cud, api->app_id, api->tenant_id, &x->tenant);
}

/* ---- who is asking */

static int check_address(struct core *core, struct exchange *x)
{
    struct str only = core->settings->supertokens_saas_load_only_cud;
    if (only.p && x->api.cud.len && !str_eq(only, x->api.cud))
        return ctx_fail(&x->api.ctx, FAIL_BAD_REQUEST, "Connection URI domain is disallowed");
    const struct tenant *t = x->tenant ? x->tenant : x->app;
    if (t && !settings_ip_allowed(t->settings, x->api.request->remote))
        return ctx_fail(&x->api.ctx, FAIL_FORBIDDEN, "Forbidden");
    return RC_OK;
}

static struct str sent_key(const struct request *req)
{
    struct str key = request_header(req, "api-key");
    if (key.p)
        return str_trim(key);
    key = str_trim(request_header(req, "authorization"));
    const struct str bearer = STR("bearer ");
    if (key.len >= bearer.len && str_ieq(str_sub(key, 0, bearer.len), bearer))
        key = str_sub(key, bearer.len, key.len);
    return str_trim(key);
}

static int check_key(struct core *core, struct exchange *x)
{
    struct str saas = core->settings->supertokens_saas_secret, key = sent_key(x->api.request);
    bool hoster = saas.p && key.p && str_eq_secret(saas, key);
    x->api.protect_config = saas.p && !hoster;
    /* Without the app there is nothing to protect: the call says that it is unknown. */
    if ((x->match.endpoint->flags & ROUTE_NO_KEY) || !x->app || hoster)
        return RC_OK;
    const struct settings *s = x->app->settings;
    bool keys = s->api_keys.p != NULL;
    if ((keys || saas.p) && !(keys && key.p && settings_api_key(s, key)))
        return ctx_fail(&x->api.ctx, FAIL_UNAUTHORISED, "Invalid API key");
    return RC_OK;
}

static int check_version(struct exchange *x)
{
    struct ctx *c = &x->api.ctx;
    int rc = cdi_decide(c, x->app ? x->app->settings : NULL, x->match.endpoint->flags,
                        request_header(x->api.request, "cdi-version"));
    if (rc == RC_OK && c->cdi < CDI(3, 0) && x->api.has_tenant)
        return ctx_fail(c, FAIL_NOT_FOUND, "Not found");
    return rc;
}

static int unknown_tenant(struct exchange *x)
{
    return tenant_unknown(&x->api.ctx, x->api.cud, x->api.app_id, x->api.tenant_id);
}

/* Sets ctx.tenant to the one the call is for. */
static int choose_tenant(struct exchange *x, unsigned flags)
{
    struct api *api = &x->api;
    api->ctx.tenant = x->tenant;
    if (flags & ROUTE_APP) {
        if (api->has_tenant && api->ctx.cdi >= CDI(5, 0))
            return ctx_fail(&api->ctx, FAIL_FORBIDDEN,
                            "Only public tenantId can call this app specific API");
        api->ctx.tenant = x->app;
    }
    return api->ctx.tenant || (flags & ROUTE_TENANT_OPTIONAL) ? RC_OK : unknown_tenant(x);
}

static int method_missing(struct exchange *x)
{
    if (x->match.found || x->api.method == HTTP_OTHER) {
        x->status = 405;
        x->api.reply.text = STR("Method not supported");
        return RC_OK;
    }
    return x->app ? ctx_fail(&x->api.ctx, FAIL_NOT_FOUND, "Not found") : unknown_tenant(x);
}

/* ---- the call */

static int read_body(struct exchange *x)
{
    struct ctx *c = &x->api.ctx;
    const struct request *req = x->api.request;
    struct str text = STR("");
    c->arena->wipe = true;
    switch (req->read_body ? req->read_body(req, c->arena, &text) : BODY_OK) {
    case BODY_OK: break;
    case BODY_TOO_BIG:
        x->close = true;
        x->status = 413;
        return ctx_fail(c, FAIL_BAD_REQUEST, "The body is larger than %d bytes", BODY_MAX);
    case BODY_BROKEN:
        x->close = true;
        return ctx_fail(c, FAIL_BAD_REQUEST, "The body is incomplete or malformed");
    case BODY_CUT:
        x->close = true;
        return ctx_fail(c, FAIL_UNAVAILABLE,
                        "http: the server stops and did not read the request. Try again");
    }
    x->api.body = reply_body_parse(c->arena, text);
    return x->api.body ? RC_OK : ctx_fail(c, FAIL_BAD_REQUEST, "Invalid Json Input");
}

static int call(struct router *r, struct exchange *x, const struct route *route)
{
    struct ctx *c = &x->api.ctx;
    int rc = choose_tenant(x, route->flags);
    if (rc == RC_OK && (route->flags & ROUTE_BODY))
        rc = read_body(x);
    if (rc != RC_OK)
        return rc;
    struct permits *permits = r->core->permits;
    if (permits && !permit_take(permits, c->deadline_us))
        return ctx_fail(c, FAIL_UNAVAILABLE,
                        "http: the request waited too long for others to end. Try again; if it "
                        "lasts, add cores or raise max_server_pool_size");
    c->permit = permits ? PERMIT_HELD : PERMIT_NONE;
    rc = route->fn(&x->api);
    if (c->permit == PERMIT_HELD)
        permit_give(permits);
    c->permit = PERMIT_NONE;
    return rc;
}

static int run(struct router *r, struct exchange *x)
{
    int rc = read_target(r, x);
    if (rc == RC_OK)
        rc = find_tenants(x);
    if (rc == RC_OK)
        rc = check_address(r->core, x);
    if (rc == RC_OK)
        rc = check_key(r->core, x);
    if (rc == RC_OK)
        rc = check_version(x);
    if (rc != RC_OK)
        return rc;
    const struct route *route = NULL;
    if (x->match.found && x->api.method != HTTP_OTHER)
        route = x->match.endpoint->by_method[x->api.method];
    return route ? call(r, x, route) : method_missing(x);
}

/* Before the reply is sent: who has read it finds it counted. */
static void count_request(const struct router *r, const struct exchange *x)
{
    const struct endpoint *e = x->match.found ? x->match.endpoint : NULL;
    route_counted(routes_count(r->routes, e, x->api.method), x->status, clock_us() - x->started_us);
}

void router_run(struct router *r, const struct request *req, struct arena *a, struct exchange *x)
{
    *x = (struct exchange){.started_us = clock_us()};
    x->api.ctx = (struct ctx){.core = r->core,
                              .arena = a,
                              .cdi = CDI_LATEST,
                              .deadline_us = x->started_us + r->timeout_us};
    x->api.request = req;
    x->api.method = request_method(req->method);
    x->api.app_id = x->api.tenant_id = PUBLIC_ID;
    x->api.cud = STR("");
    int rc = run(r, x);
    reply_encode(x, rc);
    count_request(r, x);
}

static void log_request(const struct exchange *x)
{
    const struct api *api = &x->api;
    log_debug("http", "method=%s path=%.*s status=%d usec=%llu app=%.*s tenant=%.*s cdi=%d.%d",
              api->request->method,
              STR_ARG(x->match.found ? (api->path.len ? api->path : STR("/")) : STR("-")),
              x->status, (unsigned long long)(clock_us() - x->started_us), STR_ARG(api->app_id),
              STR_ARG(api->tenant_id), api->ctx.cdi / 1000, api->ctx.cdi % 1000);
}

void router_done(struct router *r, struct exchange *x)
{
    (void)r;
    log_request(x);
    if (x->app)
        core_request_done(&x->api);
    if (x->api.reply.after) {
        x->api.ctx.fail = FAIL_NONE;
        x->api.ctx.deadline_us = clock_us() + AFTER_US;
        x->api.reply.after(&x->api);
    }
    tenant_unref(x->tenant);
    tenant_unref(x->app);
    x->tenant = x->app = NULL;
}
