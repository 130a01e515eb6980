/* SPDX-License-Identifier: Apache-2.0 */
/* C20 to C22: isolation, many threads, deadlines. */
#include "conform.h"

static int64_t number(struct t *t, const char *k)
{
    return t_cell(t, ONE(Q_kv_get, APP, S(k)), 0, 1)->u.i;
}

static void put(struct t *t, const char *k, int64_t n)
{
    ONE(Q_kv_put, APP, S(k), S("v"), I(n));
}

static void soon(struct t *t, uint64_t ms)
{
    t->deadline_us = now_us() + ms * 1000u;
}

/* A status that says "not now" where another transaction is in the way. */
static bool in_the_way(stk_status rc)
{
    return rc == STK_E_TIMEOUT || rc == STK_E_RETRY;
}

/* ----------------------------------------------------------------------- C20 */

static void read_committed_only(struct t *t, void *arg)
{
    (void)arg;
    soon(t, 500);
    stk_call *all = ADD(Q_kv_all, APP);
    stk_status rc = EXEC();
    if (in_the_way(rc))
        return;
    OK(rc);
    CHECK(strcmp(t_joined(t, all), "a") == 0, "another one's uncommitted row is seen: %s",
          t_joined(t, all));
    CHECK(t_cell(t, all, 0, 2)->u.i == 1, "another one's uncommitted update is seen");
    struct txn *x;
    soon(t, 500);
    rc = t_try_txn(t, STK_TXN_RO, &x);
    if (in_the_way(rc))
        return;
    OK(rc);
    stk_call *count = ADD(Q_kv_count, APP);
    rc = t_exec(t, x, 0);
    CHECK(in_the_way(rc) || (rc == STK_OK && count->result->affected == 1),
          "a read-only transaction sees uncommitted rows (%s)", status_name(rc));
    t_rollback(t, x);
}

static void no_dirty_reads(struct t *t)
{
    put(t, "a", 1);
    for (int round = 0; round < 2; round++) {
        struct txn *x = t_txn(t, STK_TXN_RW);
        ADD(Q_kv_insert, APP, S("b"), S("v"), I(1));
        ADD(Q_kv_set_n, I(2), APP, S("a"));
        stk_call *all = ADD(Q_kv_all, APP);
        OK(t_exec(t, x, 0));
        CHECK(all->result->nrows == 2 && t_cell(t, all, 0, 2)->u.i == 2, "own writes are not seen");
        t_join(t, t_spawn(t, read_committed_only, NULL));
        if (round == 0)
            t_rollback(t, x);
        else
            OK(t_commit(t, x));
        CHECK(number(t, "a") == 1 + round, "round %d left %lld", round, (long long)number(t, "a"));
    }
}

/* Runs fn in a transaction until it commits; RETRY starts over. */
static void until_committed(struct t *t, stk_status (*fn)(struct t *t, struct txn *x, void *arg),
                            void *arg)
{
    for (unsigned tries = 0;;) {
        struct txn *x;
        stk_status rc = t_try_txn(t, STK_TXN_RW, &x);
        if (rc >= 0)
            rc = fn(t, x, arg);
        if (x->h)
            t_rollback(t, x);
        if (!t_again(rc, &tries)) {
            OK(rc);
            return;
        }
    }
}

static stk_status add_one(struct t *t, struct txn *x, void *arg)
{
    (void)arg;
    stk_call *get = ADD(Q_kv_lock, APP, S("a"));
    stk_status rc = t_exec(t, x, 0);
    if (rc < 0)
        return rc;
    ADD(Q_kv_set_n, I(t_cell(t, get, 0, 1)->u.i + 1), APP, S("a"));
    return t_exec(t, x, STK_X_COMMIT);
}

static void add_many(struct t *t, void *arg)
{
    for (int i = 0; i < 25; i++)
        until_committed(t, add_one, arg);
}

static void lost_update(struct t *t)
{
    put(t, "a", 0);
    t_threads(t, 4, add_many, NULL, 0);
    CHECK(number(t, "a") == 100, "100 increments under a lock made %lld",
          (long long)number(t, "a"));
}

static stk_status clear_if_both(struct t *t, struct txn *x, void *arg)
{
    stk_call *both = ADD(Q_kv_lock_in, APP, LIST(S("x"), S("y")));
    stk_status rc = t_exec(t, x, 0);
    if (rc < 0)
        return rc;
    if (both->result->nrows != 2)
        FAIL("%u rows locked instead of 2", both->result->nrows);
    if (t_cell(t, both, 0, 1)->u.i + t_cell(t, both, 1, 1)->u.i == 2)
        ADD(Q_kv_set_n, I(0), APP, S(arg));
    else
        ADD(Q_kv_inc, I(0), APP, S(arg));
    return t_exec(t, x, STK_X_COMMIT);
}

static void clear_own(struct t *t, void *arg)
{
    until_committed(t, clear_if_both, arg);
}

static void write_skew(struct t *t)
{
    for (int round = 0; round < 25; round++) {
        put(t, "x", 1);
        put(t, "y", 1);
        char own[2][2] = {"x", "y"};
        t_threads(t, 2, clear_own, own, sizeof(own[0]));
        CHECK(number(t, "x") + number(t, "y") == 1, "both rows were cleared, or none, in round %d",
              round);
    }
}

struct sign_up {
    char id[32], email[32];
    bool won;
};

static void sign_up(struct t *t, void *arg)
{
    struct sign_up *s = arg;
    for (unsigned tries = 0;;) {
        struct txn *x;
        stk_status rc = t_try_txn(t, STK_TXN_RW, &x);
        stk_call *find = NULL;
        if (rc >= 0) {
            find = ADD(Q_pe_by_email, APP, S(s->email));
            rc = t_exec(t, x, 0);
        }
        bool there = rc >= 0 && find->result->nrows > 0;
        if (rc >= 0 && !there) {
            ADD(Q_pe_insert, APP, S(s->id), S(s->email), NUL, I(0), I(0));
            ADD(Q_kv_upsert, APP, S("count"), S("v"), I(1));
            rc = t_exec(t, x, STK_X_COMMIT);
            s->won = rc >= 0;
        }
        if (x->h)
            t_rollback(t, x);
        if (t_again(rc, &tries))
            continue;
        CHECK(rc == STK_OK || rc == STK_E_DUPLICATE, "a second sign-up gets %s: %s",
              status_name(rc), t->err.msg);
        return;
    }
}

static void phantom(struct t *t)
{
    enum { ROUNDS = 15, THREADS = 4 };
    put(t, "count", 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct sign_up s[THREADS] = {0};
        for (int i = 0; i < THREADS; i++) {
            snprintf(s[i].id, sizeof(s[i].id), "%d-%d", round, i);
            snprintf(s[i].email, sizeof(s[i].email), "%d@example.com", round);
        }
        t_threads(t, THREADS, sign_up, s, sizeof(s[0]));
        int won = 0;
        for (int i = 0; i < THREADS; i++)
            won += s[i].won;
        CHECK(won == 1, "%d sign-ups with one email succeeded", won);
        CHECK(ONE(Q_pe_by_email, APP, S(s[0].email))->result->nrows == 1, "not one row");
    }
    CHECK(number(t, "count") == ROUNDS, "%lld rows of losers were kept",
          (long long)number(t, "count") - ROUNDS);
}

struct swapper {
    int64_t won;
};

static void swap(struct t *t, void *arg)
{
    struct swapper *s = arg;
    unsigned tries = 0, rounds = 0;
    for (int64_t n = number(t, "a"); n < 40; n = number(t, "a")) {
        CHECK(++rounds < 5000, "5000 compare-and-sets did not make 40 steps");
        stk_call *cas = ADD(Q_kv_cas, I(n + 1), APP, S("a"), I(n));
        cas->expect = STK_EXPECT_AFFECTED;
        cas->expect_n = 1;
        ADD(Q_kv_upsert, APP, S("wins"), S("v"), I(1));
        stk_status rc = EXEC();
        if (rc == STK_E_EXPECT || t_again(rc, &tries))
            continue;
        OK(rc);
        s->won++;
    }
}

static void compare_and_set(struct t *t)
{
    put(t, "a", 0);
    put(t, "wins", 0);
    struct swapper s[4] = {{0}};
    t_threads(t, 4, swap, s, sizeof(s[0]));
    int64_t won = s[0].won + s[1].won + s[2].won + s[3].won;
    CHECK(number(t, "a") == 40 && won == 40 && number(t, "wins") == 40,
          "40 compare-and-sets: value %lld, %lld won, %lld written beside",
          (long long)number(t, "a"), (long long)won, (long long)number(t, "wins"));
}

static void set_two(struct t *t, void *arg)
{
    stk_status *rc = arg;
    soon(t, 700);
    ADD(Q_kv_set_n, I(2), APP, S("a"));
    *rc = EXEC();
}

static void lock_reads_latest(struct t *t)
{
    put(t, "a", 1);
    struct txn *x = t_txn(t, STK_TXN_RW);
    stk_call *get = ADD(Q_kv_get, APP, S("a"));
    OK(t_exec(t, x, 0));
    CHECK(t_cell(t, get, 0, 1)->u.i == 1, "a plain read found another value");
    stk_status other = STK_OK;
    t_join(t, t_spawn(t, set_two, &other));
    CHECK(other == STK_OK || in_the_way(other), "the other writer got %s", status_name(other));
    get = ADD(Q_kv_lock, APP, S("a"));
    stk_call *none = ADD(Q_kv_lock, APP, S("absent"));
    stk_status rc = t_exec(t, x, 0);
    if (rc == STK_E_RETRY && other == STK_OK) {
        t_rollback(t, x);
        return;
    }
    OK(rc);
    CHECK(t_cell(t, get, 0, 1)->u.i == (other == STK_OK ? 2 : 1),
          "a locking read returned an old version");
    CHECK(none->result->nrows == 0, "a row that is not there was locked");
    OK(t_commit(t, x));
}

static void upsert_many(struct t *t, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        for (unsigned tries = 0;;) {
            ADD(Q_kv_if_absent, APP, S("once"), S("v"), I(1));
            ADD(Q_kv_upsert, APP, S("n1"), S("v"), I(1), APP, S("n2"), S("v"), I(2), APP, S("n3"),
                S("v"), I(3));
            stk_status rc = EXEC();
            if (t_again(rc, &tries))
                continue;
            OK(rc);
            break;
        }
    }
}

static void concurrent_upserts(struct t *t)
{
    t_threads(t, 6, upsert_many, NULL, 0);
    CHECK(number(t, "n1") == 120 && number(t, "n2") == 240 && number(t, "n3") == 360,
          "120 upserts of 1, 2 and 3 made %lld, %lld and %lld", (long long)number(t, "n1"),
          (long long)number(t, "n2"), (long long)number(t, "n3"));
    CHECK(ONE(Q_kv_count, APP)->result->affected == 4, "not four rows");
}

static stk_status crossing(struct t *t, struct txn *x, void *arg)
{
    const char *order = arg;
    char first[2] = {order[0], 0}, second[2] = {order[1], 0};
    ADD(Q_kv_inc, I(1), APP, S(first));
    stk_status rc = t_exec(t, x, 0);
    if (rc < 0)
        return rc;
    ADD(Q_kv_inc, I(1), APP, S(second));
    return t_exec(t, x, STK_X_COMMIT);
}

static void cross(struct t *t, void *arg)
{
    for (int i = 0; i < 8; i++)
        until_committed(t, crossing, arg);
}

static void deadlocks(struct t *t)
{
    put(t, "p", 0);
    put(t, "q", 0);
    char order[2][3] = {"pq", "qp"};
    t_threads(t, 2, cross, order, sizeof(order[0]));
    CHECK(number(t, "p") == 16 && number(t, "q") == 16,
          "16 crossing transactions made %lld and %lld", (long long)number(t, "p"),
          (long long)number(t, "q"));
}

/* ----------------------------------------------------------------------- C21 */

struct busy {
    int id;
    uint64_t until;
    int64_t added;
};

/* Reads, writes and transactions of its own rows and of one shared row. */
static void work(struct t *t, void *arg)
{
    struct busy *b = arg;
    char k[16];
    snprintf(k, sizeof(k), "own%d", b->id);
    for (int64_t i = 0; now_us() < b->until; i++) {
        unsigned tries = 0;
        stk_status rc;
        stk_call *get;
        do {
            ADD(Q_kv_put, APP, S(k), S("v"), I(i));
            get = ADD(Q_kv_get, APP, S(k));
            rc = EXEC();
        } while (t_again(rc, &tries));
        OK(rc);
        CHECK(t_cell(t, get, 0, 1)->u.i == i, "thread %d reads another one's value", b->id);
        if (i % 4 == 0) {
            until_committed(t, add_one, NULL);
            b->added++;
        }
        get = ADD(Q_kv_get, APP, S(k));
        OK(EXEC());
        CHECK(t_cell(t, get, 0, 1)->u.i == i, "thread %d lost its write", b->id);
        if (i % 50 == 49)
            mem_reset(&t->mem);
    }
}

static void many_threads(struct t *t)
{
    enum { THREADS = 8 };
    put(t, "a", 0);
    struct busy b[THREADS];
    for (int i = 0; i < THREADS; i++)
        b[i] = (struct busy){i, now_us() + plug.seconds * 1000000u, 0};
    t_threads(t, THREADS, work, b, sizeof(b[0]));
    int64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        sum += b[i].added;
    CHECK(number(t, "a") == sum, "%lld increments made %lld", (long long)sum,
          (long long)number(t, "a"));
    CHECK(sum >= THREADS, "only %lld transactions in %u s", (long long)sum, plug.seconds);
}

static void read_many(struct t *t, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK(number(t, "a") == 7, "a wrong value was read");
}

static void more_than_the_pool(struct t *t)
{
    put(t, "a", 7);
    t_threads(t, 48, read_many, NULL, 0);
}

/* ----------------------------------------------------------------------- C22 */

struct waiter {
    bool in_txn;
    stk_status rc;
    uint64_t waited_us;
};

static void wait_for_row(struct t *t, void *arg)
{
    struct waiter *w = arg;
    uint64_t start = now_us();
    soon(t, 400);
    struct txn *x = NULL;
    w->rc = w->in_txn ? t_try_txn(t, STK_TXN_RW, &x) : STK_OK;
    if (w->rc >= 0) {
        ADD(Q_kv_insert, APP, S(w->in_txn ? "txn" : "own"), S("v"), I(0));
        ADD(Q_kv_inc, I(1000), APP, S("a"));
        w->rc = t_exec(t, x, 0);
    }
    w->waited_us = now_us() - start;
    if (x && x->h)
        t_rollback(t, x);
}

static void lock_wait_ends(struct t *t)
{
    put(t, "a", 1);
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_inc, I(1), APP, S("a"));
    OK(t_exec(t, x, 0));
    struct waiter w[2] = {{.in_txn = false}, {.in_txn = true}};
    for (int i = 0; i < 2; i++) {
        t_join(t, t_spawn(t, wait_for_row, &w[i]));
        CHECK(in_the_way(w[i].rc), "waiting for a locked row got %s", status_name(w[i].rc));
        CHECK(w[i].waited_us < 4000000u, "a deadline of 0.4 s was met after %.1f s",
              (double)w[i].waited_us / 1e6);
    }
    ADD(Q_kv_inc, I(1), APP, S("a"));
    OK(t_exec(t, x, STK_X_COMMIT));
    CHECK(number(t, "a") == 3, "the value is %lld instead of 3", (long long)number(t, "a"));
    CHECK(ONE(Q_kv_count, APP)->result->affected == 1, "what timed out was applied");
}

static void passed_deadline(struct t *t)
{
    uint64_t past = now_us() - 1000;
    for (int i = 0; i < 20; i++) {
        char k[32];
        snprintf(k, sizeof(k), "k%d", i);
        t->deadline_us = past;
        ADD(Q_kv_insert, APP, S(k), S("v"), I(1));
        stk_status rc = EXEC();
        t->deadline_us = 0;
        CHECK(rc == STK_OK || rc == STK_E_TIMEOUT, "after the deadline: %s", status_name(rc));
        CHECK(ONE(Q_kv_get, APP, S(k))->result->nrows == (rc == STK_OK),
              "%s, but the row says otherwise", status_name(rc));
    }
}

static void pool_exhausted(struct t *t)
{
    if (plug.v.thread_model != STK_THREAD_PARALLEL)
        t_skip(t, "transactions do not overlap in this thread model");
    stk_health h = {.size = sizeof(h)};
    OK(plug.v.health(t->on->db, 2000, &h, &t->err));
    if (h.pool_size == 0 || h.pool_size >= MAX_TXNS)
        t_skip(t, "a pool of %u", h.pool_size);
    put(t, "a", 1);
    /* Until the pool is empty; part of it may be for writers. */
    struct txn *x[MAX_TXNS];
    uint32_t n = 0;
    stk_status rc = STK_OK;
    while (rc == STK_OK && n < h.pool_size) {
        soon(t, 500);
        rc = t_try_txn(t, STK_TXN_RO, &x[n]);
        if (rc == STK_OK) {
            ADD(Q_kv_get, APP, S("a"));
            rc = t_exec(t, x[n++], 0);
        }
    }
    CHECK(rc == STK_OK || rc == STK_E_TIMEOUT, "transaction %u of %u gets %s", n, h.pool_size,
          status_name(rc));
    CHECK(n > 0, "no transaction at all in a pool of %u", h.pool_size);
    h = (stk_health){.size = sizeof(h)};
    OK(plug.v.health(t->on->db, 0, &h, &t->err)); /* no connection is needed for it */
    uint32_t open = rc == STK_OK ? n : n - 1;
    CHECK(h.pool_open - h.pool_idle >= open, "%u connections open and %u idle with %u transactions",
          h.pool_open, h.pool_idle, open);
    uint64_t start = now_us();
    soon(t, 300);
    ADD(Q_kv_get, APP, S("a"));
    rc = EXEC();
    CHECK(rc == STK_OK || rc == STK_E_TIMEOUT, "beyond the pool: %s", status_name(rc));
    CHECK(now_us() - start < 3000000u, "a deadline of 0.3 s was met after %.1f s",
          (double)(now_us() - start) / 1e6);
    t->deadline_us = 0;
    while (n)
        t_rollback(t, x[--n]);
    CHECK(number(t, "a") == 1, "the pool does not recover");
}

extern const struct test txn_tests[];
const struct test txn_tests[] = {
    {"C20.1", "uncommitted rows are never seen by others", no_dirty_reads},
    {"C20.2", "no update is lost under LOCK", lost_update},
    {"C20.3", "no write skew where the rows read are locked", write_skew},
    {"C20.4", "of concurrent inserts of one unique value one wins", phantom},
    {"C20.5", "compare-and-set by expectation has one winner", compare_and_set},
    {"C20.6", "LOCK reads the latest committed version, or RETRY; absent rows are fine",
     lock_reads_latest},
    {"C20.7", "concurrent UPSERT and IF_ABSENT lose nothing and never DUPLICATE",
     concurrent_upserts},
    {"C20.8", "transactions that cross end in RETRY, not in a hang", deadlocks},
    {"C21.1", "eight threads for seconds: every one its own answers", many_threads},
    {"C21.2", "more threads than connections are all served", more_than_the_pool},
    {"C22.1", "waiting for a row ends at the deadline, nothing applied", lock_wait_ends},
    {"C22.2", "after its deadline a write is applied and OK, or not and TIMEOUT", passed_deadline},
    {"C22.3", "an exhausted pool is TIMEOUT at the deadline, and recovers", pool_exhausted},
    {0},
};
