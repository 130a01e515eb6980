/* SPDX-License-Identifier: Apache-2.0 */
/* Single batches, and what every failure of a plugin means to a request; see
 * storage.h. */
#include "storage/storage_internal.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MAX_CONFLICTS = 30, /* attempts after RETRY */
    MAX_LOSSES = 2,     /* attempts after UNAVAILABLE: other pooled connections may be good */
    COMPLAIN_US = 5 * 1000 * 1000,
    WITNESS_US = 2 * 1000 * 1000
};

const char *status_text(stk_status rc)
{
    static const char *const texts[] = {
        "done",
        "a unique key refused the row",
        "an expected row was not found",
        "conflicting transactions",
        "the answer to a commit was lost: it may have been applied",
        "the database cannot be reached",
        "the database did not answer in time",
        "the plugin does not support this",
        "an earlier call failed",
        "the schema does not match",
        "a setting is wrong",
        "out of memory",
        "the call breaks the plugin's contract",
        "a value is too big for its column",
        "the database refuses for lack of a privilege",
        "the database is read-only",
        "internal error of the plugin",
    };
    size_t i = rc < 0 ? 0u - (size_t)rc : 0;
    return i < sizeof(texts) / sizeof(texts[0]) ? texts[i] : "unknown status";
}

struct str storage_err_text(struct arena *a, const struct plugin *p, stk_status rc,
                            const stk_err *err)
{
    if (err->msg[0])
        return str_dup(a, str_make(err->msg, strnlen(err->msg, sizeof(err->msg))));
    return str_printf(a, "%s: %s", p->v.name, status_text(rc));
}

/* ---------------------------------------------------------------- failures */

const char *query_name(const struct batch *b, const stk_err *err)
{
    return b && err->call < b->n ? b->calls[err->call]->query->name : "-";
}

/* An outage is met by every request: said once in a while. */
static bool may_complain(struct storage *s)
{
    uint64_t now = clock_us(), last = atomic_load(&s->complained_us);
    return (last == 0 || now - last > COMPLAIN_US) &&
           atomic_compare_exchange_strong(&s->complained_us, &last, now);
}

static int fail_unavailable(struct ctx *c, struct storage *s, const char *query, stk_status rc,
                            const stk_err *err)
{
    struct str text = storage_err_text(c->arena, s->plugin, rc, err);
    if (may_complain(s))
        log_warn(storage_name(s), "%.*s (query %s, sqlstate %.5s, native %d)", STR_ARG(text), query,
                 err->sqlstate[0] ? err->sqlstate : "-", err->native);
    return ctx_fail_text(c, FAIL_UNAVAILABLE, text);
}

static int fail_too_big(struct ctx *c, const struct storage *s, const stk_err *err)
{
    if (err->table >= s->catalog->ntables || err->column >= s->catalog->tables[err->table].ncols)
        return ctx_fail(c, FAIL_BAD_REQUEST, "A value is too long");
    const stk_col *col = &s->catalog->tables[err->table].cols[err->column];
    return ctx_fail(c, FAIL_BAD_REQUEST, "Field '%s' is too long: it may have %u %s", col->name,
                    col->max_len, col->type == STK_T_TEXT ? "characters" : "bytes");
}

static int fail_internal(struct ctx *c, struct storage *s, const char *query, stk_status rc,
                         const stk_err *err)
{
    struct str text = storage_err_text(c->arena, s->plugin, rc, err);
    log_error(storage_name(s), "%.*s (%s; query %s, sqlstate %.5s, native %d)", STR_ARG(text),
              status_text(rc), query, err->sqlstate[0] ? err->sqlstate : "-", err->native);
    return ctx_fail_text(c, FAIL_INTERNAL, STR("Internal Error"));
}

int storage_rc(struct ctx *c, struct storage *s, const char *query, stk_status rc,
               const stk_err *err)
{
    switch (rc) {
    case STK_E_DUPLICATE:
        c->dup_table = err->table;
        c->dup_key = err->key;
        return RC_DUPLICATE;
    case STK_E_EXPECT: return RC_EXPECT;
    case STK_E_RETRY:
    case STK_E_UNCERTAIN:
    case STK_E_UNAVAILABLE:
    case STK_E_TIMEOUT:
    case STK_E_NOMEM:
    case STK_E_READ_ONLY: return fail_unavailable(c, s, query, rc, err);
    case STK_E_TOO_BIG: return fail_too_big(c, s, err);
    default: return rc >= 0 ? RC_OK : fail_internal(c, s, query, rc, err);
    }
}

/* ----------------------------------------------------------------- retrying */

bool retry_wait(struct retry *r, stk_status rc)
{
    unsigned tries = rc == STK_E_UNAVAILABLE ? r->losses++ : r->conflicts++;
    if (tries >= (rc == STK_E_UNAVAILABLE ? MAX_LOSSES : MAX_CONFLICTS))
        return false;
    uint64_t most = 2000u << (tries < 6 ? tries : 6); /* 2, 4, ... 128 ms */
    uint64_t wait = most / 4 + random_below(most * 3 / 4);
    if (r->c->deadline_us && clock_us() + wait >= r->c->deadline_us)
        return false;
    storage_count_again(r->s, rc);
    struct timespec t = {.tv_nsec = (long)wait * 1000};
    nanosleep(&t, NULL);
    return true;
}

int witness_ask(struct ctx *c, struct storage *s, witness_fn witness, void *arg, bool *applied)
{
    uint64_t deadline = c->deadline_us, least = clock_us() + WITNESS_US;
    if (deadline && deadline < least)
        c->deadline_us = least;
    *applied = false;
    int rc = witness(c, s, arg, applied);
    c->deadline_us = deadline;
    return rc;
}

/* One attempt of a batch outside a transaction. */
static stk_status run_once(struct ctx *c, struct storage *s, const struct batch *b, stk_err *err)
{
    assert(!c->held);
    *err = err_new();
    stk_status rc = storage_enter(s, c->deadline_us, err);
    if (rc < 0)
        return rc;
    c->held = s;
    rc = storage_exec(c, s, NULL, b, 0, err);
    if (rc >= 0)
        rc = batch_check(s, b, err);
    c->held = NULL;
    storage_leave(s);
    return rc;
}

int storage_read(struct ctx *c, struct storage *s, struct batch *b)
{
    if (b->n == 0)
        return RC_OK;
    struct retry retry = {.c = c, .s = s};
    stk_err err;
    stk_status rc;
    do
        rc = run_once(c, s, b, &err);
    while (rc < 0 && status_again(rc) && retry_wait(&retry, rc));
    return storage_rc(c, s, query_name(b, &err), rc, &err);
}

static bool all_idempotent(const struct batch *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (!(b->calls[i]->query->flags & STK_QF_IDEMPOTENT) &&
            b->calls[i]->query->op != STK_OP_SELECT && b->calls[i]->query->op != STK_OP_COUNT)
            return false;
    return true;
}

static void empty_results(const struct batch *b)
{
    for (uint32_t i = 0; i < b->n; i++)
        *b->calls[i]->result = (stk_result){0};
}

/* An uncertain attempt came before, and the present one ended with rc: was the
 * earlier one applied after all?  RC_OK with *decided, or a failure. */
static int settle(struct ctx *c, struct storage *s, const struct batch *b, witness_fn witness,
                  void *arg, bool *decided)
{
    if (!witness)
        return RC_OK;
    int rc = witness_ask(c, s, witness, arg, decided);
    if (rc == RC_OK && *decided)
        empty_results(b);
    return rc;
}

int storage_write(struct ctx *c, struct storage *s, struct batch *b, witness_fn witness, void *arg)
{
    if (b->n == 0)
        return RC_OK;
    bool again = witness || all_idempotent(b);
    /* A missing witness is the caller's mistake: met by any test, not only by
     * one that loses an answer. */
    if (!again && c->core && c->core->test_mode) {
        log_error("storage", "query %s is written without a witness", b->calls[0]->query->name);
        abort();
    }
    struct retry retry = {.c = c, .s = s};
    bool uncertain = false;
    stk_err err;
    for (;;) {
        stk_status rc = run_once(c, s, b, &err);
        if (rc >= 0)
            return RC_OK;
        uncertain = uncertain || rc == STK_E_UNCERTAIN;
        bool decided = false;
        if (uncertain && rc != STK_E_RETRY && rc != STK_E_UNAVAILABLE) {
            int failed = settle(c, s, b, witness, arg, &decided);
            if (failed != RC_OK || decided)
                return failed;
        }
        if (!status_again(rc) || !again || !retry_wait(&retry, rc)) {
            /* Refused by what the lost attempt may itself have written. */
            if (uncertain && !witness && rc != STK_E_UNCERTAIN) {
                rc = STK_E_UNCERTAIN;
                err = err_new();
            }
            return storage_rc(c, s, query_name(b, &err), rc, &err);
        }
    }
}
