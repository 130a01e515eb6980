/* SPDX-License-Identifier: Apache-2.0 */
/* A core on SQLite without HTTP for the fuzz targets, and requests to it. */
#ifndef TESTS_FUZZ_FUZZ_CORE_H
#define TESTS_FUZZ_FUZZ_CORE_H

#include "../unit/core_fixture.h"

#include "config/config.h"
#include "crypto/hash_pool.h"
#include "crypto/password.h"
#include "http/router.h"
#include "recipe/stats.h"

#include <stdint.h>

static struct fixture *fixture;
static bool may_be_500;
static char reply[65536]; /* the last body, cut */
enum { MAX_HEADERS = 8 };

static struct router router;
static struct arena arena;

static void stop(void)
{
    void *state = fixture;
    arena_free(&arena);
    routes_free(router.routes);
    stats_free(fixture->core.stats);
    hash_pool_free(fixture->core.hash_pool);
    config_free(fixture->core.config);
    fx_teardown(&state);
}

/* Which keys are a plugin's is asked for tenants that bring a coreConfig. */
static struct config *load_config(void)
{
    struct config_args args = {.home = fixture->dir};
    struct config *config;
    struct str why, error;
    if (config_load(&args, &config) != RC_OK ||
        config_plugin(config, fixture->core.plugins, &fixture->arena, &why, &error) != RC_OK)
        abort();
    return config;
}

static void start(void)
{
    void *state;
    if (fx_setup(&state))
        abort();
    fixture = state;
    log_open("/dev/null", "/dev/null", LOG_ERROR, &(const char *){0});
    fixture->settings.bcrypt_log_rounds = 4;
    fixture->core.hash_pool = password_pool(&fixture->settings);
    fixture->core.stats = stats_new();
    fixture->core.config = load_config();
    router = (struct router){.core = &fixture->core,
                             .routes = routes_all(),
                             .base_path = STR(""),
                             .timeout_us = 5000000};
    arena_init(&arena);
    atexit(stop);
}

static enum body_status read_body(const struct request *r, struct arena *a, struct str *body)
{
    const struct str *rest = r->user;
    *body = str_dup(a, *rest);
    return BODY_OK;
}

/* A C string of the piece, cut at what no header line can hold. */
static const char *word(struct str piece)
{
    return str_dup(&arena, str_sub(piece, 0, strnlen(piece.p ? piece.p : "", piece.len))).p;
}

/* Sends a request in the form of fuzz_request.c; the status of the reply. */
static int send_request(struct str input)
{
    struct str line = STR(""), versions = STR(""), method = STR(""), target = STR("");
    str_split(&input, '\n', &line);
    str_split(&input, '\n', &versions);
    str_split(&line, ' ', &method);
    target = line.p ? line : STR("/");
    struct str path = STR(""), cdi = STR(""), query = target, rid = versions;
    str_split(&query, '?', &path);
    struct str more = rid;
    str_split(&more, '\t', &rid);
    str_split(&rid, ' ', &cdi);
    struct http_header headers[MAX_HEADERS] = {{"content-type", "application/json"},
                                               {"cdi-version", word(cdi)},
                                               {"rid", rid.p ? word(rid) : ""}};
    size_t nheaders = cdi.len ? 3 : 1;
    for (struct str h; nheaders < MAX_HEADERS && more.p && str_split(&more, '\t', &h);) {
        struct str name = STR("");
        str_split(&h, ':', &name);
        headers[nheaders++] = (struct http_header){word(name), h.p ? word(h) : ""};
    }
    struct str body = input.p ? input : STR("");
    struct request r = {.method = word(method),
                        .path = str_dup(&arena, path),
                        .query = str_dup(&arena, query),
                        .headers = headers,
                        .nheaders = nheaders,
                        .remote = STR("127.0.0.1"),
                        .read_body = read_body,
                        .user = &body};
    struct exchange x;
    memset(&x, 0, sizeof(x));
    router_run(&router, &r, &arena, &x);
    int status = x.status;
    if (status < 200 || status > 599 || (status == 500 && !may_be_500)) {
        fprintf(stderr, "status %d: %.*s\n", status, STR_ARG(x.body));
        abort();
    }
    snprintf(reply, sizeof(reply), "%.*s", STR_ARG(x.body));
    router_done(&router, &x);
    arena_reset(&arena);
    return status;
}

#endif
