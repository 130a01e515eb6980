/* SPDX-License-Identifier: Apache-2.0 */
/* The one context of the process: all mutable state hangs here, created by
 * core_start() and taken down by core_stop() in reverse order. */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include <stdbool.h>
#include <stdint.h>

struct core {
    const struct settings *settings;   /* config/settings.h: of the base tenant, never NULL */
    struct config *config;             /* config/config.h: where it came from, HOME, plugin keys */
    struct plugins *plugins;           /* storage/loader.h: loaded plugins by name */
    struct storages *storages;         /* storage/storages.h: opened storages by identity */
    struct storage *base_storage;      /* where tenants are configured */
    struct registry *registry;         /* storage/tenant.h: tenants by (cud, app, tenant) */
    struct hash_pool *hash_pool;       /* crypto/hash_pool.h: password hashing threads */
    struct key_pool *key_pool;         /* crypto/key_pool.h: ready-made RSA keys */
    struct verify_cache *verify_cache; /* crypto/jwt.h: verified token signatures */
    struct active *active;             /* recipe/active.h: who was marked active lately */
    struct pl_known *pl_known;         /* recipe/passwordless_known.h: devices and addresses */
    struct jobs *jobs;                 /* jobs/jobs.h */
    struct http_server *http;          /* http/server.h */
    struct permits *permits;           /* base/permits.h: requests that run at once */
    struct stats *stats;               /* recipe/stats.h: requests per second */
    bool test_mode, fast_jobs;         /* what the command line said */
    int64_t started_ms;
};

#endif
