/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite plugin: transactions, batches, threads, other processes, failures. */
#include "sql_plugin_fixture.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>

static stk_txn *begin(stk_db *db, int mode, uint64_t deadline)
{
    stk_txn *t = NULL;
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->begin(db, mode, deadline, &t, &err), STK_OK);
    return t;
}

static int64_t count_items(stk_db *db)
{
    must(call1(db, NULL, Q_ITEM_COUNT, VALS(stk_text("a")), 1));
    return (int64_t)RES.affected;
}

#define ITEM(id, n)                                                                                \
    VALS(stk_text("a"), stk_text(id), stk_i64(n), stk_bool(0), stk_null(), stk_null(), stk_null())
#define KEY(id) VALS(stk_text("a"), stk_text(id))

/* ------------------------------------------------------------ transactions */

static void commit_keeps_and_rollback_does_not(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    stk_err err = {.size = sizeof err};
    stk_txn *t = begin(db, STK_TXN_RW, 0);
    must(call1(db, t, Q_ITEM_INSERT, ITEM("1", 1), 1));
    must(call1(db, t, Q_ITEM_GET, KEY("1"), 1));
    assert_int_equal(RES.nrows, 1); /* sees its own writes */
    assert_int_equal(count_items(db), 0);
    assert_int_equal(plugin->commit(t, 0, &err), STK_OK);
    assert_int_equal(count_items(db), 1);
    t = begin(db, STK_TXN_RW, 0);
    must(call1(db, t, Q_ITEM_DELETE, KEY("1"), 1));
    plugin->rollback(t);
    assert_int_equal(count_items(db), 1);
    plugin->rollback(begin(db, STK_TXN_RW, 0)); /* never used */
    assert_int_equal(plugin->commit(begin(db, STK_TXN_RO, 0), 0, &err), STK_OK);
    t = NULL;
    assert_int_equal(plugin->begin(db, 7, 0, &t, &err), STK_E_UNSUPPORTED);
    plugin->close(db);
}

static void commit_rides_the_last_batch(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    struct run r;
    run_init(&r);
    run_add(&r, Q_ITEM_INSERT, ITEM("1", 1), 1);
    run_add(&r, Q_ITEM_GET, KEY("1"), 1);
    assert_int_equal(run_exec(&r, db, begin(db, STK_TXN_RW, 0), STK_X_COMMIT), STK_OK);
    assert_int_equal(r.results[1].nrows, 1);
    assert_int_equal(r.batch.round_trips, 1);
    assert_int_equal(r.batch.statements, 2);
    run_done(&r);
    run_init(&r); /* nothing but the commit */
    stk_txn *t = begin(db, STK_TXN_RW, 0);
    must(call1(db, t, Q_ITEM_INSERT, ITEM("2", 1), 1));
    assert_int_equal(run_exec(&r, db, t, STK_X_COMMIT), STK_OK);
    run_done(&r);
    assert_int_equal(count_items(db), 2);
    plugin->close(db);
}

static void first_failure_stops_the_batch(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 1, NULL);
    struct run r;
    for (int in_txn = 0; in_txn < 2; in_txn++) {
        stk_txn *t = in_txn ? begin(db, STK_TXN_RW, 0) : NULL;
        run_init(&r);
        run_add(&r, Q_ITEM_INSERT, ITEM("2", 1), 1);
        run_add(&r, Q_ITEM_INSERT, ITEM("1", 1), 1);
        run_add(&r, Q_ITEM_GET, KEY("1"), 1);
        assert_int_equal(run_exec(&r, db, t, STK_X_COMMIT), STK_E_DUPLICATE);
        assert_int_equal(r.err.call, 1);
        assert_int_equal(r.results[0].status, STK_OK);
        assert_int_equal(r.results[1].status, STK_E_DUPLICATE);
        assert_int_equal(r.results[2].status, STK_E_ABORTED);
        run_done(&r);
        if (t) {
            assert_int_equal(call1(db, t, Q_ITEM_GET, KEY("1"), 1), STK_E_INVALID);
            plugin->rollback(t);
        }
        assert_int_equal(count_items(db), 1);
    }
    plugin->close(db);
}

static void missed_expectation_undoes_all(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 1, NULL);
    struct run r;
    for (int round = 0; round < 2; round++) {
        run_init(&r);
        run_add(&r, Q_ITEM_DELETE, KEY("1"), 1);
        r.calls[0].expect = STK_EXPECT_AFFECTED;
        r.calls[0].expect_n = 1;
        run_add(&r, Q_ITEM_INSERT, ITEM(round ? "3" : "2", 1), 1);
        assert_int_equal(run_exec(&r, db, NULL, 0), round ? STK_E_EXPECT : STK_OK);
        assert_int_equal(r.results[1].status, round ? STK_E_ABORTED : STK_OK);
        run_done(&r);
        assert_int_equal(count_items(db), 1);
    }
    run_init(&r);
    run_add(&r, Q_ITEM_GET, KEY("9"), 1);
    r.calls[0].expect = STK_EXPECT_ROWS;
    r.calls[0].expect_n = 1;
    assert_int_equal(run_exec(&r, db, NULL, 0), STK_E_EXPECT);
    run_done(&r);
    plugin->close(db);
}

static void read_only_sees_one_moment(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 1, NULL);
    stk_txn *t = begin(db, STK_TXN_RO, 0);
    must(call1(db, t, Q_ITEM_COUNT, VALS(stk_text("a")), 1));
    put_item(db, "2", 1, NULL); /* a reader keeps no writer waiting */
    must(call1(db, t, Q_ITEM_COUNT, VALS(stk_text("a")), 1));
    assert_int_equal(RES.affected, 1);
    assert_int_equal(call1(db, t, Q_ITEM_DELETE, KEY("1"), 1), STK_E_INVALID);
    plugin->rollback(t);
    assert_int_equal(count_items(db), 2);
    plugin->close(db);
}

/* ----------------------------------------------------------------- threads */

enum { NTHREADS = 8, NROUNDS = 40 };

struct work {
    stk_db *db;
    pthread_t thread;
    atomic_int *errors, *wins;
    int number;
};

/* Reads a row for update, adds one, writes it back: nothing may get lost. */
static void *increment(void *arg)
{
    struct work *w = arg;
    const stk_val id = stk_text("1");
    for (int i = 0; i < NROUNDS; i++) {
        stk_err err = {.size = sizeof err};
        stk_txn *t = NULL;
        struct run r;
        run_init(&r);
        run_add(&r, Q_ITEM_LOCK, VALS(stk_text("a"), stk_list(&id, 1)), 1);
        if (plugin->begin(w->db, STK_TXN_RW, 0, &t, &err) || run_exec(&r, w->db, t, 0)) {
            atomic_fetch_add(w->errors, 1);
            continue;
        }
        int64_t n = r.results[0].cells[1].u.i;
        /* written as an absolute value through a delete and an insert */
        r.batch.ncalls = 0;
        run_add(&r, Q_ITEM_DELETE, KEY("1"), 1);
        run_add(&r, Q_ITEM_INSERT, ITEM("1", n + 1), 1);
        if (run_exec(&r, w->db, t, STK_X_COMMIT))
            atomic_fetch_add(w->errors, 1);
        run_done(&r);
    }
    return NULL;
}

static void *read_all_the_time(void *arg)
{
    struct work *w = arg;
    while (atomic_load(w->wins) == 0) {
        struct run r;
        run_init(&r);
        run_add(&r, Q_ITEM_GET, KEY("1"), 1);
        if (run_exec(&r, w->db, NULL, 0) || r.results[0].nrows != 1)
            atomic_fetch_add(w->errors, 1);
        run_done(&r);
    }
    return NULL;
}

static void concurrent_writers_lose_nothing(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 0, NULL);
    atomic_int errors = 0, stop = 0;
    struct work w[NTHREADS + 2];
    for (int i = 0; i < NTHREADS + 2; i++) {
        w[i] = (struct work){.db = db, .errors = &errors, .wins = &stop};
        pthread_create(&w[i].thread, NULL, i < NTHREADS ? increment : read_all_the_time, &w[i]);
    }
    for (int i = 0; i < NTHREADS; i++)
        pthread_join(w[i].thread, NULL);
    atomic_store(&stop, 1);
    for (int i = NTHREADS; i < NTHREADS + 2; i++)
        pthread_join(w[i].thread, NULL);
    assert_int_equal(errors, 0); /* busy never surfaces */
    must(call1(db, NULL, Q_ITEM_GET, KEY("1"), 1));
    assert_int_equal(CELL(0, I_N).u.i, NTHREADS * NROUNDS);
    plugin->close(db);
}

static void *take_once(void *arg)
{
    struct work *w = arg;
    struct run r;
    run_init(&r);
    run_add(&r, Q_ITEM_DELETE, KEY("token"), 1);
    r.calls[0].expect = STK_EXPECT_AFFECTED;
    r.calls[0].expect_n = 1;
    char id[16];
    snprintf(id, sizeof id, "w%d", w->number);
    run_add(&r, Q_ITEM_INSERT, ITEM(id, 1), 1);
    stk_status rc = run_exec(&r, w->db, NULL, 0);
    if (rc == STK_OK)
        atomic_fetch_add(w->wins, 1);
    else if (rc != STK_E_EXPECT)
        atomic_fetch_add(w->errors, 1);
    run_done(&r);
    return NULL;
}

static void one_of_many_takes_the_token(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "token", 1, NULL);
    atomic_int errors = 0, wins = 0;
    struct work w[NTHREADS];
    for (int i = 0; i < NTHREADS; i++) {
        w[i] = (struct work){.db = db, .errors = &errors, .wins = &wins, .number = i};
        pthread_create(&w[i].thread, NULL, take_once, &w[i]);
    }
    for (int i = 0; i < NTHREADS; i++)
        pthread_join(w[i].thread, NULL);
    assert_int_equal(errors, 0);
    assert_int_equal(wins, 1);
    assert_int_equal(count_items(db), 1);
    plugin->close(db);
}

static void deadlines_are_kept(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 0, NULL);
    stk_txn *holder = begin(db, STK_TXN_RW, 0);
    must(call1(db, holder, Q_ITEM_DELETE, KEY("1"), 1));
    uint64_t start = fix_now_us(NULL);
    stk_txn *t = begin(db, STK_TXN_RW, start + 60000);
    assert_int_equal(call1(db, t, Q_ITEM_DELETE, KEY("1"), 1), STK_E_TIMEOUT);
    uint64_t took = fix_now_us(NULL) - start;
    assert_true(took > 55000 && took < 5000000);
    plugin->rollback(t);
    assert_int_equal(count_items(db), 1); /* readers pass */
    plugin->rollback(holder);

    /* a deadline in the past, and one that passes while a statement runs */
    t = begin(db, STK_TXN_RO, 1);
    assert_int_equal(call1(db, t, Q_ITEM_COUNT, VALS(stk_text("a")), 1), STK_E_TIMEOUT);
    plugin->rollback(t);
    static stk_val rows[256 * 7];
    static char ids[256][12];
    for (int batch = 0; batch < 120; batch++) {
        for (int i = 0; i < 256; i++) {
            snprintf(ids[i], sizeof ids[i], "x%d", batch * 256 + i);
            memcpy(&rows[i * 7], ITEM(ids[i], i), 7 * sizeof(stk_val));
        }
        must(call1(db, NULL, Q_ITEM_INSERT, rows, 256));
    }
    t = begin(db, STK_TXN_RO, 0);
    must(call1(db, t, Q_ITEM_GET, KEY("1"), 1));
    run_done(&fix_last);
    run_init(&fix_last);
    run_add(&fix_last, Q_ITEM_RANGE, VALS(stk_text("a"), stk_i64(0), stk_i64(1000), stk_text("zz")),
            1);
    fix_last.batch.deadline_us = fix_now_us(NULL) + 100;
    assert_int_equal(run_exec(&fix_last, db, t, 0), STK_E_TIMEOUT);
    plugin->rollback(t);
    assert_int_equal(count_items(db), 120 * 256 + 1);
    plugin->close(db);
}

/* --------------------------------------------------------- other processes */

struct peer {
    pid_t pid;
    int to, from;
};

static void tell(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
}

/* A child that holds the write lock from its first word to the parent until the
 * parent's word to it. */
static struct peer lock_in_another_process(void)
{
    int to[2], from[2];
    assert_int_equal(pipe(to) | pipe(from), 0);
    struct peer p = {.pid = fork(), .to = to[1], .from = from[0]};
    if (p.pid == 0) {
        stk_db *db = fix_open_as("t.db", fixture(), 0);
        stk_txn *t = begin(db, STK_TXN_RW, 0);
        int rc = call1(db, t, Q_ITEM_INSERT, ITEM("child", 1), 1);
        tell(from[1]);
        hear(to[0]);
        stk_err err = {.size = sizeof err};
        rc = rc || plugin->commit(t, 0, &err);
        plugin->close(db);
        _exit(rc ? 1 : 0);
    }
    hear(p.from);
    return p;
}

static void another_process_is_waited_for(void **state)
{
    (void)state;
    plugin->close(fix_open());
    struct peer p = lock_in_another_process();
    stk_db *db = fix_open_as("t.db", fixture(), 0); /* opening needs no lock */
    assert_int_equal(count_items(db), 0);
    stk_txn *t = begin(db, STK_TXN_RW, fix_now_us(NULL) + 50000);
    assert_int_equal(call1(db, t, Q_ITEM_INSERT, ITEM("parent", 1), 1), STK_E_TIMEOUT);
    assert_non_null(strstr(fix_last.err.msg, "another process kept the database locked"));
    plugin->rollback(t);
    t = begin(db, STK_TXN_RW, 0);
    tell(p.to);
    must(call1(db, t, Q_ITEM_INSERT, ITEM("parent", 1), 1));
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->commit(t, 0, &err), STK_OK);
    int status;
    waitpid(p.pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(count_items(db), 2);
    plugin->close(db);
    close(p.to);
    close(p.from);
}

static void killed_process_leaves_all_that_was_told(void **state)
{
    (void)state;
    plugin->close(fix_open());
    int from[2];
    assert_int_equal(pipe(from), 0);
    pid_t pid = fork();
    if (pid == 0) {
        stk_db *db = fix_open_as("t.db", fixture(), 0);
        char id[12];
        for (int i = 0;; i++) {
            snprintf(id, sizeof id, "%d", i);
            if (call1(db, NULL, Q_ITEM_INSERT, ITEM(id, 1), 1))
                _exit(1);
            tell(from[1]);
        }
    }
    int told = 0;
    for (; told < 30; told++)
        hear(from[0]);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(from[1]);
    for (char c; read(from[0], &c, 1) == 1;)
        told++;
    close(from[0]);
    stk_db *db = fix_open_as("t.db", fixture(), 0);
    int64_t n = count_items(db);
    assert_true(n == told || n == told + 1); /* the last one may not have been told */
    plugin->close(db);
}

/* ---------------------------------------------------------------- failures */

static void full_disk_loses_nothing(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 1, NULL);
    static char body[4999];
    memset(body, 'x', sizeof body);
    struct rlimit old, small = {.rlim_cur = 200000, .rlim_max = RLIM_INFINITY};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    stk_status rc = STK_OK;
    int done = 0;
    for (char id[16]; rc == STK_OK && done < 200; done++) {
        snprintf(id, sizeof id, "big%d", done);
        rc = call1(db, NULL, Q_ITEM_INSERT,
                   VALS(stk_text("a"), stk_text(id), stk_i64(1), stk_bool(0), stk_null(),
                        stk_null(), stk_textn(body, sizeof body)),
                   1);
    }
    setrlimit(RLIMIT_FSIZE, &old);
    assert_true(rc == STK_E_UNAVAILABLE || rc == STK_E_READ_ONLY);
    assert_non_null(strstr(fix_last.err.msg, fix_path("t.db")));
    assert_int_equal(count_items(db), done);
    put_item(db, "2", 1, NULL); /* and goes on when there is room */
    assert_int_equal(count_items(db), done + 1);
    plugin->close(db);
}

static void *read_in_transactions(void *arg)
{
    struct work *w = arg;
    while (atomic_load(w->wins) == 0) {
        stk_err err = {.size = sizeof err};
        stk_txn *t = NULL;
        if (plugin->begin(w->db, STK_TXN_RO, 0, &t, &err)) {
            atomic_fetch_add(w->errors, 1);
            continue;
        }
        for (int i = 0; i < 20; i++) {
            struct run r;
            run_init(&r);
            run_add(&r, Q_ITEM_GET, KEY("1"), 1);
            if (run_exec(&r, w->db, t, 0))
                atomic_fetch_add(w->errors, 1);
            run_done(&r);
            sched_yield();
        }
        plugin->rollback(t);
    }
    return NULL;
}

/* There is always a snapshot in use, yet the log is started afresh. */
static void log_stays_bounded(void **state)
{
    (void)state;
    const char *heavy = getenv("STK_HEAVY");
    if (heavy && strcmp(heavy, "0") == 0)
        skip();
    stk_db *db = fix_open();
    put_item(db, "1", 1, NULL);
    atomic_int errors = 0, stop = 0;
    struct work w[4];
    for (int i = 0; i < 4; i++) {
        w[i] = (struct work){.db = db, .errors = &errors, .wins = &stop};
        pthread_create(&w[i].thread, NULL, read_in_transactions, &w[i]);
    }
    static char body[4999], ids[256][16];
    memset(body, 'x', sizeof body);
    static stk_val rows[256 * 7];
    int64_t peak = 0;
    for (int batch = 0; batch < 80; batch++) {
        for (int i = 0; i < 256; i++) {
            snprintf(ids[i], sizeof ids[i], "%d", 10 + batch * 256 + i);
            memcpy(&rows[i * 7], ITEM(ids[i], i), 7 * sizeof(stk_val));
            rows[i * 7 + I_BODY] = stk_textn(body, sizeof body);
        }
        must(call1(db, NULL, Q_ITEM_INSERT, rows, 256));
        struct stat st;
        assert_int_equal(stat(fix_path("t.db-wal"), &st), 0);
        peak = st.st_size > peak ? st.st_size : peak;
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 4; i++)
        pthread_join(w[i].thread, NULL);
    assert_int_equal(errors, 0);
    assert_true(peak < 60 * 1000 * 1000); /* 160 MB were written */
    plugin->close(db);
}

static int no_more(void **state)
{
    (void)state;
    run_done(&fix_last);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fix_setup, fix_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commit_keeps_and_rollback_does_not),
        TEST(commit_rides_the_last_batch),
        TEST(first_failure_stops_the_batch),
        TEST(missed_expectation_undoes_all),
        TEST(read_only_sees_one_moment),
        TEST(concurrent_writers_lose_nothing),
        TEST(one_of_many_takes_the_token),
        TEST(deadlines_are_kept),
        TEST(another_process_is_waited_for),
        TEST(killed_process_leaves_all_that_was_told),
        TEST(full_disk_loses_nothing),
        TEST(log_stays_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, no_more);
}
