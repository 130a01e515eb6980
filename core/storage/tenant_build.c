/* SPDX-License-Identifier: Apache-2.0 */
/* Makes snapshots of tenants and apps out of their rows: settings laid over
 * those they inherit, and the database they name, opened on first use. */
#include "storage/tenant_internal.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/settings.h"
#include "core.h"

#include <string.h>

static struct str keep(struct str s)
{
    return str_make(mem_dup(s.p ? s.p : "", s.len), s.len);
}

static void drop(struct str s)
{
    void *p = (void *)(uintptr_t)s.p;
    mem_free(p);
}

/* ---- what is inherited */

static void lay_under(struct arena *a, json_t *top, struct str text)
{
    json_t *v = json_own(a, json_object_parse(text));
    json_object_update_missing(top, v);
}

static json_t *merged_config(struct arena *a, const struct inheritance *from)
{
    json_t *v = json_own(a, json_object());
    lay_under(a, v, from->own);
    lay_under(a, v, from->app);
    lay_under(a, v, from->cud);
    return v;
}

/* ---- the database */

/* Whether any member is a plugin's key and not one of the core's. */
static bool names_database(const json_t *config)
{
    const char *key;
    const json_t *value;
    json_object_foreach((json_t *)(uintptr_t)config, key, value)
    {
        if (!json_is_null(value) && !settings_find(str_z(key)))
            return true;
    }
    return false;
}

/* A tenant that names no database lives in the base storage. */
static int connect_to(struct ctx *c, struct registry *r, const json_t *config,
                      struct lazy_storage *conn)
{
    pthread_mutex_init(&conn->lock, NULL);
    conn->plugin = storage_plugin(r->core->base_storage);
    if (!names_database(config)) {
        atomic_store(&conn->storage, storage_ref(r->core->base_storage));
        return RC_OK;
    }
    struct str error;
    stk_kv *kv;
    if (config_tenant_plugin(r->core->config, r->core->plugins, config, c->arena, &conn->plugin,
                             &kv, &conn->nkv, &error) != RC_OK) {
        conn->nkv = 0;
        return ctx_fail(c, FAIL_BAD_REQUEST, "Invalid core config: %.*s", STR_ARG(error));
    }
    conn->kv = mem_zalloc((conn->nkv + 1) * sizeof(*conn->kv));
    for (size_t i = 0; i < conn->nkv; i++)
        conn->kv[i] = (stk_kv){mem_strdup(kv[i].key), mem_strdup(kv[i].value)};
    return RC_OK;
}

static void lazy_close(struct lazy_storage *conn)
{
    storage_unref(atomic_load(&conn->storage));
    for (size_t i = 0; i < conn->nkv; i++) {
        char *value = (char *)(uintptr_t)conn->kv[i].value;
        explicit_bzero(value, strlen(value));
        mem_free(value);
        mem_free((void *)(uintptr_t)conn->kv[i].key);
    }
    mem_free(conn->kv);
    pthread_mutex_destroy(&conn->lock);
}

int lazy_open(struct ctx *c, struct registry *r, struct lazy_storage *conn, struct storage **s)
{
    *s = atomic_load(&conn->storage);
    if (*s)
        return RC_OK;
    pthread_mutex_lock(&conn->lock);
    *s = atomic_load(&conn->storage);
    int rc = RC_OK;
    if (!*s) {
        struct str error = STR_NULL;
        struct open_how how = {.auto_migrate = c->core->settings->auto_migrate};
        stk_status status = storages_open(r->core->storages, c->arena, conn->plugin, conn->kv,
                                          conn->nkv, &how, s, &error);
        if (status == STK_OK)
            atomic_store(&conn->storage, *s);
        else
            rc = ctx_fail(c, status == STK_E_CONFIG ? FAIL_BAD_REQUEST : FAIL_UNAVAILABLE,
                          "The tenant's database cannot be used: %.*s", STR_ARG(error));
        if (rc != RC_OK && !conn->said)
            log_warn("tenants", "a tenant's database cannot be used: %.*s", STR_ARG(error));
        conn->said = rc != RC_OK;
    }
    pthread_mutex_unlock(&conn->lock);
    return rc;
}

int tenant_connection(struct ctx *c, const struct tenant *t, const struct plugin **plugin,
                      const stk_kv **kv, size_t *n)
{
    const struct tenant_obj *obj = (const struct tenant_obj *)t;
    *plugin = obj->conn.plugin;
    *kv = obj->conn.kv;
    *n = obj->conn.nkv;
    if (*kv)
        return RC_OK;
    stk_kv *base;
    struct str error;
    if (config_plugin_kv(c->core->config, c->arena, &base, n, &error) != RC_OK)
        return ctx_fail_text(c, FAIL_INTERNAL, error);
    *kv = base;
    return RC_OK;
}

/* ---- snapshots */

static int lay_settings(struct ctx *c, const json_t *config, const struct settings **settings)
{
    struct str error;
    if (settings_overlay(c->core->settings, config, c->core->test_mode, c->arena, settings,
                         &error) != RC_OK)
        return ctx_fail(c, FAIL_BAD_REQUEST, "Invalid core config: %.*s", STR_ARG(error));
    return RC_OK;
}

static void shared_unref(struct app_shared *shared)
{
    if (!shared || atomic_fetch_sub(&shared->refs, 1) != 1)
        return;
    if (shared->keys)
        shared->registry->hooks->keys_free(shared->keys);
    mem_free(shared);
}

static struct app_shared *shared_new(struct registry *r)
{
    struct app_shared *shared = mem_zalloc(sizeof(*shared));
    shared->registry = r;
    shared->keys = r->hooks->keys_new(r->core);
    return shared;
}

void app_obj_unref(struct app_obj *app)
{
    if (!app || atomic_fetch_sub(&app->refs, 1) != 1)
        return;
    settings_unref(app->pub.settings);
    lazy_close(&app->conn);
    shared_unref(app->shared);
    drop(app->pub.cud);
    drop(app->pub.app_id);
    mem_free(app);
}

struct app_obj *app_obj_new(struct ctx *c, struct registry *r, const struct tenant_row *row,
                            const struct inheritance *from, struct app_shared *shared)
{
    struct app_obj *app = mem_zalloc(sizeof(*app));
    const json_t *config = merged_config(c->arena, from);
    atomic_init(&app->refs, 1);
    app->pub.cud = keep(row->cud);
    app->pub.app_id = keep(row->app_id);
    app->shared = shared ? shared : shared_new(r);
    atomic_fetch_add(&app->shared->refs, 1);
    app->pub.keys = app->shared->keys;
    if (connect_to(c, r, config, &app->conn) != RC_OK ||
        lay_settings(c, config, &app->pub.settings) != RC_OK) {
        app_obj_unref(app);
        return NULL;
    }
    return app;
}

struct tenant_obj *tenant_obj_new(struct ctx *c, struct registry *r, const struct tenant_row *row,
                                  const struct inheritance *from, struct app_obj *app)
{
    struct tenant_obj *t = mem_zalloc(sizeof(*t));
    const json_t *config = merged_config(c->arena, from);
    atomic_init(&t->refs, 1);
    atomic_fetch_add(&app->refs, 1);
    t->app = app;
    t->seq = row->seq;
    t->pub.app = &app->pub;
    t->pub.cud = keep(row->cud);
    t->pub.app_id = keep(row->app_id);
    t->pub.tenant_id = keep(row->tenant_id);
    t->pub.core_config = keep(row->core_config);
    t->pub.recipe_config = keep(row->recipe_config);
    t->pub.created_at = row->created_at;
    if (connect_to(c, r, config, &t->conn) != RC_OK ||
        lay_settings(c, config, &t->pub.settings) != RC_OK) {
        tenant_unref(&t->pub);
        return NULL;
    }
    return t;
}

const struct tenant *tenant_ref(const struct tenant *t)
{
    struct tenant_obj *obj = (struct tenant_obj *)(uintptr_t)t;
    atomic_fetch_add(&obj->refs, 1);
    return t;
}

void tenant_unref(const struct tenant *tenant)
{
    struct tenant_obj *t = (struct tenant_obj *)(uintptr_t)tenant;
    if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    settings_unref(t->pub.settings);
    lazy_close(&t->conn);
    app_obj_unref(t->app);
    drop(t->pub.cud);
    drop(t->pub.app_id);
    drop(t->pub.tenant_id);
    drop(t->pub.core_config);
    drop(t->pub.recipe_config);
    mem_free(t);
}
