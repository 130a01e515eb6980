/* SPDX-License-Identifier: Apache-2.0 */
/* What tests are written with: an arena that poisons what it frees, batches,
 * transactions, threads, and failing. */
#include "conform.h"

#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

enum { PAD = 16 };

/* -------------------------------------------------------------------- arena */

struct block {
    struct block *next;
    size_t size;
    _Alignas(16) uint8_t data[];
};

struct defer {
    struct defer *next;
    void (*fn)(void *);
    void *arg;
};

static void *mem_grow(stk_arena *abi, size_t n)
{
    struct mem *m = (struct mem *)abi;
    size_t size = n > 4096 ? n : 4096;
    struct block *b = malloc(sizeof(*b) + size);
    if (!b)
        abort();
    memset(b->data, 0xA5, size);
    *b = (struct block){.next = m->blocks, .size = size};
    m->blocks = b;
    m->abi.cur = b->data + n;
    m->abi.end = b->data + size;
    return b->data;
}

static void mem_defer(stk_arena *abi, void (*fn)(void *), void *arg)
{
    struct mem *m = (struct mem *)abi;
    struct defer *d = malloc(sizeof(*d));
    if (!d)
        abort();
    *d = (struct defer){m->defers, fn, arg};
    m->defers = d;
}

void mem_init(struct mem *m)
{
    *m = (struct mem){.abi = {.grow = mem_grow, .defer = mem_defer}};
}

void mem_reset(struct mem *m)
{
    while (m->defers) {
        struct defer *d = m->defers;
        m->defers = d->next;
        d->fn(d->arg);
        free(d);
    }
    while (m->blocks) {
        struct block *b = m->blocks;
        m->blocks = b->next;
        memset(b->data, 0xDD, b->size);
        free(b);
    }
    mem_init(m);
}

/* ------------------------------------------------------------------ failing */

const char *status_name(stk_status rc)
{
    static const char *const names[] = {
        "OK",      "DUPLICATE",   "EXPECT",  "RETRY",     "UNCERTAIN", "UNAVAILABLE",
        "TIMEOUT", "UNSUPPORTED", "ABORTED", "SCHEMA",    "CONFIG",    "NOMEM",
        "INVALID", "TOO_BIG",     "DENIED",  "READ_ONLY", "INTERNAL"};
    return rc <= 0 && rc >= STK_E_INTERNAL ? names[-rc] : "an unknown status";
}

void t_fail(struct t *t, const char *file, int line, const char *fmt, ...)
{
    const char *base = strrchr(file, '/');
    int n = snprintf(t->why, sizeof(t->why), "%s:%d: ", base ? base + 1 : file, line);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->why + n, sizeof(t->why) - (size_t)n, fmt, ap);
    va_end(ap);
    t->failed = true;
    longjmp(t->out, 1);
}

void t_skip(struct t *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->why, sizeof(t->why), fmt, ap);
    va_end(ap);
    t->skipped = true;
    longjmp(t->out, 1);
}

void t_status(struct t *t, const char *file, int line, stk_status rc, stk_status wanted)
{
    if (rc == wanted)
        return;
    t_fail(t, file, line, "%s instead of %s%s%s", status_name(rc), status_name(wanted),
           t->err.msg[0] ? ": " : "", t->err.msg);
}

void t_begin(struct t *t, const struct test *test, struct handle *on)
{
    memset(t, 0, offsetof(struct t, out));
    t->failed = t->skipped = false;
    t->why[0] = '\0';
    t->test = test;
    t->on = on;
    mem_init(&t->mem);
    snprintf(t->app, sizeof(t->app), "%s", test ? test->id : "");
}

void t_end(struct t *t)
{
    for (unsigned i = 0; i < t->ntxns; i++)
        if (t->txns[i].h)
            t_rollback(t, &t->txns[i]);
    mem_reset(&t->mem);
}

/* ------------------------------------------------------------------ batches */

static stk_val copy_val(struct t *t, const stk_val *v)
{
    stk_val c = *v;
    if (v->type == STK_T_TEXT || v->type == STK_T_BYTES) {
        void *p = stk_alloc(&t->mem.abi, v->len + 1u);
        if (v->len)
            memcpy(p, v->u.p, v->len);
        c.u.p = p;
    } else if (v->type == STK_T_LIST) {
        stk_val *list = stk_alloc(&t->mem.abi, (v->len + 1u) * sizeof(stk_val));
        for (uint32_t i = 0; i < v->len; i++)
            list[i] = copy_val(t, (const stk_val *)v->u.p + i);
        c.u.p = list;
    }
    return c;
}

stk_call *t_add(struct t *t, enum query q, const stk_val *vals, size_t n)
{
    if (t->ncalls == MAX_CALLS)
        abort();
    const stk_query *d = t->on->cat->c->queries[q];
    bool insert = d->op == STK_OP_INSERT || d->op == STK_OP_UPSERT;
    if (insert ? n == 0 || n % d->nparams : n != d->nparams)
        FAIL("the test gives %zu parameters to %s", n, d->name);
    stk_call *c = stk_alloc(&t->mem.abi, sizeof(*c));
    stk_result *res = stk_alloc(&t->mem.abi, sizeof(*res));
    stk_val *copy = stk_alloc(&t->mem.abi, (n + 1) * sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = copy_val(t, &vals[i]);
    memset(res, 0, sizeof(*res));
    *c = (stk_call){.query = d,
                    .params = copy,
                    .result = res,
                    .nrows = insert ? (uint32_t)(n / d->nparams) : 1};
    t->calls[t->ncalls++] = c;
    return c;
}

static uint64_t lock_wait(const struct t *t)
{
    return t->deadline_us ? t->deadline_us : now_us() + 30000000u;
}

static pthread_mutex_t serial = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t *lock_of(struct handle *h)
{
    if (plug.v.thread_model == STK_THREAD_SERIAL)
        return &serial;
    return plug.v.thread_model == STK_THREAD_PER_DB ? &h->lock : NULL;
}

static bool take(struct t *t, struct handle *h)
{
    pthread_mutex_t *m = lock_of(h);
    uint64_t until = lock_wait(t);
    struct timespec ts = {.tv_sec = (time_t)(until / 1000000u),
                          .tv_nsec = (long)(until % 1000000u) * 1000};
    return !m || pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &ts) == 0;
}

static void give(struct handle *h)
{
    pthread_mutex_t *m = lock_of(h);
    if (m)
        pthread_mutex_unlock(m);
}

stk_status t_exec(struct t *t, struct txn *txn, uint32_t flags)
{
    struct {
        stk_batch b;
        uint8_t pad[PAD];
    } big;
    size_t stride = sizeof(stk_call) + PAD;
    uint8_t *calls = stk_alloc(&t->mem.abi, (t->ncalls + 1u) * stride);
    memset(calls, 0xA5, (t->ncalls + 1u) * stride);
    for (uint32_t i = 0; i < t->ncalls; i++) {
        memcpy(calls + i * stride, t->calls[i], sizeof(stk_call));
        *t->calls[i]->result = (stk_result){0};
    }
    memset(&big, 0xA5, sizeof(big));
    big.b = (stk_batch){.size = sizeof(big),
                        .flags = flags,
                        .ncalls = t->ncalls,
                        .call_size = (uint32_t)stride,
                        .calls = (const stk_call *)(const void *)calls,
                        .arena = &t->mem.abi,
                        .deadline_us = t->deadline_us};
    t->err = (stk_err){.size = sizeof(t->err)};
    stk_err_clear(&t->err);
    t->ncalls = 0;
    struct handle *h = txn ? txn->on : t->on;
    if (!txn && !take(t, h))
        return STK_E_TIMEOUT;
    stk_status rc = plug.v.exec(h->db, txn ? txn->h : NULL, &big.b, &t->err);
    if (!txn)
        give(h);
    t->round_trips += big.b.round_trips;
    t->statements += big.b.statements;
    if (rc > 0)
        FAIL("exec() returned %d; positive values are reserved", rc);
    if (rc < 0 && t->err.code != rc)
        FAIL("exec() returned %s but err.code is %s", status_name(rc), status_name(t->err.code));
    if (txn && rc >= 0 && (flags & STK_X_COMMIT)) {
        txn->h = NULL;
        give(h);
    }
    return rc;
}

stk_call *t_one(struct t *t, const char *file, int line, stk_call *call)
{
    stk_status rc = t_exec(t, NULL, 0);
    t_status(t, file, line, rc, STK_OK);
    return call;
}

/* ------------------------------------------------------------- transactions */

stk_status t_try_txn(struct t *t, int32_t mode, struct txn **txn)
{
    struct txn *x = NULL;
    for (unsigned i = 0; i < t->ntxns && !x; i++)
        if (!t->txns[i].h)
            x = &t->txns[i];
    if (!x && t->ntxns < MAX_TXNS)
        x = &t->txns[t->ntxns++];
    if (!x)
        abort();
    *x = (struct txn){.on = t->on};
    *txn = x;
    t->err = (stk_err){.size = sizeof(t->err)};
    stk_err_clear(&t->err);
    if (!take(t, t->on))
        return STK_E_TIMEOUT;
    stk_status rc = plug.v.begin(t->on->db, mode, t->deadline_us, &x->h, &t->err);
    if (rc < 0) {
        x->h = NULL;
        give(t->on);
    } else if (!x->h) {
        FAIL("begin() returned OK without a handle");
    }
    return rc;
}

struct txn *t_txn(struct t *t, int32_t mode)
{
    struct txn *x;
    OK(t_try_txn(t, mode, &x));
    return x;
}

stk_status t_commit(struct t *t, struct txn *x)
{
    t->err = (stk_err){.size = sizeof(t->err)};
    stk_err_clear(&t->err);
    stk_status rc = plug.v.commit(x->h, t->deadline_us, &t->err);
    x->h = NULL;
    give(x->on);
    return rc;
}

void t_rollback(struct t *t, struct txn *x)
{
    (void)t;
    plug.v.rollback(x->h);
    x->h = NULL;
    give(x->on);
}

bool t_again(stk_status rc, unsigned *tries)
{
    if (rc != STK_E_RETRY || ++*tries > 200)
        return false;
    usleep((useconds_t)(500 * (*tries < 20 ? *tries : 20) + (unsigned)now_us() % 997));
    return true;
}

/* -------------------------------------------------------------------- cells */

const stk_val *t_cell(struct t *t, const stk_call *call, uint32_t row, uint32_t col)
{
    const stk_result *r = call->result;
    if (row >= r->nrows || col >= r->ncols)
        FAIL("%s has %u rows of %u cells, wanted row %u cell %u", call->query->name, r->nrows,
             r->ncols, row, col);
    return &r->cells[(size_t)row * r->ncols + col];
}

bool cell_is(const stk_val *v, const char *z)
{
    return v->type == STK_T_TEXT && v->len == strlen(z) && memcmp(v->u.p, z, v->len + 1) == 0;
}

bool val_eq(const stk_val *a, const stk_val *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == STK_T_NULL)
        return true;
    if (a->type == STK_T_TEXT || a->type == STK_T_BYTES)
        return a->len == b->len && (a->len == 0 || memcmp(a->u.p, b->u.p, a->len) == 0);
    return a->u.i == b->u.i;
}

const char *t_joined(struct t *t, const stk_call *call)
{
    size_t n = 1;
    for (uint32_t i = 0; i < call->result->nrows; i++)
        n += t_cell(t, call, i, 0)->len + 1u;
    char *s = stk_alloc(&t->mem.abi, n), *p = s;
    for (uint32_t i = 0; i < call->result->nrows; i++) {
        const stk_val *v = t_cell(t, call, i, 0);
        if (v->type != STK_T_TEXT)
            FAIL("%s: cell 0 of row %u is no text", call->query->name, i);
        if (i)
            *p++ = ' ';
        if (v->len)
            memcpy(p, v->u.p, v->len);
        p += v->len;
    }
    *p = '\0';
    return s;
}

/* ------------------------------------------------------------------ threads */

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    if (plug.v.thread_enter)
        plug.v.thread_enter();
    if (setjmp(w->t.out) == 0)
        w->fn(&w->t, w->arg);
    t_end(&w->t);
    if (plug.v.thread_leave)
        plug.v.thread_leave();
    return NULL;
}

struct worker *t_spawn(struct t *t, void (*fn)(struct t *t, void *arg), void *arg)
{
    struct worker *w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    t_begin(&w->t, t->test, t->on);
    memcpy(w->t.app, t->app, sizeof(t->app));
    w->t.deadline_us = t->deadline_us;
    w->fn = fn;
    w->arg = arg;
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    if (rc != 0) {
        free(w);
        FAIL("no thread: %s", strerror(rc));
    }
    return w;
}

void t_join(struct t *t, struct worker *w)
{
    pthread_join(w->thread, NULL);
    bool failed = w->t.failed;
    if (failed)
        memcpy(t->why, w->t.why, sizeof(t->why));
    free(w);
    if (failed) {
        t->failed = true;
        longjmp(t->out, 1);
    }
}

void t_threads(struct t *t, unsigned n, void (*fn)(struct t *t, void *arg), void *args,
               size_t stride)
{
    struct worker *w[64];
    for (unsigned i = 0; i < n; i++)
        w[i] = t_spawn(t, fn, (char *)args + i * stride);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(w[i]->thread, NULL);
        if (w[i]->t.failed && !t->failed) {
            t->failed = true;
            memcpy(t->why, w[i]->t.why, sizeof(t->why));
        }
        free(w[i]);
    }
    if (t->failed)
        longjmp(t->out, 1);
}
