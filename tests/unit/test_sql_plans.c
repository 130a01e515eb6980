/* SPDX-License-Identifier: Apache-2.0 */
/* Every query of the core must be served by a key: SQLite's planner is asked for
 * each, on the schema the scripts make. */
#include "sql_plugin_fixture.h"

/* Not store/query.h: its macros have the names of the fixture's. */
extern const stk_catalog store_catalog;

struct lite {
    int (*open)(const char *, void **);
    int (*close)(void *);
    int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
    void *db;
};

static void open_library(struct lite *l, const char *path)
{
    void *so = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!so)
        fail_msg("%s", dlerror());
    void *sym[] = {dlsym(so, "sqlite3_open"), dlsym(so, "sqlite3_close"),
                   dlsym(so, "sqlite3_exec")};
    memcpy(&l->open, &sym[0], sizeof sym[0]);
    memcpy(&l->close, &sym[1], sizeof sym[1]);
    memcpy(&l->exec, &sym[2], sizeof sym[2]);
    assert_int_equal(l->open(path, &l->db), 0);
}

struct plan {
    const char *query;
    int lines, bad;
};

static int note_plan(void *ud, int n, char **values, char **names)
{
    struct plan *p = ud;
    (void)names;
    const char *detail = values[n - 1];
    p->lines++;
    /* "SCAN k" is the few keys a limited statement found, not a table */
    if (strncmp(detail, "SCAN st_", 8) == 0 || strstr(detail, "TEMP B-TREE")) {
        print_message("%s: %s\n", p->query, detail);
        p->bad++;
    }
    return 0;
}

static void every_query_has_its_key(void **state)
{
    (void)state;
    stk_db *db = fix_open_as("t.db", &store_catalog, 0);
    stk_err err = {.size = sizeof err};
    if (plugin->migrate(db, plugin->migrations, plugin->nmigrations, UINT32_MAX, 0, NULL, NULL,
                        &err) ||
        plugin->verify(db, &err))
        fail_msg("%s", err.msg);
    plugin->close(db);

    struct stk_sql_dialect d = {.kind = STK_SQL_SQLITE, .plugin = "test"};
    struct stk_sql *sql = NULL;
    if (stk_sql_open(&store_catalog, &d, &sql, &err))
        fail_msg("%s", err.msg);
    struct lite l;
    open_library(&l, fix_path("t.db"));
    int bad = 0, lines = 0;
    for (uint16_t i = 0; i < sql->nqueries; i++) {
        char text[8192], *msg = NULL;
        struct plan p = {.query = sql->queries[i].name};
        snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", stk_sql_stmt(sql, i, 0)->text);
        if (l.exec(l.db, text, note_plan, &p, &msg))
            fail_msg("%s: %s", p.query, msg);
        bad += p.bad;
        lines += p.lines;
    }
    assert_int_equal(bad, 0);
    assert_true(lines >= sql->nqueries / 2);
    l.close(l.db);
    stk_sql_close(sql);
}

static void every_dialect_takes_the_catalogue(void **state)
{
    (void)state;
    for (int kind = STK_SQL_POSTGRESQL; kind <= STK_SQL_MYSQL; kind++) {
        struct stk_sql_dialect d = {.kind = kind, .plugin = "test"};
        struct stk_sql *sql = NULL;
        stk_err err = {.size = sizeof err};
        if (stk_sql_open(&store_catalog, &d, &sql, &err))
            fail_msg("%s", err.msg);
        stk_sql_close(sql);
    }
}

/* A server that is told to prepare a name twice refuses, and is then taken for a
 * pooler that keeps no statements. */
static void statements_are_told_apart(void **state)
{
    (void)state;
    struct stk_sql_dialect d = {.kind = STK_SQL_POSTGRESQL, .plugin = "test", .schema = "public"};
    struct stk_sql *sql = NULL;
    stk_err err = {.size = sizeof err};
    if (stk_sql_open(&store_catalog, &d, &sql, &err))
        fail_msg("%s", err.msg);
    for (uint16_t i = 0; i < sql->nqueries; i++)
        for (uint16_t k = 0; k < i; k++)
            assert_string_not_equal(stk_sql_stmt(sql, i, 0)->name, stk_sql_stmt(sql, k, 0)->name);
    stk_sql_close(sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_query_has_its_key, fix_setup, fix_teardown),
        cmocka_unit_test(every_dialect_takes_the_catalogue),
        cmocka_unit_test(statements_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
