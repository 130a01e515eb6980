/* SPDX-License-Identifier: Apache-2.0 */
/* What the core sees: the vtable and its options, opening, closing,
 * health. */
#include "template.h"

#include <stk_migrations.h>

const stk_host *host;

static struct database database = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const stk_option options[] = {
    {.key = PLUGIN_NAME "_wait_ms",
     .dflt = "10000",
     .help = "Milliseconds to wait for another transaction where the core gives no deadline",
     .min = 1,
     .max = 600000,
     .type = STK_OPT_INT},
};

/* Once in the life of the process, before all else. */
static stk_status load(const stk_host *h, stk_err *err)
{
    pthread_condattr_t attr;
    host = h;
    if (pthread_condattr_init(&attr) != 0)
        return stk_err_nomem(err);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* the clock of deadlines */
    pthread_cond_init(&database.changed, &attr);
    pthread_condattr_destroy(&attr);
    return STK_OK;
}

static void unload(void)
{
    while (database.tables)
        schema_free(&database, database.tables);
    pthread_cond_destroy(&database.changed);
}

/* Which rows, which connections.  With a server: host, port, database, schema in
 * both, the user in pool_id as well; the password in neither. */
static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    (void)kv, (void)nkv;
    if (n < sizeof(PLUGIN_NAME))
        return stk_err_set(err, STK_E_INVALID, PLUGIN_NAME ": no room for an identity");
    memcpy(data_id, PLUGIN_NAME, sizeof(PLUGIN_NAME));
    memcpy(pool_id, PLUGIN_NAME, sizeof(PLUGIN_NAME));
    return STK_OK;
}

/* The place to connect, once, and to prepare what each query needs. */
static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": an unknown flag of open()");
    stk_status rc = check_catalog(catalog, err);
    if (rc < 0)
        return rc;
    stk_db *db = calloc(1, sizeof(*db));
    if (!db)
        return stk_err_nomem(err);
    db->d = &database;
    db->catalog = catalog;
    db->flags = flags;
    /* The core has checked that it is a number in its range. */
    db->wait_us = strtoull(stk_kv_get(kv, nkv, PLUGIN_NAME "_wait_ms", "10000"), NULL, 10) * 1000u;
    *out = db;
    return STK_OK;
}

static void close_db(stk_db *db)
{
    free(db);
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    uint64_t start = host->now_us(host->ctx);
    if (timeout_ms > 0) { /* else only numbers are asked for, and no wait */
        stk_status rc = db_enter(db, false, start + timeout_ms * 1000u, err);
        if (rc < 0)
            return rc;
        db_leave(db, false);
    }
    stk_health h = {.size = out->size, .rtt_us = host->now_us(host->ctx) - start};
    snprintf(h.server, sizeof(h.server), "%s 1.0.0, in memory", PLUGIN_NAME);
    stk_copy_min(out, out->size, &h, sizeof(h)); /* not beyond theirs */
    return STK_OK;
}

static const stk_plugin plugin = {
    STK_PLUGIN_BUILT,
    .thread_model = STK_THREAD_PARALLEL,
    .name = PLUGIN_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "Rows in memory, gone with the process; to start a plugin from",
    .caps = STK_CAP_TXN | STK_CAP_AUTO_SCHEMA,
    .options = options,
    .noptions = sizeof(options) / sizeof(options[0]),
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .max_in_list = MAX_LIST,
    .max_batch = MAX_BATCH,
    .load = load,
    .unload = unload,
    .identity = identity,
    .open = open_db,
    .close = close_db,
    .migration_status = schema_status,
    .migrate = schema_migrate,
    .verify = schema_verify,
    .ensure = schema_ensure,
    .drop = schema_drop,
    .begin = txn_begin,
    .exec = txn_exec,
    .commit = txn_commit,
    .rollback = txn_rollback,
    .health = health,
};
STK_PLUGIN(plugin)
