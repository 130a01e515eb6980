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

struct run {
    struct stk_exec *x;
    const struct stk_sql *sql;
    struct mq_conn *conn;
    stk_batch *batch;
    bool begin;  /* a transaction is to be opened here */
    bool commit; /* and ended here */
    bool wrote;  /* the batch, or an earlier one, writes */
    bool ends;   /* each statement is permanent when it is answered */
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
    const stk_query *q = &r->sql->queries[call->query->id];
    return call->expect == STK_EXPECT_NONE || !stk_sql_is_write(q) ||
           (call->expect_n == 1 && at_most_one(&r->sql->tables[q->table], q));
}

static void plan(struct run *r)
{
    const struct stk_exec *x = r->x;
    bool last = !x->txn || (r->batch->flags & STK_X_COMMIT);
    bool alone = !x->locks && x->pieces <= 1;
    for (uint32_t i = 0; alone && i < r->batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(r->batch, i, &call);
        alone = may_stand_alone(r, &call);
    }
    r->wrote = x->writes || (x->txn && x->txn->wrote);
    r->begin = !x->open && (x->writes || x->locks) && !(last && alone);
    r->commit = last && (x->open || r->begin);
    r->ends = last && !x->open && !r->begin && x->writes;
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
        call < r->batch->ncalls ? stk_sql_query_of(r->sql, r->batch, call)->table : STK_NONE;
    stk_status st = mq_error_statement(r->sql, &at, table, f, flags, err);
    /* An administrator who kills a statement has no deadline in mind. */
    if (st == STK_E_TIMEOUT && !mq_expired() && err)
        st = err->code = STK_E_RETRY;
    return st;
}

static bool send_text(struct run *r, const char *sql)
{
    r->batch->round_trips++;
    bool ok = mysql_real_query(r->conn->my, sql, strlen(sql)) == 0;
    if (!ok)
        mq_failure_read(r->conn->my, &r->piece.f);
    return ok;
}

static stk_status run_call(struct run *r, uint32_t index, unsigned *flags, stk_err *err)
{
    stk_call call;
    stk_batch_call(r->batch, index, &call);
    struct stk_sql_piece piece = {0};
    while (stk_sql_next(r->sql, &call, &piece)) {
        r->piece.trips = 0;
        if (r->ends)
            mq_limit_stop(r->conn);
        bool ok = mq_stmt_run(r->conn, &call, &piece, r->batch->arena, &r->piece);
        r->batch->round_trips += r->piece.trips;
        r->batch->statements += r->piece.sent;
        if (!ok)
            return judge(r, index, r->ends && r->piece.sent, flags, err);
    }
    return stk_sql_expect(r->sql, &call, err);
}

static stk_status run_commit(struct run *r, unsigned *flags, stk_err *err)
{
    /* Whether the commit came to pass is worth a moment. */
    if (r->x->deadline_us < mq_now() + MQ_GRACE_US)
        mq_limit(mq_now() + MQ_GRACE_US);
    if (send_text(r, "COMMIT")) {
        r->x->open = false;
        return STK_OK;
    }
    if (!r->wrote)
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

stk_status mq_attempt(struct stk_exec *x, stk_err *err)
{
    struct run r = {.x = x, .sql = x->db->server.sql, .conn = x->conn, .batch = x->batch};
    unsigned flags = 0;
    plan(&r);
    mq_limit(x->deadline_us);
    stk_status st = STK_OK;
    if (r.begin) {
        x->open = send_text(&r, "START TRANSACTION");
        if (!x->open)
            st = judge(&r, x->call, false, &flags, err);
    }
    for (uint32_t i = 0; st == STK_OK && i < r.batch->ncalls; i++) {
        st = run_call(&r, i, &flags, err);
        if (st != STK_OK)
            x->call = i;
    }
    if (st == STK_OK && r.commit)
        st = run_commit(&r, &flags, err);
    /* Who was told to stop may hear it too late, in another's statement. */
    x->drop = (flags & MQ_DROP) || mq_expired();
    x->again = (flags & MQ_STALE) && r.conn->reused;
    mq_limit_end();
    return st;
}

bool mq_undo(void *conn)
{
    return mq_query(conn, "ROLLBACK", mq_now() + MQ_ROLLBACK_US, NULL, NULL) == STK_OK;
}
