/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and transactions when every call fails in every way: what is retried,
 * what a lost commit means, and that nothing is left behind. */
#include "storage/counts.h"
#include "storage_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static const char *const statuses[] = {"DUPLICATE",   "EXPECT",  "RETRY",       "UNCERTAIN",
                                       "UNAVAILABLE", "TIMEOUT", "UNSUPPORTED", "ABORTED",
                                       "SCHEMA",      "CONFIG",  "NOMEM",       "INVALID",
                                       "TOO_BIG",     "DENIED",  "READ_ONLY",   "INTERNAL"};
enum { STATUSES = sizeof(statuses) / sizeof(statuses[0]) };

/* How a failure that stays is answered. */
static enum fail_kind kind_of(const char *status)
{
    static const char *const unavailable[] = {"RETRY",   "UNCERTAIN", "UNAVAILABLE",
                                              "TIMEOUT", "NOMEM",     "READ_ONLY"};
    for (int i = 0; i < 6; i++)
        if (strcmp(status, unavailable[i]) == 0)
            return FAIL_UNAVAILABLE;
    return strcmp(status, "TOO_BIG") == 0 ? FAIL_BAD_REQUEST : FAIL_INTERNAL;
}

/* For calls that are to be given up soon. */
static uint64_t patience_us = 20000000;

static void again(struct fix *f)
{
    fx_again(f);
    f->c.deadline_us = clock_us() + patience_us;
}

static void told(struct fix *f, const char *where, const char *status, unsigned n, const char *how)
{
    char text[128];
    snprintf(text, sizeof(text), "%s %s %u %s\n", where, status, n, how);
    rules(f, text);
}

static bool once_only(const struct fix *f)
{
    return f->c.held == NULL;
}

/* ----------------------------------------------------------------- batches */

static void batches(void **state)
{
    struct fix *f = *state;
    struct batch b;
    batch_init(&b, &f->c);
    assert_int_equal(storage_read(&f->c, f->s, &b), RC_OK);
    assert_int_equal(f->c.batches, 0);
    stk_call *get[100];
    char ids[50][8];
    for (int i = 0; i < 50; i++) {
        snprintf(ids[i], sizeof(ids[i]), "k%02d", i);
        stk_call *ins =
            BATCH(&b, q_one_insert, v_str(str_z(ids[i])), v_str(STR("v")), v_i64(i), v_null());
        assert_int_equal(ins->nrows, 1);
        get[i] = BATCH(&b, q_one_get, v_str(str_z(ids[i])));
        call_expect_rows(get[i], 1);
    }
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_OK);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(call_rows(get[i]), 1);
        assert_int_equal(cell_i64(call_row(get[i], 0), 1), i);
        assert_true(str_eqz(cell_str(call_row(get[i], 0), 0), "v"));
    }
    assert_int_equal(f->c.batches, 1);
    assert_int_equal(f->c.statements, 100);
    assert_int_equal(f->c.round_trips, 1);
    assert_true(once_only(f));

    struct str some[] = {STR("k03"), STR("k01"), STR("none")};
    batch_init(&b, &f->c);
    stk_call *in = BATCH(&b, q_one_in, v_strs(&f->arena, some, 3));
    stk_call *many = batch_add(&b, &q_one_insert,
                               (const stk_val[]){v_str(STR("x")), v_null(), v_null(), v_null(),
                                                 v_str(STR("y")), v_null(), v_null(), v_null()},
                               8);
    assert_int_equal(many->nrows, 2);
    stk_call *count = BATCH(&b, q_count_one);
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_OK);
    assert_int_equal(call_rows(in), 2);
    assert_int_equal(cell_i64(call_row(in, 0), 1), 1);
    assert_int_equal(call_affected(count), 52);
    assert_true(cell_null(call_row(in, 0), 0) == false);
}

static void secrets_are_wiped(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "a", 1);
    fx_again(f);
    assert_int_equal(fx_number(f, "a"), 1);
    assert_false(f->arena.wipe);
    struct batch b;
    batch_init(&b, &f->c);
    BATCH(&b, q_one_secret, v_str(STR("a")));
    assert_int_equal(storage_read(&f->c, f->s, &b), RC_OK);
    assert_true(f->arena.wipe);
}

/* ------------------------------------------------------------------- reads */

static int read_a(struct fix *f)
{
    struct batch b;
    again(f);
    batch_init(&b, &f->c);
    BATCH(&b, q_one_get, v_str(STR("a")));
    int rc = storage_read(&f->c, f->s, &b);
    assert_true(once_only(f));
    return rc;
}

static void reads_fail(void **state)
{
    struct fix *f = *state;
    for (int i = 0; i < STATUSES; i++) {
        const char *st = statuses[i];
        told(f, "exec", st, 1000, "");
        patience_us = 100000;
        int rc = read_a(f);
        patience_us = 20000000;
        if (strcmp(st, "DUPLICATE") == 0) {
            assert_int_equal(rc, RC_DUPLICATE);
        } else if (strcmp(st, "EXPECT") == 0) {
            assert_int_equal(rc, RC_EXPECT);
        } else {
            assert_int_equal(rc, RC_FAIL);
            assert_int_equal(f->c.fail, kind_of(st));
            assert_true(f->c.fail_text.len > 0);
            if (f->c.fail == FAIL_INTERNAL)
                assert_true(str_eqz(f->c.fail_text, "Internal Error"));
        }
        rules(f, NULL);
        assert_int_equal(read_a(f), RC_OK);
    }
    told(f, "exec", "RETRY", 10, "");
    assert_int_equal(read_a(f), RC_OK);
    assert_int_equal(f->c.batches, 11);
    told(f, "exec", "UNAVAILABLE", 2, "");
    assert_int_equal(read_a(f), RC_OK);
    told(f, "exec", "TIMEOUT", 1, "");
    assert_int_equal(read_a(f), RC_FAIL);
    assert_true(str_has(f->c.fail_text, "inject: exec was told to fail"));
}

static void retries_end(void **state)
{
    struct fix *f = *state;
    told(f, "exec", "RETRY", 100000, "");
    struct batch b;
    batch_init(&b, &f->c);
    BATCH(&b, q_one_get, v_str(STR("a")));
    uint64_t start = clock_us();
    f->c.deadline_us = start + 200000;
    assert_int_equal(storage_read(&f->c, f->s, &b), RC_FAIL);
    assert_true(clock_us() - start < 5000000);
    assert_int_equal(f->c.fail, FAIL_UNAVAILABLE);
    assert_true(f->c.batches > 1);
}

/* ------------------------------------------------------------------ writes */

static void too_big_names_the_field(void **state)
{
    struct fix *f = *state;
    struct batch b;
    batch_init(&b, &f->c);
    BATCH(&b, q_one_insert, v_str(STR("a")), v_str(STR("123456789")), v_null(), v_null());
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_FAIL);
    assert_int_equal(f->c.fail, FAIL_BAD_REQUEST);
    assert_string_equal(f->c.fail_text.p, "Field 'v' is too long: it may have 8 characters");
}

static void duplicates_name_the_key(void **state)
{
    struct fix *f = *state;
    struct batch b;
    for (int i = 0; i < 2; i++) {
        batch_init(&b, &f->c);
        BATCH(&b, q_one_put, v_str(i ? STR("b") : STR("a")), v_null(), v_i64(1), v_null());
        BATCH(&b, q_two_insert, v_str(i ? STR("2") : STR("1")), v_str(STR("e@x")));
        assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), i ? RC_DUPLICATE : RC_OK);
    }
    assert_int_equal(f->c.dup_table, T_TWO);
    assert_int_equal(f->c.dup_key, TWO_KEY_EMAIL);
    assert_int_equal(f->c.fail, FAIL_NONE);
    assert_int_equal(fx_number(f, "b"), -1);
    batch_init(&b, &f->c);
    BATCH(&b, q_one_put, v_str(STR("c")), v_null(), v_i64(1), v_null());
    call_expect_affected(BATCH(&b, q_one_delete, v_str(STR("absent"))), 1);
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_EXPECT);
    assert_int_equal(fx_number(f, "c"), -1);
}

/* Counts how often it is asked; sees the row late where told. */
struct witness {
    unsigned asked, blind;
    const char *id;
};

static int sees_row(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct witness *w = arg;
    struct batch b;
    batch_init(&b, c);
    stk_call *get = BATCH(&b, q_one_get, v_str(str_z(w->id)));
    int rc = storage_read(c, s, &b);
    w->asked++;
    *applied = rc == RC_OK && call_rows(get) > 0 && w->asked > w->blind;
    return rc;
}

static int insert_row(struct fix *f, const char *id, witness_fn fn, struct witness *w)
{
    struct batch b;
    again(f);
    batch_init(&b, &f->c);
    BATCH(&b, q_one_insert, v_str(str_z(id)), v_null(), v_i64(5), v_null());
    int rc = storage_write(&f->c, f->s, &b, fn, w);
    assert_true(once_only(f));
    return rc;
}

static void lost_answers(void **state)
{
    struct fix *f = *state;
    struct witness w = {.id = "a"};
    rules(f, "exec:one_insert UNCERTAIN 1 applied\n");
    assert_int_equal(insert_row(f, "a", sees_row, &w), RC_OK);
    assert_int_equal(w.asked, 1);
    assert_int_equal(fx_number(f, "a"), 5);

    w = (struct witness){.id = "b"};
    rules(f, "exec:one_insert UNCERTAIN 2\n");
    assert_int_equal(insert_row(f, "b", sees_row, &w), RC_OK);
    assert_int_equal(w.asked, 2);
    assert_int_equal(fx_number(f, "b"), 5);

    /* The commit shows only after the first look: the second attempt collides
     * with the first one, which then is found to be it. */
    w = (struct witness){.id = "c", .blind = 1};
    rules(f, "exec:one_insert UNCERTAIN 1 applied\n");
    assert_int_equal(insert_row(f, "c", sees_row, &w), RC_OK);
    assert_int_equal(w.asked, 2);

    /* A collision with another one's row is still a collision. */
    w = (struct witness){.id = "mine"};
    rules(f, "exec:one_insert UNCERTAIN 1\n");
    assert_int_equal(insert_row(f, "a", sees_row, &w), RC_DUPLICATE);

    /* A witness that cannot look: nobody knows. */
    w = (struct witness){.id = "d"};
    rules(f, "exec:one_insert UNCERTAIN 1 applied\nexec:one_get UNAVAILABLE 9\n");
    assert_int_equal(insert_row(f, "d", sees_row, &w), RC_FAIL);
    assert_int_equal(f->c.fail, FAIL_UNAVAILABLE);
    assert_int_equal(fx_number(f, "d"), 5);
}

static void lost_answers_without_witness(void **state)
{
    struct fix *f = *state;
    rules(f, "exec:one_insert UNCERTAIN 1\n");
    assert_int_equal(insert_row(f, "a", NULL, NULL), RC_FAIL);
    assert_int_equal(f->c.fail, FAIL_UNAVAILABLE);
    assert_int_equal(fx_number(f, "a"), -1); /* never run again blindly */
    fx_again(f);
    struct batch b;
    batch_init(&b, &f->c);
    BATCH(&b, q_one_put, v_str(STR("b")), v_null(), v_i64(2), v_null());
    rules(f, "exec:one_put UNCERTAIN 1 applied\n");
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_OK);
    assert_int_equal(fx_number(f, "b"), 2);
}

static void writes_fail(void **state)
{
    struct fix *f = *state;
    for (int i = 0; i < STATUSES; i++) {
        char id[16];
        snprintf(id, sizeof(id), "w%d", i);
        struct witness w = {.id = id};
        told(f, "exec:one_insert", statuses[i], 1000, "");
        patience_us = 100000;
        int rc = insert_row(f, id, sees_row, &w);
        patience_us = 20000000;
        enum fail_kind fail = f->c.fail;
        assert_int_equal(fx_number(f, id), -1);
        if (rc == RC_FAIL)
            assert_int_equal(fail, kind_of(statuses[i]));
        else
            assert_int_equal(rc, strcmp(statuses[i], "EXPECT") ? RC_DUPLICATE : RC_EXPECT);
        assert_int_equal(insert_row(f, id, sees_row, &w), RC_OK);
    }
}

/* ------------------------------------------------------------- transactions */

/* Reads n, writes n + 1, commits; with a row of its own as witness. */
struct adder {
    const char *row, *mark;
    unsigned runs;
    bool empty_commit;
    int again; /* how often it asks itself to start over */
    int outcome;
};

static int add_one(struct txn *t, void *arg)
{
    struct adder *a = arg;
    struct ctx *c = txn_ctx(t);
    a->runs++;
    if (a->again-- > 0)
        return RC_RETRY;
    struct batch b;
    batch_init(&b, c);
    stk_call *get = BATCH(&b, q_one_get, v_str(str_z(a->row)));
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    batch_init(&b, c);
    int64_t n = cell_i64(call_row(get, 0), 1);
    BATCH(&b, q_one_put, v_str(str_z(a->row)), v_null(), v_i64(n + 1), v_null());
    if (a->mark)
        BATCH(&b, q_one_insert, v_str(str_z(a->mark)), v_null(), v_i64(1), v_null());
    if (a->empty_commit) {
        rc = txn_exec(t, &b);
        if (rc != RC_OK)
            return rc;
        batch_init(&b, c);
    }
    if (a->outcome > 0)
        return a->outcome;
    return txn_commit(t, &b);
}

static int add(struct fix *f, struct adder *a)
{
    again(f);
    int rc = storage_transact(&f->c, f->s, add_one, NULL, a);
    assert_true(once_only(f));
    return rc;
}

/* The witness and fn share arg: this one carries both. */
struct both {
    struct adder a;
    struct witness w;
};

static int add_both(struct txn *t, void *arg)
{
    return add_one(t, &((struct both *)arg)->a);
}

static int sees_both(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    return sees_row(c, s, &((struct both *)arg)->w, applied);
}

static int add_witnessed(struct fix *f, struct both *x)
{
    again(f);
    x->w.id = x->a.mark;
    int rc = storage_transact(&f->c, f->s, add_both, sees_both, x);
    assert_true(once_only(f));
    return rc;
}

static void transactions(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "n", 0);
    struct adder a = {.row = "n"};
    assert_int_equal(add(f, &a), RC_OK);
    assert_int_equal(fx_number(f, "n"), 1);
    a = (struct adder){.row = "n", .empty_commit = true};
    assert_int_equal(add(f, &a), RC_OK);
    assert_int_equal(fx_number(f, "n"), 2);
    a = (struct adder){.row = "n", .empty_commit = true, .outcome = 42};
    assert_int_equal(add(f, &a), 42);
    assert_int_equal(fx_number(f, "n"), 2);
    a = (struct adder){.row = "n", .again = 3};
    assert_int_equal(add(f, &a), RC_OK);
    assert_int_equal(a.runs, 4);
    assert_int_equal(fx_number(f, "n"), 3);
}

static void run_again(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "n", 0);
    static const char *const conflicts[] = {"begin RETRY 2\n",
                                            "exec:one_get RETRY 3\n",
                                            "exec:one_put RETRY 3\n",
                                            "commit RETRY 2\n",
                                            "exec:one_put UNAVAILABLE 2\n",
                                            "begin UNAVAILABLE 1\nexec RETRY 1\ncommit RETRY 1\n"};
    for (int i = 0; i < 6; i++) {
        struct adder a = {.row = "n", .empty_commit = true};
        rules(f, conflicts[i]);
        assert_int_equal(add(f, &a), RC_OK);
        assert_int_equal(fx_number(f, "n"), i + 1);
    }
    struct adder a = {.row = "n"};
    rules(f, "exec:one_put RETRY 100000\n");
    assert_int_equal(add(f, &a), RC_FAIL);
    assert_int_equal(f->c.fail, FAIL_UNAVAILABLE);
    assert_true(a.runs > 10 && a.runs < 100);
    assert_int_equal(fx_number(f, "n"), 6);
}

/* What is said of retries, errors and ends: each told at most once. */
static void all_is_counted(void **state)
{
    struct fix *f = *state;
    const struct storage_counts *n = storages_counts(f->ss);
    fx_put_row(f, "n", 0);
    uint64_t gets = counted(&n->queries[Q_ONE_GET].calls), done = counted(&n->committed);
    struct adder a = {.row = "n", .empty_commit = true};
    rules(f, "begin UNAVAILABLE 1\nexec:one_get RETRY 3\ncommit RETRY 1\n");
    assert_int_equal(add(f, &a), RC_OK);
    assert_int_equal(counted(&n->queries[Q_ONE_GET].calls) - gets, 5);
    assert_int_equal(counted(&n->queries[Q_ONE_GET].by_status[-STK_E_RETRY]), 3);
    assert_int_equal(counted(&n->transaction.by_status[-STK_E_UNAVAILABLE]), 1);
    assert_int_equal(counted(&n->transaction.by_status[-STK_E_RETRY]), 1);
    assert_int_equal(counted(&n->again[AGAIN_CONFLICT]), 4);
    assert_int_equal(counted(&n->again[AGAIN_CONNECTION]), 1);
    assert_int_equal(counted(&n->again[AGAIN_UNCERTAIN]), 0);
    assert_int_equal(counted(&n->committed) - done, 1);
    assert_int_equal(counted(&n->rolled_back), 5);
    struct both x = {.a = {.row = "n", .mark = "counted", .empty_commit = true}};
    rules(f, "commit UNCERTAIN 1\n");
    assert_int_equal(add_witnessed(f, &x), RC_OK);
    assert_int_equal(counted(&n->again[AGAIN_UNCERTAIN]), 1);
    assert_string_equal(count_status_name(-STK_E_RETRY), "conflict");
    assert_string_equal(count_status_name(-STK_E_INTERNAL), "internal");
    assert_string_equal(count_status_name(99), "internal");
}

/* Every status at every call of a transaction. */
static void transactions_fail(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "n", 0);
    static const char *const calls[] = {"begin", "exec:one_get", "exec:one_put", "commit"};
    int64_t n = 0;
    for (int c = 0; c < 4; c++)
        for (int i = 0; i < STATUSES; i++) {
            char mark[16];
            snprintf(mark, sizeof(mark), "m%d-%d", c, i);
            struct both x = {.a = {.row = "n", .mark = mark, .empty_commit = true}};
            told(f, calls[c], statuses[i], 1000, "");
            patience_us = 100000;
            int rc = add_witnessed(f, &x);
            patience_us = 20000000;
            enum fail_kind fail = f->c.fail;
            rules(f, NULL);
            assert_int_equal(fx_number(f, "n"), n);
            assert_int_equal(fx_number(f, mark), -1);
            if (rc == RC_FAIL)
                assert_int_equal(fail, kind_of(statuses[i]));
            else
                assert_int_equal(rc, strcmp(statuses[i], "EXPECT") ? RC_DUPLICATE : RC_EXPECT);
            x = (struct both){.a = {.row = "n", .mark = mark}};
            assert_int_equal(add_witnessed(f, &x), RC_OK);
            assert_int_equal(fx_number(f, "n"), ++n);
        }
}

static void lost_commits(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "n", 0);
    struct both x = {.a = {.row = "n", .mark = "a"}};
    rules(f, "exec:one_put UNCERTAIN 1 applied\n");
    assert_int_equal(add_witnessed(f, &x), RC_OK);
    assert_int_equal(x.a.runs, 1);
    assert_int_equal(fx_number(f, "n"), 1);

    x = (struct both){.a = {.row = "n", .mark = "b", .empty_commit = true}};
    rules(f, "commit UNCERTAIN 1\n");
    assert_int_equal(add_witnessed(f, &x), RC_OK);
    assert_int_equal(x.a.runs, 2);
    assert_int_equal(fx_number(f, "n"), 2);

    x = (struct both){.a = {.row = "n", .mark = "c"}, .w = {.blind = 1}};
    rules(f, "exec:one_put UNCERTAIN 1 applied\n");
    assert_int_equal(add_witnessed(f, &x), RC_OK);
    assert_int_equal(x.a.runs, 2);
    assert_int_equal(fx_number(f, "n"), 3);

    struct adder a = {.row = "n", .mark = "d"};
    rules(f, "exec:one_put UNCERTAIN 1 applied\n");
    assert_int_equal(add(f, &a), RC_FAIL);
    assert_int_equal(f->c.fail, FAIL_UNAVAILABLE);
    assert_true(str_has(f->c.fail_text, "inject"));
    assert_int_equal(a.runs, 1);
    assert_int_equal(fx_number(f, "n"), 4);
}

/* ----------------------------------------------------------------- threads */

enum { THREADS = 6, ROUNDS = 40 };

static void *add_many(void *arg)
{
    struct fix *f = arg;
    struct arena arena;
    arena_init(&arena);
    void *wrong = NULL;
    for (int i = 0; i < ROUNDS; i++) {
        struct ctx c = {.arena = &arena, .deadline_us = clock_us() + 20000000};
        struct adder a = {.row = "n"};
        if (storage_transact(&c, f->s, add_one, NULL, &a) != RC_OK)
            wrong = f;
        arena_reset(&arena);
    }
    arena_free(&arena);
    return wrong;
}

static void nothing_is_lost(void **state)
{
    struct fix *f = *state;
    fx_put_row(f, "n", 0);
    rules(f, "exec:one_get RETRY 20\nexec:one_put RETRY 20\nbegin RETRY 10\nexec UNAVAILABLE 2\n");
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, add_many, f), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(fx_number(f, "n"), THREADS * ROUNDS);
}

/* The weaker thread models: the plugin is never entered twice at a time. */
static void weaker_models(void **state)
{
    struct fix *f = *state;
    struct stk_plugin *v = (struct stk_plugin *)(uintptr_t)&f->plugin->v;
    for (uint8_t model = STK_THREAD_SERIAL; model <= STK_THREAD_PER_DB; model++) {
        v->thread_model = model;
        nothing_is_lost(state);
        struct ctx c = {.arena = &f->arena, .deadline_us = clock_us() + 100000};
        stk_health h;
        assert_int_equal(storage_health(f->s, c.arena, 100, &h, &f->error), STK_OK);
    }
    v->thread_model = STK_THREAD_PARALLEL;
}

/* ---------------------------------------------------- what a caller may not do */

static int reads_elsewhere(struct txn *t, void *arg)
{
    struct fix *f = arg;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    BATCH(&b, q_one_get, v_str(STR("a")));
    return storage_read(txn_ctx(t), f->s, &b);
}

static int goes_on(struct txn *t, void *arg)
{
    struct fix *f = arg;
    rules(f, "exec SCHEMA 1\n");
    struct batch b;
    batch_init(&b, txn_ctx(t));
    BATCH(&b, q_one_get, v_str(STR("a")));
    (void)txn_exec(t, &b);
    return txn_exec(t, &b);
}

static int too_long_a_list(struct txn *t, void *arg)
{
    struct str *ids = arena_zalloc(txn_ctx(t)->arena, 1001 * sizeof(*ids));
    (void)arg;
    for (int i = 0; i < 1001; i++)
        ids[i] = STR("x");
    struct batch b;
    batch_init(&b, txn_ctx(t));
    BATCH(&b, q_one_in, v_strs(txn_ctx(t)->arena, ids, 1001));
    return txn_exec(t, &b);
}

static void mistakes_abort(void **state)
{
    struct fix *f = *state;
    static const txn_fn mistakes[] = {reads_elsewhere, goes_on, too_long_a_list};
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            if (!freopen("/dev/null", "w", stderr))
                _exit(2);
            storage_transact(&f->c, f->s, mistakes[i], NULL, f);
            _exit(0);
        }
        int st;
        assert_int_equal(waitpid(pid, &st, 0), pid);
        assert_true(WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT);
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(batches),
        T(secrets_are_wiped),
        T(reads_fail),
        T(retries_end),
        T(too_big_names_the_field),
        T(duplicates_name_the_key),
        T(lost_answers),
        T(lost_answers_without_witness),
        T(writes_fail),
        T(transactions),
        T(run_again),
        T(all_is_counted),
        T(transactions_fail),
        T(lost_commits),
        T(nothing_is_lost),
        T(weaker_models),
        T(mistakes_abort),
    };
    return cmocka_run_group_tests_name("storage_txn", tests, NULL, NULL);
}
