/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite plugin through its .so: every operation, type and predicate. */
#include "sql_plugin_fixture.h"

#include <sys/wait.h>

/* ---------------------------------------------------------------- opening */

static stk_status try_open(const char *path, stk_err *err)
{
    const stk_kv kv[] = {{"sqlite_path", path}};
    stk_db *db = NULL;
    *err = (stk_err){.size = sizeof *err};
    stk_status rc = plugin->open(kv, path ? 1 : 0, fixture(), 0, &db, err);
    if (!rc)
        plugin->close(db);
    return rc;
}

static void open_refuses_with_reasons(void **state)
{
    (void)state;
    stk_err err;
    assert_int_equal(try_open(NULL, &err), STK_E_CONFIG);
    assert_int_equal(try_open("", &err), STK_E_CONFIG);
    assert_int_equal(try_open(":memory:", &err), STK_E_CONFIG);
    assert_non_null(strstr(err.msg, "tmpfs"));
    assert_int_equal(try_open(fix_dir, &err), STK_E_CONFIG);
    assert_non_null(strstr(err.msg, "no regular file"));
    FILE *f = fopen(fix_path("text"), "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", f);
    fclose(f);
    assert_int_equal(try_open(fix_path("text"), &err), STK_E_CONFIG);
    assert_non_null(strstr(err.msg, "no SQLite database"));
    assert_int_equal(try_open(fix_path("text/below.db"), &err), STK_E_CONFIG);
}

/* In a child, as a user whom file modes concern. */
static void open_tells_of_missing_rights(void **state)
{
    (void)state;
    static const struct {
        mode_t folder, file;
        stk_status want;
        const char *text;
    } cases[] = {{0555, 0666, STK_E_CONFIG, "Make its folder writable"},
                 {0555, 0, STK_E_CONFIG, "Make its folder writable"},
                 {0755, 0444, STK_E_READ_ONLY, "cannot be written by user"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char folder[100], file[120];
        snprintf(folder, sizeof folder, "%s/%zu", fix_dir, i);
        snprintf(file, sizeof file, "%s/t.db", folder);
        assert_int_equal(mkdir(folder, 0755) | chmod(fix_dir, 0755), 0);
        if (cases[i].file) {
            assert_int_equal(mknod(file, S_IFREG | 0600, 0), 0);
            assert_int_equal(chmod(file, cases[i].file), 0);
        }
        assert_int_equal(chmod(folder, cases[i].folder), 0);
        pid_t pid = fork();
        if (pid == 0) {
            stk_err err = {.size = sizeof err};
            if (geteuid() == 0 && setuid(65534))
                _exit(2);
            stk_status rc = try_open(file, &err);
            if (rc != cases[i].want || !strstr(err.msg, cases[i].text)) {
                print_message("%d: %s\n", rc, err.msg);
                _exit(1);
            }
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        assert_int_equal(status, 0);
        chmod(folder, 0755);
    }
}

static void open_makes_folder_and_file(void **state)
{
    (void)state;
    stk_err err;
    struct stat st;
    umask(0);
    assert_int_equal(try_open(fix_path("a/b/c.db"), &err), STK_OK);
    assert_int_equal(stat(fix_path("a/b"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat(fix_path("a/b/c.db"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(fix_path("a/b/c.db-wal"), &st), -1); /* copied back by close */
    assert_int_equal(try_open(fix_path("a/b/c.db"), &err), STK_OK);
}

static void identity_is_the_real_file(void **state)
{
    (void)state;
    char cwd[512], d1[600], p1[600], d2[600], p2[600];
    stk_err err = {.size = sizeof err};
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(fix_dir), 0);
    assert_int_equal(symlink(".", "link"), 0);
    stk_kv kv = {"sqlite_path", "link/x/new.db"};
    assert_int_equal(plugin->identity(&kv, 1, d1, p1, sizeof d1, &err), STK_OK);
    char abs[200];
    snprintf(abs, sizeof abs, "%s/x/new.db", fix_dir);
    kv.value = abs;
    assert_int_equal(plugin->identity(&kv, 1, d2, p2, sizeof d2, &err), STK_OK);
    assert_string_equal(d1, d2);
    assert_string_equal(p1, p2);
    assert_non_null(strstr(d1, "/x/new.db"));
    kv.value = "other.db";
    plugin->identity(&kv, 1, d2, p2, sizeof d2, &err);
    assert_string_not_equal(d1, d2);
    assert_int_equal(plugin->identity(&kv, 1, d2, p2, 10, &err), STK_E_CONFIG);
    assert_int_equal(chdir(cwd), 0);
}

/* ------------------------------------------------------------------ values */

static void values_come_back_as_they_went(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    static char body[5000 * 4];
    for (size_t i = 0; i < sizeof body; i += 4)
        memcpy(body + i, "\xF0\x9F\x98\x80", 4);
    const char blob[] = "\0\1\377\0";
    const stk_val rows[] = {
        stk_text("a"),
        stk_text("1"),
        stk_i64(INT64_MIN),
        stk_bool(1),
        stk_text(""),
        stk_bytes(blob, 4),
        stk_textn(body, sizeof body),
        stk_text("a"),
        stk_text("2"),
        stk_i64(INT64_MAX),
        stk_bool(0),
        stk_null(),
        stk_bytes(NULL, 0),
        stk_text("\xC3\xA9 '\"%_\\"),
        stk_text("A"),
        stk_text(""),
        stk_i64(0),
        stk_bool(0),
        stk_null(),
        stk_null(),
        stk_null(),
    };
    must(call1(db, NULL, Q_ITEM_INSERT, rows, 3));
    for (int i = 0; i < 3; i++) {
        must(call1(db, NULL, Q_ITEM_GET, rows + (size_t)i * 7, 1));
        assert_int_equal(RES.nrows, 1);
        assert_int_equal(RES.ncols, 7);
        for (int c = 0; c < 7; c++) {
            const stk_val *want = &rows[i * 7 + c], *got = &CELL(0, c);
            assert_int_equal(got->type, want->type);
            if (want->type == STK_T_I64 || want->type == STK_T_BOOL) {
                assert_true(got->u.i == want->u.i);
            } else if (want->type != STK_T_NULL) {
                assert_int_equal(got->len, want->len);
                assert_memory_equal(got->u.p, want->len ? want->u.p : "", want->len);
                assert_int_equal(((const char *)got->u.p)[got->len], 0);
            }
        }
    }
    must(call1(db, NULL, Q_ITEM_GET, VALS(stk_text("a"), stk_text("")), 1));
    assert_int_equal(RES.nrows, 0); /* "A" and "a" differ */
    assert_null(RES.cells);
    plugin->close(db);
}

static void refusals_name_what_is_wrong(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    stk_val row[] = {
        stk_text("a"), stk_text("1"), stk_i64(1), stk_bool(0), stk_text("123456789012345678901"),
        stk_null(),    stk_null()};
    assert_int_equal(call1(db, NULL, Q_ITEM_INSERT, row, 1), STK_E_TOO_BIG);
    assert_true(fix_last.err.table == F_ITEM && fix_last.err.column == I_NOTE);
    assert_int_equal(RES.status, STK_E_TOO_BIG);
    row[4] = stk_null();
    must(call1(db, NULL, Q_ITEM_INSERT, row, 1));
    row[2] = stk_i64(INT64_MAX);
    row[1] = stk_text("2");
    must(call1(db, NULL, Q_ITEM_INSERT, row, 1));
    /* adding to the largest integer overflows: refused, not rounded */
    assert_int_equal(call1(db, NULL, Q_ITEM_UPDATE,
                           VALS(stk_text("a"), stk_text("2"), stk_null(), stk_i64(1)), 1),
                     STK_E_INVALID);
    plugin->close(db);
}

/* -------------------------------------------------------------- duplicates */

static void duplicates_name_the_key(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    put_item(db, "1", 1, "x");
    put_item(db, "2", 1, NULL);
    put_item(db, "3", 1, NULL); /* NULLs do not collide */
    const stk_val same_pk[] = {stk_text("a"), stk_text("1"), stk_i64(1), stk_bool(0),
                               stk_null(),    stk_null(),    stk_null()};
    assert_int_equal(call1(db, NULL, Q_ITEM_INSERT, same_pk, 1), STK_E_DUPLICATE);
    assert_true(fix_last.err.table == F_ITEM && fix_last.err.key == 0 && fix_last.err.call == 0);
    const stk_val same_note[] = {stk_text("a"), stk_text("4"), stk_i64(1), stk_bool(0),
                                 stk_text("x"), stk_null(),    stk_null()};
    assert_int_equal(call1(db, NULL, Q_ITEM_INSERT, same_note, 1), STK_E_DUPLICATE);
    assert_true(fix_last.err.table == F_ITEM && fix_last.err.key == 1);
    assert_true(fix_last.err.native != 0);
    assert_null(strstr(fix_last.err.msg, "'x'"));
    assert_int_equal(call1(db, NULL, Q_ITEM_UPDATE,
                           VALS(stk_text("a"), stk_text("2"), stk_text("x"), stk_i64(0)), 1),
                     STK_E_DUPLICATE);
    /* of many rows, none is kept */
    stk_val rows[14];
    memcpy(rows, same_pk, sizeof same_pk);
    memcpy(rows + 7, same_pk, sizeof same_pk);
    rows[1] = stk_text("8");
    assert_int_equal(call1(db, NULL, Q_ITEM_INSERT, rows, 2), STK_E_DUPLICATE);
    must(call1(db, NULL, Q_ITEM_COUNT, VALS(stk_text("a")), 1));
    assert_int_equal(RES.affected, 3);
    plugin->close(db);
}

/* -------------------------------------------------------------- operations */

static void update_delete_count(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    for (int i = 0; i < 9; i++)
        put_item(db, (char[]){(char)('1' + i), 0}, i, NULL);
    must(call1(db, NULL, Q_ITEM_UPDATE,
               VALS(stk_text("a"), stk_text("3"), stk_text("new"), stk_i64(-5)), 1));
    assert_int_equal(RES.affected, 1);
    must(call1(db, NULL, Q_ITEM_UPDATE,
               VALS(stk_text("a"), stk_text("3"), stk_text("new"), stk_i64(0)), 1));
    assert_int_equal(RES.affected, 1); /* matched, though nothing changes */
    must(call1(db, NULL, Q_ITEM_GET, VALS(stk_text("a"), stk_text("3")), 1));
    assert_int_equal(CELL(0, I_N).u.i, -3);
    assert_string_equal(CELL(0, I_NOTE).u.p, "new");
    must(call1(db, NULL, Q_ITEM_DELETE, VALS(stk_text("a"), stk_text("3")), 1));
    assert_int_equal(RES.affected, 1);
    must(call1(db, NULL, Q_ITEM_DELETE, VALS(stk_text("a"), stk_text("3")), 1));
    assert_int_equal(RES.affected, 0);
    must(call1(db, NULL, Q_ITEM_COUNT, VALS(stk_text("a")), 1));
    assert_int_equal(RES.affected, 8);
    assert_int_equal(RES.nrows, 0);
    must(call1(db, NULL, Q_ITEM_COUNT_CAP, VALS(stk_text("a"), stk_i64(3)), 1));
    assert_int_equal(RES.affected, 3);
    /* rows 0, 1 are the first two of n < 6 */
    must(call1(db, NULL, Q_ITEM_SWEEP, VALS(stk_text("a"), stk_i64(6)), 1));
    assert_int_equal(RES.affected, 2);
    must(call1(db, NULL, Q_ITEM_CLAIM, VALS(stk_text("a"), stk_bool(0), stk_i64(2), stk_bool(1)),
               1));
    assert_int_equal(RES.affected, 2);
    must(call1(db, NULL, Q_ITEM_GET, VALS(stk_text("a"), stk_text("4")), 1));
    assert_int_equal(CELL(0, I_FLAG).u.i, 1);
    must(call1(db, NULL, Q_ITEM_CLAIM, VALS(stk_text("a"), stk_bool(0), stk_i64(0), stk_bool(1)),
               1));
    assert_int_equal(RES.affected, 0);
    plugin->close(db);
}

static void upsert_and_if_absent(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    stk_val rows[5 * 4];
    const int64_t s[] = {1, 2, 1, 1, 3}, n[] = {10, 20, 1, 2, 30};
    for (int i = 0; i < 5; i++) {
        rows[i * 4] = stk_text("k");
        rows[i * 4 + 1] = stk_i64(s[i]);
        rows[i * 4 + 2] = stk_i64(n[i]);
        rows[i * 4 + 3] = stk_text(i == 3 ? "last" : "v");
    }
    must(call1(db, NULL, Q_COUNT_UPSERT, rows, 5));
    assert_int_equal(RES.affected, 0);
    must(call1(db, NULL, Q_COUNT_GET, VALS(stk_text("k"), stk_i64(1)), 1));
    assert_int_equal(CELL(0, C_N).u.i, 13);
    assert_string_equal(CELL(0, C_V).u.p, "last");
    must(call1(db, NULL, Q_COUNT_ABSENT, VALS(stk_text("k"), stk_i64(1), stk_i64(99), stk_null()),
               1));
    must(
        call1(db, NULL, Q_COUNT_KEEP, VALS(stk_text("k"), stk_i64(1), stk_i64(99), stk_null()), 1));
    must(
        call1(db, NULL, Q_COUNT_KEEP, VALS(stk_text("k"), stk_i64(9), stk_i64(99), stk_null()), 1));
    must(call1(db, NULL, Q_COUNT_GET, VALS(stk_text("k"), stk_i64(1)), 1));
    assert_int_equal(CELL(0, C_N).u.i, 13);
    must(call1(db, NULL, Q_COUNT_PAGE, VALS(stk_text("k"), stk_i64(1)), 1));
    assert_int_equal(RES.nrows, 3);
    assert_int_equal(CELL(2, C_S).u.i, 9);
    plugin->close(db);
}

static void prefixes(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    const char *const notes[] = {"ab",
                                 "abc",
                                 "ab%",
                                 "aB",
                                 "b",
                                 "",
                                 "a\xF4\x8F\xBF\xBF",
                                 "a\xF4\x8F\xBF\xBFz",
                                 "\xF4\x8F\xBF\xBF"};
    for (int i = 0; i < 9; i++)
        put_item(db, (char[]){(char)('1' + i), 0}, i, notes[i]);
    put_item(db, "null", 0, NULL);
    const struct {
        const char *prefix;
        uint32_t n;
    } cases[] = {{"ab", 3},
                 {"a", 6},
                 {"ab%", 1},
                 {"_b", 0},
                 {"", 9},
                 {"B", 0},
                 {"a\xF4\x8F\xBF\xBF", 2},
                 {"\xF4\x8F\xBF\xBF", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        must(call1(db, NULL, Q_ITEM_PREFIX, VALS(stk_text("a"), stk_text(cases[i].prefix)), 1));
        assert_int_equal(RES.nrows, cases[i].n);
    }
    must(call1(db, NULL, Q_ITEM_NULLS, VALS(stk_text("a")), 1));
    assert_int_equal(RES.nrows, 1);
    must(call1(db, NULL, Q_ITEM_RANGE, VALS(stk_text("a"), stk_i64(1), stk_i64(4), stk_text("2")),
               1));
    assert_int_equal(RES.nrows, 3); /* ids 3, 4, 5 */
    plugin->close(db);
}

static void keyset_pages_over_ties(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    char id[12];
    for (int i = 0; i < 23; i++) {
        snprintf(id, sizeof id, "%02d", (i * 7) % 23);
        put_item(db, id, (i * 7) % 23 / 5, NULL);
    }
    /* downwards, exclusive */
    char last[40] = "\xF4\x8F\xBF\xBF";
    int64_t n = INT64_MAX;
    int seen = 0, prev = 23;
    for (;;) {
        must(call1(db, NULL, Q_ITEM_PAGE,
                   VALS(stk_text("a"), stk_i64(n), stk_text(last), stk_i64(4)), 1));
        for (uint32_t i = 0; i < RES.nrows; i++) {
            int now = atoi(CELL(i, 0).u.p);
            assert_int_equal(now, prev - 1);
            prev = now;
            n = CELL(i, 1).u.i;
            snprintf(last, sizeof last, "%s", (const char *)CELL(i, 0).u.p);
            seen++;
        }
        if (RES.nrows < 4)
            break;
    }
    assert_int_equal(seen, 23);
    /* upwards, inclusive: each page begins with the row given */
    must(call1(db, NULL, Q_ITEM_PAGE_ASC,
               VALS(stk_text("a"), stk_i64(1), stk_text("07"), stk_i64(5)), 1));
    assert_int_equal(RES.nrows, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(atoi(CELL(i, 0).u.p), 7 + i);
    plugin->close(db);
}

static void lists_of_every_length(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    char ids[1024][12];
    static stk_val list[1024];
    for (int i = 0; i < 1024; i++) {
        snprintf(ids[i], sizeof ids[i], "%04d", i);
        list[i] = stk_text(ids[i]);
    }
    for (int i = 0; i < 200; i += 2)
        put_item(db, ids[i], i, NULL);
    stk_err err = {.size = sizeof err};
    const uint32_t sizes[] = {0, 1, 2, 3, 5, 100, 199, 1000, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        stk_txn *t;
        assert_int_equal(plugin->begin(db, STK_TXN_RW, 0, &t, &err), STK_OK);
        must(call1(db, t, Q_ITEM_LOCK, VALS(stk_text("a"), stk_list(list, sizes[i])), 1));
        uint32_t want = (sizes[i] + 1) / 2 < 100 ? (sizes[i] + 1) / 2 : 100;
        assert_int_equal(RES.nrows, want);
        for (uint32_t k = 0; k < want; k++)
            assert_int_equal(CELL(k, 1).u.i, k * 2); /* in primary-key order */
        plugin->rollback(t);
    }
    plugin->close(db);
}

/* --------------------------------------------------------- health and dump */

static void count_lines(void *ud, const char *key, const char *value)
{
    assert_non_null(key);
    assert_non_null(value);
    if (strncmp(key, "query.", 6) == 0)
        ++*(int *)ud;
}

static void health_and_dump(void **state)
{
    (void)state;
    stk_db *db = fix_open();
    stk_health h = {.size = sizeof h};
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->health(db, 1000, &h, &err), STK_OK);
    assert_true(h.pool_size == 5 && h.pool_open >= 2 && h.pool_idle == h.pool_open);
    assert_non_null(strstr(h.server, "SQLite 3."));
    assert_non_null(strstr(h.server, "t.db"));
    int n = 0;
    plugin->dump(db, count_lines, &n);
    assert_int_equal(n, Q_NQUERIES);
    plugin->dump(NULL, count_lines, &n);
    char moved[200];
    snprintf(moved, sizeof moved, "%s.moved", fix_path("t.db"));
    assert_int_equal(rename(fix_path("t.db"), moved), 0);
    assert_int_equal(plugin->health(db, 1000, &h, &err), STK_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "moved or deleted"));
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
        TEST(open_refuses_with_reasons),
        TEST(open_tells_of_missing_rights),
        TEST(open_makes_folder_and_file),
        TEST(identity_is_the_real_file),
        TEST(values_come_back_as_they_went),
        TEST(refusals_name_what_is_wrong),
        TEST(duplicates_name_the_key),
        TEST(update_delete_count),
        TEST(upsert_and_if_absent),
        TEST(prefixes),
        TEST(keyset_pages_over_ties),
        TEST(lists_of_every_length),
        TEST(health_and_dump),
    };
    return cmocka_run_group_tests(tests, NULL, no_more);
}
