/* SPDX-License-Identifier: Apache-2.0 */
/* Looking tenants up.  Every request passes here: a read lock, one hash look-up
 * and a reference count. */
#include "storage/tenant.h"

#include "base/clock.h"
#include "core.h"
#include "storage/tenant_internal.h"

#include <stdlib.h>

struct str app_key(struct arena *a, struct str cud, struct str app_id)
{
    return str_printf(a, "%.*s\n%.*s", STR_ARG(cud), STR_ARG(app_id));
}

struct str tenant_key(struct arena *a, struct str cud, struct str app_id, struct str tenant_id)
{
    return str_printf(a, "%.*s\n%.*s\n%.*s", STR_ARG(cud), STR_ARG(app_id), STR_ARG(tenant_id));
}

static const struct tenant *look_up(struct registry *r, struct str key)
{
    pthread_rwlock_rdlock(&r->lock);
    struct tenant_obj *t = map_get(&r->tenants, key);
    if (t)
        tenant_ref(&t->pub);
    pthread_rwlock_unlock(&r->lock);
    return t ? &t->pub : NULL;
}

/* Snapshots are read without a lock, so a member is written only once, by
 * whoever comes first. */
static void set_once(struct lazy_storage *conn, struct storage **member, struct storage *s)
{
    pthread_mutex_lock(&conn->lock);
    if (!__atomic_load_n(member, __ATOMIC_ACQUIRE))
        __atomic_store_n(member, s, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&conn->lock);
}

static int open_storages(struct ctx *c, struct registry *r, struct tenant_obj *t)
{
    struct storage *s;
    int rc = lazy_open(c, r, &t->app->conn, &s);
    if (rc == RC_OK) {
        set_once(&t->app->conn, &t->app->pub.storage, s);
        rc = lazy_open(c, r, &t->conn, &s);
    }
    if (rc == RC_OK)
        set_once(&t->conn, &t->pub.storage, s);
    return rc;
}

static int find(struct ctx *c, struct str key, const struct tenant **tenant)
{
    struct registry *r = c->core->registry;
    *tenant = look_up(r, key);
    if (!*tenant) {
        int rc = registry_refresh_since(c, clock_us());
        if (rc != RC_OK)
            return rc;
        *tenant = look_up(r, key);
    }
    if (!*tenant || __atomic_load_n(&(*tenant)->storage, __ATOMIC_ACQUIRE))
        return RC_OK;
    int rc = open_storages(c, r, (struct tenant_obj *)(uintptr_t)*tenant);
    if (rc != RC_OK) {
        tenant_unref(*tenant);
        *tenant = NULL;
    }
    return rc;
}

int tenant_find(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                const struct tenant **tenant)
{
    return find(c, tenant_key(c->arena, cud, app_id, tenant_id), tenant);
}

int tenant_unknown(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id)
{
    return ctx_fail(c, FAIL_BAD_REQUEST,
                    "AppId or tenantId not found => Tenant with the following "
                    "connectionURIDomain, appId and tenantId combination not found: (%.*s, %.*s, "
                    "%.*s)",
                    STR_ARG(cud), STR_ARG(app_id), STR_ARG(tenant_id));
}

int tenant_resolve(struct ctx *c, struct str cud, struct str app_id, struct str tenant_id,
                   const struct tenant **tenant)
{
    int rc = tenant_find(c, cud, app_id, tenant_id, tenant);
    if (rc == RC_OK && !*tenant)
        rc = tenant_unknown(c, cud, app_id, tenant_id);
    return rc;
}

struct str tenant_cud(struct core *core, struct str host)
{
    struct registry *r = core->registry;
    pthread_rwlock_rdlock(&r->lock);
    bool known = host.len && map_get(&r->cuds, host);
    pthread_rwlock_unlock(&r->lock);
    return known ? host : STR("");
}

/* ---- lists */

static void release(void *t)
{
    tenant_unref(t);
}

static int by_id(const void *a, const void *b)
{
    const struct tenant *x = *(const struct tenant *const *)a;
    const struct tenant *y = *(const struct tenant *const *)b;
    int d = str_cmp(x->cud, y->cud);
    if (d == 0)
        d = str_cmp(x->app_id, y->app_id);
    return d ? d : str_cmp(x->tenant_id, y->tenant_id);
}

size_t tenant_list(struct ctx *c, struct str cud, struct str app_id, const struct tenant ***list)
{
    struct registry *r = c->core->registry;
    size_t n = 0, at = 0;
    const struct tenant_obj *t;
    pthread_rwlock_rdlock(&r->lock);
    const struct tenant **found = ARENA_ARRAY(c->arena, const struct tenant *, r->tenants.n);
    while ((t = map_next(&r->tenants, &at)))
        if ((!cud.p || str_eq(t->pub.cud, cud)) && (!app_id.p || str_eq(t->pub.app_id, app_id)))
            found[n++] = tenant_ref(&t->pub);
    pthread_rwlock_unlock(&r->lock);
    for (size_t i = 0; i < n; i++)
        arena_defer(c->arena, release, (void *)(uintptr_t)found[i]);
    if (n)
        qsort(found, n, sizeof(*found), by_id);
    *list = found;
    return n;
}

static bool listed(struct storage *const *list, size_t n, const struct storage *s)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == s)
            return true;
    return false;
}

/* Tenants that name no database of their own share the app's storage: no need
 * to look at each. */
int tenant_app_storages(struct ctx *c, const struct app *app, struct storage ***list, size_t *n)
{
    struct registry *r = c->core->registry;
    struct app_obj *obj = (struct app_obj *)(uintptr_t)app;
    struct storage *first;
    int rc = lazy_open(c, r, &obj->conn, &first);
    if (rc != RC_OK)
        return rc;
    pthread_rwlock_rdlock(&r->lock);
    const struct app_node *node = map_get(&r->apps, app_key(c->arena, app->cud, app->app_id));
    size_t tenants = node ? node->n : 0, others = 0;
    struct tenant_obj **with_own = ARENA_ARRAY(c->arena, struct tenant_obj *, tenants);
    for (size_t i = 0; i < tenants; i++)
        if (node->tenants[i]->conn.kv) {
            tenant_ref(&node->tenants[i]->pub);
            with_own[others++] = node->tenants[i];
        }
    pthread_rwlock_unlock(&r->lock);
    *list = ARENA_ARRAY(c->arena, struct storage *, others + 1);
    (*list)[0] = first;
    *n = 1;
    for (size_t i = 0; i < others; i++) {
        struct storage *s;
        arena_defer(c->arena, release, with_own[i]);
        if (rc == RC_OK)
            rc = lazy_open(c, r, &with_own[i]->conn, &s);
        if (rc == RC_OK && !listed(*list, *n, s))
            (*list)[(*n)++] = s;
    }
    return rc;
}

size_t registry_storages(struct ctx *c, struct storage ***list)
{
    struct storage **all;
    size_t n = storages_list(c->core->storages, c->arena, &all);
    *list = ARENA_ARRAY(c->arena, struct storage *, n + 1);
    size_t k = 0;
    (*list)[k++] = c->core->base_storage;
    for (size_t i = 0; i < n; i++)
        if (all[i] != c->core->base_storage)
            (*list)[k++] = all[i];
    return k;
}
