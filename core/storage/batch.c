/* SPDX-License-Identifier: Apache-2.0 */
/* Batches: calls gathered in the arena, then run in one exec(). */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/permits.h"

#include <assert.h>
#include <string.h>

stk_val v_strs(struct arena *a, const struct str *items, size_t n)
{
    stk_val *list = ARENA_ARRAY(a, stk_val, n + 1);
    for (size_t i = 0; i < n; i++)
        list[i] = v_str(items[i]);
    return v_list(list, n);
}

void batch_init(struct batch *b, struct ctx *c)
{
    *b = (struct batch){.c = c};
}

stk_call *batch_add(struct batch *b, const stk_query *q, const stk_val *params, size_t n)
{
    struct arena *a = b->c->arena;
    bool rows = q->op == STK_OP_INSERT || q->op == STK_OP_UPSERT;
    assert(rows ? n > 0 && n % q->nparams == 0 : n == q->nparams);
    if (b->n == b->cap) {
        uint32_t cap = b->cap ? b->cap * 2 : 8;
        stk_call **grown = arena_alloc(a, cap * sizeof(*grown));
        if (b->n)
            memcpy(grown, b->calls, b->n * sizeof(*grown));
        b->calls = grown;
        b->cap = cap;
    }
    stk_val *copy = arena_alloc(a, n * sizeof(*copy));
    if (n)
        memcpy(copy, params, n * sizeof(*copy));
    stk_call *call = ARENA_NEW(a, stk_call);
    call->query = q;
    call->params = copy;
    call->result = ARENA_NEW(a, stk_result);
    call->nrows = rows ? (uint32_t)(n / q->nparams) : 1;
    b->calls[b->n++] = call;
    return call;
}

void call_expect_affected(stk_call *call, uint32_t n)
{
    assert(call->query->op == STK_OP_UPDATE || call->query->op == STK_OP_DELETE);
    call->expect = STK_EXPECT_AFFECTED;
    call->expect_n = n;
}

void call_expect_rows(stk_call *call, uint32_t n)
{
    assert(call->query->op == STK_OP_SELECT);
    call->expect = STK_EXPECT_ROWS;
    call->expect_n = n;
}

/* Lists longer than the plugin takes are the caller's to cut. */
static void assert_lists(const stk_call *call, uint32_t max)
{
    for (unsigned i = 0; i < call->query->nwhere; i++)
        if (call->query->where[i].op == STK_IN)
            assert(call->params[call->query->where[i].param].len <= max);
    (void)max;
}

stk_status storage_exec(struct ctx *c, struct storage *s, stk_txn *txn, const struct batch *b,
                        uint32_t flags, stk_err *err)
{
    const struct stk_plugin *v = &s->plugin->v;
    assert(b->n <= v->max_batch);
    stk_call *calls = arena_alloc(c->arena, b->n * sizeof(*calls));
    for (uint32_t i = 0; i < b->n; i++) {
        calls[i] = *b->calls[i];
        assert_lists(&calls[i], v->max_in_list);
        memset(calls[i].result, 0, sizeof(*calls[i].result));
        if (s->secret[calls[i].query->id])
            c->arena->wipe = true;
    }
    stk_batch batch = {.size = sizeof(batch),
                       .flags = flags,
                       .ncalls = b->n,
                       .call_size = sizeof(*calls),
                       .calls = calls,
                       .arena = &c->arena->abi,
                       .deadline_us = c->deadline_us};
    /* However slow this database is, requests that do not need it go on. */
    permit_pause(c);
    uint64_t start = clock_us();
    stk_status rc = v->exec(s->db, txn, &batch, err);
    uint64_t us = clock_us() - start;
    permit_resume(c);
    storage_count(c, s, b, us, rc, err);
    c->round_trips += batch.round_trips;
    c->statements += batch.statements;
    c->batches++;
    return rc < 0 ? rc : STK_OK;
}
