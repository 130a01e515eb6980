/* SPDX-License-Identifier: Apache-2.0 */
/* Keeping the registry in step with st_tenant_configs: rows are taken over one
 * by one, parents before children, and a changed parent rebuilds its children. */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/settings.h"
#include "core.h"
#include "storage/tenant_internal.h"

#include <string.h>
#include <time.h>

enum { POLL_SECONDS = 2, POLL_DEADLINE_US = 10 * 1000 * 1000 };

struct registry *registry_new(struct core *core, const struct registry_hooks *hooks)
{
    struct registry *r = mem_zalloc(sizeof(*r));
    r->core = core;
    r->hooks = hooks;
    pthread_mutex_init(&r->change, NULL);
    pthread_rwlock_init(&r->lock, NULL);
    pthread_mutex_init(&r->stop_lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->stop_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    map_init(&r->apps);
    map_init(&r->tenants);
    map_init(&r->cuds);
    return r;
}

/* ---- the maps; all under `change` */

static bool is_public(struct str id)
{
    return str_eq(id, PUBLIC_ID);
}

static struct app_node *node_of(struct ctx *c, struct registry *r, struct str cud,
                                struct str app_id)
{
    return map_get(&r->apps, app_key(c->arena, cud, app_id));
}

static struct str config_of(struct ctx *c, struct registry *r, struct str cud, struct str app_id,
                            struct str tenant_id)
{
    const struct tenant_obj *t = map_get(&r->tenants, tenant_key(c->arena, cud, app_id, tenant_id));
    return t ? t->pub.core_config : STR("{}");
}

static struct inheritance inherit(struct ctx *c, struct registry *r, const struct tenant_row *row)
{
    struct inheritance from = {.own = row->core_config, .app = STR("{}"), .cud = STR("{}")};
    if (!is_public(row->tenant_id))
        from.app = config_of(c, r, row->cud, row->app_id, PUBLIC_ID);
    if (!is_public(row->tenant_id) || !is_public(row->app_id))
        from.cud = config_of(c, r, row->cud, PUBLIC_ID, PUBLIC_ID);
    return from;
}

static struct tenant_row row_of(const struct tenant_obj *t)
{
    return (struct tenant_row){.cud = t->pub.cud,
                               .app_id = t->pub.app_id,
                               .tenant_id = t->pub.tenant_id,
                               .core_config = t->pub.core_config,
                               .recipe_config = t->pub.recipe_config,
                               .seq = t->seq,
                               .created_at = t->pub.created_at,
                               .active = true};
}

/* Puts the snapshot in its node's list in place of the one of that id. */
static void list_in_node(struct app_node *node, struct tenant_obj *t)
{
    for (size_t i = 0; i < node->n; i++)
        if (str_eq(node->tenants[i]->pub.tenant_id, t->pub.tenant_id)) {
            node->tenants[i] = t;
            return;
        }
    if (node->n == node->cap) {
        node->cap = node->cap ? node->cap * 2 : 2;
        node->tenants = mem_realloc(node->tenants, node->cap * sizeof(struct tenant_obj *));
    }
    node->tenants[node->n++] = t;
}

static void publish(struct ctx *c, struct registry *r, struct app_node *node, struct tenant_obj *t)
{
    struct str key = tenant_key(c->arena, t->pub.cud, t->pub.app_id, t->pub.tenant_id);
    pthread_rwlock_wrlock(&r->lock);
    struct tenant_obj *old = map_put(&r->tenants, key, t);
    list_in_node(node, t);
    pthread_rwlock_unlock(&r->lock);
    if (old)
        tenant_unref(&old->pub);
}

static int rebuild_tenant(struct ctx *c, struct registry *r, struct app_node *node,
                          const struct tenant_row *row)
{
    struct inheritance from = inherit(c, r, row);
    struct tenant_obj *t = tenant_obj_new(c, r, row, &from, node->app);
    if (!t)
        return RC_FAIL;
    publish(c, r, node, t);
    return RC_OK;
}

/* A new snapshot of the app and of every tenant it has. */
static int rebuild_app(struct ctx *c, struct registry *r, const struct tenant_row *public_row)
{
    struct str key = app_key(c->arena, public_row->cud, public_row->app_id);
    struct app_node *node = map_get(&r->apps, key);
    struct inheritance from = inherit(c, r, public_row);
    struct app_obj *app =
        app_obj_new(c, r, public_row, &from, node && node->app ? node->app->shared : NULL);
    if (!app)
        return RC_FAIL;
    if (!node) {
        node = mem_zalloc(sizeof(*node));
        pthread_rwlock_wrlock(&r->lock);
        map_put(&r->apps, key, node);
        pthread_rwlock_unlock(&r->lock);
    }
    app_obj_unref(node->app);
    node->app = app;
    int rc = rebuild_tenant(c, r, node, public_row);
    for (size_t i = 0; rc == RC_OK && i < node->n; i++) {
        struct tenant_row row = row_of(node->tenants[i]);
        if (!is_public(row.tenant_id))
            rc = rebuild_tenant(c, r, node, &row);
    }
    return rc;
}

/* All apps of the cud but its public one, which is `row` itself. */
static int rebuild_cud(struct ctx *c, struct registry *r, const struct tenant_row *row)
{
    int rc = rebuild_app(c, r, row);
    size_t at = 0, n = 0;
    const struct app_node *node;
    const struct app_node **nodes = ARENA_ARRAY(c->arena, const struct app_node *, r->apps.n);
    while ((node = map_next(&r->apps, &at)))
        if (node->app && str_eq(node->app->pub.cud, row->cud) && !is_public(node->app->pub.app_id))
            nodes[n++] = node;
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        for (size_t k = 0; k < nodes[i]->n; k++)
            if (is_public(nodes[i]->tenants[k]->pub.tenant_id)) {
                struct tenant_row child = row_of(nodes[i]->tenants[k]);
                rc = rebuild_app(c, r, &child);
                break;
            }
    if (rc == RC_OK && row->cud.len) {
        pthread_rwlock_wrlock(&r->lock);
        map_put(&r->cuds, row->cud, r);
        pthread_rwlock_unlock(&r->lock);
    }
    return rc;
}

static void node_free(struct app_node *node)
{
    app_obj_unref(node->app);
    mem_free(node->tenants);
    mem_free(node);
}

static void remove_row(struct ctx *c, struct registry *r, const struct tenant_row *row)
{
    struct str key = app_key(c->arena, row->cud, row->app_id);
    struct app_node *node = map_get(&r->apps, key);
    pthread_rwlock_wrlock(&r->lock);
    struct tenant_obj *old =
        map_remove(&r->tenants, tenant_key(c->arena, row->cud, row->app_id, row->tenant_id));
    for (size_t i = 0; node && i < node->n; i++)
        if (node->tenants[i] == old) {
            node->tenants[i] = node->tenants[--node->n];
            break;
        }
    if (node && node->n == 0)
        map_remove(&r->apps, key);
    if (is_public(row->app_id) && is_public(row->tenant_id) && row->cud.len)
        map_remove(&r->cuds, row->cud);
    pthread_rwlock_unlock(&r->lock);
    if (node && node->n == 0)
        node_free(node);
    if (old)
        tenant_unref(&old->pub);
}

static int take_over(struct ctx *c, struct registry *r, const struct tenant_row *row)
{
    const struct tenant_obj *known =
        map_get(&r->tenants, tenant_key(c->arena, row->cud, row->app_id, row->tenant_id));
    if (known && known->seq >= row->seq)
        return RC_OK;
    if (!row->active) {
        remove_row(c, r, row);
        return RC_OK;
    }
    if (is_public(row->tenant_id))
        return is_public(row->app_id) ? rebuild_cud(c, r, row) : rebuild_app(c, r, row);
    struct app_node *node = node_of(c, r, row->cud, row->app_id);
    return node ? rebuild_tenant(c, r, node, row) : RC_OK;
}

/* Parents first: 0 the public app of a cud, 1 an app, 2 a tenant. */
static int depth(const struct tenant_row *row)
{
    return !is_public(row->tenant_id) ? 2 : !is_public(row->app_id) ? 1 : 0;
}

/* A row that cannot be taken over (a plugin that is not here, a key of a newer
 * core) must not keep the others out; it is said and left as it was. */
static void take_over_feed(struct ctx *c, struct registry *r, const struct tenant_row *rows,
                           size_t n)
{
    for (int level = 0; level <= 2; level++)
        for (size_t i = 0; i < n; i++) {
            if (depth(&rows[i]) != level)
                continue;
            struct ctx one = *c;
            if (take_over(&one, r, &rows[i]) != RC_OK)
                log_error("tenants", "(%.*s, %.*s, %.*s) cannot be configured: %.*s",
                          STR_ARG(rows[i].cud), STR_ARG(rows[i].app_id), STR_ARG(rows[i].tenant_id),
                          STR_ARG(one.fail_text));
        }
}

int registry_refresh_since(struct ctx *c, uint64_t since_us)
{
    struct registry *r = c->core->registry;
    struct tenant_row *rows;
    size_t n;
    int64_t seq;
    int rc = RC_OK;
    pthread_mutex_lock(&r->change);
    if (r->look_us < since_us) {
        uint64_t began = clock_us();
        rc = r->hooks->changes(c, r->seq, &rows, &n, &seq);
        if (rc == RC_OK) {
            take_over_feed(c, r, rows, n);
            r->seq = seq;
            r->look_us = began;
        }
    }
    pthread_mutex_unlock(&r->change);
    return rc;
}

int registry_refresh(struct ctx *c)
{
    return registry_refresh_since(c, clock_us());
}

int registry_apply(struct ctx *c, const struct tenant_row *row)
{
    struct registry *r = c->core->registry;
    pthread_mutex_lock(&r->change);
    int rc = take_over(c, r, row);
    pthread_mutex_unlock(&r->change);
    return rc;
}

/* ---- checking a change */

struct key_check {
    struct ctx *c;
    const struct plugin *plugin;
};

static bool plugin_key(void *ud, const char *key)
{
    const struct key_check *k = ud;
    return plugin_option(k->plugin, key) != NULL;
}

static int invalid(struct ctx *c, struct str text)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "Invalid core config: %.*s", STR_ARG(text));
}

/* Two tenants of one app may not differ in the app's keys. */
static int check_siblings(struct ctx *c, struct registry *r, const struct tenant_row *row,
                          const struct settings *settings)
{
    const struct app_node *node = node_of(c, r, row->cud, row->app_id);
    struct str error;
    if (!node || is_public(row->tenant_id))
        return RC_OK;
    if (settings_check_app(node->app->pub.settings, settings, c->arena, &error) != RC_OK)
        return invalid(c, error);
    return RC_OK;
}

static int check_keys(struct ctx *c, const struct tenant_row *row, const struct plugin *plugin)
{
    json_t *own = json_own(c->arena, json_object_parse(row->core_config));
    struct key_check k = {c, plugin};
    struct str error;
    if (settings_check_keys(own, plugin_key, &k, c->arena, &error) != RC_OK ||
        settings_check_scope(own, c->arena, &error) != RC_OK)
        return invalid(c, error);
    return RC_OK;
}

static void drop_tenant(void *t)
{
    tenant_unref(t);
}

int registry_check(struct ctx *c, const struct tenant_row *row, struct storage **storage)
{
    struct registry *r = c->core->registry;
    pthread_mutex_lock(&r->change);
    struct inheritance from = inherit(c, r, row);
    struct app_obj *app = app_obj_new(c, r, row, &from, NULL);
    struct tenant_obj *t = app ? tenant_obj_new(c, r, row, &from, app) : NULL;
    app_obj_unref(app);
    int rc = t ? check_keys(c, row, t->conn.plugin) : RC_FAIL;
    if (rc == RC_OK)
        rc = check_siblings(c, r, row, t->pub.settings);
    pthread_mutex_unlock(&r->change);
    if (t)
        arena_defer(c->arena, drop_tenant, t);
    return rc == RC_OK ? lazy_open(c, r, &t->conn, storage) : rc;
}

/* ---- the poll thread */

static void poll_once(struct registry *r, struct arena *a, bool *failing)
{
    struct ctx c = {.core = r->core, .arena = a, .deadline_us = clock_us() + POLL_DEADLINE_US};
    bool failed = registry_refresh(&c) != RC_OK;
    if (failed && !*failing)
        log_warn("tenants", "changes of tenants are not seen for now: %.*s", STR_ARG(c.fail_text));
    if (!failed && *failing)
        log_info("tenants", "changes of tenants are seen again");
    *failing = failed;
    arena_reset(a);
}

static void *poll_thread(void *arg)
{
    struct registry *r = arg;
    struct arena a;
    bool failing = false;
    arena_init(&a);
    pthread_mutex_lock(&r->stop_lock);
    while (!r->stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += POLL_SECONDS;
        if (pthread_cond_timedwait(&r->stop_cond, &r->stop_lock, &until) == 0)
            continue;
        pthread_mutex_unlock(&r->stop_lock);
        poll_once(r, &a, &failing);
        pthread_mutex_lock(&r->stop_lock);
    }
    pthread_mutex_unlock(&r->stop_lock);
    arena_free(&a);
    return NULL;
}

void registry_start(struct registry *r)
{
    int error = pthread_create(&r->thread, NULL, poll_thread, r);
    r->started = error == 0;
    if (error)
        log_error("tenants", "no thread to look for changes of tenants: %s", strerror(error));
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->stop_lock);
    r->stopping = true;
    pthread_cond_signal(&r->stop_cond);
    pthread_mutex_unlock(&r->stop_lock);
    if (r->started)
        pthread_join(r->thread, NULL);
    size_t at = 0;
    const struct tenant_obj *t;
    while ((t = map_next(&r->tenants, &at)))
        tenant_unref(&t->pub);
    at = 0;
    struct app_node *node;
    while ((node = map_next(&r->apps, &at)))
        node_free(node);
    map_free(&r->tenants);
    map_free(&r->apps);
    map_free(&r->cuds);
    pthread_cond_destroy(&r->stop_cond);
    pthread_mutex_destroy(&r->stop_lock);
    pthread_rwlock_destroy(&r->lock);
    pthread_mutex_destroy(&r->change);
    mem_free(r);
}
