/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions: read, decide, write, commit, run again on conflict; see
 * storage.h. */
#include "storage/storage_internal.h"

#include "base/clock.h"

#include <assert.h>

struct txn {
    struct ctx *c;
    struct storage *s;
    stk_txn *h;      /* NULL once committed or given up */
    stk_status dead; /* the negative status after which only rollback is legal */
    bool committed;
    const char *query; /* that failed, for the log */
    stk_err err;
};

struct ctx *txn_ctx(struct txn *t)
{
    return t->c;
}

/* What fn sees of a failure; the loop decides about those that may be run again. */
static int died(struct txn *t, const struct batch *b, stk_status rc)
{
    t->dead = rc;
    t->query = query_name(b, &t->err); /* b may be gone when the loop ends */
    return status_again(rc) ? RC_RETRY : storage_rc(t->c, t->s, t->query, rc, &t->err);
}

int txn_exec(struct txn *t, struct batch *b)
{
    assert(t->h && !t->dead && !t->committed);
    if (b->n == 0)
        return RC_OK;
    t->err = err_new();
    stk_status rc = storage_exec(t->c, t->s, t->h, b, 0, &t->err);
    if (rc >= 0)
        rc = batch_check(t->s, b, &t->err);
    return rc < 0 ? died(t, b, rc) : RC_OK;
}

int txn_commit(struct txn *t, struct batch *b)
{
    assert(t->h && !t->dead && !t->committed);
    t->err = err_new();
    stk_status rc;
    if (b && b->n) {
        rc = storage_exec(t->c, t->s, t->h, b, STK_X_COMMIT, &t->err);
        if (rc >= 0) {
            t->h = NULL;
            rc = batch_check(t->s, b, &t->err);
        }
    } else {
        const struct batch none = {.c = t->c};
        uint64_t start = clock_us();
        rc = t->s->plugin->v.commit(t->h, t->c->deadline_us, &t->err);
        t->h = NULL; /* released whatever it returned */
        storage_count(t->c, t->s, &none, clock_us() - start, rc, &t->err);
    }
    if (rc < 0)
        return died(t, b, rc);
    t->committed = true;
    return RC_OK;
}

static int attempt(struct txn *t, txn_fn fn, void *arg)
{
    assert(!t->c->held);
    t->err = err_new();
    stk_status rc = storage_enter(t->s, t->c->deadline_us, &t->err);
    if (rc < 0)
        return died(t, NULL, rc);
    t->c->held = t->s;
    int result;
    rc = t->s->plugin->v.begin(t->s->db, STK_TXN_RW, t->c->deadline_us, &t->h, &t->err);
    storage_count_begin(t->s, rc);
    if (rc < 0) {
        t->h = NULL;
        result = died(t, NULL, rc);
    } else {
        result = fn(t, arg);
    }
    if (t->h)
        t->s->plugin->v.rollback(t->h);
    storage_count_end(t->s, t->committed);
    t->c->held = NULL;
    storage_leave(t->s);
    return result;
}

int storage_transact(struct ctx *c, struct storage *s, txn_fn fn, witness_fn witness, void *arg)
{
    struct retry retry = {.c = c, .s = s};
    enum fail_kind failed_before = c->fail;
    bool uncertain = false;
    for (;;) {
        struct txn t = {.c = c, .s = s, .query = "-"};
        int rc = attempt(&t, fn, arg);
        if (t.committed)
            return rc;
        if (rc == RC_RETRY && !t.dead) /* fn itself wants to start over */
            t.dead = STK_E_RETRY;
        bool again = status_again(t.dead);
        uncertain = uncertain || t.dead == STK_E_UNCERTAIN;
        /* A lost commit, or a refusal by what a lost commit may have written. */
        if (uncertain && t.dead != STK_E_RETRY && t.dead != STK_E_UNAVAILABLE) {
            bool applied = false;
            if (!witness)
                return storage_rc(c, s, t.query, STK_E_UNCERTAIN, &t.err);
            int failed = witness_ask(c, s, witness, arg, &applied);
            if (failed == RC_OK && applied)
                c->fail = failed_before; /* what fn took for wrong was our own doing */
            if (failed != RC_OK || applied)
                return failed;
        }
        if (!again)
            return rc;
        if (!retry_wait(&retry, t.dead))
            return storage_rc(c, s, t.query, t.dead, &t.err);
    }
}
