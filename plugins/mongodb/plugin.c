/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB storage plugin: its table of callbacks, options, opening, health. */
#include <stdlib.h>
#include <stk_migrations.h>

#include "mongodb_plugin.h"

/* Set once by load(), before anything else is called. */
static const stk_host *the_host;

#define IGNORED(name)                                                                              \
    {                                                                                              \
        .key = "mongodb_" name, .type = STK_OPT_STR, .flags = STK_OPT_IGNORED,                     \
        .help = "Has no effect: collections have fixed names"                                      \
    }

static const stk_option options[] = {
    {.key = "mongodb_connection_uri",
     .help = "mongodb://user:password@host:27017/database, several hosts with commas, options as "
             "?replicaSet=rs0&authSource=admin&tls=true",
     .type = STK_OPT_URI,
     .flags = STK_OPT_SECRET},
    {.key = "mongodb_host",
     .help = "Host, where no URI is given; several with commas, each with its :port",
     .type = STK_OPT_STR},
    {.key = "mongodb_port",
     .help = "Port, where no URI is given (27017)",
     .min = 1,
     .max = 65535,
     .type = STK_OPT_INT},
    {.key = "mongodb_user", .help = "User, where the URI has none", .type = STK_OPT_STR},
    {.key = "mongodb_password",
     .help = "Password, where the URI has none",
     .type = STK_OPT_STR,
     .flags = STK_OPT_SECRET},
    {.key = "mongodb_database_name",
     .help = "Database, where the URI has none (supertokens)",
     .type = STK_OPT_STR},
    {.key = "mongodb_connection_scheme",
     .choices = "mongodb|mongodb+srv",
     .help = "How a URI made of the single keys begins: mongodb or mongodb+srv",
     .type = STK_OPT_ENUM},
    {.key = "mongodb_connection_attributes",
     .help = "Options of a URI made of the single keys: a=b&c=d",
     .type = STK_OPT_STR,
     .flags = STK_OPT_SECRET},
    {.key = "mongodb_connection_pool_size",
     .dflt = "10",
     .help = "Connections at once; maxPoolSize of the URI says it as well",
     .min = 1,
     .max = 10000,
     .type = STK_OPT_INT},
    {.key = "mongodb_collection_names_prefix",
     .help = "Not supported: give the installation a database of its own with "
             "mongodb_database_name",
     .type = STK_OPT_STR,
     .flags = STK_OPT_REFUSED},
    IGNORED("key_value_collection_name"),
    IGNORED("session_info_collection_name"),
};

/* libmongoc's own lines, which name hosts and options, never credentials. */
static void on_log(mongoc_log_level_t level, const char *domain, const char *message, void *ud)
{
    (void)ud;
    if (level > MONGOC_LOG_LEVEL_WARNING)
        return;
    stk_logf(the_host, level <= MONGOC_LOG_LEVEL_CRITICAL ? STK_LOG_WARN : STK_LOG_DEBUG, MG_NAME,
             MG_NAME ": %s: %s", domain, message);
}

static stk_status mg_load(const stk_host *host, stk_err *err)
{
    the_host = host;
    if (!mongoc_check_version(1, 17, 0))
        return stk_err_set(err, STK_E_UNSUPPORTED,
                           MG_NAME ": libmongoc %s is older than 1.17. Install a newer one",
                           mongoc_get_version());
    mongoc_log_set_handler(on_log, NULL);
    mongoc_init();
    return STK_OK;
}

static void mg_unload(void)
{
    mongoc_cleanup();
}

static stk_status mg_identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                              stk_err *err)
{
    struct mg_conf conf;
    stk_status rc = mg_conf_load(kv, nkv, NULL, &conf, err);
    if (!rc) {
        rc = mg_conf_identity(&conf, data_id, pool_id, n, err);
        mg_conf_free(&conf);
    }
    return rc;
}

static void mg_close(stk_db *db)
{
    if (!db)
        return;
    mg_disconnect(db);
    mg_conf_free(&db->conf);
    stk_sql_close(db->sql);
    free(db->plans);
    free(db->known);
    free(db);
}

/* Binary values are ordered by their length first, not byte by byte. */
static stk_status check_bytes(const struct stk_db *db, const stk_query *q, stk_err *err)
{
    const stk_col *cols = db->sql->tables[q->table].cols;
    bool bad = false;
    for (uint8_t i = 0; i < q->nwhere; i++)
        bad = bad || (q->where[i].op >= STK_LT && q->where[i].op <= STK_GE &&
                      cols[q->where[i].col].type == STK_T_BYTES);
    for (uint8_t i = 0; i < q->norder; i++)
        bad = bad || cols[q->order[i].col].type == STK_T_BYTES;
    return bad ? stk_err_set(err, STK_E_UNSUPPORTED,
                             MG_NAME ": query \"%s\" cannot be served: BYTES are not ordered",
                             q->name)
               : STK_OK;
}

static stk_status make_plans(struct stk_db *db, stk_err *err)
{
    db->plans = calloc(db->sql->nqueries + 1u, sizeof *db->plans);
    db->known = calloc(db->sql->ntables + 1u, sizeof *db->known);
    if (!db->plans || !db->known)
        return stk_err_nomem(err);
    stk_status rc = STK_OK;
    for (uint16_t i = 0; !rc && i < db->sql->nqueries; i++) {
        mg_plan(db->sql, &db->sql->queries[i], &db->plans[i]);
        rc = check_bytes(db, &db->sql->queries[i], err);
    }
    return rc;
}

static stk_status mg_open(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    *out = NULL;
    if (flags & ~(uint32_t)STK_OPEN_SCRATCH)
        return stk_err_set(err, STK_E_UNSUPPORTED, MG_NAME ": an unknown flag of open()");
    stk_db *db = calloc(1, sizeof *db);
    if (!db)
        return stk_err_nomem(err);
    db->host = the_host;
    db->flags = flags;
    struct stk_sql_dialect dialect = {
        .kind = STK_SQL_NONE, .plugin = MG_NAME, .max_list = MG_MAX_LIST};
    stk_status rc = mg_conf_load(kv, nkv, the_host, &db->conf, err);
    if (!rc)
        rc = stk_sql_open(catalog, &dialect, &db->sql, err);
    if (!rc)
        rc = make_plans(db, err);
    if (!rc)
        rc = mg_connect(db, err);
    if (rc)
        mg_close(db);
    else
        *out = db;
    return rc;
}

/* A standalone server's transactions are alone: nothing waits for a lock. */
static uint64_t mg_caps(stk_db *db)
{
    return STK_CAP_TXN | STK_CAP_ASK_AGAIN | (db->solo ? 0 : STK_CAP_LOCK);
}

/* ---------------------------------------------------------- health and dump */

static stk_status mg_health(stk_db *db, uint32_t timeout_ms, stk_health *health, stk_err *err)
{
    stk_health h = {.size = health->size};
    uint64_t start = mg_now(db), deadline = start + (uint64_t)timeout_ms * 1000;
    struct mg_conn *c = NULL;
    stk_status rc = timeout_ms ? mg_conn_get(db, deadline, &c, err) : STK_OK;
    if (c) {
        struct mg_op op = mg_op(c, deadline, err);
        bson_t cmd = BSON_INITIALIZER, reply;
        bson_append_int32(&cmd, "ping", -1, 1);
        rc = mg_command(&op, MG_READ, &cmd, &reply);
        bson_destroy(&cmd);
        bson_destroy(&reply);
        mg_conn_put(c);
    }
    h.rtt_us = mg_now(db) - start;
    stk_pool_health(db->pool, &h);
    snprintf(h.server, sizeof h.server, "MongoDB %s %.72s%s", db->version, db->conf.where,
             db->solo      ? " standalone"
             : db->sharded ? " sharded"
                           : "");
    stk_copy_min(health, health->size, &h, sizeof h);
    return rc;
}

static void dump_query(stk_db *db, const stk_query *q, char *out, size_t n)
{
    static const char *const ops[] = {
        [STK_OP_INSERT] = "insert", [STK_OP_UPSERT] = "upsert", [STK_OP_UPDATE] = "update",
        [STK_OP_DELETE] = "delete", [STK_OP_SELECT] = "find",   [STK_OP_COUNT] = "count"};
    const struct mg_plan *p = &db->plans[q->id];
    char key[80];
    stk_sql_key_name(db->sql, q->table, p->key, key, sizeof key);
    snprintf(out, n, "%s %s by %s%s, %u equal%s%s", ops[q->op], db->sql->tables[q->table].name, key,
             p->point  ? " (one)"
             : p->list ? " (list)"
                       : "",
             p->neq, p->by_id ? ", ordered by _id" : "", p->hinted ? ", hinted" : "");
}

static void mg_dump(stk_db *db, void (*emit)(void *ud, const char *key, const char *value),
                    void *ud)
{
    emit(ud, "library", mongoc_get_version());
    if (!db)
        return;
    emit(ud, "server", db->version);
    emit(ud, "hosts", db->conf.where);
    emit(ud, "database", db->conf.database);
    emit(ud, "transactions", db->solo ? "journal of a standalone server" : "native");
    for (uint16_t i = 0; i < db->sql->nqueries; i++) {
        char key[96], text[256];
        snprintf(key, sizeof key, "query.%s", db->sql->queries[i].name);
        dump_query(db, &db->sql->queries[i], text, sizeof text);
        emit(ud, key, text);
    }
}

static const stk_plugin plugin = {
    STK_PLUGIN_BUILT,
    .thread_model = STK_THREAD_PARALLEL,
    .name = MG_NAME,
    .version = "1.0.0",
    .license = "Apache-2.0",
    .help = "MongoDB 4.2 and newer: replica set, sharded cluster, or one standalone server",
    .caps = STK_CAP_TXN | STK_CAP_LOCK | STK_CAP_ASK_AGAIN,
    .options = options,
    .noptions = sizeof options / sizeof options[0],
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .max_in_list = MG_MAX_LIST,
    .max_batch = 1024,
    .load = mg_load,
    .unload = mg_unload,
    .identity = mg_identity,
    .open = mg_open,
    .close = mg_close,
    .db_caps = mg_caps,
    .migration_status = mg_migration_status,
    .migrate = mg_migrate,
    .verify = mg_verify,
    .ensure = mg_ensure,
    .drop = mg_drop,
    .begin = mg_begin,
    .exec = mg_exec,
    .commit = mg_commit,
    .rollback = mg_rollback,
    .health = mg_health,
    .dump = mg_dump,
};

STK_PLUGIN(plugin)
