/* SPDX-License-Identifier: Apache-2.0 */
/* The PostgreSQL storage plugin: options, opening, health, the entry point. */
#include "pg.h"

#include <stdlib.h>

#include <stk_migrations.h>

#ifndef LIBPQ_HAS_PIPELINING
#error "libpq 14 or newer is needed (pipeline mode)"
#endif

#define MAX_LIST 8192

const stk_host *pg_core;

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

/* ------------------------------------------------------- open, close and dump */

static stk_status ask(void *conn, uint64_t deadline_us, char *server, size_t n, stk_err *err)
{
    struct pg_conn *c = conn;
    int version = PQserverVersion(c->pg);
    snprintf(server, n, "PostgreSQL %d.%d, %s", version / 10000, version % 10000, c->server);
    return pg_query(c, "SELECT 1", 0, NULL, deadline_us, NULL, err);
}

static bool is_full(const stk_err *err)
{
    return strcmp(err->sqlstate, "53300") == 0;
}

static bool is_everywhere(const stk_err *err)
{
    return strcmp(err->sqlstate, "3D000") == 0; /* the database is missing */
}

static const struct stk_server_ops ops = {.connect = pg_connect,
                                          .close = pg_disconnect,
                                          .reuse = pg_reuse,
                                          .ping = pg_ping,
                                          .full = is_full,
                                          .everywhere = is_everywhere,
                                          .attempt = pg_attempt,
                                          .undo = pg_undo,
                                          .schema = &pg_schema,
                                          .ask = ask};

static void db_close(stk_db *db)
{
    if (!db)
        return;
    pg_guards_free(db);
    stk_server_close(&db->server);
    pg_conf_free(db->conf);
    free(db);
}

static stk_status make_room(stk_db *db, stk_err *err)
{
    uint16_t nqueries = db->server.sql->nqueries;
    db->nbits = nqueries * (STK_SQL_SLOTS + 1u);
    db->guards = calloc(nqueries + 1u, sizeof *db->guards);
    return db->guards ? STK_OK : stk_err_nomem(err);
}

static stk_status db_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    stk_server_init(&db->server, PG_NAME, pg_core, &ops);
    stk_status st = pg_conf_load(kv, nkv, pg_core, &db->conf, err);
    if (st == STK_OK) {
        const struct stk_sql_dialect dialect = {.kind = STK_SQL_POSTGRESQL,
                                                .plugin = PG_NAME,
                                                .schema = db->conf->schema,
                                                .max_list = MAX_LIST};
        atomic_store(&db->use_prepared, db->conf->prepared != PG_PREPARED_OFF);
        st = stk_server_open(&db->server, &db->conf->server, catalog, &dialect, flags, err);
    }
    if (st == STK_OK)
        st = make_room(db, err);
    if (st == STK_OK)
        st = stk_server_reach(&db->server, err);
    if (st == STK_OK)
        *out = db;
    else
        db_close(db);
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
    emit(ud, "prepared_statements", atomic_load(&db->use_prepared) ? "on" : "off");
    stk_server_dump(&db->server, emit, ud);
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
    STK_PLUGIN_BUILT,
    .thread_model = STK_THREAD_PARALLEL,
    .name = PG_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "PostgreSQL 11 and newer, through libpq",
    .caps = STK_CAP_TXN | STK_CAP_PIPELINE | STK_CAP_AUTO_SCHEMA | STK_CAP_LOCK,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .max_in_list = MAX_LIST,
    .max_batch = 1024,
    .load = load,
    .identity = identity,
    .open = db_open,
    .close = db_close,
    STK_SERVER_CALLBACKS,
    .dump = dump,
};

STK_PLUGIN(plugin)
