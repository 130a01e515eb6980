/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL and MariaDB storage plugin: options, opening, health, the entry
 * point. */
#include "mq.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include <stk_migrations.h>

#define MAX_LIST 1024

const stk_host *mq_core;

uint64_t mq_now(void)
{
    if (mq_core)
        return mq_core->now_us(mq_core->ctx);
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t mq_deadline(uint64_t deadline_us, uint64_t dflt_us)
{
    return deadline_us ? deadline_us : mq_now() + dflt_us;
}

static stk_status load(const stk_host *host, stk_err *err)
{
    mq_core = host;
    /* The library would set SIGPIPE for the whole process. */
    struct sigaction before;
    sigaction(SIGPIPE, NULL, &before);
    bool ok = mysql_library_init(0, NULL, NULL) == 0 && mq_tls_load();
    sigaction(SIGPIPE, &before, NULL);
    return ok ? STK_OK
              : stk_err_set(err, STK_E_INTERNAL, MQ_NAME ": the client library does not start");
}

static void unload(void)
{
    mysql_library_end();
}

static stk_status thread_enter(void)
{
    return mysql_thread_init() ? STK_E_NOMEM : STK_OK;
}

static void thread_leave(void)
{
    mysql_thread_end();
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    struct mq_conf *conf;
    stk_status st = mq_conf_load(kv, nkv, NULL, &conf, err);
    if (st == STK_OK)
        st = mq_conf_identity(conf, data_id, pool_id, n, err);
    mq_conf_free(conf);
    return st;
}

/* -------------------------------------------------------------------- the pool */

static stk_status pool_open(void *ud, uint64_t deadline_us, void **conn, stk_err *err)
{
    struct mq_conn *c;
    stk_status st = mq_connect(ud, deadline_us, &c, err);
    if (st == STK_OK)
        *conn = c;
    return st;
}

static void pool_close(void *ud, void *conn)
{
    (void)ud;
    mq_disconnect(conn);
}

/* After a failover the old primary may still answer, read-only. */
static bool pool_ping(void *ud, void *conn)
{
    struct stk_db *db = ud;
    bool read_only;
    return mq_alive(conn) &&
           mq_ask_server(conn, mq_now() + MQ_PING_US, &read_only, NULL) == STK_OK &&
           !(read_only && db->conf->server.nhosts > 1);
}

stk_status mq_take(stk_db *db, uint64_t deadline_us, struct mq_conn **out, stk_err *err)
{
    for (;;) {
        void *p = NULL;
        stk_status st = stk_pool_get(db->pool, deadline_us, &p, err);
        if (st != STK_OK)
            return st;
        *out = p;
        if ((*out)->uses++ == 0 || mq_alive(*out))
            return STK_OK;
        stk_pool_put(db->pool, p, true);
    }
}

static bool pool_full(void *ud, const stk_err *err)
{
    (void)ud;
    return err->native == 1040 || err->native == 1203 || err->native == 1226;
}

static struct stk_pool *make_pool(stk_db *db)
{
    struct stk_pool_conf conf = {
        .name = MQ_NAME,
        .size_key = "mysql_connection_pool_size",
        .host = mq_core,
        .ops = {.open = pool_open, .close = pool_close, .ping = pool_ping, .full = pool_full},
        .ud = db,
        .max = (uint32_t)db->conf->server.pool_size,
        .min_idle = (uint32_t)db->conf->server.min_idle,
        .idle_timeout_us = (uint64_t)db->conf->server.idle_ms * 1000,
        .ping_after_us = 30000000,
        .wait_us = MQ_DEFAULT_US};
    return stk_pool_new(&conf);
}

/* --------------------------------------------------------------- open, close */

static void db_close(stk_db *db)
{
    if (!db)
        return;
    if (db->pool)
        stk_pool_free(db->pool);
    stk_jobs_drain(&db->kills);
    if (db->sql)
        stk_sql_close(db->sql);
    mq_conf_free(db->conf);
    stk_jobs_destroy(&db->kills);
    free(db);
}

static stk_status db_prepare(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    struct stk_sql_dialect dialect = {
        .kind = STK_SQL_MYSQL, .plugin = MQ_NAME, .max_list = MAX_LIST};
    stk_status st = stk_sql_open(catalog, &dialect, &db->sql, err);
    if (st != STK_OK)
        return st;
    db->pool = make_pool(db);
    return db->pool ? STK_OK : stk_err_nomem(err);
}

static stk_status db_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, MQ_NAME ": an unknown flag of open");
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    stk_jobs_init(&db->kills);
    db->flags = flags;
    struct mq_conn *conn = NULL;
    stk_status st = mq_conf_load(kv, nkv, mq_core, &db->conf, err);
    if (st == STK_OK)
        st = db_prepare(db, catalog, err);
    if (st == STK_OK)
        st = mq_take(db, mq_now() + MQ_DEFAULT_US, &conn, err);
    if (st != STK_OK) {
        db_close(db);
        return st;
    }
    stk_pool_put(db->pool, conn, false);
    *out = db;
    return STK_OK;
}

/* ------------------------------------------------------------- health and dump */

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    struct mq_conn *conn;
    uint64_t deadline = mq_now() + (uint64_t)timeout_ms * 1000;
    stk_health h = {.size = out->size};
    stk_status st = timeout_ms ? mq_take(db, deadline, &conn, err) : STK_OK;
    if (timeout_ms && st == STK_OK) {
        uint64_t start = mq_now();
        st = mq_query(conn, "SELECT 1", deadline, NULL, err);
        h.rtt_us = mq_now() - start;
        const char *info = mysql_get_server_info(conn->my);
        snprintf(h.server, sizeof h.server, "%s%s, %s", strstr(info, "MariaDB") ? "" : "MySQL ",
                 info, conn->server);
        stk_pool_put(db->pool, conn, st != STK_OK);
    }
    stk_pool_health(db->pool, &h);
    stk_copy_min(out, out->size, &h, out->size < sizeof h ? out->size : sizeof h);
    return st;
}

static void dump(stk_db *db, void (*emit)(void *ud, const char *key, const char *value), void *ud)
{
    emit(ud, "client library", mysql_get_client_info());
    if (!db)
        return;
    stk_health h = {.size = sizeof h};
    if (health(db, 2000, &h, NULL) == STK_OK)
        emit(ud, "server", h.server);
    stk_sql_dump(db->sql, emit, ud);
}

/* -------------------------------------------------------------------- options */

static const stk_option options[] = {STK_SERVER_OPTIONS(
    "mysql",
    "mysql://user:password@host:3306/database?useSSL=true&maxPoolSize=10, several hosts parted by "
    "commas; stronger than the single keys",
    "Host name, address or path of a socket; several parted by commas (default localhost, over "
    "TCP)",
    "Port (default 3306)",
    "Tables have fixed names; give this installation a database of its own")};

/* ---------------------------------------------------------------- entry point */

static const stk_plugin plugin = {
    .magic = STK_MAGIC,
    .size = sizeof(stk_plugin),
    .abi_major = STK_ABI_MAJOR,
    .abi_minor = STK_ABI_MINOR,
    .need_minor = 0,
    .thread_model = STK_THREAD_PARALLEL,
    .name = MQ_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "MySQL 5.7 and newer, MariaDB 10.2 and newer",
    .caps = STK_CAP_TXN | STK_CAP_AUTO_SCHEMA | STK_CAP_LOCK,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .option_size = sizeof(stk_option),
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .migration_size = sizeof(stk_migration),
    .max_in_list = MAX_LIST,
    .max_batch = 1024,
    .load = load,
    .unload = unload,
    .thread_enter = thread_enter,
    .thread_leave = thread_leave,
    .identity = identity,
    .open = db_open,
    .close = db_close,
    .migration_status = mq_migration_status,
    .migrate = mq_migrate,
    .verify = mq_verify,
    .ensure = mq_ensure,
    .drop = mq_drop,
    .begin = mq_begin,
    .exec = mq_exec,
    .commit = mq_commit,
    .rollback = mq_rollback,
    .health = health,
    .dump = dump,
};

STK_PLUGIN(plugin)
