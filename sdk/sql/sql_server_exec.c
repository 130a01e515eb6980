/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches of a database server: see stk_server.h. */
#include <stdlib.h>

#include "stk_sdk.h"
#include "stk_server.h"

static void add_up(struct stk_exec *x, const struct stk_sql *sql)
{
    for (uint32_t i = 0; i < x->batch->ncalls; i++) {
        stk_call call;
        stk_batch_call(x->batch, i, &call);
        const stk_query *q = &sql->queries[call.query->id];
        x->writes = x->writes || stk_sql_is_write(q);
        x->locks = x->locks || (q->flags & STK_QF_LOCK);
        struct stk_sql_piece piece = {0};
        while (stk_sql_next(sql, &call, &piece))
            x->pieces++;
    }
}

/* Puts the connection where it belongs after a failed batch. */
static void settle_failure(struct stk_server *s, struct stk_exec *x, stk_txn *txn)
{
    if (txn) {
        txn->failed = true;
        if (txn->open && !x->drop)
            return; /* the caller rolls back */
        txn->conn = NULL;
        txn->open = false;
    }
    if (!x->drop && x->open) {
        x->batch->round_trips++;
        x->drop = !s->ops->undo(x->conn);
    }
    stk_pool_put(s->pool, x->conn, x->drop);
}

static void settle_success(struct stk_server *s, const struct stk_exec *x, stk_txn *txn)
{
    if (!txn || (x->batch->flags & STK_X_COMMIT)) {
        stk_pool_put(s->pool, x->conn, x->drop);
        free(txn);
        return;
    }
    txn->conn = x->conn;
    txn->open = x->open;
    txn->wrote = txn->wrote || x->writes;
}

static uint64_t deadline_or_default(const struct stk_server *s, uint64_t deadline_us)
{
    return deadline_us ? deadline_us : stk_server_now(s) + STK_SERVER_WAIT_US;
}

static stk_status run(struct stk_server *s, struct stk_exec *x, stk_txn *txn, stk_err *err)
{
    stk_batch *batch = x->batch;
    uint64_t deadline = batch->deadline_us ? batch->deadline_us : txn ? txn->deadline_us : 0;
    for (int tries = 0;; tries++) {
        x->deadline_us = deadline_or_default(s, deadline);
        x->conn = txn ? txn->conn : NULL;
        stk_status st = x->conn ? STK_OK : stk_pool_get(s->pool, x->deadline_us, &x->conn, err);
        if (st != STK_OK) {
            if (txn)
                txn->failed = true;
            return stk_sql_fail(batch, 0, st, err);
        }
        bool movable = tries == 0 && !(txn && txn->open);
        x->open = txn && txn->open;
        x->drop = x->again = false;
        x->call = batch->ncalls;
        st = s->ops->attempt(x, err);
        if (st == STK_OK) {
            settle_success(s, x, txn);
            return st;
        }
        bool again = movable && x->again && st != STK_E_UNCERTAIN;
        x->drop = x->drop || again;
        settle_failure(s, x, txn);
        if (!again)
            return stk_sql_fail(batch, x->call, st, err);
        if (txn)
            txn->failed = false;
        stk_sql_clear_results(batch);
    }
}

stk_status stk_server_exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    struct stk_server *s = (struct stk_server *)db;
    stk_err own = {.size = sizeof own};
    err = err ? err : &own;
    stk_status st = stk_sql_accept(s->sql, batch, txn ? txn->mode : -1, txn && txn->failed, err);
    if (st != STK_OK) {
        if (txn)
            txn->failed = true;
        return st;
    }
    struct stk_exec x = {.db = db, .txn = txn, .batch = batch};
    add_up(&x, s->sql);
    bool commit = batch->flags & STK_X_COMMIT;
    if (x.pieces || (commit && txn && txn->conn))
        return run(s, &x, txn, err);
    if (commit)
        free(txn);
    return STK_OK;
}

/* --------------------------------------------------------------- transactions */

stk_status stk_server_begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                            stk_err *err)
{
    const struct stk_server *s = (const struct stk_server *)db;
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, "%s: an unknown transaction mode", s->plugin);
    *txn = calloc(1, sizeof **txn);
    if (!*txn)
        return stk_err_nomem(err);
    (*txn)->db = db;
    (*txn)->mode = mode;
    (*txn)->deadline_us = deadline_or_default(s, deadline_us);
    return STK_OK;
}

stk_status stk_server_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_batch batch = {.size = sizeof batch,
                       .flags = STK_X_COMMIT,
                       .call_size = sizeof(stk_call),
                       .deadline_us = deadline_us};
    stk_status st = stk_server_exec(txn->db, txn, &batch, err);
    if (st != STK_OK)
        stk_server_rollback(txn);
    return st;
}

void stk_server_rollback(stk_txn *txn)
{
    struct stk_server *s = (struct stk_server *)txn->db;
    if (txn->conn)
        stk_pool_put(s->pool, txn->conn, txn->open && !s->ops->undo(txn->conn));
    free(txn);
}
