/* SPDX-License-Identifier: Apache-2.0 */
/* Connection URIs: what is accepted, refused, printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <stk_sdk.h>
#include <stk_uri.h>

static struct stk_uri *parse(const char *text)
{
    struct stk_uri *u = NULL;
    stk_err err = {.size = sizeof err};
    if (stk_uri_parse(text, "x_connection_uri", &u, &err))
        fail_msg("%s: %s", text, err.msg);
    return u;
}

static void whole(void **state)
{
    (void)state;
    struct stk_uri *u = parse("PostgreSQL://me:secret@db.example:5433/app?sslmode=verify-full&a=b");
    assert_string_equal(u->scheme, "postgresql");
    assert_string_equal(u->user, "me");
    assert_string_equal(u->password, "secret");
    assert_int_equal(u->nhosts, 1);
    assert_string_equal(u->hosts[0].host, "db.example");
    assert_int_equal(u->hosts[0].port, 5433);
    assert_string_equal(u->database, "app");
    assert_string_equal(stk_uri_param(u, "SSLMode"), "verify-full");
    assert_null(stk_uri_param(u, "b"));
    stk_uri_free(u);
}

static void parts_may_be_missing(void **state)
{
    (void)state;
    struct stk_uri *u = parse("mysql://");
    assert_null(u->user);
    assert_null(u->database);
    assert_int_equal(u->nhosts, 1);
    assert_string_equal(u->hosts[0].host, "");
    stk_uri_free(u);
    u = parse("mysql://root@/?x=1&y");
    assert_string_equal(u->user, "root");
    assert_null(u->password);
    assert_null(u->database);
    assert_string_equal(stk_uri_param(u, "y"), "");
    stk_uri_free(u);
    u = parse("mysql://h:/d");
    assert_int_equal(u->hosts[0].port, 0);
    stk_uri_free(u);
}

static void azure_user_and_raw_at(void **state)
{
    (void)state;
    struct stk_uri *u = parse("postgres://user@server:p@ss:word@host/db");
    assert_string_equal(u->user, "user@server");
    assert_string_equal(u->password, "p@ss:word");
    assert_string_equal(u->hosts[0].host, "host");
    stk_uri_free(u);
    u = parse("postgres://host/db?options=a@b");
    assert_null(u->user);
    assert_string_equal(stk_uri_param(u, "options"), "a@b");
    stk_uri_free(u);
}

static void hostile_password_round_trips(void **state)
{
    (void)state;
    struct stk_uri *u = parse("postgres://u:%40%3A%2F%23%25%3F%3B%27%22%20%C3%A9@h/d%2Fb?p=%26%3D");
    assert_string_equal(u->password, "@:/#%?;'\" \xC3\xA9");
    assert_string_equal(u->database, "d/b");
    assert_string_equal(stk_uri_param(u, "p"), "&=");
    char *text = stk_uri_format(u, false);
    struct stk_uri *again = parse(text);
    assert_string_equal(again->password, u->password);
    assert_string_equal(again->database, u->database);
    assert_string_equal(stk_uri_param(again, "p"), "&=");
    free(text);
    stk_uri_free(again);
    stk_uri_free(u);
}

static void many_hosts_and_ipv6(void **state)
{
    (void)state;
    static const char hosts[] = "postgresql://u@[::1]:5433,db2,%2Fvar%2Frun:7,[fe80::1%25lo]/d";
    struct stk_uri *u = parse(hosts);
    assert_int_equal(u->nhosts, 4);
    assert_string_equal(u->hosts[0].host, "::1");
    assert_true(u->hosts[0].ipv6);
    assert_int_equal(u->hosts[0].port, 5433);
    assert_string_equal(u->hosts[1].host, "db2");
    assert_int_equal(u->hosts[1].port, 0);
    assert_string_equal(u->hosts[2].host, "/var/run");
    assert_int_equal(u->hosts[2].port, 7);
    assert_string_equal(u->hosts[3].host, "fe80::1%lo");
    char *text = stk_uri_format(u, false);
    assert_string_equal(text, hosts);
    free(text);
    stk_uri_free(u);
}

static void refused_without_quoting(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost/db",
        "://h",
        "pg://u:s3cret%4@h/d",
        "pg://u:s3cret%zz@h/d",
        "pg://u:s3cret%00@h/d",
        "pg://u:s3cret/x@h/d", /* what follows the colon is then a port */
        "pg://u:s3cret#x@h/d",
        "pg://h:70000/d",
        "pg://h:0/d",
        "pg://h:s3cret/d",
        "pg://[::1/d",
        "pg://[::1]s3cret/d",
        "pg://[s3cret:p%40ss]:1/d",
        "pg://[]/d",
        "s3cret pg://h",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct stk_uri *u = NULL;
        stk_err err = {.size = sizeof err};
        assert_int_equal(stk_uri_parse(bad[i], "x_connection_uri", &u, &err), STK_E_CONFIG);
        assert_null(u);
        assert_non_null(strstr(err.msg, "x_connection_uri: "));
        assert_null(strstr(err.msg, "s3cret"));
    }
}

static void masked(void **state)
{
    (void)state;
    struct stk_uri *u = parse("pg://me:s3cret@h/d?sslpassword=s3cret&x=1");
    char *text = stk_uri_format(u, true);
    assert_string_equal(text, "pg://me:***@h/d?sslpassword=***&x=1");
    free(text);
    stk_uri_free(u);
    static const char *const cases[][2] = {
        {"pg://me:s3cret@h:1/d?x=1", "pg://me:***@h:1/d?x=1"},
        {"pg://a@b:s3cret@h/d", "pg://a@b:***@h/d"},
        {"pg://me:s3/c?r#e@t@h/d", "pg://me:***@h/d"},
        {"pg://me@h/d", "pg://me@h/d"},
        {"pg://h/d?password=s3cret&x=1", "pg://h/d?password=***&x=1"},
        {"host=h password=s3cret port=1", "host=h password=***"},
        {"nonsense", "nonsense"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[100], tiny[8];
        stk_uri_mask(cases[i][0], out, sizeof out);
        assert_string_equal(out, cases[i][1]);
        stk_uri_mask(cases[i][0], tiny, sizeof tiny);
        assert_true(strlen(tiny) < sizeof tiny);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(parts_may_be_missing),
        cmocka_unit_test(azure_user_and_raw_at),
        cmocka_unit_test(hostile_password_round_trips),
        cmocka_unit_test(many_hosts_and_ipv6),
        cmocka_unit_test(refused_without_quoting),
        cmocka_unit_test(masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
