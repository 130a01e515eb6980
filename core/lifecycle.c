/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing the core up and down: each part needs those before it, so the order
 * of core_start() is the one rule, and core_stop() is its mirror image. */
#include "lifecycle.h"

#include "base/clock.h"
#include "base/ctx.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "crypto/hash_pool.h"
#include "crypto/jwt.h"
#include "crypto/key_pool.h"
#include "crypto/password.h"
#include "http/server.h"
#include "jobs/jobs.h"
#include "recipe/active.h"
#include "recipe/multitenancy.h"
#include "recipe/passwordless_known.h"
#include "recipe/stats.h"
#include "storage/loader.h"
#include "storage/storages.h"
#include "storage/tenant.h"
#include "store/query.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { FIRST_READS_US = 30 * 1000 * 1000 };

/* ---- log */

static enum log_level level_of(enum setting_log_level level)
{
    static const enum log_level levels[] = {
        [LEVEL_DEBUG] = LOG_DEBUG, [LEVEL_INFO] = LOG_INFO,          [LEVEL_WARN] = LOG_WARN,
        [LEVEL_ERROR] = LOG_ERROR, [LEVEL_NONE] = (enum log_level)0,
    };
    return levels[level];
}

/* Where the default files cannot be made, the standard streams serve. */
static enum start_result open_logs(const struct config *config, struct arena *a, struct str *error)
{
    const struct settings *s = config->settings;
    enum log_level level = level_of(s->log_level);
    const char *bad = NULL;
    if (log_open(s->info_log_path.p, s->error_log_path.p, level, &bad) == 0)
        return START_OK;
    int why = errno;
    if (!config->default_logs || log_open(NULL, NULL, level, &bad)) {
        *error = str_printf(a,
                            "log: cannot write to %s: %s. Set info_log_path and error_log_path "
                            "to files in a writable folder, or to null",
                            bad, strerror(why));
        return START_CONFIG;
    }
    log_warn("core", "cannot write to %s: %s; logging to the standard streams", bad, strerror(why));
    return START_OK;
}

static void log_problems(const struct config *config, size_t from)
{
    for (size_t i = from; i < config->nproblems; i++)
        log_text(config->problems[i].error ? LOG_ERROR : LOG_WARN, "config",
                 config->problems[i].text);
}

static void log_unused(struct config *config)
{
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++)
        if ((t[i].flags & (SETTING_UNUSED | SETTING_LATER)) &&
            config_origin(config, &t[i]).source != SOURCE_DEFAULT)
            log_debug("config", "%s is accepted and has no effect here", t[i].name);
    if (config->settings->webserver_https_enabled)
        log_warn("config", "webserver_https_enabled has no effect: connections are not encrypted. "
                           "Put a proxy that does TLS in front");
}

/* ---- storage */

static enum start_result choose_storage(struct core *core, struct config *config, struct arena *a,
                                        stk_kv **kv, size_t *nkv, struct str *error)
{
    struct str why;
    core->plugins = plugins_new(config->plugin_dir.p);
    if (config_plugin(config, core->plugins, a, &why, error))
        return START_CONFIG;
    size_t before = config->nproblems;
    config_unknown_keys(config, core->plugins);
    log_problems(config, before);
    if (config->nerrors) {
        *error = str_dup(a, config->problems[config->nproblems - 1].text);
        return START_CONFIG;
    }
    if (config_plugin_kv(config, a, kv, nkv, error))
        return START_CONFIG;
    log_info("storage", "%s %s (%.*s)", config->plugin->v.name, config->plugin->v.version,
             STR_ARG(why));
    return START_OK;
}

static enum start_result open_storage(struct core *core, struct config *config,
                                      const struct start_how *how, struct arena *a,
                                      struct str *error)
{
    stk_kv *kv;
    size_t nkv;
    enum start_result rc = choose_storage(core, config, a, &kv, &nkv, error);
    if (rc != START_OK)
        return rc;
    struct open_how open = {
        .deadline_us = clock_us() + (uint64_t)core->settings->startup_timeout * 1000000u,
        .auto_migrate = core->settings->auto_migrate,
        .stop = how->stop,
        .stop_arg = how->stop_arg,
    };
    core->storages = storages_new(core->plugins, &store_catalog);
    stk_status status = storages_open(core->storages, a, config->plugin, kv, nkv, &open,
                                      &core->base_storage, error);
    if (status == STK_OK)
        return START_OK;
    return status == STK_E_CONFIG ? START_CONFIG : START_FAILED;
}

/* In an arena of its own: what it holds refers to tenants and storages. */
static int bootstrap(struct core *core, struct arena *a, enum fail_kind *fail, struct str *error)
{
    struct arena work;
    arena_init(&work);
    struct ctx c = {.core = core, .arena = &work, .deadline_us = clock_us() + FIRST_READS_US};
    int rc = multitenancy_bootstrap(&c);
    *fail = c.fail;
    if (rc != RC_OK)
        *error = str_dup(a, c.fail_text);
    arena_free(&work);
    return rc;
}

/* A core that was killed can have left a transaction open, in whose way the first
 * write is until the database gives it up. */
static enum start_result load_tenants(struct core *core, const struct start_how *how,
                                      struct arena *a, struct str *error)
{
    uint64_t until = clock_us() + (uint64_t)core->settings->startup_timeout * 1000000u;
    enum fail_kind fail;
    bool said = false;
    core->registry = registry_new(core, &multitenancy_hooks);
    while (bootstrap(core, a, &fail, error) != RC_OK) {
        uint64_t now = clock_us();
        if (fail != FAIL_UNAVAILABLE || now >= until || (how->stop && how->stop(how->stop_arg)))
            return START_FAILED;
        if (!said)
            log_warn("core", "%.*s; trying again for %llu s", STR_ARG(*error),
                     (unsigned long long)((until - now) / 1000000u));
        said = true;
        struct timespec t = {.tv_nsec = 200 * 1000 * 1000};
        nanosleep(&t, NULL);
    }
    return START_OK;
}

/* ---- threads */

static void start_pools(struct core *core)
{
    core->hash_pool = password_pool(core->settings);
    core->key_pool = key_pool_new();
    core->verify_cache = verify_cache_new();
    core->active = active_new();
    core->pl_known = pl_known_new();
    core->stats = stats_new();
}

static enum start_result serve(struct core *core, struct arena *a, struct str *error)
{
    registry_start(core->registry);
    core->jobs = jobs_start(core);
    return http_server_start(core, a, error) ? START_OK : START_FAILED;
}

enum start_result core_start(struct config *config, const struct start_how *how, struct arena *a,
                             struct core **out, struct str *error)
{
    struct core *core = mem_zalloc(sizeof(*core));
    core->config = config;
    core->settings = config->settings;
    core->test_mode = config->args.test_mode;
    core->fast_jobs = config->args.fast_jobs;
    core->started_ms = clock_ms();
    enum start_result rc = open_logs(config, a, error);
    if (rc == START_OK) {
        log_echo(true);
        log_problems(config, 0);
        log_unused(config);
        log_info("core", "SuperTokens Core %s, home %.*s, configuration %.*s%s", STK_CORE_VERSION,
                 STR_ARG(config->home), STR_ARG(config->file.p ? config->file : STR("none")),
                 core->test_mode ? ", test mode" : "");
        start_pools(core);
        rc = open_storage(core, config, how, a, error);
    }
    if (rc == START_OK)
        rc = load_tenants(core, how, a, error);
    if (rc == START_OK)
        rc = serve(core, a, error);
    if (rc == START_OK) {
        *out = core;
        return rc;
    }
    log_echo(false);
    /* The caller shows it; a file is where it would be looked for later. */
    if (error->p && core->settings->error_log_path.p)
        log_text(LOG_ERROR, "core", *error);
    core_stop(core);
    return rc;
}

void core_stop(struct core *core)
{
    if (core->http)
        http_server_stop(core->http);
    if (core->jobs)
        jobs_stop(core->jobs);
    if (core->registry)
        registry_free(core->registry);
    storage_unref(core->base_storage);
    storages_free(core->storages);
    hash_pool_free(core->hash_pool);
    key_pool_free(core->key_pool);
    verify_cache_free(core->verify_cache);
    stats_free(core->stats);
    active_free(core->active);
    pl_known_free(core->pl_known);
    plugins_free(core->plugins);
    log_close();
    config_free(core->config);
    mem_free(core);
}
