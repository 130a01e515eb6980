/* SPDX-License-Identifier: Apache-2.0 */
/* What the registry keeps behind struct tenant and struct app. */
#ifndef CORE_STORAGE_TENANT_INTERNAL_H
#define CORE_STORAGE_TENANT_INTERNAL_H

#include "base/map.h"
#include "storage/storages.h"
#include "storage/tenant.h"

#include <pthread.h>
#include <stdatomic.h>

/* A storage that is opened when it is first used. */
struct lazy_storage {
    pthread_mutex_t lock; /* held while opening; a leaf but for the storages' own */
    const struct plugin *plugin;
    stk_kv *kv; /* owned; NULL: the base storage */
    size_t nkv;
    _Atomic(struct storage *) storage; /* a reference, once opened */
    bool said;                         /* that it cannot be opened is in the log */
};

/* The keys of an app: kept while its configuration changes, gone with the last
 * snapshot of the app. */
struct app_shared {
    atomic_uint refs;
    struct registry *registry;
    struct app_keys *keys;
};

/* A snapshot of an app. */
struct app_obj {
    struct app pub; /* first */
    atomic_uint refs;
    struct app_shared *shared;
    struct lazy_storage conn;
};

/* A snapshot of a tenant. */
struct tenant_obj {
    struct tenant pub; /* first */
    atomic_uint refs;
    int64_t seq;
    struct app_obj *app;
    struct lazy_storage conn;
};

/* An app in the registry: its current snapshot and its tenants. */
struct app_node {
    struct app_obj *app;
    struct tenant_obj **tenants;
    size_t n, cap;
};

struct registry {
    struct core *core;
    const struct registry_hooks *hooks;
    /* Order: `change`, then `lock`.  `change` serialises whoever changes the
     * maps and is held while reading the feed; `lock` guards the maps and is
     * never held over anything slow. */
    pthread_mutex_t change;
    pthread_rwlock_t lock;
    struct map apps;    /* app_key() -> struct app_node */
    struct map tenants; /* tenant_key() -> struct tenant_obj */
    struct map cuds;    /* cud -> itself */
    /* Under `change`: the newest change number taken over, and when the last look
     * for a newer one began. */
    int64_t seq;
    uint64_t look_us;
    pthread_t thread;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_cond;
    bool started, stopping; /* stopping: under stop_lock */
};

/* As registry_refresh, unless another thread's look began at since_us or later:
 * then waiting for it was enough. */
int registry_refresh_since(struct ctx *c, uint64_t since_us);

/* Lookup keys, separated by a byte no id holds; in the arena. */
struct str app_key(struct arena *a, struct str cud, struct str app_id);
struct str tenant_key(struct arena *a, struct str cud, struct str app_id, struct str tenant_id);

/* ---- tenant_build.c: snapshots out of rows */

/* The core_config rows a tenant inherits from, own first; absent ones empty. */
struct inheritance {
    struct str own, app, cud;
};

/* Both return NULL with the failure in c where settings are wrong. */
struct app_obj *app_obj_new(struct ctx *c, struct registry *r, const struct tenant_row *row,
                            const struct inheritance *from, struct app_shared *shared);
struct tenant_obj *tenant_obj_new(struct ctx *c, struct registry *r, const struct tenant_row *row,
                                  const struct inheritance *from, struct app_obj *app);
void app_obj_unref(struct app_obj *app);
/* Opens if it is not open; RC_FAIL with a 503 naming the tenant's database. */
int lazy_open(struct ctx *c, struct registry *r, struct lazy_storage *conn, struct storage **s);

#endif
