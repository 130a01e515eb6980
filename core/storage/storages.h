/* SPDX-License-Identifier: Apache-2.0 */
/* The opened storages of the process, one per pool identity (plugin and
 * connection settings), shared by every tenant that names it and closed when
 * the last reference goes. */
#ifndef CORE_STORAGE_STORAGES_H
#define CORE_STORAGE_STORAGES_H

#include "storage/loader.h"
#include "storage/storage.h"

struct storages;

struct storages *storages_new(struct plugins *plugins, const stk_catalog *catalog);
/* Every reference has been given back. */
void storages_free(struct storages *ss);

/* How long and with what leave a storage is opened. */
struct open_how {
    uint64_t deadline_us; /* an unreachable database is tried again until then; 0: once */
    bool auto_migrate;    /* apply what is pending, else pending scripts are a refusal */
    /* Returns true to give up (the process is ending); may be NULL. */
    bool (*stop)(void *arg);
    void *stop_arg;
};

/* Takes a reference to the storage these settings mean, opening it, migrating
 * and verifying its schema if it is not open.  kv is borrowed for the call and
 * holds only keys of the plugin.  Several threads may ask for one storage: one
 * opens, the others wait.  STK_OK, or the status with *error (in the arena):
 * STK_E_CONFIG a setting, STK_E_UNAVAILABLE and STK_E_TIMEOUT out of reach,
 * STK_E_SCHEMA migrations, STK_E_DENIED privileges. */
stk_status storages_open(struct storages *ss, struct arena *a, const struct plugin *plugin,
                         const stk_kv *kv, size_t nkv, const struct open_how *how,
                         struct storage **storage, struct str *error);

struct storage *storage_ref(struct storage *s);
/* NULL is fine.  The last one closes it; not inside a transaction of it. */
void storage_unref(struct storage *s);

/* Without connecting: what the settings mean.  data_id is equal for the same
 * rows, pool_id for the same connections as well (never print it).  Both begin
 * with the plugin's name. */
struct storage_identity {
    struct str data_id, pool_id;
};
stk_status storage_identify(struct arena *a, const struct plugin *plugin, const stk_kv *kv,
                            size_t nkv, struct storage_identity *id, struct str *error);

/* Same rows: the data_id; free of secrets, lives as long as the storage. */
const char *storage_data_id(const struct storage *s);
const struct plugin *storage_plugin(const struct storage *s);

/* A real round trip to the server; with timeout_ms 0 none, only the numbers of
 * its pool.  STK_OK or a status with *error. */
stk_status storage_health(struct storage *s, struct arena *a, uint32_t timeout_ms,
                          stk_health *health, struct str *error);
/* The opened storages, referenced until the arena is reset. */
size_t storages_list(struct storages *ss, struct arena *a, struct storage ***list);

#endif
