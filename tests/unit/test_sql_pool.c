/* SPDX-License-Identifier: Apache-2.0 */
/* The connection pool: order, bounds, deadlines, broken connections, threads. */
#include <stdatomic.h>

#include "sql_fixture.h"

/* A world of connections that can be told to fail. */
struct world {
    atomic_int opened, closed, pinged;
    atomic_bool refuse, dead;
    struct fake_conn *lost;   /* whose socket is closed */
    atomic_uint_fast64_t now; /* 0: the real clock */
    stk_host host;
};

struct fake_conn {
    int number;
    atomic_int users;
};

static stk_status w_open(void *ud, uint64_t deadline, void **conn, stk_err *err)
{
    struct world *w = ud;
    (void)deadline;
    if (atomic_load(&w->refuse))
        return stk_err_set(err, STK_E_UNAVAILABLE, "test: refused");
    struct fake_conn *c = calloc(1, sizeof *c);
    c->number = atomic_fetch_add(&w->opened, 1);
    *conn = c;
    return STK_OK;
}

static bool w_reuse(void *ud, void *conn)
{
    struct world *w = ud;
    return conn != w->lost;
}

static void w_close(void *ud, void *conn)
{
    struct world *w = ud;
    atomic_fetch_add(&w->closed, 1);
    free(conn);
}

static bool w_ping(void *ud, void *conn)
{
    struct world *w = ud;
    (void)conn;
    atomic_fetch_add(&w->pinged, 1);
    return !atomic_load(&w->dead);
}

static uint64_t w_now(void *ctx)
{
    struct world *w = ctx;
    uint64_t now = atomic_load(&w->now);
    return now ? now : fix_now_us(NULL);
}

static struct stk_pool *make(struct world *w, uint32_t max, struct stk_pool_conf conf)
{
    memset(w, 0, sizeof *w);
    w->host = fix_host;
    w->host.ctx = w;
    w->host.now_us = w_now;
    conf.name = "test";
    conf.host = &w->host;
    conf.ops.open = w_open;
    conf.ops.close = w_close;
    conf.ops.reuse = w_reuse;
    conf.ops.ping = w_ping;
    conf.ud = w;
    conf.max = max;
    struct stk_pool *p = stk_pool_new(&conf);
    assert_non_null(p);
    return p;
}

static struct fake_conn *get(struct stk_pool *p)
{
    void *c = NULL;
    stk_err err = {.size = sizeof err};
    if (stk_pool_get(p, 0, &c, &err))
        fail_msg("%s", err.msg);
    return c;
}

static bool w_full(void *ud, const stk_err *err)
{
    (void)ud;
    return err->code == STK_E_UNAVAILABLE;
}

static void last_in_first_out(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 3, (struct stk_pool_conf){0});
    struct fake_conn *a = get(p), *b = get(p);
    stk_pool_put(p, a, false);
    stk_pool_put(p, b, false);
    assert_ptr_equal(get(p), b);
    assert_ptr_equal(get(p), a);
    assert_int_equal(w.opened, 2);
    assert_int_equal(w.pinged, 0);
    stk_pool_put(p, a, false);
    stk_pool_put(p, b, false);
    stk_pool_free(p);
    assert_int_equal(w.closed, 2);
}

static void deadline_is_kept(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 1, (struct stk_pool_conf){.size_key = "test_size"});
    struct fake_conn *a = get(p);
    stk_err err = {.size = sizeof err};
    void *c = NULL;
    uint64_t start = fix_now_us(NULL);
    assert_int_equal(stk_pool_get(p, start + 50000, &c, &err), STK_E_TIMEOUT);
    uint64_t took = fix_now_us(NULL) - start;
    assert_true(took >= 49000 && took < 5000000);
    assert_non_null(strstr(err.msg, "test: pool exhausted: all 1 connections"));
    assert_non_null(strstr(err.msg, "Raise test_size"));
    struct stk_pool_stats st;
    stk_pool_get_stats(p, &st);
    assert_true(st.timeouts == 1 && st.waiters == 0 && st.open == 1 && st.idle == 0);
    stk_pool_put(p, a, false);
    assert_ptr_equal(get(p), a); /* the one who gave up left no trace */
    stk_pool_put(p, a, false);
    stk_pool_free(p);
}

static void failed_open_frees_its_place(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 1, (struct stk_pool_conf){0});
    atomic_store(&w.refuse, true);
    stk_err err = {.size = sizeof err};
    void *c = NULL;
    for (int i = 0; i < 3; i++)
        assert_int_equal(stk_pool_get(p, 0, &c, &err), STK_E_UNAVAILABLE);
    assert_string_equal(err.msg, "test: refused");
    atomic_store(&w.refuse, false);
    stk_pool_put(p, get(p), false);
    stk_pool_free(p);
}

static void *put_soon(void *arg)
{
    void **both = arg;
    struct stk_pool_stats st;
    do /* until the other thread waits */
        stk_pool_get_stats(both[0], &st);
    while (st.waiters == 0);
    stk_pool_put(both[0], both[1], false);
    return NULL;
}

/* The server takes no connection more: who wants one waits for one that is open; where
 * none is, or none comes free, it is told the server's reason. */
static void full_server_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 3, (struct stk_pool_conf){.ops = {.full = w_full}});
    stk_err err = {.size = sizeof err};
    void *c = NULL;
    atomic_store(&w.refuse, true);
    assert_int_equal(stk_pool_get(p, fix_now_us(NULL) + 50000, &c, &err), STK_E_UNAVAILABLE);
    atomic_store(&w.refuse, false);
    struct fake_conn *a = get(p);
    atomic_store(&w.refuse, true);
    assert_int_equal(stk_pool_get(p, fix_now_us(NULL) + 50000, &c, &err), STK_E_UNAVAILABLE);
    assert_null(strstr(err.msg, "pool exhausted"));
    pthread_t thread;
    void *both[2] = {p, a};
    assert_int_equal(pthread_create(&thread, NULL, put_soon, both), 0);
    assert_ptr_equal(get(p), a);
    pthread_join(thread, NULL);
    atomic_store(&w.refuse, false);
    struct fake_conn *b = get(p); /* no place was lost */
    stk_pool_put(p, a, false);
    stk_pool_put(p, b, false);
    stk_pool_free(p);
    assert_int_equal(w.closed, 2);
}

static void broken_ones_are_replaced(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 2, (struct stk_pool_conf){0});
    struct fake_conn *a = get(p), *b = get(p);
    stk_pool_put(p, b, false);
    stk_pool_put(p, a, true); /* makes the idle one suspect */
    assert_int_equal(w.closed, 1);
    assert_ptr_equal(get(p), b);
    assert_int_equal(w.pinged, 1);
    stk_pool_put(p, b, false);
    a = get(p);
    assert_ptr_equal(a, b); /* no longer suspect */
    assert_int_equal(w.pinged, 1);
    b = get(p);
    stk_pool_put(p, b, false);
    stk_pool_put(p, a, true);
    atomic_store(&w.dead, true);
    a = get(p); /* the idle one does not answer: a new one */
    assert_int_equal(w.opened, 4);
    struct stk_pool_stats st;
    stk_pool_get_stats(p, &st);
    assert_true(st.reconnects == 2 && st.open == 1);
    stk_pool_put(p, a, false);
    stk_pool_free(p);
    assert_int_equal(w.opened, w.closed);
}

static void idle_ones_grow_old(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p =
        make(&w, 4,
             (struct stk_pool_conf){.idle_timeout_us = 1000, .min_idle = 1, .ping_after_us = 500});
    atomic_store(&w.now, 1000000);
    struct fake_conn *c[3] = {get(p), get(p), get(p)};
    for (int i = 0; i < 3; i++)
        stk_pool_put(p, c[i], false);
    atomic_store(&w.now, 1000900);
    stk_pool_put(p, get(p), false); /* pinged, and young again */
    assert_int_equal(w.pinged, 1);
    atomic_store(&w.now, 1001500);
    struct stk_pool_stats st;
    stk_pool_get_stats(p, &st);
    assert_int_equal(st.open, 1);
    atomic_store(&w.now, 9000000);
    stk_pool_get_stats(p, &st);
    assert_int_equal(st.open, 1); /* min_idle */
    stk_pool_free(p);
}

/* ----------------------------------------------------------------- threads */

struct waiter_thread {
    pthread_t thread;
    struct stk_pool *pool;
    atomic_int *turn;
    int got_turn;
    stk_status status;
    uint64_t deadline;
};

static void *wait_for_one(void *arg)
{
    struct waiter_thread *t = arg;
    void *c = NULL;
    stk_err err = {.size = sizeof err};
    t->status = stk_pool_get(t->pool, t->deadline, &c, &err);
    if (!t->status) {
        t->got_turn = atomic_fetch_add(t->turn, 1);
        stk_pool_put(t->pool, c, false);
    }
    return NULL;
}

static void until_waiters(struct stk_pool *p, uint32_t n)
{
    struct stk_pool_stats st;
    do {
        sched_yield();
        stk_pool_get_stats(p, &st);
    } while (st.waiters != n);
}

static void waiters_are_served_in_order(void **state)
{
    (void)state;
    enum { N = 6 };
    struct world w;
    struct stk_pool *p = make(&w, 1, (struct stk_pool_conf){.max_waiters = N});
    struct fake_conn *a = get(p);
    struct waiter_thread t[N];
    atomic_int turn = 0;
    for (uint32_t i = 0; i < N; i++) {
        t[i] = (struct waiter_thread){.pool = p, .turn = &turn};
        pthread_create(&t[i].thread, NULL, wait_for_one, &t[i]);
        until_waiters(p, i + 1);
    }
    stk_err err = {.size = sizeof err};
    void *c = NULL;
    assert_int_equal(stk_pool_get(p, 0, &c, &err), STK_E_TIMEOUT); /* the queue is full */
    assert_non_null(strstr(err.msg, "too many"));
    stk_pool_put(p, a, true); /* broken: the first waiter opens its own */
    for (int i = 0; i < N; i++) {
        pthread_join(t[i].thread, NULL);
        assert_int_equal(t[i].status, STK_OK);
        assert_int_equal(t[i].got_turn, i);
    }
    assert_int_equal(w.opened, 2);
    stk_pool_free(p);
}

static void dead_ones_are_not_handed_out(void **state)
{
    (void)state;
    struct world w;
    struct stk_pool *p = make(&w, 2, (struct stk_pool_conf){0});
    struct fake_conn *a = get(p), *b = get(p);
    stk_pool_put(p, b, false);
    stk_pool_put(p, a, false);
    w.lost = a;
    assert_ptr_equal(get(p), b); /* which was asked, for what killed one ... */
    assert_true(w.pinged == 1 && w.closed == 1 && w.opened == 2);

    a = get(p);
    w.lost = b;
    atomic_int turn = 0;
    struct waiter_thread t = {.pool = p, .turn = &turn};
    pthread_create(&t.thread, NULL, wait_for_one, &t);
    until_waiters(p, 1);
    stk_pool_put(p, b, false); /* given to the waiter, who opens another in its place */
    pthread_join(t.thread, NULL);
    assert_int_equal(t.status, STK_OK);
    assert_true(w.opened == 4 && w.closed == 2);
    struct stk_pool_stats st;
    stk_pool_get_stats(p, &st);
    assert_true(st.open == 2 && st.idle == 1 && st.reconnects == 2);
    stk_pool_put(p, a, false);
    stk_pool_free(p);
    assert_int_equal(w.opened, w.closed);
}

struct storm {
    struct stk_pool *pool;
    atomic_int in_use, peak, timeouts;
};

static void *storm_thread(void *arg)
{
    struct storm *s = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    for (int i = 0; i < 2000; i++) {
        void *c = NULL;
        stk_err err = {.size = sizeof err};
        uint64_t patience = (uint64_t)(rand_r(&seed) % 8 == 0 ? 20 : 2000000);
        if (stk_pool_get(s->pool, fix_now_us(NULL) + patience, &c, &err)) {
            assert_int_equal(err.code, STK_E_TIMEOUT);
            atomic_fetch_add(&s->timeouts, 1);
            continue;
        }
        struct fake_conn *f = c;
        assert_int_equal(atomic_fetch_add(&f->users, 1), 0);
        int n = atomic_fetch_add(&s->in_use, 1) + 1;
        if (n > atomic_load(&s->peak))
            atomic_store(&s->peak, n);
        if (i % 16 == 0)
            sched_yield();
        atomic_fetch_sub(&s->in_use, 1);
        atomic_fetch_sub(&f->users, 1);
        stk_pool_put(s->pool, c, rand_r(&seed) % 64 == 0);
    }
    return NULL;
}

static void storm_never_shares_or_loses(void **state)
{
    (void)state;
    enum { N = 8 };
    struct world w;
    struct stk_pool *p = make(&w, 3, (struct stk_pool_conf){0});
    struct storm s = {.pool = p};
    pthread_t t[N];
    for (int i = 0; i < N; i++)
        pthread_create(&t[i], NULL, storm_thread, &s);
    for (int i = 0; i < N; i++)
        pthread_join(t[i], NULL);
    struct stk_pool_stats st;
    stk_pool_get_stats(p, &st);
    assert_true(st.open <= 3 && st.open == st.idle && st.waiters == 0);
    assert_true(atomic_load(&s.peak) <= 3);
    assert_int_equal(st.timeouts, atomic_load(&s.timeouts));
    stk_pool_free(p);
    assert_int_equal(w.opened, w.closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_in_first_out),
        cmocka_unit_test(deadline_is_kept),
        cmocka_unit_test(failed_open_frees_its_place),
        cmocka_unit_test(full_server_is_waited_for),
        cmocka_unit_test(broken_ones_are_replaced),
        cmocka_unit_test(idle_ones_grow_old),
        cmocka_unit_test(dead_ones_are_not_handed_out),
        cmocka_unit_test(waiters_are_served_in_order),
        cmocka_unit_test(storm_never_shares_or_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
