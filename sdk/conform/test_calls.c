/* SPDX-License-Identifier: Apache-2.0 */
/* C1 to C8: batches, expectations, duplicates, upserts, NULLs, memory. */
#include "conform.h"

static int64_t count(struct t *t)
{
    return (int64_t)ONE(Q_kv_count, APP)->result->affected;
}

static void put(struct t *t, const char *k, const char *v, int64_t n)
{
    ONE(Q_kv_insert, APP, S(k), S(v), I(n));
}

/* ------------------------------------------------------------------------ C1 */

static void in_order(struct t *t)
{
    ADD(Q_kv_insert, APP, S("a"), S("one"), I(1));
    ADD(Q_kv_inc, I(41), APP, S("a"));
    stk_call *get = ADD(Q_kv_get, APP, S("a"));
    stk_call *del = ADD(Q_kv_delete, APP, S("a"));
    stk_call *gone = ADD(Q_kv_get, APP, S("a"));
    ADD(Q_kv_insert, APP, S("a"), S("two"), I(2));
    stk_call *again = ADD(Q_kv_get, APP, S("a"));
    OK(EXEC());
    CHECK(get->result->nrows == 1 && t_cell(t, get, 0, 1)->u.i == 42, "a read missed the write");
    CHECK(del->result->affected == 1, "deleted %llu", (unsigned long long)del->result->affected);
    CHECK(gone->result->nrows == 0, "a read saw a row deleted before it");
    CHECK(again->result->nrows == 1 && cell_is(t_cell(t, again, 0, 0), "two"), "no second row");
    CHECK(again->result->status == STK_OK, "result.status is %s",
          status_name(again->result->status));
}

static void first_failure_stops(struct t *t)
{
    put(t, "taken", "x", 1);
    stk_call *a = ADD(Q_kv_insert, APP, S("new"), S("x"), I(1));
    stk_call *b = ADD(Q_kv_insert, APP, S("taken"), S("y"), I(2));
    stk_call *c = ADD(Q_kv_insert, APP, S("later"), S("x"), I(1));
    stk_call *d = ADD(Q_kv_get, APP, S("taken"));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    CHECK(t->err.call == 1, "err.call is %u instead of 1", t->err.call);
    CHECK(b->result->status == STK_E_DUPLICATE, "the failing result has %s",
          status_name(b->result->status));
    CHECK(c->result->status == STK_E_ABORTED && d->result->status == STK_E_ABORTED,
          "later results have %s and %s", status_name(c->result->status),
          status_name(d->result->status));
    (void)a;
    CHECK(count(t) == 1, "a batch that failed kept rows");
}

static void rows_are_one(struct t *t)
{
    enum { ROWS = 700 };
    stk_val *vals = stk_alloc(&t->mem.abi, sizeof(stk_val) * 4 * (ROWS + 1));
    char(*keys)[16] = stk_alloc(&t->mem.abi, sizeof(*keys) * (ROWS + 1));
    for (int i = 0; i <= ROWS; i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%04d", i % ROWS);
        vals[i * 4] = APP;
        vals[i * 4 + 1] = S(keys[i]);
        vals[i * 4 + 2] = i % 3 ? S("value") : NUL;
        vals[i * 4 + 3] = I(i);
    }
    t_add(t, Q_kv_insert, vals, 4 * (ROWS + 1));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    CHECK(count(t) == 0, "rows of a call whose last row failed were kept");
    t_add(t, Q_kv_insert, vals, 4 * ROWS);
    OK(EXEC());
    CHECK(count(t) == ROWS, "%lld rows instead of %d", (long long)count(t), ROWS);
    stk_call *last = ONE(Q_kv_get, APP, S("k0699"));
    CHECK(t_cell(t, last, 0, 1)->u.i == 699, "rows and values are mixed up");
    CHECK(t_cell(t, last, 0, 0)->type == STK_T_NULL, "NULL and values are mixed up");
}

static void longest_batch(struct t *t)
{
    uint32_t n = plug.v.max_batch < 256 ? plug.v.max_batch : 256;
    stk_call **get = stk_alloc(&t->mem.abi, sizeof(*get) * n);
    for (uint32_t i = 0; i < n; i++) {
        char k[16];
        snprintf(k, sizeof(k), "k%u", i / 2);
        get[i] = i % 2 ? ADD(Q_kv_get, APP, S(k)) : ADD(Q_kv_insert, APP, S(k), S("v"), I(i));
    }
    OK(EXEC());
    for (uint32_t i = 1; i < n; i += 2)
        CHECK(t_cell(t, get[i], 0, 1)->u.i == i - 1, "call %u has another one's answer", i);
}

static void counts_its_cost(struct t *t)
{
    ADD(Q_kv_get, APP, S("a"));
    ADD(Q_kv_get, APP, S("b"));
    OK(EXEC());
    CHECK(t->statements == 2, "2 calls were counted as %u statements", t->statements);
    CHECK(t->round_trips <= 16, "2 reads cost %u round trips", t->round_trips);
    if (plug.v.caps & STK_CAP_PIPELINE) {
        t->round_trips = 0;
        ADD(Q_kv_get, APP, S("a"));
        ADD(Q_kv_put, APP, S("b"), S("v"), I(1));
        ADD(Q_kv_get, APP, S("b"));
        OK(EXEC());
        CHECK(t->round_trips == 1, "PIPELINE is claimed, but a batch cost %u round trips",
              t->round_trips);
    }
}

/* -------------------------------------------------------------------- C2, C3 */

static void rollback_after_failure(struct t *t)
{
    put(t, "taken", "x", 1);
    for (int round = 0; round < 3; round++) {
        struct txn *x = t_txn(t, STK_TXN_RW);
        ADD(Q_kv_insert, APP, S("new"), S("x"), I(1));
        OK(t_exec(t, x, 0));
        ADD(Q_kv_insert, APP, S("taken"), S("x"), I(1));
        EXPECT(t_exec(t, x, 0), STK_E_DUPLICATE);
        t_rollback(t, x);
        CHECK(count(t) == 1, "rows of a transaction that failed were kept");
    }
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_insert, APP, S("new"), S("x"), I(1));
    ADD(Q_kv_insert, APP, S("taken"), S("x"), I(1));
    EXPECT(t_exec(t, x, STK_X_COMMIT), STK_E_DUPLICATE);
    t_rollback(t, x);
    CHECK(count(t) == 1, "a failed batch with COMMIT kept rows");
}

static void commit_and_rollback(struct t *t)
{
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_insert, APP, S("a"), S("x"), I(1));
    OK(t_exec(t, x, 0));
    ADD(Q_kv_insert, APP, S("b"), S("x"), I(1));
    stk_call *both = ADD(Q_kv_count, APP);
    OK(t_exec(t, x, 0));
    CHECK(both->result->affected == 2, "a transaction does not see its own writes");
    t_rollback(t, x);
    CHECK(count(t) == 0, "rollback() kept %lld rows", (long long)count(t));
    x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_insert, APP, S("a"), S("x"), I(1));
    OK(t_exec(t, x, 0));
    OK(t_commit(t, x));
    CHECK(count(t) == 1, "commit() did not keep the row");
}

static void commit_in_batch(struct t *t)
{
    /* More rounds than any pool has connections: none may be lost. */
    for (int i = 0; i < 120; i++) {
        char k[16];
        snprintf(k, sizeof(k), "k%d", i);
        struct txn *x = t_txn(t, STK_TXN_RW);
        ADD(Q_kv_insert, APP, S(k), S("x"), I(1));
        OK(t_exec(t, x, STK_X_COMMIT));
        x = t_txn(t, STK_TXN_RW);
        ADD(Q_kv_insert, APP, S(k), S("x"), I(1));
        EXPECT(t_exec(t, x, STK_X_COMMIT), STK_E_DUPLICATE);
        t_rollback(t, x);
    }
    CHECK(count(t) == 120, "%lld rows instead of 120", (long long)count(t));
}

static void idle_transactions(struct t *t)
{
    for (int i = 0; i < 60; i++) {
        t_rollback(t, t_txn(t, STK_TXN_RW));
        OK(t_commit(t, t_txn(t, STK_TXN_RW)));
        t_rollback(t, t_txn(t, STK_TXN_RO));
        OK(t_commit(t, t_txn(t, STK_TXN_RO)));
    }
    put(t, "a", "x", 1);
    struct txn *x = t_txn(t, STK_TXN_RO);
    stk_call *get = ADD(Q_kv_get, APP, S("a"));
    OK(t_exec(t, x, STK_X_COMMIT));
    CHECK(get->result->nrows == 1, "a read-only transaction does not see committed rows");
}

/* ------------------------------------------------------------------------ C4 */

static void expect_affected(struct t *t)
{
    put(t, "a", "x", 1);
    ADD(Q_kv_cas, I(2), APP, S("a"), I(1))->expect = STK_EXPECT_AFFECTED;
    t->calls[0]->expect_n = 1;
    stk_call *get = ADD(Q_kv_get, APP, S("a"));
    OK(EXEC());
    CHECK(t_cell(t, get, 0, 1)->u.i == 2, "the expected update was not made");

    ADD(Q_kv_insert, APP, S("b"), S("x"), I(1));
    stk_call *cas = ADD(Q_kv_cas, I(3), APP, S("a"), I(1));
    cas->expect = STK_EXPECT_AFFECTED;
    cas->expect_n = 1;
    stk_call *after = ADD(Q_kv_insert, APP, S("c"), S("x"), I(1));
    EXPECT(EXEC(), STK_E_EXPECT);
    CHECK(t->err.call == 1, "err.call is %u instead of 1", t->err.call);
    CHECK(cas->result->status == STK_E_EXPECT && after->result->status == STK_E_ABORTED,
          "the results have %s and %s", status_name(cas->result->status),
          status_name(after->result->status));
    CHECK(count(t) == 1, "rows were kept although an expectation was missed");
}

static void expect_delete_once(struct t *t)
{
    put(t, "token", "x", 1);
    for (int round = 0; round < 2; round++) {
        stk_call *del = ADD(Q_kv_delete, APP, S("token"));
        del->expect = STK_EXPECT_AFFECTED;
        del->expect_n = 1;
        ADD(Q_kv_insert, APP, S(round ? "twice" : "once"), S("x"), I(1));
        EXPECT(EXEC(), round ? STK_E_EXPECT : STK_OK);
    }
    CHECK(strcmp(t_joined(t, ONE(Q_kv_all, APP)), "once") == 0, "a token was consumed twice");
    stk_call *none = ADD(Q_kv_delete, APP, S("token"));
    none->expect = STK_EXPECT_AFFECTED;
    OK(EXEC());
    /* Too many is as wrong as too few. */
    put(t, "more", "x", 1);
    stk_call *all = ADD(Q_kv_delete_all, APP);
    all->expect = STK_EXPECT_AFFECTED;
    all->expect_n = 1;
    EXPECT(EXEC(), STK_E_EXPECT);
    CHECK(count(t) == 2, "more rows than expected were deleted, and kept so");
}

static void expect_rows(struct t *t)
{
    put(t, "a", "x", 1);
    put(t, "b", "x", 1);
    for (uint32_t n = 0; n <= 3; n++) {
        char k[16];
        snprintf(k, sizeof(k), "new%u", n);
        stk_call *all = ADD(Q_kv_in, APP, LIST(S("a"), S("b"), S("zz")));
        all->expect = STK_EXPECT_ROWS;
        all->expect_n = n;
        ADD(Q_kv_insert, APP, S(k), S("x"), I(1));
        EXPECT(EXEC(), n <= 2 ? STK_OK : STK_E_EXPECT);
    }
    CHECK(count(t) == 5, "%lld rows instead of 5", (long long)count(t));
}

static void expect_in_txn(struct t *t)
{
    put(t, "a", "x", 1);
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_insert, APP, S("b"), S("x"), I(1));
    OK(t_exec(t, x, 0));
    stk_call *del = ADD(Q_kv_delete, APP, S("absent"));
    del->expect = STK_EXPECT_AFFECTED;
    del->expect_n = 1;
    ADD(Q_kv_insert, APP, S("c"), S("x"), I(1));
    EXPECT(t_exec(t, x, STK_X_COMMIT), STK_E_EXPECT);
    t_rollback(t, x);
    CHECK(count(t) == 1, "rows were kept although an expectation was missed");
}

static void matched_not_changed(struct t *t)
{
    put(t, "a", "same", 1);
    put(t, "b", "same", 1);
    stk_call *set = ONE(Q_kv_set, S("same"), APP, S("a"));
    CHECK(set->result->affected == 1, "an update to the same value counts %llu rows",
          (unsigned long long)set->result->affected);
    set = ONE(Q_kv_set_all, S("same"), APP);
    CHECK(set->result->affected == 2, "an update to the same values counts %llu rows",
          (unsigned long long)set->result->affected);
    set = ONE(Q_kv_set, S("same"), APP, S("absent"));
    CHECK(set->result->affected == 0, "an update of no row counts %llu",
          (unsigned long long)set->result->affected);
    set = ADD(Q_kv_set, S("same"), APP, S("a"));
    set->expect = STK_EXPECT_AFFECTED;
    set->expect_n = 1;
    OK(EXEC());
}

/* ------------------------------------------------------------------------ C5 */

static void check_dup(struct t *t, uint16_t table, uint16_t key)
{
    CHECK(t->err.table == table, "err.table is %u instead of %u", t->err.table, table);
    CHECK(t->err.key == key, "err.key is %u instead of %u", t->err.key, key);
}

static void names_the_key(struct t *t)
{
    ONE(Q_pe_insert, APP, S("1"), S("a@x"), S("+1"), I(1), I(0));
    ADD(Q_pe_insert, APP, S("1"), S("b@x"), S("+2"), I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_PRIMARY);
    ADD(Q_pe_insert, APP, S("2"), S("a@x"), S("+2"), I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_EMAIL);
    ADD(Q_pe_insert, APP, S("2"), S("b@x"), S("+1"), I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_CONTACT);
    ADD(Q_kv_insert, APP, S("1"), S("v"), I(0));
    ADD(Q_kv_insert, APP, S("1"), S("v"), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_KV, 0);
    ONE(Q_pe_insert, APP, S("2"), S("b@x"), S("+1"), I(2), I(0)); /* half of the contact key */
}

static void names_the_key_of_update(struct t *t)
{
    ONE(Q_pe_insert, APP, S("1"), S("a@x"), S("+1"), I(1), I(0));
    ONE(Q_pe_insert, APP, S("2"), S("b@x"), S("+2"), I(1), I(0));
    ADD(Q_pe_set_email, S("a@x"), I(1), APP, S("2"));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_EMAIL);
    ADD(Q_pe_set_phone, S("+1"), I(1), APP, S("2"));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_CONTACT);
    stk_call *get = ONE(Q_pe_get, APP, S("2"));
    CHECK(cell_is(t_cell(t, get, 0, 0), "b@x") && t_cell(t, get, 0, 3)->u.i == 0,
          "a refused update changed the row");
    /* To its own value, and to one given up before in the same batch. */
    ADD(Q_pe_set_email, S("b@x"), I(1), APP, S("2"));
    ADD(Q_pe_set_email, S("c@x"), I(1), APP, S("1"));
    ADD(Q_pe_set_email, S("a@x"), I(1), APP, S("2"));
    OK(EXEC());
}

static void names_a_key_of_many(struct t *t)
{
    ONE(Q_pe_insert, APP, S("1"), S("a@x"), S("+1"), I(1), I(0));
    /* Violates two keys at once: either may be named. */
    ADD(Q_pe_insert, APP, S("1"), S("a@x"), S("+9"), I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    CHECK(t->err.table == T_PERSON && (t->err.key == PE_KEY_PRIMARY || t->err.key == PE_KEY_EMAIL),
          "err names table %u key %u", t->err.table, t->err.key);
    /* Among several rows of one call. */
    ADD(Q_pe_insert, APP, S("3"), S("c@x"), NUL, I(1), I(0), APP, S("4"), S("d@x"), NUL, I(1), I(0),
        APP, S("5"), S("c@x"), NUL, I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    check_dup(t, T_PERSON, PE_KEY_EMAIL);
    CHECK(ONE(Q_pe_count, APP)->result->affected == 1, "rows of a refused call were kept");
}

/* ------------------------------------------------------------------------ C6 */

static void if_absent(struct t *t)
{
    put(t, "b", "old", 1);
    stk_call *c = ONE(Q_kv_if_absent, APP, S("a"), S("new"), I(2), APP, S("b"), S("new"), I(2), APP,
                      S("c"), S("new"), I(2), APP, S("c"), S("again"), I(3));
    CHECK(c->result->affected == 0 && c->result->nrows == 0, "IF_ABSENT gave a count");
    stk_call *all = ONE(Q_kv_all, APP);
    CHECK(strcmp(t_joined(t, all), "a b c") == 0, "keys are %s", t_joined(t, all));
    CHECK(cell_is(t_cell(t, all, 1, 1), "old"), "IF_ABSENT changed a row");
    CHECK(cell_is(t_cell(t, all, 2, 1), "new"), "the second of two equal rows won");
    struct txn *x = t_txn(t, STK_TXN_RW);
    ADD(Q_kv_if_absent, APP, S("a"), S("x"), I(9), APP, S("d"), S("x"), I(9));
    OK(t_exec(t, x, 0));
    stk_call *in = ADD(Q_kv_in, APP, LIST(S("a"), S("d")));
    OK(t_exec(t, x, STK_X_COMMIT));
    CHECK(strcmp(t_joined(t, in), "a d") == 0, "in a transaction: %s", t_joined(t, in));
}

static void upsert(struct t *t)
{
    stk_call *c = ONE(Q_kv_upsert, APP, S("a"), S("first"), I(5));
    CHECK(c->result->affected == 0 && c->result->nrows == 0, "UPSERT gave a count");
    ONE(Q_kv_upsert, APP, S("a"), S("second"), I(7), APP, S("b"), S("first"), I(1));
    stk_call *all = ONE(Q_kv_all, APP);
    CHECK(all->result->nrows == 2, "%u rows instead of 2", all->result->nrows);
    CHECK(cell_is(t_cell(t, all, 0, 1), "first"), "KEEP did not keep");
    CHECK(t_cell(t, all, 0, 2)->u.i == 12, "INC made %lld of 5 and 7",
          (long long)t_cell(t, all, 0, 2)->u.i);
    ONE(Q_kv_put, APP, S("a"), S("third"), I(-1));
    all = ONE(Q_kv_all, APP);
    CHECK(cell_is(t_cell(t, all, 0, 1), "third") && t_cell(t, all, 0, 2)->u.i == -1,
          "SET did not overwrite");
    ONE(Q_kv_put, APP, S("a"), NUL, NUL);
    all = ONE(Q_kv_all, APP);
    CHECK(t_cell(t, all, 0, 1)->type == STK_T_NULL, "SET to NULL did not overwrite");
}

static void upsert_same_row(struct t *t)
{
    ONE(Q_kv_upsert, APP, S("a"), S("1"), I(1), APP, S("b"), S("1"), I(10), APP, S("a"), S("2"),
        I(2), APP, S("a"), S("3"), I(4), APP, S("b"), S("2"), I(20));
    stk_call *all = ONE(Q_kv_all, APP);
    CHECK(all->result->nrows == 2 && t_cell(t, all, 0, 2)->u.i == 7 &&
              t_cell(t, all, 1, 2)->u.i == 30,
          "rows that meet again in one call were not applied in order");
    CHECK(cell_is(t_cell(t, all, 0, 1), "1"), "KEEP did not keep");
}

static void no_counts(struct t *t)
{
    stk_call *ins = ONE(Q_kv_insert, APP, S("a"), S("v"), I(1), APP, S("b"), S("v"), I(1));
    CHECK(ins->result->affected == 0 && ins->result->nrows == 0, "INSERT gave a count");
    stk_call *get = ONE(Q_kv_all, APP);
    CHECK(get->result->affected == 0, "SELECT gave affected");
    CHECK(get->result->ncols == 3, "%u columns instead of 3", get->result->ncols);
    stk_call *n = ONE(Q_kv_count, APP);
    CHECK(n->result->affected == 2 && n->result->nrows == 0, "COUNT is %llu with %u rows",
          (unsigned long long)n->result->affected, n->result->nrows);
}

/* ------------------------------------------------------------------------ C7 */

static void null_in_unique(struct t *t)
{
    for (int i = 0; i < 3; i++) {
        char id[32];
        snprintf(id, sizeof(id), "n%d", i);
        ONE(Q_pe_insert, APP, S(id), NUL, NUL, I(1), I(0));
    }
    ONE(Q_pe_insert, APP, S("p1"), NUL, S("+1"), I(1), I(0));
    ADD(Q_pe_insert, APP, S("p2"), NUL, S("+1"), I(1), I(0));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    stk_call *nulls = ONE(Q_pe_email_null, APP);
    CHECK(strcmp(t_joined(t, nulls), "n0 n1 n2 p1") == 0, "IS_NULL finds %s", t_joined(t, nulls));
    ONE(Q_pe_set_email, S("a@x"), I(1), APP, S("n0"));
    ADD(Q_pe_set_email, S("a@x"), I(1), APP, S("n1"));
    EXPECT(EXEC(), STK_E_DUPLICATE);
    ONE(Q_pe_set_email, NUL, I(1), APP, S("n0"));
    ONE(Q_pe_set_email, S("a@x"), I(1), APP, S("n1"));
}

static void null_never_compares(struct t *t)
{
    put(t, "a", "x", 0);
    ONE(Q_kv_insert, APP, S("b"), S("x"), NUL);
    ONE(Q_kv_insert_short, APP, S("c"));
    stk_call *c = ONE(Q_kv_get, APP, S("c"));
    CHECK(t_cell(t, c, 0, 0)->type == STK_T_NULL && t_cell(t, c, 0, 1)->type == STK_T_NULL,
          "columns that were not given are not NULL");
#define JOINED_IS(call, want)                                                                      \
    do {                                                                                           \
        const char *got_ = t_joined(t, (call));                                                    \
        CHECK(strcmp(got_, (want)) == 0, "found \"%s\" instead of \"%s\"", got_, (want));          \
    } while (0)
    JOINED_IS(ONE(Q_kv_n_null, APP), "b c");
    JOINED_IS(ONE(Q_kv_n_not_null, APP), "a");
    JOINED_IS(ONE(Q_kv_n_eq, APP, I(0)), "a");
    JOINED_IS(ONE(Q_kv_n_lt, APP, I(INT64_MAX)), "a");
    JOINED_IS(ONE(Q_kv_n_ge, APP, I(INT64_MIN)), "a");
    JOINED_IS(ONE(Q_kv_n_in, APP, LIST(I(0), I(1))), "a");
    ONE(Q_pe_insert, APP, S("1"), NUL, NUL, I(1), I(0));
    ONE(Q_pe_insert, APP, S("2"), S(""), NUL, I(1), I(0));
    JOINED_IS(ONE(Q_pe_email_prefix, APP, S("")), "2");
    JOINED_IS(ONE(Q_pe_email_ge, APP, S("")), "2");
    JOINED_IS(ONE(Q_pe_by_emails, APP, LIST(S(""))), "2");
}

static void not_null(struct t *t)
{
    ADD(Q_kv_insert, APP, NUL, S("v"), I(1));
    EXPECT(EXEC(), STK_E_INVALID);
    ADD(Q_pe_insert, APP, S("1"), S("e"), S("p"), NUL, I(1));
    EXPECT(EXEC(), STK_E_INVALID);
    CHECK(ONE(Q_pe_count, APP)->result->affected == 0 && count(t) == 0, "a row was kept");
    ADD(Q_kv_n_eq, APP, NUL);
    EXPECT(EXEC(), STK_E_INVALID);
}

/* ------------------------------------------------------------------------ C8 */

static void results_stay(struct t *t)
{
    enum { ROWS = 300 };
    char *text = malloc(201);
    if (!text)
        abort();
    for (int i = 0; i < ROWS; i++) {
        char k[16];
        snprintf(k, sizeof(k), "k%03d", i);
        memset(text, 'a' + i % 26, 200);
        text[200] = '\0';
        /* Borrowed for the call only: overwritten right after it. */
        stk_call *c = ADD(Q_kv_insert, APP, S(k), S(text), I(i));
        ((stk_val *)(uintptr_t)c->params)[2] = S(text);
        OK(EXEC());
    }
    free(text);
    stk_call *all = ONE(Q_kv_all, APP);
    for (int i = 0; i < 40; i++)
        ONE(Q_kv_set_all, S("overwritten"), APP);
    ONE(Q_kv_delete_all, APP);
    for (int i = 0; i < ROWS; i++) {
        const stk_val *v = t_cell(t, all, (uint32_t)i, 1);
        const char *p = v->u.p;
        CHECK(v->type == STK_T_TEXT && v->len == 200 && p[0] == 'a' + i % 26 && p[199] == p[0],
              "a result changed before the arena was reset");
        CHECK(p[200] == '\0', "a TEXT result is not followed by NUL");
    }
}

static void zeroes_reserved(struct t *t)
{
    put(t, "a", "v", 1);
    stk_call *get = ONE(Q_kv_get, APP, S("a"));
    for (uint32_t i = 0; i < 2; i++) {
        const stk_val *v = t_cell(t, get, 0, i);
        CHECK(v->rsv[0] == 0 && v->rsv[1] == 0 && v->rsv[2] == 0, "reserved bytes are not zero");
    }
    CHECK(((uintptr_t)get->result->cells & 7u) == 0, "cells are not aligned");
    stk_call *none = ONE(Q_kv_get, APP, S("absent"));
    CHECK(none->result->nrows == 0, "a row that is not there");
}

extern const struct test calls_tests[];
const struct test calls_tests[] = {
    {"C1.1", "calls run in order, each sees the writes before it", in_order},
    {"C1.2", "the first failure stops a batch: later calls ABORTED, nothing kept",
     first_failure_stops},
    {"C1.3", "the rows of one insert are kept all or none", rows_are_one},
    {"C1.4", "a batch may be as long as max_batch says", longest_batch},
    {"C1.5", "statements and round trips are counted", counts_its_cost},
    {"C2.1", "after a failure in a transaction, rollback leaves nothing", rollback_after_failure},
    {"C3.1", "commit keeps, rollback drops, own writes are seen", commit_and_rollback},
    {"C3.2", "COMMIT in a batch commits and releases, failing it does not", commit_in_batch},
    {"C3.3", "transactions without a call cost nothing that lasts", idle_transactions},
    {"C4.1", "expected affected rows: met or nothing is kept", expect_affected},
    {"C4.2", "a row is deleted once, by expectation", expect_delete_once},
    {"C4.3", "expected rows of a read: at least n", expect_rows},
    {"C4.4", "a missed expectation fails COMMIT in the same batch", expect_in_txn},
    {"C4.5", "rows matched count, changed or not", matched_not_changed},
    {"C5.1", "DUPLICATE names the logical table and key", names_the_key},
    {"C5.2", "also when an update collides", names_the_key_of_update},
    {"C5.3", "one of them where several collide, and among several rows", names_a_key_of_many},
    {"C6.1", "IF_ABSENT skips rows that exist, without a count", if_absent},
    {"C6.2", "UPSERT: SET overwrites, INC adds, KEEP leaves", upsert},
    {"C6.3", "rows that meet again in one UPSERT apply in order", upsert_same_row},
    {"C6.4", "INSERT, UPSERT and SELECT give no affected count", no_counts},
    {"C7.1", "NULL in a unique key constrains nothing", null_in_unique},
    {"C7.2", "NULL equals, precedes and follows nothing; left out is NULL", null_never_compares},
    {"C7.3", "NULL for a NOT NULL column or as an operand is INVALID", not_null},
    {"C8.1", "results last until the arena is reset, parameters are borrowed", results_stay},
    {"C8.2", "cells are clean and aligned", zeroes_reserved},
    {0},
};
