/* SPDX-License-Identifier: Apache-2.0 */
/* The migration scripts against the logical schema of the core: run by the
 * plugin, by hand and by several processes at once, they must all give what
 * ensure() would make, and verify() must see each thing that is missing. */
#include "sql_plugin_fixture.h"
#include "store/schema.h"

#include <ctype.h>
#include <glob.h>
#include <sys/wait.h>

/* The schema without queries, so that this test needs no store. */
static const stk_query *const none[1] = {NULL};
static stk_catalog schema;

static int setup(void **state)
{
    schema = *fixture();
    schema.version = SCHEMA_VERSION;
    schema.tables = schema_tables;
    schema.ntables = T_COUNT;
    schema.queries = none;
    schema.nqueries = 0;
    return fix_setup(state);
}

/* ------------------------------------------------------ the library by hand */

static struct {
    int (*open)(const char *, void **);
    int (*close)(void *);
    int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **);
} lite;

static void load_library(void)
{
    void *so = dlopen("libsqlite3.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!so)
        fail_msg("%s", dlerror());
    void *sym[] = {dlsym(so, "sqlite3_open"), dlsym(so, "sqlite3_close"),
                   dlsym(so, "sqlite3_exec")};
    memcpy(&lite.open, &sym[0], sizeof sym[0]);
    memcpy(&lite.close, &sym[1], sizeof sym[1]);
    memcpy(&lite.exec, &sym[2], sizeof sym[2]);
}

static int note_row(void *ud, int n, char **values, char **names)
{
    struct sql_note {
        char *p;
        size_t len;
    } *o = ud;
    (void)names;
    for (int i = 0; i < n; i++) {
        const char *v = values[i] ? values[i] : "-";
        size_t room = strlen(v) + 2;
        o->p = realloc(o->p, o->len + room);
        o->len += (size_t)snprintf(o->p + o->len, room, "%s%c", v, i + 1 < n ? '|' : '\n');
    }
    return 0;
}

/* Runs statements on a file; returns the rows as text, to be freed. */
static char *by_hand(const char *name, const char *sql)
{
    struct {
        char *p;
        size_t len;
    } out = {calloc(1, 1), 0};
    void *db = NULL;
    char *msg = NULL;
    if (!lite.open)
        load_library();
    assert_int_equal(lite.open(fix_path(name), &db), 0);
    if (lite.exec(db, sql, note_row, &out, &msg))
        fail_msg("%s", msg);
    assert_int_equal(lite.close(db), 0);
    return out.p;
}

static void change(const char *name, const char *sql)
{
    free(by_hand(name, sql));
}

/* All that makes a schema what it is, but for the order of columns' spelling. */
static const char shape[] =
    "SELECT l.name, l.wr, l.strict FROM pragma_table_list AS l WHERE l.name LIKE 'st!_%' ESCAPE "
    "'!' AND l.name <> 'st_schema_version' ORDER BY 1;"
    "SELECT m.name, p.name, p.type, p.\"notnull\", p.dflt_value, p.pk FROM sqlite_master AS m "
    "JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' AND m.name <> 'st_schema_version' "
    "ORDER BY 1, p.cid;"
    "SELECT m.name, i.name, i.\"unique\", i.origin, i.partial, p.seqno, p.name FROM sqlite_master "
    "AS m JOIN pragma_index_list(m.name) AS i JOIN pragma_index_info(i.name) AS p WHERE m.type = "
    "'table' AND m.name <> 'st_schema_version' ORDER BY 1, 2, 6;";

/* ------------------------------------------------------------------- tests */

static stk_status migrate(stk_db *db, stk_err *err)
{
    *err = (stk_err){.size = sizeof *err};
    return plugin->migrate(db, plugin->migrations, plugin->nmigrations, UINT32_MAX, 0, NULL, NULL,
                           err);
}

static stk_db *migrated(const char *name)
{
    stk_db *db = fix_open_as(name, &schema, 0);
    stk_err err;
    if (migrate(db, &err) || plugin->verify(db, &err))
        fail_msg("%s", err.msg);
    return db;
}

static void scripts_reach_the_catalogue(void **state)
{
    (void)state;
    assert_int_equal(plugin->nmigrations, SCHEMA_VERSION);
    for (uint32_t i = 0; i < plugin->nmigrations; i++)
        assert_int_equal(plugin->migrations[i].version, i + 1);
}

static void scripts_and_ensure_agree(void **state)
{
    (void)state;
    plugin->close(migrated("script.db"));
    stk_db *db = fix_open_as("ensure.db", &schema, 0);
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->ensure(db, &schema, &err), STK_OK);
    assert_int_equal(plugin->ensure(db, &schema, &err), STK_OK);
    assert_int_equal(plugin->verify(db, &err), STK_OK);
    assert_int_equal(plugin->drop(db, &schema, &err), STK_E_INVALID); /* no test database */
    plugin->close(db);
    char *a = by_hand("script.db", shape), *b = by_hand("ensure.db", shape);
    assert_true(strlen(a) > 5000);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void hand_run_script_is_accepted(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++)
        for (uint32_t i = 0; i < plugin->nmigrations; i++)
            change("hand.db", plugin->migrations[i].text);
    char *sha = by_hand("hand.db", "SELECT DISTINCT sha256 IS NULL FROM st_schema_version");
    assert_string_equal(sha, "1\n");
    free(sha);
    plugin->close(migrated("hand.db"));
    sha = by_hand("hand.db", "SELECT sha256 FROM st_schema_version WHERE version = 1");
    assert_memory_equal(sha, plugin->migrations[0].sha256, 64);
    free(sha);
    plugin->close(migrated("own.db"));
    char *a = by_hand("hand.db", shape), *b = by_hand("own.db", shape);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void command_line_tool_gives_the_same(void **state)
{
    (void)state;
    const char *src = getenv("STK_SRC");
    char cmd[600];
    if (system("command -v sqlite3 >/dev/null 2>&1") != 0)
        skip();
    glob_t g;
    snprintf(cmd, sizeof cmd, "%s/migration_scripts/sqlite/*.sql", src ? src : ".");
    assert_int_equal(glob(cmd, 0, NULL, &g), 0);
    for (int twice = 0; twice < 2; twice++) {
        for (size_t i = 0; i < g.gl_pathc; i++) {
            snprintf(cmd, sizeof cmd, "sqlite3 -bail %s <%s", fix_path("cli.db"), g.gl_pathv[i]);
            assert_int_equal(system(cmd), 0);
        }
    }
    globfree(&g);
    plugin->close(migrated("cli.db"));
}

static void edited_history_is_refused(void **state)
{
    (void)state;
    plugin->close(migrated("t.db"));
    change("t.db", "UPDATE st_schema_version SET sha256 = 'feedfeedfeedfeed' WHERE version = 1");
    stk_db *db = fix_open_as("t.db", &schema, 0);
    stk_err err;
    assert_int_equal(migrate(db, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "001_initial_schema was edited"));
    plugin->close(db);
}

static void note_state(void *ud, const stk_migration_state *s)
{
    uint32_t *seen = ud;
    seen[s->state]++;
    if (s->state == STK_MIG_APPLIED)
        assert_true(s->applied_at > 1600000000000 && s->applied_at < 4000000000000);
}

static void status_before_and_after(void **state)
{
    (void)state;
    stk_db *db = fix_open_as("t.db", &schema, 0);
    uint32_t seen[8] = {0};
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->migration_status(db, plugin->migrations, plugin->nmigrations,
                                              note_state, seen, &err),
                     STK_OK);
    assert_int_equal(seen[STK_MIG_PENDING], plugin->nmigrations);
    assert_int_equal(plugin->verify(db, &err), STK_E_SCHEMA);
    assert_non_null(strstr(err.msg, "supertokens migrate"));
    assert_int_equal(migrate(db, &err), STK_OK);
    change("t.db", "INSERT INTO st_schema_version VALUES (99, '099_later', 1, 1, 'x')");
    plugin->migration_status(db, plugin->migrations, plugin->nmigrations, note_state, seen, &err);
    assert_int_equal(seen[STK_MIG_APPLIED], plugin->nmigrations);
    assert_int_equal(seen[STK_MIG_UNKNOWN], 1);
    plugin->close(db);
}

static void many_processes_migrate_at_once(void **state)
{
    (void)state;
    enum { N = 6 };
    pid_t pids[N];
    for (int i = 0; i < N; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            const stk_kv kv = {"sqlite_path", fix_path("new/t.db")};
            stk_db *db = NULL;
            stk_err err = {.size = sizeof err};
            if (plugin->open(&kv, 1, &schema, 0, &db, &err) || migrate(db, &err) ||
                plugin->verify(db, &err)) {
                print_message("%s\n", err.msg);
                _exit(1);
            }
            plugin->close(db);
            _exit(0);
        }
    }
    for (int i = 0; i < N; i++) {
        int status;
        waitpid(pids[i], &status, 0);
        assert_int_equal(status, 0);
    }
    char *rows = by_hand("new/t.db", "SELECT count(*), count(sha256) FROM st_schema_version");
    char want[32];
    snprintf(want, sizeof want, "%d|%d\n", SCHEMA_VERSION, SCHEMA_VERSION);
    assert_string_equal(rows, want);
    free(rows);
}

static void verify_sees_what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *harm, *name;
        bool additive; /* adding what is missing repairs it */
    } cases[] = {
        {"DROP TABLE st_sessions", "table st_sessions", true},
        {"ALTER TABLE st_users DROP COLUMN row_ver", "column st_users.row_ver", true},
        {"DROP INDEX st_user_tenants_uk_email", "key \"uk_email\" of st_user_tenants", true},
        {"DROP INDEX st_user_tenants_uk_email; CREATE INDEX st_user_tenants_uk_email ON "
         "st_user_tenants (app_id, tenant_id, recipe_id, uk_email)",
         "key \"uk_email\" of st_user_tenants", false},
        {"DROP INDEX st_tenant_users_joined; CREATE INDEX st_tenant_users_joined ON "
         "st_tenant_users (app_id, tenant_id, user_id, time_joined)",
         "key \"joined\" of st_tenant_users", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%zu.db", i);
        plugin->close(migrated(name));
        change(name, cases[i].harm);
        stk_db *db = fix_open_as(name, &schema, 0);
        stk_err err = {.size = sizeof err};
        assert_int_equal(plugin->verify(db, &err), STK_E_SCHEMA);
        assert_non_null(strstr(err.msg, cases[i].name));
        assert_int_equal(plugin->ensure(db, &schema, &err), STK_OK);
        assert_int_equal(plugin->verify(db, &err), cases[i].additive ? STK_OK : STK_E_SCHEMA);
        plugin->close(db);
    }
}

static void drop_takes_tables_and_history(void **state)
{
    (void)state;
    stk_db *db = migrated("t.db");
    plugin->close(db);
    db = fix_open_as("t.db", &schema, STK_OPEN_SCRATCH);
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->drop(db, &schema, &err), STK_OK);
    plugin->close(db);
    char *left = by_hand("t.db", "SELECT name FROM sqlite_master");
    assert_string_equal(left, "");
    free(left);
}

/* ---------------------------------- PostgreSQL and MySQL, without a server */

/* Drops comments, quotes but those of "C", and blanks but one. */
static void squeeze(char *s)
{
    char *d = s;
    for (char *p = s; *p; p++) {
        if (p[0] == '-' && p[1] == '-')
            while (*p && *p != '\n')
                p++;
        if (*p == '`' ||
            (*p == '"' && strncmp(p, "\"C\"", 3) != 0 && (p - s < 2 || strncmp(p - 2, "\"C\"", 3))))
            continue;
        if (isspace((unsigned char)*p) || !*p) {
            if (d > s && d[-1] != ' ' && d[-1] != '(')
                *d++ = ' ';
            if (!*p)
                break;
            continue;
        }
        if (*p == ')' && d > s && d[-1] == ' ')
            d--;
        *d++ = *p;
    }
    *d = '\0';
}

static stk_status find_in_script(void *ud, const char *sql, stk_err *err)
{
    (void)err;
    char *s = NULL;
    assert_true(asprintf(&s, "%s;", sql) > 0);
    squeeze(s);
    if (!strstr(ud, s))
        fail_msg("not in the scripts: %s", sql);
    free(s);
    return STK_OK;
}

static char *read_scripts(const char *folder)
{
    const char *src = getenv("STK_SRC");
    char pattern[600];
    snprintf(pattern, sizeof pattern, "%s/migration_scripts/%s/*.sql", src ? src : ".", folder);
    glob_t g;
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    char *all = calloc(1, 1 << 20);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        FILE *f = fopen(g.gl_pathv[i], "r");
        size_t n = strlen(all);
        n += fread(all + n, 1, (1 << 20) - 1 - n, f);
        all[n] = '\0';
        fclose(f);
    }
    assert_int_equal(g.gl_pathc, SCHEMA_VERSION);
    globfree(&g);
    return all;
}

static void scripts_say_the_same(int kind, char *all)
{
    squeeze(all);
    struct stk_sql_dialect d = {.kind = kind, .plugin = "test"};
    struct stk_sql *sql = NULL;
    stk_err err = {.size = sizeof err};
    assert_int_equal(stk_sql_open(&schema, &d, &sql, &err), STK_OK);
    for (uint16_t t = 0; t < sql->ntables; t++)
        assert_int_equal(stk_sql_ddl_table(sql, t, find_in_script, all, &err), STK_OK);
    stk_sql_close(sql);
    free(all);
}

static void postgresql_scripts_say_the_same(void **state)
{
    (void)state;
    char *all = read_scripts("postgresql");
    assert_non_null(
        strstr(all, "\nBEGIN;\nSELECT pg_advisory_xact_lock(" STK_MIGRATE_PG_LOCK_TEXT ");\n"));
    scripts_say_the_same(STK_SQL_POSTGRESQL, all);
}

static void mysql_scripts_say_the_same(void **state)
{
    (void)state;
    scripts_say_the_same(STK_SQL_MYSQL, read_scripts("mysql"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, fix_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scripts_reach_the_catalogue),    TEST(scripts_and_ensure_agree),
        TEST(hand_run_script_is_accepted),    TEST(command_line_tool_gives_the_same),
        TEST(edited_history_is_refused),      TEST(status_before_and_after),
        TEST(many_processes_migrate_at_once), TEST(verify_sees_what_is_missing),
        TEST(drop_takes_tables_and_history),  TEST(postgresql_scripts_say_the_same),
        TEST(mysql_scripts_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
