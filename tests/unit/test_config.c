/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: traps of the file's format, precedence of the sources, the
 * choice of a plugin and its keys, what people are told, and what they are not. */
#include "config/config.h"

#include "base/ctx.h"
#include "config/config_internal.h"
#include "scratch.h"
#include "storage/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[64];
static char plugin_dir[4200];

static int setup(void **state)
{
    (void)state;
    scratch_make(home, sizeof(home));
    snprintf(plugin_dir, sizeof(plugin_dir), "%s/plugins", scratch_build());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return scratch_remove(home);
}

/* ---- loading */

static char *no_env[] = {NULL};

static struct config *load_with(const char *text, char *const *env, const struct config_arg *args,
                                size_t nargs)
{
    struct config_args a = {.home = home, .env = env, .keys = args, .nkeys = nargs};
    struct config *c;
    scratch_write(home, "config.yaml", text ? text : "");
    config_load(&a, &c);
    return c;
}

static struct config *load(const char *text)
{
    return load_with(text, no_env, NULL, 0);
}

static void one_error(struct config *c, const char *part)
{
    assert_int_equal(c->nerrors, 1);
    for (size_t i = 0; i < c->nproblems; i++)
        if (c->problems[i].error && !strstr(c->problems[i].text.p, part))
            fail_msg("'%s' lacks '%s'", c->problems[i].text.p, part);
    config_free(c);
}

static void no_problem(struct config *c)
{
    if (c->nproblems)
        fail_msg("%s", c->problems[0].text.p);
    assert_non_null(c->settings);
}

/* ---- the file */

static const char *value_of(struct config *c, const char *key)
{
    struct config_value v;
    assert_true(config_lookup(c, key, &v));
    return v.value.p;
}

static void scalars(void **state)
{
    (void)state;
    static const struct {
        const char *line, *value; /* value NULL: null */
    } rows[] = {
        {"x_k: plain", "plain"},
        {"x_k:plain", "plain"},
        {"x_k :   two words  ", "two words"},
        {"x_k: value # comment", "value"},
        {"x_k: va#lue", "va#lue"},
        {"x_k: # comment", NULL},
        {"x_k:", NULL},
        {"x_k: null", NULL},
        {"x_k: ~", NULL},
        {"x_k: \"null\"", "null"},
        {"x_k: ''", ""},
        {"x_k: 'it''s'", "it's"},
        {"x_k: 'a \\ b' # c", "a \\ b"},
        {"x_k: \"a\\\"b\\\\c\\td\"", "a\"b\\c\td"},
        {"x_k: \"\\x41\\u00e9\\U0001f600\"", "A\xc3\xa9\xf0\x9f\x98\x80"},
        {"x_k: \" kept \"", " kept "},
        {"x_k: \"a # b\"", "a # b"},
        {"x_k: \"a ;b\"", "a ;b"},
        {"x_k: ;a", ";a"},
        {"x_k: a ;b ; c", "a ;b ; c"},
        {"x_k: a=b:c", "a=b:c"},
        {"x_k: 127\\.\\d+\\.\\d+|::1", "127\\.\\d+\\.\\d+|::1"},
        {"x_k: postgresql://u:p@h:1/d?a=b&c=d", "postgresql://u:p@h:1/d?a=b&c=d"},
        {"x_k: value\r", "value"},
        {"x_k:\tvalue\t", "value"},
        {"\xef\xbb\xbfx_k: bom", "bom"},
        {"---\nx_k: after", "after"},
        {"--- # first\nx_k: after", "after"},
        {"# c\n\n   # d\nx_k: after\n...\nnonsense", "after"},
        {"x_k: 1\nx_l: 2", "1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config *c = load(rows[i].line);
        no_problem(c);
        const char *got = value_of(c, "x_k");
        if (!rows[i].value)
            assert_null(got);
        else if (!got || strcmp(got, rows[i].value) != 0)
            fail_msg("%s: got '%s'", rows[i].line, got ? got : "null");
        config_free(c);
    }
}

static void refused_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"port: 1\n\nhost: a\n  b: c", "line 4: indented lines"},
        {"x_k:\n  - a", "line 2: indented lines"},
        {"x_k:\n\t- a", "line 2: indented lines"},
        {"- a", "line 1: lists are not supported"},
        {"just words", "line 1: it is not of the form"},
        {"[section]", "line 1: it is not of the form"},
        {"[a]: b", "line 1: it does not begin with a key"},
        {"a=b:c", "line 1: it does not begin with a key"},
        {"x_k: [a]", "line 1: x_k: lists, maps"},
        {"x_k: {a: b}", "line 1: x_k: lists, maps"},
        {"x_k: |", "line 1: x_k: lists, maps"},
        {"x_k: \"open", "line 1: x_k: the closing double quote"},
        {"x_k: \"open\\\"", "line 1: x_k: the closing double quote"},
        {"x_k: 'open", "line 1: x_k: the closing single quote"},
        {"x_k: \"a\" b", "line 1: x_k: text follows the closing double quote"},
        {"x_k: 'a'#b", "line 1: x_k: text follows the closing single quote"},
        {"x_k: \"\\q\"", "line 1: x_k: an unknown escape"},
        {"x_k: \"\\x4\"", "line 1: x_k: an escape lacks"},
        {"x_k: \"\\ud800\"", "line 1: x_k: an escape is no character"},
        {"x_k: \"\\0\"", "line 1: x_k: an unknown escape"},
        {"x_k: \xff", "line 1: x_k: the value is not UTF-8"},
        {"x_k: a\x01"
         "b",
         "line 1: it holds a control character"},
        {"x_k: 1\n---\nx_l: 2", "line 2: it is not of the form"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        one_error(load(rows[i].text), rows[i].part);
}

/* Longer than inih's buffer, with what it would strip, cut or drop at any place. */
static void long_lines(void **state)
{
    (void)state;
    static const char *const fills[] = {"abcdefgh", " ", "; ", "# ", " ;#", "\xc3\xa9"};
    for (size_t f = 0; f < sizeof(fills) / sizeof(fills[0]); f++)
        for (size_t n = 150; n < 450; n += 7) {
            char value[4000], text[4100];
            size_t len = 0, step = strlen(fills[f]);
            for (; len < n; len += step)
                memcpy(value + len, fills[f], step + 1);
            snprintf(text, sizeof(text), "x_a: 1\nx_k: \"%s\"\nport: 99", value);
            struct config *c = load(text);
            no_problem(c);
            assert_string_equal(value_of(c, "x_k"), value);
            assert_int_equal(c->settings->port, 99);
            config_free(c);
        }
}

static void doubled_key(void **state)
{
    (void)state;
    struct config *c = load("port: 1\nport: 2");
    assert_int_equal(c->nerrors, 0);
    assert_int_equal(c->nproblems, 1);
    assert_non_null(strstr(c->problems[0].text.p, "line 2: port was already set in line 1"));
    assert_int_equal(c->settings->port, 2);
    config_free(c);
}

/* ---- sources */

static void precedence(void **state)
{
    (void)state;
    char *env[] = {(char *)(uintptr_t) "SUPERTOKENS_PORT=2", (char *)(uintptr_t) "BASE_PATH=",
                   (char *)(uintptr_t) "ACCESS_TOKEN_VALIDITY=\"20\"", NULL};
    const struct config_arg args[] = {{"port", "3"}};
    const char *text = "port: 1\nbase_path: /f\naccess_token_validity: 10\n";
    struct config *c = load_with(text, env, args, 1);
    no_problem(c);
    assert_int_equal(c->settings->port, 3);
    assert_string_equal(c->settings->base_path.p, "/f");
    assert_int_equal(c->settings->access_token_validity, 20);
    assert_int_equal(config_origin(c, settings_find(STR("port"))).source, SOURCE_ARG);
    assert_int_equal(config_origin(c, settings_find(STR("base_path"))).source, SOURCE_FILE);
    assert_int_equal(config_origin(c, settings_find(STR("access_token_validity"))).source,
                     SOURCE_ENV);
    assert_int_equal(config_origin(c, settings_find(STR("host"))).source, SOURCE_DEFAULT);
    config_free(c);
    c = load_with(text, env, NULL, 0);
    assert_int_equal(c->settings->port, 2);
    config_free(c);
    c = load(text);
    assert_int_equal(c->settings->port, 1);
    config_free(c);
}

static void secret_files(void **state)
{
    (void)state;
    char var[300];
    char *env[] = {var, NULL};
    scratch_write(home, "keys", "aaaaaaaaaaaaaaaaaaaa\n");
    snprintf(var, sizeof(var), "API_KEYS_FILE=%s/keys", home);
    struct config *c = load_with("", env, NULL, 0);
    no_problem(c);
    assert_string_equal(c->settings->api_keys.p, "aaaaaaaaaaaaaaaaaaaa");
    config_free(c);
    snprintf(var, sizeof(var), "API_KEYS_FILE=%s/none", home);
    one_error(load_with("", env, NULL, 0), "API_KEYS_FILE: cannot read");
}

static void bad_values_name_their_place(void **state)
{
    (void)state;
    char *env[] = {(char *)(uintptr_t) "SUPERTOKENS_PORT=x", NULL};
    const struct config_arg args[] = {{"port", "70000"}};
    one_error(load("host: a\nport: abc"), "config.yaml line 2: 'port' must be of type int");
    one_error(load_with("", env, NULL, 0),
              "environment variable SUPERTOKENS_PORT: 'port' must be of type int");
    one_error(load_with("", no_env, args, 1), "command line: 'port' must be <= 65535");
    one_error(load("access_token_validity: 0"), "'access_token_validity' must be between");
    one_error(load("api_keys: hunter2"), "One of the API keys is too short");
}

static void older_spelling(void **state)
{
    (void)state;
    struct config *c = load("access_token_signing_key_update_interval: 5.5");
    no_problem(c);
    assert_true(c->settings->access_token_dynamic_signing_key_update_interval == 5.5);
    config_free(c);
}

static void log_paths(void **state)
{
    (void)state;
    char expect[200];
    struct config *c = load("");
    no_problem(c);
    snprintf(expect, sizeof(expect), "%s/logs/info.log", home);
    assert_string_equal(c->settings->info_log_path.p, expect);
    assert_true(c->default_logs);
    config_free(c);
    c = load("info_log_path: \"null\"\nerror_log_path: sub/e.log");
    no_problem(c);
    assert_null(c->settings->info_log_path.p);
    snprintf(expect, sizeof(expect), "%s/sub/e.log", home);
    assert_string_equal(c->settings->error_log_path.p, expect);
    assert_false(c->default_logs);
    config_free(c);
}

static void places(void **state)
{
    (void)state;
    char path[300], expect[300];
    struct config *c;
    /* an installed tree: PREFIX/bin, PREFIX/lib/supertokens */
    scratch_mkdir(home, "usr/bin");
    scratch_mkdir(home, "usr/lib/supertokens");
    scratch_write(home, "usr/bin/st", "");
    snprintf(path, sizeof(path), "%s/usr/bin/st", home);
    struct config_args a = {.env = no_env, .exe = path};
    config_load(&a, &c);
    snprintf(expect, sizeof(expect), "%s/usr/lib/supertokens", home);
    assert_string_equal(c->home.p, expect);
    assert_null(c->file.p);
    assert_string_equal(c->state_dir.p, expect);
    snprintf(expect, sizeof(expect), "%s/usr/lib/supertokens/plugins", home);
    assert_string_equal(c->plugin_dir.p, expect);
    config_free(c);
    /* a repository: build/bin, config/config.yaml above it, plugins beside bin */
    scratch_mkdir(home, "repo/build/bin");
    scratch_mkdir(home, "repo/build/plugins");
    scratch_mkdir(home, "repo/config");
    scratch_mkdir(home, "repo/plugins");
    scratch_write(home, "repo/build/bin/st", "");
    scratch_write(home, "repo/config/config.yaml", "port: 77");
    snprintf(path, sizeof(path), "%s/repo/build/bin/st", home);
    config_load(&a, &c);
    snprintf(expect, sizeof(expect), "%s/repo", home);
    assert_string_equal(c->home.p, expect);
    assert_int_equal(c->settings->port, 77);
    snprintf(expect, sizeof(expect), "%s/repo/build/plugins", home);
    assert_string_equal(c->plugin_dir.p, expect);
    config_free(c);
    /* INSTALL_DIR, and a temporary folder */
    char var[300];
    char *env[] = {var, NULL};
    snprintf(var, sizeof(var), "INSTALL_DIR=%s/repo/config", home);
    a.env = env;
    a.temp_dir = home;
    config_load(&a, &c);
    assert_string_equal(c->home.p, var + strlen("INSTALL_DIR="));
    assert_int_equal(c->settings->port, 77);
    assert_string_equal(c->state_dir.p, home);
    config_free(c);
    /* what was named must exist */
    a.file = "/nonexistent/config.yaml";
    config_load(&a, &c);
    one_error(c, "cannot read the configuration /nonexistent/config.yaml");
}

/* ---- plugins */

struct chosen {
    struct config *c;
    struct plugins *ps;
    struct arena a;
    stk_kv *kv;
    size_t nkv;
    struct str why, err;
    int rc;
};

static void choose(struct chosen *x, struct config *c)
{
    *x = (struct chosen){.c = c, .err = STR("")};
    arena_init(&x->a);
    x->ps = plugins_new(plugin_dir);
    x->rc = config_plugin(c, x->ps, &x->a, &x->why, &x->err);
    if (x->rc)
        return;
    config_unknown_keys(c, x->ps);
    x->rc = config_plugin_kv(c, &x->a, &x->kv, &x->nkv, &x->err);
}

static void chosen_free(struct chosen *x)
{
    plugins_free(x->ps);
    config_free(x->c);
    arena_free(&x->a);
}

static const char *kv_get(const struct chosen *x, const char *key)
{
    for (size_t i = 0; i < x->nkv; i++)
        if (strcmp(x->kv[i].key, key) == 0)
            return x->kv[i].value;
    return NULL;
}

static void which_plugin(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *why;
    } rows[] = {
        {"", "sqlite", "no other database is configured"},
        {"postgresql_host: h", "postgresql", "postgresql_host, "},
        {"postgresql_user: u", "postgresql", "postgresql_user, "},
        {"postgresql_connection_uri: postgresql://h/d", "postgresql", "config.yaml line 1"},
        {"postgresql_connection_uri: null", "sqlite", "no other"},
        {"postgresql_connection_uri: ''", "sqlite", "no other"},
        {"sqlite_path: x\npostgresql_connection_uri: postgresql://h/d", "postgresql", "_uri"},
        {"storage_plugin: postgres", "postgresql", "storage_plugin, "},
        {"storage_plugin: sqlite\npostgresql_host: h\nmysql_host: h", "sqlite", "storage_plugin"},
        {"storage_plugin: ''\n", "sqlite", "no other"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chosen x;
        choose(&x, load(rows[i].text));
        if (x.rc)
            fail_msg("%s: %s", rows[i].text, x.err.p);
        assert_string_equal(x.c->plugin->v.name, rows[i].name);
        assert_non_null(strstr(x.why.p, rows[i].why));
        chosen_free(&x);
    }
    struct chosen x;
    choose(&x,
           load("mysql_connection_uri: mysql://h/d\npostgresql_connection_uri: postgresql://h"));
    assert_int_equal(x.rc, RC_FAIL);
    assert_non_null(strstr(x.err.p, "postgresql_connection_uri ("));
    assert_non_null(strstr(x.err.p, "mysql_connection_uri ("));
    chosen_free(&x);
    choose(&x, load("storage_plugin: nosuch"));
    assert_int_equal(x.rc, RC_FAIL);
    assert_non_null(strstr(x.err.p, "nosuch"));
    chosen_free(&x);
}

static void plugin_values(void **state)
{
    (void)state;
    char expect[200];
    struct chosen x;
    char *env[] = {(char *)(uintptr_t) "POSTGRESQL_CONNECTION_URI=postgresql://e/d",
                   (char *)(uintptr_t) "POSTGRESQL_PASSWORD=@:/#%?; '\"$", NULL};
    choose(&x, load_with("postgresql_connection_pool_size: 7\nmysql_host: unread\n", env, NULL, 0));
    assert_int_equal(x.rc, RC_OK);
    assert_int_equal(x.c->nproblems, 0);
    assert_string_equal(kv_get(&x, "postgresql_connection_uri"), "postgresql://e/d");
    assert_string_equal(kv_get(&x, "postgresql_password"), "@:/#%?; '\"$");
    assert_string_equal(kv_get(&x, "postgresql_connection_pool_size"), "7");
    assert_null(kv_get(&x, "postgresql_host"));
    chosen_free(&x);
    choose(&x, load(""));
    snprintf(expect, sizeof(expect), "%s/.started/supertokens.db", home);
    assert_string_equal(kv_get(&x, "sqlite_path"), expect);
    chosen_free(&x);
    choose(&x, load("sqlite_path: data/x.db"));
    snprintf(expect, sizeof(expect), "%s/data/x.db", home);
    assert_string_equal(kv_get(&x, "sqlite_path"), expect);
    chosen_free(&x);
    choose(&x, load("state_dir: /var/tmp"));
    assert_string_equal(kv_get(&x, "sqlite_path"), "/var/tmp/.started/supertokens.db");
    chosen_free(&x);
}

static void bad_plugin_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"postgresql_host: h\npostgresql_connection_pool_size: many",
         "config.yaml line 2: postgresql_connection_pool_size must be a whole number"},
        {"postgresql_host: h\npostgresql_connection_pool_size: 0",
         "postgresql_connection_pool_size must be between"},
        {"postgresql_host: h\npostgresql_prepared_statements: maybe",
         "postgresql_prepared_statements must be one of auto|on|off"},
        {"postgresql_host: h\npostgresql_table_names_prefix: p", "postgresql_table_schema"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chosen x;
        choose(&x, load(rows[i].text));
        if (x.rc == RC_OK)
            fail_msg("%s was accepted", rows[i].text);
        if (!strstr(x.err.p, rows[i].part))
            fail_msg("'%s' lacks '%s'", x.err.p, rows[i].part);
        chosen_free(&x);
    }
}

static void unknown_keys(void **state)
{
    (void)state;
    static const struct {
        const char *key, *warning; /* NULL: none */
    } rows[] = {
        {"acess_token_validity", "line 1: unknown key acess_token_validity; did you mean "
                                 "access_token_validity?"},
        {"postgres_connection_uri", "did you mean postgresql_connection_uri?"},
        {"sqlite_paht", "did you mean sqlite_path?"},
        {"utterly_different", "unknown key utterly_different"},
        {"mysql_whatever", NULL},
        {"mongodb_connection_uri_x", NULL},
        {"postgresql_whatever", NULL},
        {"postgresql_config_version", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200];
        struct chosen x;
        snprintf(text, sizeof(text), "%s: 1", rows[i].key);
        choose(&x, load(text));
        assert_int_equal(x.rc, RC_OK);
        assert_int_equal(x.c->nproblems, rows[i].warning != NULL);
        assert_int_equal(x.c->nerrors, 0);
        if (rows[i].warning && !strstr(x.c->problems[0].text.p, rows[i].warning))
            fail_msg("'%s' lacks '%s'", x.c->problems[0].text.p, rows[i].warning);
        chosen_free(&x);
    }
    const struct config_arg args[] = {{"prot", "1"}};
    struct chosen x;
    choose(&x, load_with("", no_env, args, 1));
    assert_int_equal(x.c->nerrors, 1);
    assert_string_equal(x.c->problems[0].text.p,
                        "command line: unknown key prot; did you mean port?");
    chosen_free(&x);
}

static void tenants_inherit(void **state)
{
    (void)state;
    struct chosen x;
    choose(&x, load("postgresql_host: h\npostgresql_port: 6000"));
    assert_int_equal(x.rc, RC_OK);
    json_t *own = json_pack("{s:s, s:i, s:n}", "postgresql_database_name", "t", "postgresql_port",
                            7000, "postgresql_user");
    const struct plugin *p;
    assert_int_equal(config_tenant_plugin(x.c, x.ps, own, &x.a, &p, &x.kv, &x.nkv, &x.err), RC_OK);
    assert_ptr_equal(p, x.c->plugin);
    assert_string_equal(kv_get(&x, "postgresql_host"), "h");
    assert_string_equal(kv_get(&x, "postgresql_port"), "7000");
    assert_string_equal(kv_get(&x, "postgresql_database_name"), "t");
    json_decref(own);
    own = json_pack("{s:s}", "sqlite_path", "/tmp/t.db");
    assert_int_equal(config_tenant_plugin(x.c, x.ps, own, &x.a, &p, &x.kv, &x.nkv, &x.err), RC_OK);
    assert_string_equal(p->v.name, "sqlite");
    assert_string_equal(kv_get(&x, "sqlite_path"), "/tmp/t.db");
    assert_null(kv_get(&x, "postgresql_host"));
    json_decref(own);
    own = json_pack("{s:s}", "postgresql_connection_pool_size", "x");
    assert_int_equal(config_tenant_plugin(x.c, x.ps, own, &x.a, &p, &x.kv, &x.nkv, &x.err),
                     RC_FAIL);
    assert_string_equal(x.err.p, "postgresql_connection_pool_size must be a whole number");
    json_decref(own);
    chosen_free(&x);
}

static void incumbents_file(void **state)
{
    (void)state;
    char path[4200];
    struct chosen x;
    struct config_args a = {.home = home, .env = no_env, .file = path};
    struct config *c;
    snprintf(path, sizeof(path), "%s/tests/data/config/incumbent.yaml", scratch_src());
    config_load(&a, &c);
    no_problem(c);
    assert_string_equal(c->settings->base_path.p, "/some/path");
    assert_int_equal(c->settings->max_cdi, CDI(5, 4));
    assert_int_equal(c->settings->bulk_migration_sleep_between_rounds_in_batch_ms, 0);
    choose(&x, c);
    if (x.rc)
        fail_msg("%s", x.err.p);
    no_problem(c);
    assert_string_equal(c->plugin->v.name, "postgresql");
    chosen_free(&x);
}

/* ---- what is printed */

static void uris_are_masked(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"postgresql://user:pass@host:5432/db", "postgresql://user:***@host:5432/db"},
        {"postgresql://user@server:pass@host/db", "postgresql://user@server:***@host/db"},
        {"postgresql://u:p@ss:w/or#d?x@h/db?sslmode=require",
         "postgresql://u:***@h/db?sslmode=require"},
        {"mysql://user@host/db", "mysql://user@host/db"},
        {"mysql://host/db?password=x&user=u&sslPassword=y", "mysql://host/db?password=***&user=u&"
                                                            "sslPassword=***"},
        {"postgresql://:pw@h/db", "postgresql://:***@h/db"},
        {"user:pass@host", "user:***@host"},
        {"postgresql://h1:1,h2:2/db", "postgresql://h1:1,h2:2/db"},
        {"postgresql://u:p@[::1]:5/db", "postgresql://u:***@[::1]:5/db"},
        {"", ""},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_string_equal(config_mask_uri(str_z(rows[i][0]), &a).p, rows[i][1]);
    arena_free(&a);
}

/* Neither refusals nor warnings may show what was set. */
static void secrets_stay_secret(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "api_keys: hunter2hunter2_hunter2",
        "api_keys: \"hunter2",
        "api_keys: [hunter2]",
        "port: hunter2",
        "postgresql_connection_uri: \"postgresql://u:hunter2",
        "postgresql_password: 'hunter2' x",
        "postgresql_pasword: hunter2\npostgresql_host: h",
        "postgresql_connection_uri: hunter2\nmysql_connection_uri: hunter2",
        "hunter2",
        "  hunter2: x",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct chosen x = {.err = STR("")};
        struct config *c = load(rows[i]);
        if (c->settings)
            choose(&x, c);
        for (size_t p = 0; p < c->nproblems; p++)
            assert_null(strstr(c->problems[p].text.p, "hunter2"));
        assert_null(strstr(x.err.p, "hunter2"));
        if (x.c)
            chosen_free(&x);
        else
            config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars),
        cmocka_unit_test(refused_lines),
        cmocka_unit_test(long_lines),
        cmocka_unit_test(doubled_key),
        cmocka_unit_test(precedence),
        cmocka_unit_test(secret_files),
        cmocka_unit_test(bad_values_name_their_place),
        cmocka_unit_test(older_spelling),
        cmocka_unit_test(log_paths),
        cmocka_unit_test(places),
        cmocka_unit_test(which_plugin),
        cmocka_unit_test(plugin_values),
        cmocka_unit_test(bad_plugin_values),
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(tenants_inherit),
        cmocka_unit_test(incumbents_file),
        cmocka_unit_test(uris_are_masked),
        cmocka_unit_test(secrets_stay_secret),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
