/* SPDX-License-Identifier: Apache-2.0 */
/* SQLSTATE to status and message in the PostgreSQL plugin, without libpq. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../plugins/postgresql/pg_error.c"

static const struct pg_place at = {"db:5432", "app", "tokens", "public"};

static stk_status map(const char *state, bool fatal, unsigned *flags, stk_err *err)
{
    struct pg_failure f = {.fatal = fatal};
    memcpy(f.sqlstate, state, 6);
    snprintf(f.message, sizeof f.message, "server words, value \"secret\"");
    memset(err, 0, sizeof *err);
    err->size = sizeof *err;
    return pg_error_statement(NULL, &at, STK_NONE, &f, flags, err);
}

static void test_statements(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        stk_status status;
        unsigned flags;
    } cases[] = {
        {"22012", STK_E_EXPECT, 0},
        {"40001", STK_E_RETRY, 0},
        {"40P01", STK_E_RETRY, 0},
        {"55P03", STK_E_RETRY, 0},
        {"57014", STK_E_TIMEOUT, 0},
        {"57P01", STK_E_UNAVAILABLE, PG_DROP | PG_STALE},
        {"57P03", STK_E_UNAVAILABLE, PG_DROP | PG_STALE},
        {"08P01", STK_E_UNAVAILABLE, PG_DROP | PG_STALE},
        {"25006", STK_E_UNAVAILABLE, PG_DROP | PG_STALE},
        {"26000", STK_E_RETRY, PG_UNPREPARE | PG_STALE},
        {"42P05", STK_E_RETRY, PG_UNPREPARE | PG_STALE},
        {"42P01", STK_E_SCHEMA, 0},
        {"42703", STK_E_SCHEMA, 0},
        {"42501", STK_E_DENIED, 0},
        {"53100", STK_E_READ_ONLY, 0},
        {"53300", STK_E_UNAVAILABLE, 0},
        {"54000", STK_E_TOO_BIG, 0},
        {"22001", STK_E_TOO_BIG, 0},
        {"23502", STK_E_INVALID, 0},
        {"XX000", STK_E_INTERNAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned flags;
        stk_err err;
        stk_status st = map(cases[i].sqlstate, false, &flags, &err);
        assert_int_equal(st, cases[i].status);
        assert_int_equal(err.code, st);
        assert_int_equal(flags, cases[i].flags);
        assert_string_equal(err.sqlstate, cases[i].sqlstate);
        assert_int_equal(strncmp(err.msg, "postgresql: ", 12), 0);
        if (cases[i].sqlstate[0] == '2') /* their texts quote values */
            assert_null(strstr(err.msg, "secret"));
    }
    unsigned flags;
    stk_err err;
    assert_int_equal(map("XX999", true, &flags, &err), STK_E_UNAVAILABLE);
    assert_int_equal(flags, PG_DROP);
}

static void test_denied_says_the_grant(void **state)
{
    (void)state;
    unsigned flags;
    stk_err err;
    map("42501", false, &flags, &err);
    assert_non_null(strstr(err.msg, "GRANT USAGE ON SCHEMA public TO app;"));
}

static void test_reason(void **state)
{
    (void)state;
    char code[6], reason[128];
    pg_error_reason("connection to server at \"h\" (1.2.3.4), port 5432 failed: FATAL:  3D000: "
                    "database \"x\" does not exist\nLOCATION:  InitPostgres, postinit.c:1\n",
                    code, reason, sizeof reason);
    assert_string_equal(code, "3D000");
    assert_string_equal(reason, "database \"x\" does not exist");
    pg_error_reason("connection to server at \"h\", port 1 failed: Connection refused\n\tIs the "
                    "server running on that host and accepting TCP/IP connections?\n",
                    code, reason, sizeof reason);
    assert_string_equal(code, "");
    assert_string_equal(reason, "Connection refused");
    pg_error_reason("", code, reason, sizeof reason);
    assert_string_equal(reason, "");
}

static void test_connecting(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate, *text;
        uint64_t timeout_us;
        stk_status status;
        const char *words;
    } cases[] = {
        {"3D000", "x", 0, STK_E_UNAVAILABLE,
         "postgresql: database \"tokens\" does not exist on db:5432. Create it: CREATE DATABASE "
         "tokens;"},
        {"28P01", "x", 0, STK_E_DENIED, "refuses the password of user \"app\""},
        {"28000", "no pg_hba.conf entry", 0, STK_E_DENIED, "pg_hba.conf"},
        {"53300", "sorry", 0, STK_E_UNAVAILABLE, "max_connections"},
        {"57P03", "the database system is starting up", 0, STK_E_UNAVAILABLE, "starting up"},
        {"", "Connection refused", 0, STK_E_UNAVAILABLE,
         "postgresql: cannot connect to db:5432: Connection refused. Check that"},
        {"", "", 2000000, STK_E_UNAVAILABLE, "did not answer within 2000 ms"},
        {"", "SSL error: certificate verify failed", 0, STK_E_UNAVAILABLE, "sslrootcert"},
        {"", "invalid sslmode value: \"x\"", 0, STK_E_CONFIG, "Correct postgresql_connection_uri"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        stk_err err = {.size = sizeof err};
        assert_int_equal(
            pg_error_connect(&at, cases[i].sqlstate, cases[i].text, cases[i].timeout_us, &err),
            cases[i].status);
        assert_non_null(strstr(err.msg, cases[i].words));
    }
}

static void test_identifiers_are_quoted_where_needed(void **state)
{
    (void)state;
    char buf[32];
    assert_string_equal(ident("plain_1", buf, sizeof buf), "plain_1");
    assert_string_equal(ident("Mixed", buf, sizeof buf), "\"Mixed\"");
    assert_string_equal(ident("a\"b", buf, sizeof buf), "\"a\"\"b\"");
    assert_string_equal(ident("1st", buf, sizeof buf), "\"1st\"");
    ident("a-name-that-is-far-too-long-for-the-buffer", buf, sizeof buf);
    assert_true(strlen(buf) < sizeof buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_denied_says_the_grant),
        cmocka_unit_test(test_reason),
        cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_identifiers_are_quoted_where_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
