/* SPDX-License-Identifier: Apache-2.0 */
/* The MySQL and MariaDB storage plugin: options, opening, health, the entry
 * point. */
#include "mq.h"

#include <signal.h>
#include <stdlib.h>

#include <stk_migrations.h>

#define MAX_LIST 1024

const stk_host *mq_core;

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

/* ------------------------------------------------------- open, close and dump */

static stk_status ask(void *conn, uint64_t deadline_us, char *server, size_t n, stk_err *err)
{
    struct mq_conn *c = conn;
    const char *info = mysql_get_server_info(c->my);
    snprintf(server, n, "%s%s, %s", strstr(info, "MariaDB") ? "" : "MySQL ", info, c->server);
    return mq_query(c, "SELECT 1", deadline_us, NULL, err);
}

static bool is_full(const stk_err *err)
{
    return err->native == 1040 || err->native == 1203 || err->native == 1226;
}

static bool is_everywhere(const stk_err *err)
{
    return err->native == 1049; /* the database is missing */
}

static const struct stk_server_ops ops = {.connect = mq_connect,
                                          .close = mq_disconnect,
                                          .reuse = mq_reuse,
                                          .ping = mq_ping,
                                          .full = is_full,
                                          .everywhere = is_everywhere,
                                          .attempt = mq_attempt,
                                          .undo = mq_undo,
                                          .schema = &mq_schema,
                                          .ask = ask};

static void db_close(stk_db *db)
{
    if (!db)
        return;
    stk_server_close(&db->server);
    mq_conf_free(db->conf);
    free(db);
}

static stk_status db_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    const struct stk_sql_dialect dialect = {
        .kind = STK_SQL_MYSQL, .plugin = MQ_NAME, .max_list = MAX_LIST};
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    stk_server_init(&db->server, MQ_NAME, mq_core, &ops);
    stk_status st = mq_conf_load(kv, nkv, mq_core, &db->conf, err);
    if (st == STK_OK)
        st = stk_server_open(&db->server, &db->conf->server, catalog, &dialect, flags, err);
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
    emit(ud, "client library", mysql_get_client_info());
    if (db)
        stk_server_dump(&db->server, emit, ud);
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
    STK_PLUGIN_BUILT,
    .thread_model = STK_THREAD_PARALLEL,
    .name = MQ_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "MySQL 5.7 and newer, MariaDB 10.2 and newer",
    .caps = STK_CAP_TXN | STK_CAP_AUTO_SCHEMA | STK_CAP_LOCK,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .max_in_list = MAX_LIST,
    .max_batch = 1024,
    .load = load,
    .unload = unload,
    .thread_enter = thread_enter,
    .thread_leave = thread_leave,
    .identity = identity,
    .open = db_open,
    .close = db_close,
    STK_SERVER_CALLBACKS,
    .dump = dump,
};

STK_PLUGIN(plugin)
