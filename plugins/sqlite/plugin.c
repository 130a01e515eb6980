/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite storage plugin: its table of callbacks, options, opening, health. */
#include <stdlib.h>
#include <stk_migrations.h>

#include "sqlite_plugin.h"

/* Set once by load(), before anything else is called. */
static const stk_host *the_host;

static const stk_option options[] = {
    {.key = "sqlite_path",
     .dflt = ".started/supertokens.db",
     .help = "database file, made with its folder when missing; relative to the installation "
             "directory",
     .type = STK_OPT_PATH},
    {.key = "sqlite_connection_pool_size",
     .dflt = "8",
     .help = "connections that read at once, beside the one that writes",
     .min = 1,
     .max = 1000,
     .type = STK_OPT_INT},
};

static stk_status sqlite_load(const stk_host *host, stk_err *err)
{
    the_host = host;
    if (sqlite3_libversion_number() < 3037000)
        return stk_err_set(err, STK_E_UNSUPPORTED,
                           "sqlite: library %s is older than 3.37. Install a newer libsqlite3.",
                           sqlite3_libversion());
    if (!sqlite3_threadsafe())
        return stk_err_set(err, STK_E_UNSUPPORTED,
                           "sqlite: library %s was built without threads. Install another.",
                           sqlite3_libversion());
    return STK_OK;
}

/* *path is NULL on failure. */
static stk_status resolve(const stk_kv *kv, size_t nkv, char **path, stk_err *err)
{
    *path = NULL;
    const char *given = stk_kv_get(kv, nkv, "sqlite_path", NULL);
    if (!given || !*given)
        return stk_err_set(err, STK_E_CONFIG, "sqlite: sqlite_path is not set. Name a file.");
    return file_resolve(given, path, err);
}

static stk_status sqlite_identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id,
                                  size_t n, stk_err *err)
{
    char *path;
    stk_status rc = resolve(kv, nkv, &path, err);
    if (!path)
        return rc;
    int a = snprintf(data_id, n, "sqlite:%s", path);
    int b = snprintf(pool_id, n, "sqlite:%s?readers=%s", path,
                     stk_kv_get(kv, nkv, "sqlite_connection_pool_size", "8"));
    if ((size_t)a >= n || (size_t)b >= n)
        rc = stk_err_set(err, STK_E_CONFIG, "sqlite: sqlite_path is too long: %s", path);
    free(path);
    return rc;
}

static void sqlite_close(stk_db *db)
{
    if (!db)
        return;
    stk_pool_free(db->readers);
    stk_pool_free(db->writer); /* last, so that it copies the log back */
    stk_sql_close(db->sql);
    free(db->path);
    free(db);
}

static bool may_reuse(void *ud, void *conn)
{
    (void)ud;
    const struct conn *c = conn;
    return sqlite3_get_autocommit(c->s) != 0;
}

static stk_status make_pools(stk_db *db, uint32_t readers, stk_err *err)
{
    struct stk_pool_conf conf = {
        .name = "sqlite",
        .size_key = "sqlite_connection_pool_size",
        .host = db->host,
        .ops = {.open = conn_open_reader, .close = conn_close, .ping = may_reuse},
        .ud = db,
        .max = readers,
        .min_idle = 1,
        .max_waiters = 4096,
        .idle_timeout_us = 60 * 1000000,
        .wait_us = SQLITE_WAIT_US};
    db->readers = stk_pool_new(&conf);
    conf.ops.open = conn_open_writer;
    conf.size_key = NULL;
    conf.max = 1;
    conf.idle_timeout_us = 0;
    db->writer = stk_pool_new(&conf);
    return db->readers && db->writer ? STK_OK : stk_err_nomem(err);
}

static stk_status sqlite_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog,
                              uint32_t flags, stk_db **out, stk_err *err)
{
    *out = NULL;
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, "sqlite: an unknown flag of open()");
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    db->host = the_host;
    db->flags = flags;
    stk_status rc = resolve(kv, nkv, &db->path, err);
    struct stk_sql_dialect dialect = {.kind = STK_SQL_SQLITE, .plugin = "sqlite"};
    if (!rc)
        rc = stk_sql_open(catalog, &dialect, &db->sql, err);
    long readers = strtol(stk_kv_get(kv, nkv, "sqlite_connection_pool_size", "8"), NULL, 10);
    if (!rc)
        rc = make_pools(db, readers > 0 && readers <= 1000 ? (uint32_t)readers : 8, err);
    if (!rc)
        rc = file_create(db->path, err);
    /* The writer first: it makes the log that readers need. */
    for (int writer = 1; !rc && writer >= 0; writer--) {
        struct conn *c;
        rc = conn_get(db, writer, 0, &c, err);
        if (!rc)
            conn_put(c);
    }
    if (rc)
        sqlite_close(db);
    else
        *out = db;
    return rc;
}

/* ---------------------------------------------------------- health and dump */

static stk_status sqlite_health(stk_db *db, uint32_t timeout_ms, stk_health *health, stk_err *err)
{
    stk_health h = {.size = health->size};
    uint64_t start = db->host->now_us(db->host->ctx);
    struct conn *c = NULL;
    stk_status rc =
        timeout_ms ? conn_get(db, false, start + (uint64_t)timeout_ms * 1000, &c, err) : STK_OK;
    if (c) {
        rc = conn_run(c, "SELECT count(*) FROM sqlite_master", err);
        conn_put(c);
    }
    h.rtt_us = db->host->now_us(db->host->ctx) - start;
    struct stk_pool_stats r, w;
    stk_pool_get_stats(db->readers, &r);
    stk_pool_get_stats(db->writer, &w);
    h.pool_size = r.max + w.max;
    h.pool_open = r.open + w.open;
    h.pool_idle = r.idle + w.idle;
    h.pool_waiters = r.waiters + w.waiters;
    h.reconnects = r.reconnects + w.reconnects;
    h.pool_timeouts = r.timeouts + r.refused + w.timeouts + w.refused;
    size_t n = strlen(db->path);
    size_t room = sizeof h.server - 1 - strlen("SQLite ") - strlen(sqlite3_libversion()) - 4;
    snprintf(h.server, sizeof h.server, "SQLite %s %s%s", sqlite3_libversion(),
             n > room ? "..." : "", n > room ? db->path + n - room : db->path);
    stk_copy_min(health, health->size, &h, sizeof h);
    return rc;
}

static void sqlite_dump(stk_db *db, void (*emit)(void *ud, const char *key, const char *value),
                        void *ud)
{
    emit(ud, "library", sqlite3_libversion());
    emit(ud, "library.source", sqlite3_sourceid());
    if (!db)
        return;
    emit(ud, "path", db->path);
    stk_sql_dump(db->sql, emit, ud);
}

static const stk_plugin plugin = {
    STK_PLUGIN_BUILT,
    .thread_model = STK_THREAD_PARALLEL,
    .name = "sqlite",
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "SQLite in one file, for one core or several on one machine",
    .caps = STK_CAP_TXN,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .max_in_list = STK_SQL_MAX_LIST,
    .max_batch = 1024,
    .load = sqlite_load,
    .identity = sqlite_identity,
    .open = sqlite_open,
    .close = sqlite_close,
    .migration_status = sqlite_migration_status,
    .migrate = sqlite_migrate,
    .verify = sqlite_verify,
    .ensure = sqlite_ensure,
    .drop = sqlite_drop,
    .begin = sqlite_begin,
    .exec = sqlite_exec,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .health = sqlite_health,
    .dump = sqlite_dump,
};

STK_PLUGIN(plugin)
