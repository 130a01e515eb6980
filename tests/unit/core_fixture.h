/* SPDX-License-Identifier: Apache-2.0 */
/* A core without HTTP over the built SQLite plugin, in a folder of its own: the
 * base tenant and others to run recipes in. */
#ifndef TESTS_UNIT_CORE_FIXTURE_H
#define TESTS_UNIT_CORE_FIXTURE_H

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"
#include "config/settings_internal.h"
#include "core.h"
#include "crypto/jwt.h"
#include "crypto/key_pool.h"
#include "recipe/active.h"
#include "recipe/app_keys.h"
#include "recipe/multitenancy.h"
#include "recipe/passwordless_known.h"
#include "storage/storages.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"
#include "store/query.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { FX_DEADLINE_US = 30 * 1000 * 1000 }; /* of a request */

struct fixture {
    struct core core;
    struct settings settings; /* may be changed by a test before it makes an app */
    char dir[64], path[96];
    struct arena arena;
    struct ctx ctx;
    const struct tenant *base;
};

static inline void fx_ctx(struct fixture *f, struct arena *a, struct ctx *c)
{
    *c = (struct ctx){.core = &f->core,
                      .arena = a,
                      .tenant = f->base,
                      .deadline_us = clock_us() + FX_DEADLINE_US,
                      .cdi = CDI(5, 4)};
}

static inline void fx_open_storage(struct fixture *f)
{
    const char *build = getenv("STK_BUILD");
    char plugins[4096];
    snprintf(plugins, sizeof(plugins), "%s/plugins", build ? build : "build");
    const struct plugin *plugin;
    struct str error = STR("");
    f->core.plugins = plugins_new(plugins);
    if (plugins_load(f->core.plugins, &f->arena, "sqlite", &plugin, &error))
        fail_msg("%.*s", STR_ARG(error));
    f->core.storages = storages_new(f->core.plugins, &store_catalog);
    stk_kv kv[] = {{"sqlite_path", f->path}};
    struct open_how how = {.auto_migrate = true};
    if (storages_open(f->core.storages, &f->arena, plugin, kv, 1, &how, &f->core.base_storage,
                      &error) != STK_OK)
        fail_msg("%.*s", STR_ARG(error));
}

static inline int fx_setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/stk-unit-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/core.db", f->dir);
    log_open(NULL, NULL, LOG_ERROR, &(const char *){0});
    arena_init(&f->arena);
    settings_defaults(&f->settings);
    f->settings.refs = 1;
    f->settings.access_token_validity_jitter = 0;
    f->core.settings = &f->settings;
    f->core.test_mode = true;
    f->core.key_pool = key_pool_new();
    f->core.verify_cache = verify_cache_new();
    f->core.active = active_new();
    f->core.pl_known = pl_known_new();
    fx_open_storage(f);
    f->core.registry = registry_new(&f->core, &multitenancy_hooks);
    fx_ctx(f, &f->arena, &f->ctx);
    assert_int_equal(multitenancy_bootstrap(&f->ctx), RC_OK);
    assert_int_equal(tenant_resolve(&f->ctx, STR(""), PUBLIC_ID, PUBLIC_ID, &f->base), RC_OK);
    fx_ctx(f, &f->arena, &f->ctx);
    *state = f;
    return 0;
}

static inline int fx_teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    arena_free(&f->arena);
    tenant_unref(f->base);
    registry_free(f->core.registry);
    storage_unref(f->core.base_storage);
    storages_free(f->core.storages);
    plugins_free(f->core.plugins);
    active_free(f->core.active);
    pl_known_free(f->core.pl_known);
    verify_cache_free(f->core.verify_cache);
    key_pool_free(f->core.key_pool);
    const char *const tails[] = {"", "-wal", "-shm", "-lock"};
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        snprintf(command, sizeof(command), "%s%s", f->path, tails[i]);
        (void)unlink(command);
    }
    (void)rmdir(f->dir);
    mem_free(f);
    return 0;
}

/* The tenant of a new app, or of a new tenant in the base app; until arena reset. */
static inline void fx_unref(void *t)
{
    tenant_unref(t);
}
static inline const struct tenant *fx_tenant(struct fixture *f, const char *app, const char *tenant)
{
    struct tenant_change change = {.cud = STR(""),
                                   .app_id = str_z(app),
                                   .tenant_id = str_z(tenant),
                                   .v2 = true,
                                   .emailpassword = TRI_UNSET,
                                   .thirdparty = TRI_UNSET,
                                   .passwordless = TRI_UNSET};
    bool created;
    const struct tenant *t;
    if (multitenancy_put(&f->ctx, &change, &created) != RC_OK)
        fail_msg("%.*s", STR_ARG(f->ctx.fail_text));
    assert_int_equal(tenant_resolve(&f->ctx, STR(""), change.app_id, change.tenant_id, &t), RC_OK);
    arena_defer(&f->arena, fx_unref, (void *)(uintptr_t)t);
    return t;
}

#endif
