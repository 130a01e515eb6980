/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions and batches, and what isolates them. */
#include "template.h"

#include <time.h>

/* Becomes a reader or the writer before the deadline. */
stk_status db_enter(stk_db *db, bool write, uint64_t deadline_us, stk_err *err)
{
    struct database *d = db->d;
    uint64_t until = deadline_us ? deadline_us : host->now_us(host->ctx) + db->wait_us;
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000u),
                          .tv_nsec = (long)(until % 1000000u) * 1000};
    int late = 0;
    pthread_mutex_lock(&d->lock);
    d->waiting += write;
    while ((d->writer || (write ? d->readers : d->waiting)) && !late)
        late = pthread_cond_timedwait(&d->changed, &d->lock, &ts);
    d->waiting -= write;
    d->writer = d->writer || (write && !late);
    d->readers += !write && !late;
    if (late)
        pthread_cond_broadcast(&d->changed); /* readers may have waited for this writer */
    pthread_mutex_unlock(&d->lock);
    return late ? stk_err_set(err, STK_E_TIMEOUT,
                              PLUGIN_NAME ": another transaction holds the database")
                : STK_OK;
}

void db_leave(stk_db *db, bool write)
{
    struct database *d = db->d;
    pthread_mutex_lock(&d->lock);
    d->writer = d->writer && !write;
    d->readers -= !write;
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

/* ------------------------------------------------------------ transactions */

stk_status txn_begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    (void)deadline_us; /* nothing is waited for before the first batch */
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": an unknown mode of begin()");
    stk_txn *t = calloc(1, sizeof(*t));
    if (!t)
        return stk_err_nomem(err);
    t->db = db;
    t->write = mode == STK_TXN_RW;
    *txn = t;
    return STK_OK;
}

static void end(stk_txn *txn)
{
    if (txn->inside)
        db_leave(txn->db, true);
    free(txn);
}

stk_status txn_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    (void)deadline_us;
    (void)err;
    engine_keep(&txn->changes);
    end(txn);
    return STK_OK;
}

void txn_rollback(stk_txn *txn)
{
    engine_undo(&txn->changes);
    end(txn);
}

/* ----------------------------------------------------------------- batches */

static bool is_read(const stk_query *q)
{
    return q->op == STK_OP_COUNT || (q->op == STK_OP_SELECT && !(q->flags & STK_QF_LOCK));
}

/* Gives call `at` its status and those after it ABORTED. */
static stk_status fail(const stk_batch *b, uint32_t at, stk_status rc, stk_err *err)
{
    for (uint32_t i = at; i < b->ncalls; i++) {
        stk_call c;
        stk_batch_call(b, i, &c);
        if (c.result)
            *c.result = (stk_result){.status = i == at ? rc : STK_E_ABORTED};
    }
    if (at < b->ncalls)
        err->call = (uint16_t)at;
    return rc;
}

static stk_status run_one(stk_db *db, const stk_txn *txn, const stk_call *call, stk_arena *arena,
                          struct change **log, stk_err *err)
{
    const stk_query *q = call->query;
    stk_status rc = check_call(db->catalog, call, err);
    if (rc < 0)
        return rc;
    if (txn ? !txn->write && !is_read(q) : (q->flags & STK_QF_LOCK))
        return stk_err_set(err, STK_E_INVALID,
                           PLUGIN_NAME ": query \"%s\" needs a read-write transaction", q->name);
    *call->result = (stk_result){0};
    return engine_run(db, call, arena, log, err);
}

stk_status txn_exec(stk_db *db, stk_txn *txn, stk_batch *b, stk_err *err)
{
    struct change *own = NULL, **log = txn ? &txn->changes : &own;
    bool write = txn && txn->write, enter = !txn || !txn->inside;
    stk_status rc = STK_OK;
    stk_call call;
    uint32_t i;
    if (b->flags & ~(uint32_t)STK_X_COMMIT)
        rc = stk_err_set(err, STK_E_UNSUPPORTED, PLUGIN_NAME ": an unknown flag of exec()");
    for (i = 0; i < b->ncalls && !txn; i++) {
        stk_batch_call(b, i, &call);
        write = write || !is_read(call.query);
    }
    if (rc >= 0 && enter)
        rc = db_enter(db, write, b->deadline_us, err);
    if (rc < 0)
        return fail(b, 0, rc, err);
    if (txn && write)
        txn->inside = true;
    for (i = 0; i < b->ncalls; i++) {
        stk_batch_call(b, i, &call);
        rc = run_one(db, txn, &call, b->arena, log, err);
        if (rc < 0)
            break;
        b->statements++;
    }
    b->round_trips++;
    if (rc < 0)
        fail(b, i, rc, err);
    if (!txn && rc < 0)
        engine_undo(&own);
    else if (!txn)
        engine_keep(&own);
    if (!txn || !write)
        db_leave(db, write);
    if (rc >= 0 && txn && (b->flags & STK_X_COMMIT))
        return txn_commit(txn, b->deadline_us, err);
    return rc;
}
