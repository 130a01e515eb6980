/* SPDX-License-Identifier: Apache-2.0 */
/* Connections and commands.
 *
 * libmongoc's pool shares what it knows of the servers and the threads that
 * watch them; the kit's pool in front of it has what that one lacks: deadlines,
 * a bounded queue, numbers for health().  So libmongoc's never waits. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "mongodb_plugin.h"

uint64_t mg_now(const struct stk_db *db)
{
    return db->host->now_us(db->host->ctx);
}

/* ---------------------------------------------------------------- connections */

static stk_status conn_open(void *ud, uint64_t deadline_us, void **out, stk_err *err)
{
    (void)deadline_us;
    struct stk_db *db = ud;
    struct mg_conn *c = calloc(1, sizeof *c);
    if (!c)
        return stk_err_nomem(err);
    c->db = db;
    /* The first pop starts libmongoc's threads: signals are not for them. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    c->client = mongoc_client_pool_pop(db->clients);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    *out = c;
    return STK_OK;
}

static void conn_close(void *ud, void *conn)
{
    struct stk_db *db = ud;
    struct mg_conn *c = conn;
    mongoc_client_pool_push(db->clients, c->client);
    free(c);
}

stk_status mg_conn_get(struct stk_db *db, uint64_t deadline_us, struct mg_conn **out, stk_err *err)
{
    void *c = NULL;
    stk_status rc = stk_pool_get(db->pool, deadline_us, &c, err);
    *out = c;
    if (!rc)
        (*out)->broken = false;
    return rc;
}

/* A broken one is counted and goes back to libmongoc, which connects anew. */
void mg_conn_put(struct mg_conn *c)
{
    if (c)
        stk_pool_put(c->db->pool, c, c->broken);
}

struct mg_op mg_op(struct mg_conn *c, uint64_t deadline_us, stk_err *err)
{
    return (struct mg_op){.db = c->db,
                          .conn = c,
                          .deadline_us = deadline_us ? deadline_us : mg_now(c->db) + MG_WAIT_US,
                          .table = STK_NONE,
                          .err = err};
}

/* ------------------------------------------------------------------- commands */

int64_t mg_int(const bson_t *doc, const char *path)
{
    bson_iter_t it, at;
    if (!bson_iter_init(&it, doc) || !bson_iter_find_descendant(&it, path, &at))
        return 0;
    return BSON_ITER_HOLDS_NUMBER(&at) ? bson_iter_as_int64(&at) : 0;
}

/* Milliseconds left for a command; 0: none. */
static int64_t left_ms(const struct mg_op *op)
{
    uint64_t now = mg_now(op->db);
    return op->deadline_us > now ? (int64_t)((op->deadline_us - now) / 1000) : 0;
}

static void append_concern(bson_t *opts, const struct mg_op *op, int kind)
{
    bson_t c;
    bool solo = op->db->solo != NULL;
    if (op->txn && op->txn->session) {
        bson_error_t e;
        mongoc_client_session_append(op->txn->session, opts, &e);
    } else if (kind == MG_READ && !solo) {
        bson_append_document_begin(opts, "readConcern", -1, &c);
        bson_append_utf8(&c, "level", -1, "majority", -1);
        bson_append_document_end(opts, &c);
    } else if (kind == MG_WRITE) {
        bson_append_document_begin(opts, "writeConcern", -1, &c);
        if (solo)
            bson_append_int32(&c, "w", -1, 1);
        else
            bson_append_utf8(&c, "w", -1, "majority", -1);
        /* In a transaction of ours the journal of pre-images is what is synced. */
        bson_append_bool(&c, "j", -1, !op->txn);
        bson_append_document_end(opts, &c);
    }
}

/* Where a write was done but something about it failed. */
static bool has_write_error(const bson_t *reply)
{
    bson_iter_t it;
    return (bson_iter_init_find(&it, reply, "writeErrors") && BSON_ITER_HOLDS_ARRAY(&it)) ||
           bson_has_field(reply, "writeConcernError");
}

stk_status mg_command(struct mg_op *op, int kind, const bson_t *command, bson_t *reply)
{
    int64_t ms = left_ms(op);
    if (ms <= 0) {
        bson_init(reply);
        return mg_fail(op, STK_E_TIMEOUT, "the deadline passed before the command was sent");
    }
    bson_t cmd, opts = BSON_INITIALIZER;
    bson_copy_to(command, &cmd);
    if (kind != MG_ADMIN)
        bson_append_int64(&cmd, "maxTimeMS", -1, ms);
    append_concern(&opts, op, kind);
    bson_error_t e = {0};
    const char *name = op->db->conf.database;
    op->commands++;
    /* A transaction's writes are undone, by the server or the journal, unless it commits;
     * commands of MG_ADMIN may be given twice. */
    op->write = kind == MG_WRITE && !op->txn;
    bool ok =
        kind == MG_READ ? mongoc_client_read_command_with_opts(op->conn->client, name, &cmd, NULL,
                                                               &opts, reply, &e)
        : kind == MG_WRITE
            ? mongoc_client_write_command_with_opts(op->conn->client, name, &cmd, &opts, reply, &e)
            : mongoc_client_command_with_opts(op->conn->client, name, &cmd, NULL, &opts, reply, &e);
    bson_destroy(&cmd);
    bson_destroy(&opts);
    return ok && !has_write_error(reply) ? STK_OK : mg_error(op, reply, &e);
}

stk_status mg_write_opts(struct mg_op *op, bson_t *opts)
{
    int64_t ms = left_ms(op);
    if (ms <= 0)
        return mg_fail(op, STK_E_TIMEOUT, "the deadline passed before the write was sent");
    bson_init(opts);
    bson_append_int64(opts, "maxTimeMS", -1, ms);
    append_concern(opts, op, MG_WRITE);
    op->commands++;
    op->write = true;
    return STK_OK;
}

stk_status mg_written(struct mg_op *op, bool ok, const bson_t *reply, const bson_error_t *e)
{
    return ok && !has_write_error(reply) ? STK_OK : mg_error(op, reply, e);
}

stk_status mg_find(struct mg_op *op, const char *collection, const bson_t *filter,
                   const bson_t *opts, mg_doc_fn fn, void *ud)
{
    int64_t ms = left_ms(op);
    if (ms <= 0)
        return mg_fail(op, STK_E_TIMEOUT, "the deadline passed before the query was sent");
    bson_t all = BSON_INITIALIZER;
    if (opts)
        bson_concat(&all, opts);
    bson_append_int64(&all, "maxTimeMS", -1, ms);
    bson_append_int32(&all, "batchSize", -1, MG_FIND_BATCH);
    append_concern(&all, op, MG_READ);
    mongoc_collection_t *coll =
        mongoc_client_get_collection(op->conn->client, op->db->conf.database, collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(coll, filter, &all, NULL);
    const bson_t *doc;
    stk_status rc = STK_OK;
    uint64_t docs = 0;
    op->write = false;
    while (!rc && mongoc_cursor_next(cursor, &doc)) {
        docs++;
        rc = fn(ud, doc);
    }
    op->commands += 1 + docs / MG_FIND_BATCH;
    bson_error_t e = {0};
    const bson_t *reply = NULL;
    if (!rc && mongoc_cursor_error_document(cursor, &e, &reply)) {
        bson_t none = BSON_INITIALIZER;
        rc = mg_error(op, reply ? reply : &none, &e);
        bson_destroy(&none);
    }
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(coll);
    bson_destroy(&all);
    return rc;
}

/* ----------------------------------------------------------- opening, closing */

/* Reads what the server says of itself: its kind, whether it is new enough. */
static stk_status take_hello(struct stk_db *db, struct mg_op *op)
{
    bson_error_t e = {0};
    mongoc_server_description_t *sd = mongoc_client_select_server(op->conn->client, true, NULL, &e);
    if (!sd) {
        bson_t none = BSON_INITIALIZER;
        stk_status rc = mg_error(op, &none, &e);
        bson_destroy(&none);
        return rc;
    }
    const bson_t *hello = mongoc_server_description_hello_response(sd);
    int64_t wire = mg_int(hello, "maxWireVersion");
    bson_iter_t it;
    bool set = bson_has_field(hello, "setName");
    db->sharded = bson_iter_init_find(&it, hello, "msg") && BSON_ITER_HOLDS_UTF8(&it) &&
                  strcmp(bson_iter_utf8(&it, NULL), "isdbgrid") == 0;
    bool balanced = strcmp(mongoc_server_description_type(sd), "LoadBalancer") == 0;
    stk_status rc = STK_OK;
    if (wire < 8)
        rc = mg_fail(op, STK_E_UNSUPPORTED, "the server is older than MongoDB 4.2. Upgrade it");
    else if (!set && !db->sharded && !balanced)
        rc = mg_solo_open(db, hello, op->err);
    mongoc_server_description_destroy(sd);
    return rc;
}

static stk_status take_version(struct stk_db *db, struct mg_op *op)
{
    bson_t cmd = BSON_INITIALIZER, reply;
    bson_append_int32(&cmd, "buildInfo", -1, 1);
    stk_status rc = mg_command(op, MG_ADMIN, &cmd, &reply);
    bson_iter_t it;
    if (!rc && bson_iter_init_find(&it, &reply, "version") && BSON_ITER_HOLDS_UTF8(&it))
        snprintf(db->version, sizeof db->version, "%s", bson_iter_utf8(&it, NULL));
    bson_destroy(&cmd);
    bson_destroy(&reply);
    return rc;
}

stk_status mg_connect(struct stk_db *db, stk_err *err)
{
    db->clients = mongoc_client_pool_new(db->conf.uri);
    if (!db->clients)
        return stk_err_set(err, STK_E_CONFIG,
                           MG_NAME ": no connections can be made to %s with these settings: check "
                                   "the TLS options of mongodb_connection_uri",
                           db->conf.where);
    mongoc_client_pool_set_error_api(db->clients, MONGOC_ERROR_API_VERSION_2);
    struct stk_pool_conf conf = {.name = MG_NAME,
                                 .size_key = "mongodb_connection_pool_size",
                                 .host = db->host,
                                 .ops = {.open = conn_open, .close = conn_close},
                                 .ud = db,
                                 .max = db->conf.pool_size,
                                 .min_idle = 1,
                                 .max_waiters = 4096,
                                 .wait_us = MG_WAIT_US};
    db->pool = stk_pool_new(&conf);
    if (!db->pool)
        return stk_err_nomem(err);
    struct mg_conn *c = NULL;
    stk_status rc = mg_conn_get(db, 0, &c, err);
    if (rc)
        return rc;
    struct mg_op op = mg_op(c, 0, err);
    rc = take_hello(db, &op);
    if (!rc)
        rc = take_version(db, &op);
    if (!rc && !db->solo)
        rc = mg_sessions_open(&op);
    mg_conn_put(c);
    return rc;
}

void mg_disconnect(struct stk_db *db)
{
    mg_solo_close(db);
    mg_sessions_close(db);
    stk_pool_free(db->pool);
    if (db->clients)
        mongoc_client_pool_destroy(db->clients);
}
