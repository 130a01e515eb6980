/* SPDX-License-Identifier: Apache-2.0 */
/* Error number to status and message in the MySQL plugin, without its client
 * library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../plugins/mysql/mq_error.c"

static const struct mq_place at = {"db:3306", "app", "tokens"};

static stk_status map(unsigned code, unsigned *flags, stk_err *err)
{
    struct mq_failure f;
    mq_failure_set(&f, code, "HY000", "server words, value 'sEcReT'");
    *err = (stk_err){.size = sizeof *err};
    return mq_error_statement(NULL, &at, STK_NONE, &f, flags, err);
}

static void test_statements(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        stk_status status;
        unsigned flags;
    } cases[] = {
        {1205, STK_E_RETRY, 0},
        {1213, STK_E_RETRY, 0},
        {3101, STK_E_RETRY, 0},
        {1243, STK_E_RETRY, MQ_STALE},
        {1290, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {1792, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {1836, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {1047, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {1053, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {2006, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {2013, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE},
        {1040, STK_E_UNAVAILABLE, MQ_DROP},
        {1461, STK_E_UNAVAILABLE, MQ_DROP},
        {1317, STK_E_TIMEOUT, 0},
        {1153, STK_E_TOO_BIG, MQ_DROP},
        {1406, STK_E_TOO_BIG, 0},
        {1048, STK_E_INVALID, 0},
        {1366, STK_E_INVALID, 0},
        {1142, STK_E_DENIED, 0},
        {1044, STK_E_DENIED, 0},
        {1146, STK_E_SCHEMA, 0},
        {1054, STK_E_SCHEMA, 0},
        {1114, STK_E_READ_ONLY, 0},
        {1021, STK_E_READ_ONLY, 0},
        {1665, STK_E_CONFIG, 0},
        {2008, STK_E_NOMEM, 0},
        {1999, STK_E_INTERNAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned flags;
        stk_err err;
        if (map(cases[i].code, &flags, &err) != cases[i].status)
            fail_msg("%u gives %d", cases[i].code, err.code);
        assert_int_equal(flags, cases[i].flags);
        assert_int_equal(err.native, cases[i].code);
    }
}

static void test_values_are_not_told(void **state)
{
    (void)state;
    static const unsigned codes[] = {1062, 1366, 1292, 1264, 1406, 1300, 1048};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        unsigned flags;
        stk_err err;
        map(codes[i], &flags, &err);
        assert_null(strstr(err.msg, "sEcReT"));
        assert_true(strlen(err.msg) > 0);
    }
}

static void test_keys_of_duplicates(void **state)
{
    (void)state;
    static const struct {
        const char *message, *key;
    } cases[] = {
        {"Duplicate entry 'a-b' for key 'email'", "email"},
        {"Duplicate entry 'a-b' for key 'st_users.email'", "email"},
        {"Duplicate entry 'it's' for key 'PRIMARY'", "PRIMARY"},
        {"Duplicate entry 'a' for key 'st_users.PRIMARY'", "PRIMARY"},
        {"no quotes", ""},
        {"'", ""},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mq_failure f;
        mq_failure_set(&f, 1062, "23000", cases[i].message);
        assert_string_equal(f.key, cases[i].key);
    }
}

static void test_connecting(void **state)
{
    (void)state;
    static const struct {
        unsigned code;
        stk_status status;
        const char *words;
    } cases[] = {
        {1049, STK_E_UNAVAILABLE, "CREATE DATABASE `tokens` CHARACTER SET utf8mb4"},
        {1045, STK_E_DENIED, "refuses user \"app\""},
        {1044, STK_E_DENIED, "GRANT ALL PRIVILEGES ON `tokens`.* TO 'app'@'%';"},
        {1130, STK_E_DENIED, "CREATE USER"},
        {1040, STK_E_UNAVAILABLE, "mysql_connection_pool_size"},
        {1129, STK_E_UNAVAILABLE, "flush-hosts"},
        {2059, STK_E_DENIED, "plugin of user"},
        {2026, STK_E_UNAVAILABLE, "no TLS connection to db:3306"},
        {2005, STK_E_UNAVAILABLE, "cannot be resolved"},
        {2003, STK_E_UNAVAILABLE, "Check that the server runs there"},
        {1234, STK_E_UNAVAILABLE, "error 1234"},
    };
    struct mq_failure f;
    stk_err err = {.size = sizeof err};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mq_failure_set(&f, cases[i].code, "HY000", "words");
        assert_int_equal(mq_error_connect(&at, &f, 0, &err), cases[i].status);
        if (!strstr(err.msg, cases[i].words))
            fail_msg("%s", err.msg);
    }
    mq_failure_set(&f, 2013, "HY000", "words");
    assert_int_equal(mq_error_connect(&at, &f, 700000, &err), STK_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "within 700 ms"));
}

static void test_what_a_commit_proves(void **state)
{
    (void)state;
    assert_true(mq_error_undone(1213) && mq_error_undone(1047) && mq_error_undone(3101));
    assert_false(mq_error_undone(2013) || mq_error_undone(1053) || mq_error_undone(1317));
    assert_true(mq_error_lost(2006) && mq_error_lost(2013) && !mq_error_lost(1213));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),           cmocka_unit_test(test_values_are_not_told),
        cmocka_unit_test(test_keys_of_duplicates),   cmocka_unit_test(test_connecting),
        cmocka_unit_test(test_what_a_commit_proves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
