/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the MySQL plugin, without its client library: what the URI and
 * the keys become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../plugins/mysql/mq_conf.c"

static struct mq_conf *load_kv(const stk_kv *kv, size_t n)
{
    stk_err err = {.size = sizeof err};
    struct mq_conf *conf = NULL;
    if (mq_conf_load(kv, n, NULL, &conf, &err) != STK_OK)
        fail_msg("%s", err.msg);
    return conf;
}

static struct mq_conf *load_uri(const char *uri)
{
    const stk_kv kv[] = {{"mysql_connection_uri", uri}};
    return load_kv(kv, 1);
}

static void fails(const stk_kv *kv, size_t n, const char *words)
{
    stk_err err = {.size = sizeof err};
    struct mq_conf *conf = NULL;
    assert_int_equal(mq_conf_load(kv, n, NULL, &conf, &err), STK_E_CONFIG);
    assert_null(conf);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" is not in: %s", words, err.msg);
    assert_null(strstr(err.msg, "sEcReT"));
}

static void fails_uri(const char *uri, const char *words)
{
    const stk_kv kv[] = {{"mysql_connection_uri", uri}};
    fails(kv, 1, words);
}

static void test_users_hosts_and_databases(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *user, *password, *hosts, *database;
    } cases[] = {
        {"mysql://u:p@h/d", "u", "p", "h:3306", "d"},
        {"mariadb://u:p@h:3307/d", "u", "p", "h:3307", "d"},
        {"jdbc:mysql://u:p@h/d", "u", "p", "h:3306", "d"},
        {"mysql://user@servername:pass@s.mysql.example.com:3306/d?useSSL=true", "user@servername",
         "pass", "s.mysql.example.com:3306", "d"},
        {"mysql://u%40s:p%40%3A%2F%23%25%3F%3B%27%22@h/d", "u@s", "p@:/#%?;'\"", "h:3306", "d"},
        {"mysql://u@h/d", "u", NULL, "h:3306", "d"},
        {"mysql://h/d?user=x&password=y%26z", "x", "y&z", "h:3306", "d"},
        {"mysql://u:p@n1:3306,n2:3307,n3/d", "u", "p", "n1:3306,n2:3307,n3:3306", "d"},
        {"mysql://u:p@[::1]:3307/d", "u", "p", "[::1]:3307", "d"},
        {"mysql://u:p@/d", "u", "p", "localhost:3306", "d"},
        {"mysql://u:p@h", "u", "p", "h:3306", "supertokens"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct mq_conf *c = load_uri(cases[i].uri);
        char hosts[256] = "";
        for (size_t h = 0; h < c->server.nhosts; h++)
            snprintf(hosts + strlen(hosts), sizeof hosts - strlen(hosts), "%s%s", h ? "," : "",
                     c->server.hosts[h].name);
        assert_string_equal(c->server.user, cases[i].user);
        if (cases[i].password)
            assert_string_equal(c->server.password, cases[i].password);
        else
            assert_null(c->server.password);
        assert_string_equal(hosts, cases[i].hosts);
        assert_string_equal(c->server.database, cases[i].database);
        mq_conf_free(c);
    }
}

static void test_tls(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        enum mq_tls tls;
        const char *ca;
    } cases[] = {
        {"", MQ_TLS_PREFERRED, NULL},
        {"useSSL=true", MQ_TLS_REQUIRED, NULL},
        {"useSSL=false", MQ_TLS_DISABLED, NULL},
        {"useSSL=false&requireSSL=true", MQ_TLS_REQUIRED, NULL},
        {"requireSSL=true", MQ_TLS_REQUIRED, NULL},
        {"useSSL=true&verifyServerCertificate=false", MQ_TLS_REQUIRED, NULL},
        {"useSSL=true&verifyServerCertificate=true", MQ_TLS_VERIFY_IDENTITY, NULL},
        {"useSSL=true&serverSslCert=/dev/null", MQ_TLS_VERIFY_IDENTITY, "/dev/null"},
        {"serverSslCert=file:///dev/null", MQ_TLS_VERIFY_IDENTITY, "/dev/null"},
        {"useSSL=true&serverSslCert=/dev/null&verifyServerCertificate=false", MQ_TLS_REQUIRED,
         "/dev/null"},
        {"useSSL=true&trustServerCertificate=true", MQ_TLS_REQUIRED, NULL},
        {"usessl=TRUE", MQ_TLS_REQUIRED, NULL},
        {"sslMode=DISABLED", MQ_TLS_DISABLED, NULL},
        {"sslMode=preferred", MQ_TLS_PREFERRED, NULL},
        {"sslMode=REQUIRED", MQ_TLS_REQUIRED, NULL},
        {"sslMode=trust", MQ_TLS_REQUIRED, NULL},
        {"sslMode=VERIFY_CA&sslCa=/dev/null", MQ_TLS_VERIFY_CA, "/dev/null"},
        {"sslMode=verify-full", MQ_TLS_VERIFY_IDENTITY, NULL},
        {"useSSL=false&sslMode=VERIFY_IDENTITY", MQ_TLS_VERIFY_IDENTITY, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char uri[256];
        snprintf(uri, sizeof uri, "mysql://u:p@h/d?%s", cases[i].params);
        struct mq_conf *c = load_uri(uri);
        if (c->tls != cases[i].tls)
            fail_msg("%s gives %d", cases[i].params, (int)c->tls);
        if (cases[i].ca)
            assert_string_equal(c->ca, cases[i].ca);
        else
            assert_null(c->ca);
        mq_conf_free(c);
    }
    fails_uri("mysql://u:sEcReT@h/d?serverSslCert=/no/ca.pem",
              "serverSslCert of "
              "mysql_connection_uri names /no/ca.pem: No such file");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    fails_uri("mysql://u:sEcReT@h/d?sslMode=maybe", "sslMode=maybe is not known");
    fails_uri("mysql://u:sEcReT@h/d?useSSL=perhaps", "must be true or false");
    fails_uri("mysql://u:sEcReT@h/d?verifyServerCertificat=true", "is not known");
    fails_uri("mysql://u:sEcReT@h/d?trustCertificateKeyStoreUrl=file:x.jks", "PEM");
    fails_uri("mysql://u:sEcReT@h/d?clientSslCert=/c.pem", "without clientSslKey");
    fails_uri("mysql://u:sEcReT@h/d?maxPoolSize=0", "maxPoolSize must be a number");
    fails_uri("mysql://u:sEcReT@h/d?maxPoolSize=ten", "maxPoolSize must be a number");
    fails_uri("postgresql://u:sEcReT@h/d", "begins with postgresql://");
    fails_uri("mysql://h/d", "no user name");
    fails(NULL, 0, "neither mysql_connection_uri nor mysql_user is set");
    const stk_kv prefix[] = {{"mysql_user", "u"}, {"mysql_table_names_prefix", "x"}};
    fails(prefix, 2, "mysql_table_names_prefix");
    const stk_kv port[] = {{"mysql_user", "u"}, {"mysql_port", "70000"}};
    fails(port, 2, "mysql_port");
    const stk_kv idle[] = {{"mysql_user", "u"},
                           {"mysql_connection_pool_size", "5"},
                           {"mysql_minimum_idle_connections", "6"}};
    fails(idle, 3, "mysql_minimum_idle_connections");
}

static void test_keys_fill_what_the_uri_leaves_open(void **state)
{
    (void)state;
    const stk_kv keys[] = {
        {"mysql_user", "u"},
        {"mysql_password", "p@:"},
        {"mysql_host", "a, b"},
        {"mysql_port", "3310"},
        {"mysql_database_name", "x"},
        {"mysql_connection_pool_size", "4"},
        {"mysql_minimum_idle_connections", "1"},
        {"mysql_idle_connection_timeout", "2000"},
        {"mysql_connection_attributes", "allowPublicKeyRetrieval=true&useSSL=true"}};
    struct mq_conf *c = load_kv(keys, sizeof keys / sizeof keys[0]);
    assert_int_equal(c->server.nhosts, 2);
    assert_string_equal(c->server.hosts[1].host, "b");
    assert_int_equal(c->server.hosts[1].port, 3310);
    assert_string_equal(c->server.password, "p@:");
    assert_string_equal(c->server.database, "x");
    assert_int_equal(c->server.pool_size, 4);
    assert_int_equal(c->server.min_idle, 1);
    assert_int_equal(c->server.idle_ms, 2000);
    assert_int_equal(c->tls, MQ_TLS_REQUIRED);
    mq_conf_free(c);
    const stk_kv both[] = {
        {"mysql_connection_uri",
         "mysql://v@h/d?maxPoolSize=9&minPoolSize=2&maxIdleTime=5&connectTimeout=700&useSSL=false"},
        {"mysql_user", "u"},
        {"mysql_password", "p"},
        {"mysql_connection_pool_size", "4"},
        {"mysql_connection_attributes", "useSSL=true"}};
    c = load_kv(both, sizeof both / sizeof both[0]);
    assert_string_equal(c->server.user, "v");
    assert_string_equal(c->server.password, "p");
    assert_int_equal(c->server.pool_size, 9);
    assert_int_equal(c->server.min_idle, 2);
    assert_int_equal(c->server.idle_ms, 5000);
    assert_int_equal(c->server.connect_us, 700000);
    assert_int_equal(c->tls, MQ_TLS_DISABLED);
    mq_conf_free(c);
}

static void identity_of(const char *uri, char data[256], char pool[256])
{
    stk_err err = {.size = sizeof err};
    struct mq_conf *c = load_uri(uri);
    assert_int_equal(mq_conf_identity(c, data, pool, 256, &err), STK_OK);
    assert_null(strstr(data, "sEcReT"));
    assert_null(strstr(pool, "sEcReT"));
    mq_conf_free(c);
}

static void test_identity(void **state)
{
    (void)state;
    char data[2][256], pool[2][256], uri[900];
    identity_of("mysql://u:sEcReT@h:3306/d", data[0], pool[0]);
    assert_string_equal(data[0], "mysql://h:3306/d");
    identity_of("mysql://u:sEcReT@h/d?maxPoolSize=3", data[1], pool[1]);
    assert_string_equal(data[0], data[1]);
    assert_string_not_equal(pool[0], pool[1]);
    identity_of("mysql://u:sEcReT2@h/d", data[1], pool[1]);
    assert_string_equal(data[0], data[1]);
    assert_string_not_equal(pool[0], pool[1]);
    identity_of("mysql://u:sEcReT@h/e", data[1], pool[1]);
    assert_string_not_equal(data[0], data[1]);
    for (int i = 0; i < 2; i++) {
        snprintf(uri, sizeof uri, "mysql://u@%0*d,h/d%d", 280, 1, i);
        identity_of(uri, data[i], pool[i]);
        assert_true(strlen(data[i]) < 256);
    }
    assert_string_not_equal(data[0], data[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_users_hosts_and_databases),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_keys_fill_what_the_uri_leaves_open),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
