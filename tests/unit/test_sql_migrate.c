/* SPDX-License-Identifier: Apache-2.0 */
/* The migration runner over a history kept in memory: states, locks, edited and
 * half-applied histories, hand-run scripts, many callers. */
#include "sql_fixture.h"

enum { MAX_ROWS = 8 };

/* The "database". */
struct base {
    pthread_mutex_t lock; /* what begin() takes */
    bool table;
    struct {
        uint32_t version, compat;
        char name[32], sha[65];
    } rows[MAX_ROWS], saved[MAX_ROWS];
    size_t n, nsaved;
    bool saved_table;
    int begins, scripts, failing; /* failing: version whose script fails */
    bool forgets;                 /* scripts do not record themselves */
    char last_body[64];
};

static void record(struct base *b, uint32_t version, uint32_t compat, const char *sha)
{
    b->table = true;
    b->rows[b->n].version = version;
    b->rows[b->n].compat = compat;
    snprintf(b->rows[b->n].name, 32, "%03u_step", version);
    snprintf(b->rows[b->n].sha, 65, "%s", sha ? sha : "");
    b->n++;
}

static stk_status f_exists(void *ud, bool *exists, stk_err *err)
{
    (void)err;
    *exists = ((struct base *)ud)->table;
    return STK_OK;
}

static stk_status f_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    struct base *b = ud;
    (void)err;
    assert_true(b->table); /* a failing SELECT would be an ERROR in a server's log */
    stk_status rc = STK_OK;
    for (size_t i = 0; !rc && i < b->n; i++) {
        struct stk_migrate_row r = {.version = b->rows[i].version,
                                    .compat = b->rows[i].compat,
                                    .applied_at = 1000 + b->rows[i].version,
                                    .name = b->rows[i].name,
                                    .sha256 = b->rows[i].sha[0] ? b->rows[i].sha : NULL};
        rc = row(rud, &r);
    }
    return rc;
}

static stk_status f_begin(void *ud, stk_err *err)
{
    struct base *b = ud;
    (void)err;
    pthread_mutex_lock(&b->lock);
    b->begins++;
    memcpy(b->saved, b->rows, sizeof b->rows);
    b->nsaved = b->n;
    b->saved_table = b->table;
    return STK_OK;
}

static stk_status f_end(void *ud, bool commit, stk_err *err)
{
    struct base *b = ud;
    (void)err;
    if (!commit) {
        memcpy(b->rows, b->saved, sizeof b->rows);
        b->n = b->nsaved;
        b->table = b->saved_table;
    }
    pthread_mutex_unlock(&b->lock);
    return STK_OK;
}

static stk_status f_script(void *ud, const stk_migration *m, const char *body, size_t len,
                           stk_err *err)
{
    struct base *b = ud;
    b->scripts++;
    snprintf(b->last_body, sizeof b->last_body, "%.*s", (int)len, body);
    if (!b->forgets)
        record(b, m->version, 1, NULL);
    if (b->failing == (int)m->version) {
        stk_err_set(err, STK_E_DENIED, "fake: permission denied");
        if (err)
            err->native = 42;
        return STK_E_DENIED;
    }
    return STK_OK;
}

static stk_status f_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    struct base *b = ud;
    (void)err;
    for (size_t i = 0; i < b->n; i++)
        if (b->rows[i].version == version)
            snprintf(b->rows[i].sha, 65, "%s", sha256);
    return STK_OK;
}

static const struct stk_migrate_ops ops = {.exists = f_exists,
                                           .read = f_read,
                                           .begin = f_begin,
                                           .end = f_end,
                                           .script = f_script,
                                           .set_sha = f_set_sha};

#define SCRIPT(v, body)                                                                            \
    {                                                                                              \
        (v), 0, "00" #v "_step", body, sizeof body - 1, "sha" #v                                   \
    }
static const stk_migration scripts[] = {SCRIPT(1, "BEGIN;\none\nCOMMIT;\n"), SCRIPT(2, "two\n"),
                                        SCRIPT(3, "three\n")};

static struct stk_migrate runner(struct base *b)
{
    return (struct stk_migrate){.plugin = "fake",
                                .ops = &ops,
                                .ud = b,
                                .host = &fix_host,
                                .manual = "run %s.sql now",
                                .scripts = scripts,
                                .nscripts = 3,
                                .catalog_version = 3};
}

static struct base fresh(void)
{
    struct base b = {.lock = PTHREAD_MUTEX_INITIALIZER};
    return b;
}

/* Collects what callbacks tell. */
struct heard {
    char text[512];
    int stop_at;
};

static int32_t on_progress(void *ud, const stk_progress *p)
{
    struct heard *h = ud;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%s %u/%u%s;", p->name, p->step, p->nsteps,
             p->text ? " dry" : "");
    return h->stop_at == (int)p->version;
}

static void on_state(void *ud, const stk_migration_state *s)
{
    struct heard *h = ud;
    size_t n = strlen(h->text);
    snprintf(h->text + n, sizeof h->text - n, "%u:%u ", s->version, s->state);
}

static stk_status run(struct base *b, uint32_t to, uint32_t flags, struct heard *h, stk_err *err)
{
    struct stk_migrate m = runner(b);
    *err = (stk_err){.size = sizeof *err};
    return stk_migrate_run(&m, to, flags, h ? on_progress : NULL, h, err);
}

static void fresh_database(void **state)
{
    (void)state;
    struct base b = fresh();
    struct heard h = {.text = ""};
    stk_err err;
    assert_int_equal(run(&b, 3, 0, &h, &err), STK_OK);
    assert_string_equal(h.text, "001_step 1/3;002_step 2/3;003_step 3/3;");
    assert_int_equal(b.scripts, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(b.rows[i].sha, scripts[i].sha256);
    int begins = b.begins;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_OK);
    assert_int_equal(b.begins, begins); /* nothing to do locks nothing */
}

static void up_to_and_dry_run(void **state)
{
    (void)state;
    struct base b = fresh();
    struct heard h = {.text = ""};
    stk_err err;
    assert_int_equal(run(&b, 2, STK_MIGRATE_DRY_RUN, &h, &err), STK_OK);
    assert_string_equal(h.text, "001_step 1/2 dry;002_step 2/2 dry;");
    assert_true(b.begins == 0 && b.n == 0);
    assert_int_equal(run(&b, 2, 0, NULL, &err), STK_OK);
    assert_int_equal(b.n, 2);
    h.text[0] = '\0';
    assert_int_equal(run(&b, 99, 0, &h, &err), STK_OK);
    assert_string_equal(h.text, "003_step 1/1;");
    assert_int_equal(run(&b, 3, 8, NULL, &err), STK_E_UNSUPPORTED);
}

static void stops_after_the_current_script(void **state)
{
    (void)state;
    struct base b = fresh();
    struct heard h = {.stop_at = 2};
    stk_err err;
    assert_int_equal(run(&b, 3, 0, &h, &err), STK_E_ABORTED);
    assert_int_equal(b.n, 2);
}

static void states_are_reported(void **state)
{
    (void)state;
    struct base b = fresh();
    struct stk_migrate m = runner(&b);
    struct heard h = {.text = ""};
    stk_err err = {.size = sizeof err};
    assert_int_equal(stk_migrate_status(&m, on_state, &h, &err), STK_OK);
    assert_string_equal(h.text, "1:1 2:1 3:1 ");
    record(&b, 1, 1, "SHA1"); /* hexadecimal digits in either case */
    record(&b, 2, 1, "other");
    record(&b, 3, 1, NULL);
    record(&b, 7, 2, "x");
    h.text[0] = '\0';
    assert_int_equal(stk_migrate_status(&m, on_state, &h, &err), STK_OK);
    assert_string_equal(h.text, "1:2 2:3 3:2 7:4 ");
}

static void edited_script_is_refused(void **state)
{
    (void)state;
    struct base b = fresh();
    record(&b, 1, 1, "0123456789abcdef");
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "001_step was edited"));
    assert_non_null(strstr(err.msg, "0123456789ab,"));
    assert_int_equal(b.n, 1);
}

static void gap_is_refused(void **state)
{
    (void)state;
    struct base b = fresh();
    record(&b, 1, 1, "sha1");
    record(&b, 3, 1, "sha3");
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "002_step is not recorded"));
    assert_non_null(strstr(err.msg, "run 002_step.sql now"));
}

static void newer_schema(void **state)
{
    (void)state;
    struct base b = fresh();
    for (uint32_t v = 1; v <= 3; v++)
        record(&b, v, 1, scripts[v - 1].sha256);
    record(&b, 4, 3, "later"); /* compatible with version 3 */
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_OK);
    record(&b, 5, 4, "later");
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "Start the newer core"));
}

static void hand_run_is_accepted(void **state)
{
    (void)state;
    struct base b = fresh();
    for (uint32_t v = 1; v <= 3; v++)
        record(&b, v, 1, NULL);
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_OK);
    assert_int_equal(b.scripts, 0);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(b.rows[i].sha, scripts[i].sha256);
    assert_int_equal(b.begins, 1);
}

static void failure_is_undone_and_named(void **state)
{
    (void)state;
    struct base b = fresh();
    b.failing = 2;
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_E_DENIED);
    assert_string_equal(err.msg, "fake: migration 002_step failed: permission denied");
    assert_int_equal(err.native, 42);
    assert_int_equal(b.n, 1);
    b.failing = 0;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_OK);
    assert_int_equal(b.n, 3);
}

static void script_must_record_itself(void **state)
{
    (void)state;
    struct base b = fresh();
    b.forgets = true;
    stk_err err;
    assert_int_equal(run(&b, 3, 0, NULL, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "did not record"));
}

static void frame_is_taken_off(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"-- c\n\nBEGIN;\nSELECT pg_advisory_xact_lock(1);\n\na;\nb;\nCOMMIT;\n", "\na;\nb;\n"},
        {"begin immediate;\na;\ncommit;\n-- end\n", "a;\n"},
        {"BEGIN;\n-- note\nSELECT pg_advisory_xact_lock(1);\nCOMMIT;", ""},
        {"BEGIN;\nSELECT 1;\nCOMMIT;\nmore;\nCOMMIT;\n", "SELECT 1;\nCOMMIT;\nmore;\n"},
        {"CREATE TABLE x (a INT);\nCOMMIT;\n", "CREATE TABLE x (a INT);\nCOMMIT;\n"},
        {"BEGINNING;\n", "BEGINNING;\n"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *body;
        size_t n;
        stk_migrate_body(cases[i][0], strlen(cases[i][0]), &body, &n);
        assert_int_equal(n, strlen(cases[i][1]));
        assert_memory_equal(body, cases[i][1], n);
    }
    struct base b = fresh();
    stk_err err;
    assert_int_equal(run(&b, 1, 0, NULL, &err), STK_OK);
    assert_string_equal(b.last_body, "one\n");
}

/* The first read without the lock races in this fake, so it is guarded too. */
static pthread_mutex_t outside = PTHREAD_MUTEX_INITIALIZER;
static __thread bool inside;

static stk_status g_begin(void *ud, stk_err *err)
{
    pthread_mutex_lock(&outside);
    inside = true;
    return f_begin(ud, err);
}

static stk_status g_end(void *ud, bool commit, stk_err *err)
{
    stk_status rc = f_end(ud, commit, err);
    inside = false;
    pthread_mutex_unlock(&outside);
    return rc;
}

static stk_status g_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    if (!inside)
        pthread_mutex_lock(&outside);
    stk_status rc = f_read(ud, row, rud, err);
    if (!inside)
        pthread_mutex_unlock(&outside);
    return rc;
}

static stk_status g_exists(void *ud, bool *exists, stk_err *err)
{
    if (!inside)
        pthread_mutex_lock(&outside);
    stk_status rc = f_exists(ud, exists, err);
    if (!inside)
        pthread_mutex_unlock(&outside);
    return rc;
}

static void *migrate_thread(void *arg)
{
    static const struct stk_migrate_ops g = {.exists = g_exists,
                                             .read = g_read,
                                             .begin = g_begin,
                                             .end = g_end,
                                             .script = f_script,
                                             .set_sha = f_set_sha};
    struct stk_migrate m = runner(arg);
    m.ops = &g;
    stk_err err = {.size = sizeof err};
    return stk_migrate_run(&m, 3, 0, NULL, NULL, &err) == STK_OK ? NULL : arg;
}

static void many_callers_one_applies(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct base b = fresh();
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, migrate_thread, &b);
        for (int i = 0; i < 4; i++) {
            void *failed;
            pthread_join(t[i], &failed);
            assert_null(failed);
        }
        assert_int_equal(b.scripts, 3);
        assert_int_equal(b.n, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_database),
        cmocka_unit_test(up_to_and_dry_run),
        cmocka_unit_test(stops_after_the_current_script),
        cmocka_unit_test(states_are_reported),
        cmocka_unit_test(edited_script_is_refused),
        cmocka_unit_test(gap_is_refused),
        cmocka_unit_test(newer_schema),
        cmocka_unit_test(hand_run_is_accepted),
        cmocka_unit_test(failure_is_undone_and_named),
        cmocka_unit_test(script_must_record_itself),
        cmocka_unit_test(frame_is_taken_off),
        cmocka_unit_test(many_callers_one_applies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
