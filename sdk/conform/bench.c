/* SPDX-License-Identifier: Apache-2.0 */
/* --bench: microseconds and round trips of each operation, one thread. */
#include "conform.h"

enum { TIMES = 500 };

static struct {
    const char *name;
    uint64_t us;
    uint32_t trips, statements;
} row;

static void start(struct t *t)
{
    t->round_trips = t->statements = 0;
    row.us = now_us();
}

static void stop(struct t *t, const char *name)
{
    row.us = now_us() - row.us;
    printf("%-34s %9.1f us  %5.2f round trips  %5.2f statements\n", name, (double)row.us / TIMES,
           (double)t->round_trips / TIMES, (double)t->statements / TIMES);
    mem_reset(&t->mem);
}

static void key(char k[16], int i)
{
    snprintf(k, 16, "k%05d", i);
}

static void singles(struct t *t)
{
    char k[16];
    start(t);
    for (int i = 0; i < TIMES; i++) {
        key(k, i);
        ONE(Q_kv_insert, APP, S(k), S("value"), I(i));
    }
    stop(t, "insert");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        key(k, i);
        ONE(Q_kv_get, APP, S(k));
    }
    stop(t, "select by primary key");
    start(t);
    for (int i = 0; i < TIMES; i++)
        ONE(Q_kv_page, APP, I(20));
    stop(t, "select 20 rows in order");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        key(k, i);
        ONE(Q_kv_inc, I(1), APP, S(k));
    }
    stop(t, "update by primary key");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        key(k, i);
        ONE(Q_kv_put, APP, S(k), S("other"), I(i));
    }
    stop(t, "upsert");
}

static void batches(struct t *t)
{
    char k[16];
    start(t);
    for (int i = 0; i < TIMES; i++) {
        for (int j = 0; j < 4; j++) {
            key(k, (i + j) % TIMES);
            ADD(Q_kv_get, APP, S(k));
        }
        OK(EXEC());
    }
    stop(t, "batch of 4 reads");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        for (int j = 0; j < 5; j++) {
            key(k, (i * 5 + j) % TIMES);
            ADD(Q_kv_inc, I(1), APP, S(k));
        }
        OK(EXEC());
    }
    stop(t, "batch of 5 writes");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        struct txn *x = t_txn(t, STK_TXN_RW);
        key(k, i);
        stk_call *get = ADD(Q_kv_lock, APP, S(k));
        OK(t_exec(t, x, 0));
        ADD(Q_kv_set_n, I(t_cell(t, get, 0, 1)->u.i + 1), APP, S(k));
        OK(t_exec(t, x, STK_X_COMMIT));
    }
    stop(t, "transaction: lock, write, commit");
    start(t);
    for (int i = 0; i < TIMES; i++) {
        key(k, i);
        ONE(Q_kv_delete, APP, S(k));
    }
    stop(t, "delete by primary key");
}

static void run(struct t *t)
{
    singles(t);
    batches(t);
}

extern const struct test bench_tests[];
const struct test bench_tests[] = {{"bench", "operations", run}, {0}};
