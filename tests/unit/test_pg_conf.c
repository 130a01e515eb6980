/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the PostgreSQL plugin, without libpq: what the URI and the
 * keys become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../plugins/postgresql/pg_conf.c"

bool pg_param_known(const char *keyword)
{
    static const char *const known[] = {"sslmode", "sslrootcert", "host",    "hostaddr",
                                        "port",    "keepalives",  "options", "application_name"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(keyword, known[i]) == 0)
            return true;
    return false;
}

static struct pg_conf *load_kv(const stk_kv *kv, size_t n)
{
    stk_err err = {.size = sizeof err};
    struct pg_conf *conf = NULL;
    stk_status st = pg_conf_load(kv, n, NULL, &conf, &err);
    if (st != STK_OK)
        print_message("%s\n", err.msg);
    assert_int_equal(st, STK_OK);
    return conf;
}

static struct pg_conf *load_uri(const char *uri)
{
    const stk_kv kv[] = {{"postgresql_connection_uri", uri}};
    return load_kv(kv, 1);
}

static void fails(const stk_kv *kv, size_t n, const char *words)
{
    stk_err err = {.size = sizeof err};
    struct pg_conf *conf = NULL;
    assert_int_equal(pg_conf_load(kv, n, NULL, &conf, &err), STK_E_CONFIG);
    assert_null(conf);
    assert_non_null(strstr(err.msg, words));
}

static void test_users_and_passwords(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *user, *password;
    } cases[] = {
        {"postgresql://u:p@h/d", "u", "p"},
        {"postgresql://admin@server:p@server.postgres.example.com:5432/d", "admin@server", "p"},
        {"postgresql://u%40s:p%40%3A%2F%23%25%3F%3B%27%22@h/d", "u@s", "p@:/#%?;'\""},
        {"postgresql://u@h/d", "u", NULL},
        {"postgresql://h/d?user=x&password=y%26z", "x", "y&z"},
        {"postgresql://h/d", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pg_conf *c = load_uri(cases[i].uri);
        if (cases[i].user)
            assert_string_equal(c->server.user, cases[i].user);
        else
            assert_null(c->server.user);
        if (cases[i].password)
            assert_string_equal(c->server.password, cases[i].password);
        else
            assert_null(c->server.password);
        assert_string_equal(c->server.database, "d");
        pg_conf_free(c);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    struct pg_conf *c = load_uri("postgresql://u:p@a:1,b,[2001:db8::1]:3/d");
    assert_int_equal(c->server.nhosts, 3);
    static const char *const want[] = {"a:1", "b:5432", "[2001:db8::1]:3"};
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(c->server.hosts[i].name, want[i]);
    /* No word about it: one that takes writes. */
    assert_int_equal(c->target, PG_TARGET_READ_WRITE);
    pg_conf_free(c);
    c = load_uri("postgresql://u:p@a,b/d?target_session_attrs=any");
    assert_int_equal(c->target, PG_TARGET_ANY);
    pg_conf_free(c);
    c = load_uri("postgresql://u:p@a/d");
    assert_int_equal(c->target, PG_TARGET_READ_WRITE);
    pg_conf_free(c);
    c = load_uri("postgresql://u:p@a/d?targetServerType=preferSecondary");
    assert_int_equal(c->target, PG_TARGET_PREFER_STANDBY);
    pg_conf_free(c);
}

static void test_parameters_pass_or_are_translated(void **state)
{
    (void)state;
    struct pg_conf *c = load_uri(
        "postgresql://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&"
        "allowPublicKeyRetrieval=true&prepareThreshold=0&ApplicationName=mine&"
        "connect_timeout=7&currentSchema=s&options=-c%20geqo%3Doff&client_encoding=LATIN1");
    assert_int_equal(c->nparams, 4);
    assert_string_equal(param_get(c, "sslmode"), "verify-full");
    assert_string_equal(param_get(c, "sslrootcert"), "/etc/ca.pem");
    assert_string_equal(param_get(c, "application_name"), "mine");
    assert_string_equal(param_get(c, "options"), "-c geqo=off");
    assert_int_equal(c->server.connect_us, 7000000);
    assert_string_equal(c->schema, "s");
    pg_conf_free(c);
    c = load_uri("postgresql://u:p@h/d?ssl=true");
    assert_string_equal(param_get(c, "sslmode"), "require");
    pg_conf_free(c);
    c = load_uri("postgresql://u:p@h/d?ssl=true&sslmode=verify-ca");
    assert_string_equal(param_get(c, "sslmode"), "verify-ca");
    pg_conf_free(c);
}

static void test_keys_fill_what_the_uri_leaves_open(void **state)
{
    (void)state;
    const stk_kv kv[] = {{"postgresql_connection_uri", "postgresql://u@h/d?sslmode=require"},
                         {"postgresql_user", "other"},
                         {"postgresql_password", "from key"},
                         {"postgresql_port", "6432"},
                         {"postgresql_database_name", "other"},
                         {"postgresql_connection_attributes", "sslmode=disable&keepalives=0"},
                         {"postgresql_connection_pool_size", "4"},
                         {"postgresql_idle_connection_timeout", "250"},
                         {"postgresql_prepared_statements", "OFF"},
                         {"postgresql_key_value_table_name", "ignored"}};
    struct pg_conf *c = load_kv(kv, sizeof kv / sizeof kv[0]);
    assert_string_equal(c->server.user, "u");
    assert_string_equal(c->server.password, "from key");
    assert_int_equal(c->server.hosts[0].port, 6432);
    assert_string_equal(c->server.database, "d");
    assert_string_equal(param_get(c, "sslmode"), "require");
    assert_string_equal(param_get(c, "keepalives"), "0");
    assert_int_equal(c->server.pool_size, 4);
    assert_int_equal(c->server.min_idle, 4);
    assert_int_equal(c->server.idle_ms, 250);
    assert_int_equal(c->prepared, PG_PREPARED_OFF);
    pg_conf_free(c);
}

static void test_empty_values_are_unset(void **state)
{
    (void)state;
    const stk_kv kv[] = {{"postgresql_connection_uri", ""},
                         {"postgresql_user", "u"},
                         {"postgresql_password", ""},
                         {"postgresql_table_names_prefix", ""}};
    struct pg_conf *c = load_kv(kv, 4);
    assert_null(c->server.password);
    assert_string_equal(c->server.hosts[0].host, "localhost");
    assert_string_equal(c->server.database, "supertokens");
    assert_string_equal(c->schema, "public");
    pg_conf_free(c);
}

static void test_refusals(void **state)
{
    (void)state;
    fails(NULL, 0, "postgresql_user is set");
    const stk_kv prefix[] = {{"postgresql_user", "u"}, {"postgresql_table_names_prefix", "st"}};
    fails(prefix, 2, "postgresql_table_schema");
    const stk_kv scheme[] = {{"postgresql_connection_uri", "mongodb://u:p@h/d"}};
    fails(scheme, 1, "mongodb://");
    const stk_kv unknown[] = {{"postgresql_connection_uri", "postgresql://u:p@h/d?wat=1"}};
    fails(unknown, 1, "\"wat\"");
    const stk_kv size[] = {{"postgresql_user", "u"}, {"postgresql_connection_pool_size", "-1"}};
    fails(size, 2, "postgresql_connection_pool_size");
}

static void test_identity_is_bounded(void **state)
{
    (void)state;
    struct pg_conf *c = load_uri("postgresql://u:p@a-rather-long-host-name.example.com,"
                                 "another-rather-long-host-name.example.com/database");
    char data[64], pool[64];
    stk_err err = {.size = sizeof err};
    assert_int_equal(pg_conf_identity(c, data, pool, sizeof data, &err), STK_OK);
    assert_true(strlen(data) < sizeof data && strlen(pool) < sizeof pool);
    assert_non_null(strchr(data, '~'));
    assert_int_equal(pg_conf_identity(c, data, pool, 8, &err), STK_E_INVALID);
    pg_conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_and_passwords),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_parameters_pass_or_are_translated),
        cmocka_unit_test(test_keys_fill_what_the_uri_leaves_open),
        cmocka_unit_test(test_empty_values_are_unset),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_identity_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
