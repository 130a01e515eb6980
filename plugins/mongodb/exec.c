/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches.
 *
 * A batch of its own is one command where one document is touched or rows are
 * only read, else a transaction; such a transaction starts no sooner than it is
 * needed.  A commit whose outcome is unknown is sent again, which the server
 * answers truly however often it is asked; only when no answer comes at all is
 * the caller told UNCERTAIN. */
#include <stdlib.h>

#include "mongodb_plugin.h"

stk_status mg_begin(struct stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                    stk_err *err)
{
    *txn = NULL;
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, MG_NAME ": an unknown mode of begin()");
    stk_txn *t = calloc(1, sizeof *t);
    if (!t)
        return stk_err_nomem(err);
    t->db = db;
    t->mode = mode;
    t->deadline_us = deadline_us;
    *txn = t;
    return STK_OK;
}

static struct mg_op txn_op(struct stk_txn *t, uint64_t deadline_us, stk_err *err)
{
    if (deadline_us == 0)
        deadline_us = t->deadline_us;
    struct mg_op op = mg_op(t->conn, deadline_us, err);
    op.txn = t;
    return op;
}

/* Nothing was sent yet, so a connection that is lost leaves nothing uncertain. */
static stk_status not_begun(struct mg_op *op, const bson_error_t *e)
{
    bson_t none = BSON_INITIALIZER;
    bool write = op->write;
    op->write = false;
    stk_status rc = mg_error(op, &none, e);
    op->write = write;
    bson_destroy(&none);
    return rc;
}

static stk_status start_session(struct stk_txn *t, struct mg_op *op)
{
    bson_error_t e = {0};
    t->session = mongoc_client_start_session(t->conn->client, NULL, &e);
    if (!t->session)
        return not_begun(op, &e);
    mongoc_transaction_opt_t *o = mongoc_transaction_opts_new();
    mongoc_read_concern_t *r = mongoc_read_concern_new();
    mongoc_write_concern_t *w = mongoc_write_concern_new();
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_read_concern_set_level(r, MONGOC_READ_CONCERN_LEVEL_SNAPSHOT);
    mongoc_write_concern_set_wmajority(w, -1);
    mongoc_write_concern_set_journal(w, true);
    mongoc_transaction_opts_set_read_concern(o, r);
    mongoc_transaction_opts_set_write_concern(o, w);
    mongoc_transaction_opts_set_read_prefs(o, prefs);
    uint64_t now = mg_now(t->db);
    uint64_t left = op->deadline_us > now ? op->deadline_us - now : 1000;
    mongoc_transaction_opts_set_max_commit_time_ms(o, (int64_t)(left / 1000 + 1));
    bool ok = mongoc_client_session_start_transaction(t->session, o, &e);
    mongoc_transaction_opts_destroy(o);
    mongoc_read_concern_destroy(r);
    mongoc_write_concern_destroy(w);
    mongoc_read_prefs_destroy(prefs);
    if (ok && t->mode == STK_TXN_RW)
        mg_session_note(op, mongoc_client_session_get_lsid(t->session));
    return ok ? STK_OK : not_begun(op, &e);
}

/* Takes what the transaction needs before its first call. */
static stk_status start(struct stk_txn *t, uint64_t deadline_us, stk_err *err)
{
    if (t->conn)
        return STK_OK;
    if (deadline_us == 0)
        deadline_us = t->deadline_us;
    stk_status rc = mg_conn_get(t->db, deadline_us, &t->conn, err);
    if (rc)
        return rc;
    struct mg_op op = txn_op(t, deadline_us, err);
    if (!t->db->solo)
        return start_session(t, &op);
    rc = mg_solo_enter(&op, t->mode == STK_TXN_RW);
    t->gate = !rc;
    return rc;
}

/* Ends what is not committed, and lets go of everything. */
static void release(struct stk_txn *t, bool committed)
{
    if (t->session) {
        if (!committed)
            mongoc_client_session_abort_transaction(t->session, NULL);
        mongoc_client_session_destroy(t->session);
    }
    if (t->gate) {
        if (!committed && t->n) {
            struct mg_op op = mg_op(t->conn, 0, NULL);
            mg_solo_undo(&op);
        }
        mg_solo_leave(t->db, t->mode == STK_TXN_RW);
    }
    mg_conn_put(t->conn);
    free(t);
}

/* ------------------------------------------------------------------- commits */

/* libmongoc sends a commit again by itself, and a server that died in between may
 * have forgotten what it had committed: that it knows no such transaction then
 * does not mean that nothing was written. */
static bool is_forgotten(const bson_t *reply)
{
    int64_t code = mg_int(reply, "code");
    return code == 251 || code == 225;
}

static stk_status commit_error(struct mg_op *op, const bson_t *reply, const bson_error_t *e)
{
    op->write = true;
    if (mg_has_label(reply, "UnknownTransactionCommitResult")) {
        op->conn->broken = true;
        return mg_fail(op, STK_E_UNCERTAIN, "no answer came to a commit, though asked again");
    }
    if (is_forgotten(reply))
        return mg_fail(op, STK_E_UNCERTAIN, "the server does not know the transaction any more");
    return mg_error(op, reply, e);
}

static stk_status commit_native(struct stk_txn *t, struct mg_op *op)
{
    enum { TRIES = 5 };
    bool unknown = false;
    stk_status rc = STK_OK;
    for (int i = 0; i < TRIES; i++) {
        bson_t reply;
        bson_error_t e = {0};
        op->commands++;
        if (mongoc_client_session_commit_transaction(t->session, &reply, &e)) {
            bson_destroy(&reply);
            return STK_OK;
        }
        bool again = mg_has_label(&reply, "UnknownTransactionCommitResult") &&
                     mg_now(t->db) < op->deadline_us;
        rc = commit_error(op, &reply, &e);
        bson_destroy(&reply);
        unknown = unknown || rc == STK_E_UNCERTAIN;
        if (!again)
            break;
    }
    return unknown && rc != STK_E_UNCERTAIN
               ? mg_fail(op, STK_E_UNCERTAIN, "no answer came to a commit, and then a refusal")
               : rc;
}

static stk_status commit(struct stk_txn *t, uint64_t deadline_us, uint32_t *round_trips,
                         stk_err *err)
{
    if (!t->conn)
        return STK_OK;
    struct mg_op op = txn_op(t, deadline_us, err);
    stk_status rc = STK_OK;
    if (t->session)
        rc = commit_native(t, &op);
    else if (t->n)
        rc = mg_undo_commit(&op);
    if (t->gate && rc == STK_E_UNCERTAIN) {
        t->n = 0;
        mg_solo_dirty(t->db);
    }
    *round_trips += (uint32_t)op.commands;
    return rc;
}

/* ------------------------------------------------------------------- batches */

static stk_status run_calls(struct mg_op *op, stk_batch *batch)
{
    stk_status rc = STK_OK;
    for (uint32_t i = 0; !rc && i < batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(batch, i, &call);
        uint64_t before = op->commands;
        rc = mg_run(op, &call, batch->arena);
        batch->statements += op->commands > before;
        if (rc)
            stk_sql_fail(batch, i, rc, op->err);
    }
    batch->round_trips += (uint32_t)op->commands;
    return rc;
}

static bool idempotent(const struct stk_db *db, const stk_batch *batch)
{
    return stk_sql_query_of(db->sql, batch, 0)->flags & STK_QF_IDEMPOTENT;
}

/* One command, no transaction. */
static stk_status exec_plain(struct stk_db *db, stk_batch *batch, stk_err *err)
{
    struct mg_conn *c = NULL;
    stk_status rc = mg_conn_get(db, batch->deadline_us, &c, err);
    if (rc)
        return stk_sql_fail(batch, 0, rc, err);
    struct mg_op op = mg_op(c, batch->deadline_us, err);
    if (db->solo)
        rc = mg_solo_enter(&op, false);
    if (rc) {
        stk_sql_fail(batch, 0, rc, err);
    } else {
        rc = run_calls(&op, batch);
        if (rc == STK_E_UNCERTAIN && idempotent(db, batch))
            rc = run_calls(&op, batch);
        if (db->solo)
            mg_solo_leave(db, false);
    }
    mg_conn_put(c);
    return rc;
}

static stk_status exec_alone(struct stk_db *db, stk_batch *batch, stk_err *err)
{
    if (batch->ncalls == 0)
        return STK_OK;
    stk_call call;
    stk_batch_call(batch, 0, &call);
    const stk_query *q = &db->sql->queries[call.query->id];
    /* One document that was expected and not met needs no undoing. */
    bool met = call.expect == STK_EXPECT_NONE || call.expect_n == 1;
    if (batch->ncalls == 1 && (stk_sql_is_read(q) || (mg_single(db, &call) && met)))
        return exec_plain(db, batch, err);
    stk_txn *t = NULL;
    bool read = stk_sql_read_only(db->sql, batch);
    stk_status rc = mg_begin(db, read ? STK_TXN_RO : STK_TXN_RW, batch->deadline_us, &t, err);
    if (!t)
        return stk_sql_fail(batch, 0, rc, err);
    rc = start(t, 0, err);
    if (rc) {
        stk_sql_fail(batch, 0, rc, err);
    } else {
        struct mg_op op = txn_op(t, 0, err);
        rc = run_calls(&op, batch);
        if (!rc && (rc = commit(t, 0, &batch->round_trips, err)) != STK_OK)
            stk_sql_fail(batch, 0, rc, err);
    }
    release(t, rc == STK_OK);
    return rc;
}

static stk_status exec_in(struct stk_txn *t, stk_batch *batch, stk_err *err)
{
    stk_status rc = STK_OK;
    if (batch->ncalls > 0) {
        rc = start(t, batch->deadline_us, err);
        if (rc) {
            stk_sql_fail(batch, 0, rc, err);
        } else {
            struct mg_op op = txn_op(t, batch->deadline_us, err);
            rc = run_calls(&op, batch);
        }
    }
    if (!rc && (batch->flags & STK_X_COMMIT)) {
        rc = commit(t, batch->deadline_us, &batch->round_trips, err);
        if (rc && batch->ncalls)
            stk_sql_fail(batch, 0, rc, err);
        if (!rc)
            release(t, true);
        else
            t->failed = true;
        return rc;
    }
    if (rc)
        t->failed = true;
    return rc;
}

stk_status mg_exec(struct stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    stk_err own = {.size = sizeof own};
    err = err ? err : &own;
    stk_status rc = stk_sql_accept(db->sql, batch, txn ? txn->mode : -1, txn && txn->failed, err);
    if (rc && txn)
        txn->failed = true;
    if (rc)
        return rc;
    return txn ? exec_in(txn, batch, err) : exec_alone(db, batch, err);
}

stk_status mg_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_status rc;
    uint32_t round_trips = 0;
    if (txn->failed)
        rc = stk_err_set(err, STK_E_INVALID, MG_NAME ": the transaction has failed: roll it back");
    else
        rc = commit(txn, deadline_us, &round_trips, err);
    release(txn, rc == STK_OK);
    return rc;
}

void mg_rollback(stk_txn *txn)
{
    release(txn, false);
}
