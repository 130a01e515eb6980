/* SPDX-License-Identifier: Apache-2.0 */
/* The router without sockets and without a database: paths, checks and their
 * order, texts, statuses.  The registry of tenants is replaced by the table
 * below: these few functions are all that the router asks of it. */
#include "base/clock.h"
#include "config/settings_internal.h"
#include "http/cdi.h"
#include "http/router.h"
#include "storage/tenant.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct core core;
static struct router router;
static struct settings plain, keyed, bounded, fenced;
static int references;

/* ---- the registry */

static struct app apps[] = {
    {.cud = {"", 0}, .app_id = {"public", 6}, .settings = &plain},
    {.cud = {"", 0}, .app_id = {"keyed", 5}, .settings = &keyed},
    {.cud = {"", 0}, .app_id = {"bounded", 7}, .settings = &bounded},
    {.cud = {"", 0}, .app_id = {"fenced", 6}, .settings = &fenced},
    {.cud = {"known.host", 10}, .app_id = {"public", 6}, .settings = &plain},
};
enum { NAPPS = sizeof(apps) / sizeof(apps[0]) };
static struct tenant tenants[NAPPS * 2]; /* of each app: public and t1 */

int tenant_find(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                const struct tenant **tenant)
{
    *tenant = NULL;
    if (str_eqz(app_id, "down"))
        return ctx_fail(c, FAIL_UNAVAILABLE, "database gone");
    for (size_t i = 0; i < NAPPS * 2; i++)
        if (str_eq(tenants[i].cud, cud) && str_eq(tenants[i].app_id, app_id) &&
            str_eq(tenants[i].tenant_id, tenant_id))
            *tenant = tenant_ref(&tenants[i]);
    return RC_OK;
}

const struct tenant *tenant_ref(const struct tenant *t)
{
    references++;
    return t;
}

void tenant_unref(const struct tenant *t)
{
    references -= t != NULL;
}

int tenant_unknown(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "unknown (%.*s, %.*s, %.*s)", STR_ARG(cud),
                    STR_ARG(app_id), STR_ARG(tenant_id));
}

struct str tenant_cud(struct core *c, struct str host)
{
    (void)c;
    return str_eqz(host, "known.host") ? host : STR("");
}

void core_request_done(const struct api *a)
{
    (void)a;
}

/* ---- calls */

/* Answers who was asked for. */
static int echo(struct api *a)
{
    a->reply.text =
        str_printf(a->ctx.arena, "%.*s (%.*s,%.*s,%.*s) cdi %d tenant %.*s", STR_ARG(a->path),
                   STR_ARG(a->cud), STR_ARG(a->app_id), STR_ARG(a->tenant_id), a->ctx.cdi,
                   STR_ARG(a->ctx.tenant ? a->ctx.tenant->tenant_id : STR("-")));
    return RC_OK;
}

static int echo_rid(struct api *a)
{
    a->reply.text = str_printf(a->ctx.arena, "rid %.*s", STR_ARG(a->rid));
    return RC_OK;
}

static int any_rid(struct api *a)
{
    a->reply.text = STR("any rid");
    return RC_OK;
}

static int body_size(struct api *a)
{
    json_add_i64(api_ok(a), "n", (int64_t)json_object_size(a->body));
    return RC_OK;
}

static int fails(struct api *a)
{
    static const enum fail_kind kinds[] = {FAIL_BAD_REQUEST, FAIL_UNAUTHORISED, FAIL_FEATURE,
                                           FAIL_FORBIDDEN,   FAIL_NOT_FOUND,    FAIL_INTERNAL,
                                           FAIL_UNAVAILABLE};
    struct str n;
    int64_t i = 0;
    api_query_opt(a, "n", &n);
    if (!str_i64(n, &i))
        return RC_EXPECT;
    api_ok(a);
    return ctx_fail(&a->ctx, kinds[i], "failure %d", (int)i);
}

static const struct route table[] = {
    {HTTP_GET, "/", ROUTE_NO_KEY | ROUTE_OLD_CDI | ROUTE_TENANT_OPTIONAL, echo},
    {HTTP_GET, "/hello", ROUTE_NO_KEY | ROUTE_NO_CDI | ROUTE_TENANT_OPTIONAL, echo},
    {HTTP_GET, "/recipe/signin", 0, echo},
    {HTTP_POST, "/recipe/signin", ROUTE_BODY, body_size},
    {HTTP_GET, "/recipe/session", ROUTE_OLD_CDI, echo},
    {HTTP_GET, "/apiversion", ROUTE_APP | ROUTE_NO_CDI, echo},
    {HTTP_GET, "/user/id", ROUTE_APP, echo},
    {HTTP_GET, "/users", 0, echo},
    {HTTP_GET, "/recipe/user", 0, any_rid},
    {HTTP_PUT, "/recipe/user", 0, any_rid},
    {HTTP_GET, "/recipe/user#passwordless", 0, echo_rid},
    {HTTP_GET, "/fails", 0, fails},
    {HTTP_OTHER, NULL, 0, NULL},
};

/* ---- asking */

enum { MAX_HEADERS = 8 };
static struct http_header headers[MAX_HEADERS];
static size_t nheaders;
static const char *query, *body;
static enum body_status body_status;
static struct exchange x;

static void header(const char *name, const char *value)
{
    headers[nheaders++] = (struct http_header){name, value};
}

static enum body_status give_body(const struct request *r, struct arena *a, struct str *out)
{
    (void)r;
    (void)a;
    *out = str_z(body);
    return body_status;
}

static void ask(const char *method, const char *path)
{
    const struct request req = {.method = method,
                                .path = str_z(path),
                                .query = str_z(query),
                                .headers = headers,
                                .nheaders = nheaders,
                                .remote = STR("10.0.0.7"),
                                .read_body = give_body};
    router_run(&router, &req, &arena, &x);
    router_done(&router, &x);
    assert_int_equal(references, 0);
}

static void expect(int status, const char *text)
{
    assert_int_equal(x.status, status);
    assert_string_equal(str_dup(&arena, x.body).p, text);
    assert_true(str_eqz(x.content_type, x.body.p[0] == '{' ? "application/json;charset=UTF-8"
                                                           : "text/html;charset=UTF-8"));
}

static void check(const char *method, const char *path, int status, const char *text)
{
    ask(method, path);
    expect(status, text);
}

static int fresh(void **state)
{
    (void)state;
    nheaders = 0;
    query = NULL;
    body = "{}";
    body_status = BODY_OK;
    router.base_path = STR("");
    core.settings = &plain;
    return 0;
}

/* ---- tests */

static void paths(void **state)
{
    (void)state;
    check("GET", "/", 200, " (,public,public) cdi 5006 tenant public");
    check("GET", "/hello", 200, "/hello (,public,public) cdi 5006 tenant public");
    check("GET", "/HELLO/", 200, "/hello (,public,public) cdi 5006 tenant public");
    check("GET", "/recipe/signin", 200, "/recipe/signin (,public,public) cdi 5006 tenant public");
    check("GET", "//Recipe//SignIn/", 200,
          "/recipe/signin (,public,public) cdi 5006 tenant public");
    check("GET", "/public/recipe/signin", 200,
          "/recipe/signin (,public,public) cdi 5006 tenant public");
    check("GET", "/T1/recipe/signin", 200, "/recipe/signin (,public,t1) cdi 5006 tenant t1");
    check("GET", "/appid-bounded/recipe/signin", 200,
          "/recipe/signin (,bounded,public) cdi 5003 tenant public");
    check("GET", "/appid-public/t1/recipe/signin/", 200,
          "/recipe/signin (,public,t1) cdi 5006 tenant t1");
    check("GET", "/appid-bounded/public/recipe/signin", 200,
          "/recipe/signin (,bounded,public) cdi 5003 tenant public");
    check("GET", "/appid-bounded", 200, " (,bounded,public) cdi 5003 tenant public");
    check("GET", "/appid-bounded/t1/", 200, " (,bounded,t1) cdi 5003 tenant t1");
    check("GET", "/t1/users", 200, "/users (,public,t1) cdi 5006 tenant t1");
    check("GET", "/%75sers", 200, "/users (,public,public) cdi 5006 tenant public");
}

static void unknown_paths(void **state)
{
    static const char *const bad[] = {
        "/nothing/here",        "/recipe/nothing",       "/recipe/signin/x",
        "/t1/t1/recipe/signin", "/recipe/recipe/signin", "/users/recipe/signin",
        "/hello/users",         "/config/users",         "/a_b/users",
        "/appid-a_b/users",     "/recipe/sign%20in",     "/appid-public/nothing/here"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        check("GET", bad[i], 404, "Not found");
    check("HEAD", "/nothing/here", 405, "Method not supported");
    check("GET", "/a%2fb", 400, "The path is malformed");
    check("GET", "/a%zz", 400, "The path is malformed");
    check("GET", "/ghost", 200, " (,public,ghost) cdi 5006 tenant -");
    check("GET", "/ghost/users", 400, "unknown (, public, ghost)");
    check("GET", "/appid-/users", 400, "unknown (, , public)");
    check("GET", "/appid-ghost/users", 400, "unknown (, ghost, public)");
    check("GET", "/appid-ghost/t1/users", 400, "unknown (, ghost, t1)");
    check("GET", "/appid-ghost/t1/hello", 200, "/hello (,ghost,t1) cdi 5006 tenant -");
    check("GET", "/appid-down/users", 503, "database gone");
}

static void base_paths(void **state)
{
    (void)state;
    router.base_path = STR("/auth");
    check("GET", "/auth/users", 200, "/users (,public,public) cdi 5006 tenant public");
    check("GET", "/auth", 200, " (,public,public) cdi 5006 tenant public");
    check("GET", "/auth/appid-keyed/hello", 200, "/hello (,keyed,public) cdi 5006 tenant public");
    check("GET", "/users", 404, "Not found");
    check("GET", "/authority/users", 404, "Not found");
    check("GET", "/", 404, "Not found");
}

static void methods(void **state)
{
    (void)state;
    check("DELETE", "/users", 405, "Method not supported");
    check("OPTIONS", "/users", 405, "Method not supported");
    check("PATCH", "/recipe/signin", 405, "Method not supported");
    check("POST", "/hello", 405, "Method not supported");
    header("rid", "passwordless");
    check("GET", "/recipe/user", 200, "rid passwordless");
    check("PUT", "/recipe/user", 405, "Method not supported");
    fresh(NULL);
    header("rId", "emailpassword");
    check("GET", "/recipe/user", 200, "any rid");
    check("PUT", "/t1/recipe/user", 200, "any rid");
}

static void api_keys(void **state)
{
    static const char *const good[][2] = {{"api-key", "key-one-0123456789ab"},
                                          {"API-Key", "  key-two-0123456789ab "},
                                          {"Authorization", "key-one-0123456789ab"},
                                          {"Authorization", "bEaReR key-two-0123456789ab"}};
    static const char *const bad[][2] = {{"api-key", ""},
                                         {"api-key", "key-one-0123456789aB"},
                                         {"api-key", "key-one-0123456789ab,key-two-0123456789ab"},
                                         {"Authorization", "Bearer"},
                                         {"x", "key-one-0123456789ab"}};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        nheaders = 0;
        header(good[i][0], good[i][1]);
        ask("GET", "/appid-keyed/users");
        assert_int_equal(x.status, 200);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        nheaders = 0;
        header(bad[i][0], bad[i][1]);
        check("GET", "/appid-keyed/users", 401, "Invalid API key");
        check("GET", "/appid-keyed/ghost/users", 401, "Invalid API key");
        check("DELETE", "/appid-keyed/users", 401, "Invalid API key");
        check("GET", "/appid-keyed/t1/apiversion", 401, "Invalid API key");
    }
    nheaders = 0;
    ask("GET", "/appid-keyed/hello");
    assert_int_equal(x.status, 200);
    check("GET", "/appid-keyed/nothing/here", 404, "Not found");
    check("GET", "/appid-ghost/users", 400, "unknown (, ghost, public)");
    ask("GET", "/users");
    assert_int_equal(x.status, 200);
    assert_false(x.api.protect_config);
}

static void saas_secret(void **state)
{
    (void)state;
    struct settings base = plain;
    base.supertokens_saas_secret = STR("secret-secret-secret-secret-secret-secret");
    core.settings = &base;
    check("GET", "/users", 401, "Invalid API key");
    header("api-key", base.supertokens_saas_secret.p);
    ask("GET", "/users");
    assert_int_equal(x.status, 200);
    assert_false(x.api.protect_config);
    nheaders = 0;
    header("api-key", "key-one-0123456789ab");
    check("GET", "/users", 401, "Invalid API key");
    ask("GET", "/appid-keyed/users");
    assert_int_equal(x.status, 200);
    assert_true(x.api.protect_config);
    core.settings = &plain;
}

static void addresses(void **state)
{
    (void)state;
    check("GET", "/appid-fenced/hello", 403, "Forbidden");
    check("GET", "/appid-fenced/ghost/users", 403, "Forbidden");
    check("GET", "/appid-fenced/nothing/here", 404, "Not found"); /* of the public app */
    check("GET", "/appid-ghost/users", 400, "unknown (, ghost, public)");
}

static void ask_cdi(const char *path, const char *version)
{
    nheaders = 0;
    header("cdi-version", version);
    ask("GET", path);
}

#define SERVED "3.0, 3.1, 4.0, 5.0, 5.1, 5.2, 5.3, 5.4, 5.5, 5.6"

static void versions(void **state)
{
    static const char *const served[] = {"3.0", "3.1", "4.0", "5.0", "5.1",
                                         "5.2", "5.3", "5.4", "5.5", "5.6"};
    static const char *const malformed[] = {"", "a", "5.", ".5", "5..4", "5.4 ", "-5.4", "5.4a"};
    (void)state;
    for (size_t i = 0; i < sizeof(served) / sizeof(served[0]); i++) {
        ask_cdi("/users", served[i]);
        assert_int_equal(x.status, 200);
        assert_int_equal(x.api.ctx.cdi, settings_cdi_parse(str_z(served[i])));
    }
    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        ask_cdi("/users", malformed[i]);
        expect(400, "cdi-version header is invalid");
        ask_cdi("/nothing/here", malformed[i]);
        expect(400, "cdi-version header is invalid");
        ask_cdi("/hello", malformed[i]);
        assert_int_equal(x.status, 200);
    }
    ask_cdi("/users", "2.21");
    expect(400, "cdi-version 2.21 not supported. This core serves " SERVED);
    ask_cdi("/users", "5.7");
    expect(400, "cdi-version 5.7 not supported. This core serves " SERVED);
    ask_cdi("/users", "99999999999999999999.1");
    expect(400, "cdi-version 99999999999999999999.1 not supported. This core serves " SERVED);
    ask_cdi("/recipe/session", "2.6");
    expect(400,
           "cdi-version 2.6 not supported. This core serves 2.7 to 2.21 for this call, " SERVED);
    ask_cdi("/recipe/session", "2.7");
    expect(200, "/recipe/session (,public,public) cdi 2007 tenant public");
    ask_cdi("/t1/recipe/session", "2.21");
    expect(404, "Not found");
    ask_cdi("/t1/apiversion", "4.0");
    expect(200, "/apiversion (,public,t1) cdi 4000 tenant public");
}

static void version_bounds(void **state)
{
    (void)state;
    ask("GET", "/appid-bounded/users");
    assert_int_equal(x.api.ctx.cdi, CDI(5, 3));
    ask_cdi("/appid-bounded/users", "5.4");
    expect(400, "cdi-version 5.4 not supported. This core serves 4.0, 5.0, 5.1, 5.2, 5.3");
    ask_cdi("/appid-bounded/users", "3.1");
    expect(400, "cdi-version 3.1 is lower than the minimum allowed version 4.0");
    ask_cdi("/appid-bounded/users", "4.0");
    assert_int_equal(x.status, 200);
    ask_cdi("/appid-bounded/hello", "5.6");
    assert_int_equal(x.api.ctx.cdi, CDI(5, 3));
}

static void app_calls(void **state)
{
    const char *text = "Only public tenantId can call this app specific API";
    (void)state;
    check("GET", "/t1/user/id", 403, text);
    check("GET", "/ghost/user/id", 403, text);
    check("GET", "/t1/apiversion", 403, text);
    ask_cdi("/t1/user/id", "5.0");
    expect(403, text);
    ask_cdi("/t1/user/id", "4.0");
    expect(200, "/user/id (,public,t1) cdi 4000 tenant public");
    ask_cdi("/ghost/user/id", "3.1");
    expect(200, "/user/id (,public,ghost) cdi 3001 tenant public");
    nheaders = 0;
    check("GET", "/public/user/id", 200, "/user/id (,public,public) cdi 5006 tenant public");
}

static void hosts(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *host, *cud;
    } cases[] = {
        {"Known.Host:3567", "known.host", "known.host"},
        {"known.host", "known.host", "known.host"},
        {"other", "other", ""},
        {"[::1]:3567", "::1", ""},
        {"[", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        nheaders = 0;
        header("Host", cases[i].sent);
        ask("GET", "/users");
        assert_int_equal(x.status, 200);
        assert_string_equal(x.api.host.p ? str_dup(&arena, x.api.host).p : "", cases[i].host);
        assert_string_equal(x.api.cud.p, cases[i].cud);
    }
    struct settings base = plain;
    base.supertokens_saas_load_only_cud = STR("elsewhere");
    core.settings = &base;
    nheaders = 0;
    header("Host", "known.host");
    check("GET", "/hello", 400, "Connection URI domain is disallowed");
    core.settings = &plain;
}

static void bodies(void **state)
{
    (void)state;
    body = "{\"a\":1,\"b\":2}";
    check("POST", "/recipe/signin", 200, "{\"status\":\"OK\",\"n\":2}");
    body = "[]";
    check("POST", "/recipe/signin", 400, "Invalid Json Input");
    body = "";
    check("POST", "/recipe/signin", 400, "Invalid Json Input");
    assert_false(x.close);
    check("POST", "/ghost/recipe/signin", 400, "unknown (, public, ghost)");
    body_status = BODY_TOO_BIG;
    check("POST", "/recipe/signin", 413, "The body is larger than 1048576 bytes");
    assert_true(x.close);
    body_status = BODY_BROKEN;
    check("POST", "/recipe/signin", 400, "The body is incomplete or malformed");
    assert_true(x.close);
    body_status = BODY_CUT;
    check("POST", "/recipe/signin", 503,
          "http: the server stops and did not read the request. Try again");
    assert_true(x.close);
}

static void failures(void **state)
{
    static const int statuses[] = {400, 401, 402, 403, 404, 500, 503};
    char text[16], number[8];
    (void)state;
    for (int i = 0; i < 7; i++) {
        (void)snprintf(number, sizeof(number), "n=%d", i);
        (void)snprintf(text, sizeof(text), "failure %d", i);
        query = number;
        check("GET", "/fails", statuses[i], text);
    }
    query = "n=x";
    check("GET", "/fails", 500, "Internal Error");
}

/* ---- what is served */

static void tenants_and_settings(void)
{
    settings_defaults(&plain);
    keyed = bounded = fenced = plain;
    keyed.api_keys = STR("key-one-0123456789ab,key-two-0123456789ab");
    bounded.max_cdi = CDI(5, 3);
    bounded.min_cdi = CDI(4, 0);
    fenced.ips = ip_filter_new(STR("127\\.\\d+\\.\\d+\\.\\d+|::1"), STR_NULL);
    for (size_t i = 0; i < NAPPS * 2; i++)
        tenants[i] = (struct tenant){.cud = apps[i / 2].cud,
                                     .app_id = apps[i / 2].app_id,
                                     .tenant_id = i % 2 ? STR("t1") : PUBLIC_ID,
                                     .app = &apps[i / 2],
                                     .settings = apps[i / 2].settings};
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(paths, fresh),          cmocka_unit_test_setup(unknown_paths, fresh),
        cmocka_unit_test_setup(base_paths, fresh),     cmocka_unit_test_setup(methods, fresh),
        cmocka_unit_test_setup(api_keys, fresh),       cmocka_unit_test_setup(saas_secret, fresh),
        cmocka_unit_test_setup(addresses, fresh),      cmocka_unit_test_setup(versions, fresh),
        cmocka_unit_test_setup(version_bounds, fresh), cmocka_unit_test_setup(app_calls, fresh),
        cmocka_unit_test_setup(hosts, fresh),          cmocka_unit_test_setup(bodies, fresh),
        cmocka_unit_test_setup(failures, fresh),
    };
    const struct route *const tables[] = {table};
    arena_init(&arena);
    tenants_and_settings();
    router = (struct router){
        .core = &core, .routes = routes_new(tables, 1), .timeout_us = 10 * 1000 * 1000};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    routes_free(router.routes);
    ip_filter_free(fenced.ips);
    arena_free(&arena);
    return failed;
}
