/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches, one statement after the other.
 *
 * READ COMMITTED gives each statement a snapshot of its own, so that reads
 * without a lock need no transaction: one is begun before the first write or
 * lock, and a batch of one write that the commit rides on needs none at all.
 *
 * What was applied: an error in answer to a statement means that the statement
 * was not; only silence after something that makes a write permanent is
 * uncertain. */
#include "mq.h"

#include <stdlib.h>

struct run {
    stk_db *db;
    struct mq_conn *conn;
    stk_batch *batch;
    uint64_t deadline_us;
    uint32_t pieces; /* statements of all calls */
    bool open;       /* a transaction is open on the connection */
    bool begin;      /* one is to be opened here */
    bool commit;     /* and ended here */
    bool writes;     /* the batch, or an earlier one, writes */
    bool ends;       /* each statement is permanent when it is answered */
    struct mq_run piece;
};

/* ------------------------------------------------------------------ planning */

static bool has_eq(const stk_query *q, uint16_t col)
{
    for (uint8_t i = 0; i < q->nwhere; i++)
        if (q->where[i].op == STK_EQ && q->where[i].col == col)
            return true;
    return false;
}

/* Whether a unique key, or a limit, lets the statement meet one row at most. */
static bool at_most_one(const stk_table *t, const stk_query *q)
{
    if (q->limit == 1)
        return true;
    for (uint16_t k = 0; k < t->nkeys; k++) {
        if (t->keys[k].kind == STK_KEY_INDEX)
            continue;
        uint16_t n = 0;
        while (n < t->keys[k].ncols && has_eq(q, t->keys[k].cols[n]))
            n++;
        if (n == t->keys[k].ncols)
            return true;
    }
    return false;
}

/* A missed expectation is seen too late in a statement that commits by itself,
 * unless missing it means that nothing was changed. */
static bool may_stand_alone(const struct run *r, const stk_call *call)
{
    const stk_query *q = &r->db->sql->queries[call->query->id];
    return call->expect == STK_EXPECT_NONE || !stk_sql_is_write(q) ||
           (call->expect_n == 1 && at_most_one(&r->db->sql->tables[q->table], q));
}

static void plan(struct run *r, const stk_txn *txn)
{
    const stk_batch *b = r->batch;
    bool locks = false, alone = true, changes = false;
    for (uint32_t i = 0; i < b->ncalls; i++) {
        stk_call call;
        stk_batch_call(b, i, &call);
        const stk_query *q = &r->db->sql->queries[call.query->id];
        changes = changes || stk_sql_is_write(q);
        locks = locks || (q->flags & STK_QF_LOCK);
        alone = alone && may_stand_alone(r, &call);
        struct stk_sql_piece piece = {0};
        while (stk_sql_next(r->db->sql, &call, &piece))
            r->pieces++;
    }
    bool last = !txn || (b->flags & STK_X_COMMIT);
    r->open = txn && txn->open;
    r->writes = changes || (txn && txn->wrote);
    bool bare = last && !locks && r->pieces <= 1 && alone;
    r->begin = !r->open && (changes || locks) && !bare;
    r->commit = last && (r->open || r->begin);
    r->ends = last && !r->open && !r->begin && changes;
}

static void zero_results(const stk_batch *b)
{
    for (uint32_t i = 0; i < b->ncalls; i++) {
        stk_call call;
        stk_batch_call(b, i, &call);
        memset(call.result, 0, sizeof *call.result);
    }
}

/* A call that needs no statement is decided before anything is sent. */
static stk_status check_empty(stk_db *db, const stk_batch *b, uint32_t *call, stk_err *err)
{
    zero_results(b);
    for (*call = 0; *call < b->ncalls; ++*call) {
        stk_call c;
        stk_batch_call(b, *call, &c);
        struct stk_sql_piece piece = {0};
        if (c.expect != STK_EXPECT_NONE && !stk_sql_next(db->sql, &c, &piece) &&
            stk_sql_expect(db->sql, &c, err) != STK_OK)
            return STK_E_EXPECT;
    }
    return STK_OK;
}

/* ------------------------------------------------------------------- running */

static stk_status uncertain(const struct run *r, stk_err *err)
{
    return stk_err_set(err, STK_E_UNCERTAIN,
                       MQ_NAME ": the connection to %s was lost while committing; whether it was "
                               "applied is not known",
                       r->conn->server);
}

/* A failed statement of ours, or of `call`. */
static stk_status judge(struct run *r, uint32_t call, bool permanent, unsigned *flags, stk_err *err)
{
    const struct mq_failure *f = &r->piece.f;
    bool lost = mq_error_lost(f->code);
    if (lost && mq_expired())
        mq_kill(r->conn, false);
    if (lost && permanent) {
        *flags = MQ_DROP;
        return uncertain(r, err);
    }
    if (lost && mq_expired()) {
        *flags = MQ_DROP;
        return stk_err_set(err, STK_E_TIMEOUT,
                           MQ_NAME ": no answer from %s before the deadline; the statement was "
                                   "cancelled",
                           r->conn->server);
    }
    struct mq_place at;
    mq_place(r->conn, &at);
    uint16_t table =
        call < r->batch->ncalls ? stk_sql_query_of(r->db->sql, r->batch, call)->table : STK_NONE;
    stk_status st = mq_error_statement(r->db->sql, &at, table, f, flags, err);
    /* An administrator who kills a statement has no deadline in mind. */
    if (st == STK_E_TIMEOUT && !mq_expired() && err)
        st = err->code = STK_E_RETRY;
    return st;
}

static stk_status send_text(struct run *r, const char *sql, bool *ok)
{
    r->batch->round_trips++;
    *ok = mysql_real_query(r->conn->my, sql, strlen(sql)) == 0;
    if (!*ok)
        mq_failure_read(r->conn->my, &r->piece.f);
    return STK_OK;
}

static stk_status run_call(struct run *r, uint32_t index, unsigned *flags, stk_err *err)
{
    stk_call call;
    stk_batch_call(r->batch, index, &call);
    struct stk_sql_piece piece = {0};
    while (stk_sql_next(r->db->sql, &call, &piece)) {
        r->piece.trips = 0;
        if (r->ends)
            mq_limit_stop(r->conn);
        bool ok = mq_stmt_run(r->conn, &call, &piece, r->batch->arena, &r->piece);
        r->batch->round_trips += r->piece.trips;
        r->batch->statements += r->piece.sent;
        if (!ok)
            return judge(r, index, r->ends && r->piece.sent, flags, err);
    }
    return stk_sql_expect(r->db->sql, &call, err);
}

static stk_status run_commit(struct run *r, unsigned *flags, stk_err *err)
{
    bool ok;
    /* Whether the commit came to pass is worth a moment. */
    if (r->deadline_us < mq_now() + MQ_GRACE_US)
        mq_limit(mq_now() + MQ_GRACE_US);
    send_text(r, "COMMIT", &ok);
    if (ok) {
        r->open = false;
        return STK_OK;
    }
    if (!r->writes)
        return judge(r, r->batch->ncalls, false, flags, err);
    if (!mq_error_lost(r->piece.f.code) && !mq_error_undone(r->piece.f.code)) {
        *flags = MQ_DROP;
        return uncertain(r, err);
    }
    stk_status st = judge(r, r->batch->ncalls, true, flags, err);
    if (mq_error_undone(r->piece.f.code) && r->piece.f.code != 1062)
        st = stk_err_set(err, STK_E_RETRY,
                         MQ_NAME ": %s refused to commit (error %u); nothing was applied",
                         r->conn->server, r->piece.f.code);
    return st;
}

/* Runs the batch once on r->conn; *call is the one that failed (ncalls: none). */
static stk_status attempt(struct run *r, uint32_t *call, unsigned *flags, stk_err *err)
{
    zero_results(r->batch);
    *call = 0;
    *flags = 0;
    mq_limit(r->deadline_us);
    stk_status st = STK_OK;
    if (r->begin) {
        bool ok;
        send_text(r, "START TRANSACTION", &ok);
        r->open = ok;
        if (!ok)
            st = judge(r, r->batch->ncalls, false, flags, err);
    }
    for (; st == STK_OK && *call < r->batch->ncalls; ++*call) {
        st = run_call(r, *call, flags, err);
        if (st != STK_OK)
            break;
    }
    if (st == STK_OK && r->commit)
        st = run_commit(r, flags, err);
    /* Who was told to stop may hear it too late, in another's statement. */
    if (mq_expired())
        *flags |= MQ_DROP;
    mq_limit_end();
    return st;
}

/* -------------------------------------------------------------- connections */

/* Undoes an open transaction; false: the connection is of no use any more. */
static bool undo(struct mq_conn *conn)
{
    return mq_query(conn, "ROLLBACK", mq_now() + MQ_ROLLBACK_US, NULL, NULL) == STK_OK;
}

/* Puts the connection where it belongs after a failed batch. */
static void settle_failure(struct run *r, stk_txn *txn, unsigned flags)
{
    bool drop = flags & MQ_DROP;
    if (txn) {
        txn->failed = true;
        txn->open = r->open;
        txn->conn = drop ? NULL : r->conn;
        if (!drop)
            return; /* the caller rolls back */
    }
    if (!drop && r->open) {
        r->batch->round_trips++;
        drop = !undo(r->conn);
    }
    stk_pool_put(r->db->pool, r->conn, drop);
}

static void settle_success(struct run *r, stk_txn *txn, unsigned flags)
{
    if (!txn || (r->batch->flags & STK_X_COMMIT)) {
        stk_pool_put(r->db->pool, r->conn, flags & MQ_DROP);
        free(txn);
        return;
    }
    txn->conn = r->conn;
    txn->open = r->open;
    txn->wrote = r->writes;
}

static stk_status run_batch(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    uint64_t deadline = batch->deadline_us ? batch->deadline_us : txn ? txn->deadline_us : 0;
    for (int tries = 0;; tries++) {
        struct run r = {
            .db = db, .batch = batch, .deadline_us = mq_deadline(deadline, MQ_DEFAULT_US)};
        uint32_t call = 0;
        unsigned flags = 0;
        plan(&r, txn);
        if (r.pieces == 0 && !(txn && txn->conn)) {
            if (batch->flags & STK_X_COMMIT)
                free(txn);
            return STK_OK;
        }
        if (txn && txn->conn) {
            r.conn = txn->conn;
        } else {
            stk_status st = mq_take(db, r.deadline_us, &r.conn, err);
            if (st != STK_OK) {
                if (txn)
                    txn->failed = true;
                return stk_sql_fail(batch, 0, st, err);
            }
        }
        /* Without a transaction nothing binds the batch to this connection. */
        bool movable = !r.open && r.conn->uses > 1;
        stk_status st = attempt(&r, &call, &flags, err);
        if (st == STK_OK) {
            settle_success(&r, txn, flags);
            return st;
        }
        bool again = tries == 0 && movable && (flags & MQ_STALE) && st != STK_E_UNCERTAIN;
        settle_failure(&r, txn, flags | (again ? MQ_DROP : 0));
        if (!again)
            return stk_sql_fail(batch, call, st, err);
        if (txn)
            txn->failed = txn->open = false;
    }
}

stk_status mq_exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    stk_err own = {.size = sizeof own};
    err = err ? err : &own;
    if (txn && txn->failed)
        return stk_sql_fail(batch, 0,
                            stk_err_set(err, STK_E_INVALID,
                                        MQ_NAME ": the transaction has failed and must be rolled "
                                                "back"),
                            err);
    uint32_t call = 0;
    stk_status st = stk_sql_check_batch(db->sql, batch, txn ? txn->mode : -1, err);
    if (st == STK_OK && (st = check_empty(db, batch, &call, err)) != STK_OK)
        stk_sql_fail(batch, call, st, err);
    if (st == STK_OK)
        return run_batch(db, txn, batch, err);
    if (txn)
        txn->failed = true;
    return st;
}

/* --------------------------------------------------------------- transactions */

stk_status mq_begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, MQ_NAME ": an unknown transaction mode");
    *txn = calloc(1, sizeof **txn);
    if (!*txn)
        return stk_err_nomem(err);
    (*txn)->db = db;
    (*txn)->mode = mode;
    (*txn)->deadline_us = mq_deadline(deadline_us, MQ_DEFAULT_US);
    return STK_OK;
}

stk_status mq_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_batch batch = {.size = sizeof batch,
                       .flags = STK_X_COMMIT,
                       .call_size = sizeof(stk_call),
                       .deadline_us = deadline_us};
    stk_status st = mq_exec(txn->db, txn, &batch, err);
    if (st != STK_OK)
        mq_rollback(txn);
    return st;
}

void mq_rollback(stk_txn *txn)
{
    if (txn->conn)
        stk_pool_put(txn->db->pool, txn->conn, txn->open && !undo(txn->conn));
    free(txn);
}
