/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL storage plugin: options, opening, health, the entry point. */
#include "pg.h"

#include <stdlib.h>
#include <time.h>

#include <stk_migrations.h>

#ifndef LIBPQ_HAS_PIPELINING
#error "libpq 14 or newer is needed (pipeline mode)"
#endif

#define MAX_LIST 8192

const stk_host *pg_core;

uint64_t pg_now(void)
{
    if (pg_core)
        return pg_core->now_us(pg_core->ctx);
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

uint64_t pg_deadline(uint64_t deadline_us, uint64_t dflt_us)
{
    return deadline_us ? deadline_us : pg_now() + dflt_us;
}

static stk_status load(const stk_host *host, stk_err *err)
{
    pg_core = host;
    if (PQlibVersion() < 140000)
        return stk_err_set(err, STK_E_UNSUPPORTED,
                           PG_NAME ": libpq %d is installed, 14 or newer is needed. Upgrade libpq5",
                           PQlibVersion() / 10000);
    return STK_OK;
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    struct pg_conf *conf;
    stk_status st = pg_conf_load(kv, nkv, NULL, &conf, err);
    if (st == STK_OK)
        st = pg_conf_identity(conf, data_id, pool_id, n, err);
    pg_conf_free(conf);
    return st;
}

/* -------------------------------------------------------------------- the pool */

static stk_status pool_open(void *ud, uint64_t deadline_us, void **conn, stk_err *err)
{
    struct pg_conn *c;
    stk_status st = pg_connect(ud, deadline_us, &c, err);
    if (st == STK_OK)
        *conn = c;
    return st;
}

static void pool_close(void *ud, void *conn)
{
    (void)ud;
    pg_disconnect(conn);
}

/* After a failover the old primary may still answer, as a standby. */
static bool pool_ping(void *ud, void *conn)
{
    struct stk_db *db = ud;
    struct pg_conn *c = conn;
    PGresult *res = NULL;
    if (!pg_alive(c) || pg_query(c, "SELECT pg_catalog.pg_is_in_recovery()", 0, NULL,
                                 pg_now() + PG_PING_US, &res, NULL) != STK_OK)
        return false;
    bool standby = PQntuples(res) == 1 && PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    return !standby ||
           (db->conf->target != PG_TARGET_READ_WRITE && db->conf->target != PG_TARGET_PRIMARY);
}

stk_status pg_take(stk_db *db, uint64_t deadline_us, struct pg_conn **out, stk_err *err)
{
    for (;;) {
        void *p = NULL;
        stk_status st = stk_pool_get(db->pool, deadline_us, &p, err);
        if (st != STK_OK)
            return st;
        *out = p;
        if ((*out)->uses++ == 0 || pg_alive(*out))
            return STK_OK;
        stk_pool_put(db->pool, p, true);
    }
}

static bool pool_full(void *ud, const stk_err *err)
{
    (void)ud;
    return strcmp(err->sqlstate, "53300") == 0;
}

static struct stk_pool *make_pool(stk_db *db)
{
    struct stk_pool_conf conf = {
        .name = PG_NAME,
        .host = pg_core,
        .size_key = "postgresql_connection_pool_size",
        .ops = {.open = pool_open, .close = pool_close, .ping = pool_ping, .full = pool_full},
        .ud = db,
        .max = (uint32_t)db->conf->server.pool_size,
        .min_idle = (uint32_t)db->conf->server.min_idle,
        .idle_timeout_us = (uint64_t)db->conf->server.idle_ms * 1000,
        .ping_after_us = 30000000,
        .wait_us = PG_DEFAULT_US};
    return stk_pool_new(&conf);
}

/* --------------------------------------------------------------- open, close */

static void db_close(stk_db *db)
{
    if (!db)
        return;
    if (db->pool)
        stk_pool_free(db->pool);
    stk_jobs_drain(&db->cancels);
    if (db->sql) {
        pg_guards_free(db);
        stk_sql_close(db->sql);
    }
    pg_conf_free(db->conf);
    stk_jobs_destroy(&db->cancels);
    free(db);
}

static stk_status db_prepare(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    struct stk_sql_dialect dialect = {.kind = STK_SQL_POSTGRESQL,
                                      .plugin = PG_NAME,
                                      .schema = db->conf->schema,
                                      .max_list = MAX_LIST};
    stk_status st = stk_sql_open(catalog, &dialect, &db->sql, err);
    if (st != STK_OK)
        return st;
    db->nbits = db->sql->nqueries * (STK_SQL_SLOTS + 1u);
    db->guards = calloc((size_t)db->sql->nqueries + 1, sizeof *db->guards);
    db->pool = make_pool(db);
    return db->guards && db->pool ? STK_OK : stk_err_nomem(err);
}

static stk_status db_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, PG_NAME ": an unknown flag of open");
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    stk_jobs_init(&db->cancels);
    db->flags = flags;
    struct pg_conn *conn = NULL;
    stk_status st = pg_conf_load(kv, nkv, pg_core, &db->conf, err);
    if (st == STK_OK) {
        atomic_store(&db->use_prepared, db->conf->prepared != PG_PREPARED_OFF);
        st = db_prepare(db, catalog, err);
    }
    if (st == STK_OK)
        st = pg_take(db, pg_now() + PG_DEFAULT_US, &conn, err);
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
    struct pg_conn *conn;
    uint64_t deadline = pg_now() + (uint64_t)timeout_ms * 1000;
    stk_health h = {.size = out->size};
    stk_status st = timeout_ms ? pg_take(db, deadline, &conn, err) : STK_OK;
    if (timeout_ms && st == STK_OK) {
        uint64_t start = pg_now();
        st = pg_query(conn, "SELECT 1", 0, NULL, deadline, NULL, err);
        h.rtt_us = pg_now() - start;
        int version = PQserverVersion(conn->pg);
        snprintf(h.server, sizeof h.server, "PostgreSQL %d.%d, %s", version / 10000,
                 version % 10000, conn->server);
        stk_pool_put(db->pool, conn, st != STK_OK);
    }
    stk_pool_health(db->pool, &h);
    stk_copy_min(out, out->size, &h, out->size < sizeof h ? out->size : sizeof h);
    return st;
}

static void dump(stk_db *db, void (*emit)(void *ud, const char *key, const char *value), void *ud)
{
    char text[32];
    int lib = PQlibVersion();
    snprintf(text, sizeof text, "%d.%d", lib / 10000, lib % 10000);
    emit(ud, "libpq", text);
    if (!db)
        return;
    stk_health h = {.size = sizeof h};
    if (health(db, 2000, &h, NULL) == STK_OK)
        emit(ud, "server", h.server);
    emit(ud, "prepared_statements", atomic_load(&db->use_prepared) ? "on" : "off");
    stk_sql_dump(db->sql, emit, ud);
}

/* -------------------------------------------------------------------- options */

static const stk_option options[] = {
    STK_SERVER_OPTIONS(
        "postgresql",
        "postgresql://user:password@host:5432/database?sslmode=..., several hosts parted by "
        "commas; stronger than the single keys",
        "Host name, address or folder of a socket; several parted by commas (default localhost)",
        "Port (default 5432)",
        "Tables have fixed names; give this installation a schema of its own with "
        "postgresql_table_schema"),
    {.key = "postgresql_table_schema",
     .type = STK_OPT_STR,
     .help = "Schema that holds the tables; created when it is missing (default public)"},
    {.key = "postgresql_prepared_statements",
     .dflt = "auto",
     .choices = "auto|on|off",
     .type = STK_OPT_ENUM,
     .help = "Named prepared statements; auto: not behind a transaction pooler such as PgBouncer"},
};

/* ---------------------------------------------------------------- entry point */

static const stk_plugin plugin = {
    .magic = STK_MAGIC,
    .size = sizeof(stk_plugin),
    .abi_major = STK_ABI_MAJOR,
    .abi_minor = STK_ABI_MINOR,
    .need_minor = 0,
    .thread_model = STK_THREAD_PARALLEL,
    .name = PG_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "PostgreSQL 11 and newer, through libpq",
    .caps = STK_CAP_TXN | STK_CAP_PIPELINE | STK_CAP_AUTO_SCHEMA | STK_CAP_LOCK,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .option_size = sizeof(stk_option),
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .migration_size = sizeof(stk_migration),
    .max_in_list = MAX_LIST,
    .max_batch = 1024,
    .load = load,
    .identity = identity,
    .open = db_open,
    .close = db_close,
    .migration_status = pg_migration_status,
    .migrate = pg_migrate,
    .verify = pg_verify,
    .ensure = pg_ensure,
    .drop = pg_drop,
    .begin = pg_begin,
    .exec = pg_exec,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .health = health,
    .dump = dump,
};

STK_PLUGIN(plugin)
