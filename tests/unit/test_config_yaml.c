/* SPDX-License-Identifier: Apache-2.0 */
/* config/config.yaml against the table of settings and the option tables of the
 * plugins: every key stands there with its default and its help, no other does,
 * and taking the '#' off every line gives a file that is accepted. */
#include "config/config.h"
#include "config/settings.h"
#include "scratch.h"
#include "storage/loader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const plugin_names[] = {"sqlite", "postgresql", "mysql", "mongodb"};
static struct arena arena;
static struct plugins *plugins;
static char *file; /* the whole text */

static void slurp(void)
{
    FILE *f = fopen(str_printf(&arena, "%s/config/config.yaml", scratch_src()).p, "r");
    assert_non_null(f);
    file = arena_zalloc(&arena, 65536);
    assert_true(fread(file, 1, 65535, f) > 0);
    fclose(f);
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    slurp();
    plugins = plugins_new(str_printf(&arena, "%s/plugins", scratch_build()).p);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plugins_free(plugins);
    arena_free(&arena);
    return 0;
}

/* The commented setting of a key: its line, and the comment above it joined. */
struct entry {
    struct str value, help;
};

static bool is_setting(struct str line, struct str *key, struct str *value)
{
    if (!str_starts(line, STR("# ")))
        return false;
    line = str_sub(line, 2, line.len);
    size_t n = 0;
    while (n < line.len && (islower((unsigned char)line.p[n]) || line.p[n] == '_' ||
                            isdigit((unsigned char)line.p[n])))
        n++;
    if (n == 0 || n >= line.len || line.p[n] != ':' || (n + 1 < line.len && line.p[n + 1] != ' '))
        return false;
    *key = str_sub(line, 0, n);
    *value = str_trim(str_sub(line, n + 1, line.len));
    return true;
}

static bool find(const char *wanted, struct entry *e)
{
    struct str rest = str_z(file), line, key;
    struct strbuf help;
    strbuf_init(&help, &arena);
    while (str_split(&rest, '\n', &line)) {
        if (is_setting(line, &key, &e->value) && str_eqz(key, wanted)) {
            e->help = strbuf_str(&help);
            return true;
        }
        if (!str_starts(line, STR("# ")))
            strbuf_init(&help, &arena);
        else
            strbuf_printf(&help, "%s%.*s", help.len ? " " : "",
                          STR_ARG(str_sub(line, 2, line.len)));
    }
    return false;
}

static void check(const char *key, const char *dflt, const char *choices, const char *help,
                  const char *scope)
{
    struct entry e = {STR_NULL, STR_NULL};
    if (!find(key, &e) || !e.help.p) {
        fail_msg("%s is not in config.yaml", key);
        return;
    }
    if (!str_eqz(e.value, dflt))
        fail_msg("%s: config.yaml says '%.*s', the default is '%s'", key, STR_ARG(e.value), dflt);
    /* The first letter may be a capital there. */
    if (!strstr(e.help.p, help + 1) || !str_starts(e.help, str_z(scope)))
        fail_msg("%s: the comment is '%s', the table says '%s%s'", key, e.help.p, scope, help);
    struct str rest = str_z(choices), one;
    while (rest.p && str_split(&rest, '|', &one))
        assert_non_null(strstr(e.help.p, str_dup(&arena, one).p));
}

/* What an unset key and a computed default look like. */
static const char *shown_default(const struct settings *dflt, const struct setting *k)
{
    if (k->type == SETTING_CHOICE)
        return settings_show(dflt, k, &arena).p;
    if (!k->dflt || strcmp(k->name, "bulk_migration_parallelism") == 0)
        return "";
    return *k->dflt ? k->dflt : "\"\"";
}

static void settings_stand_in_the_file(void **state)
{
    (void)state;
    static char *env[] = {NULL};
    struct config_args args = {.home = "/", .env = env};
    struct config *c;
    assert_int_equal(config_load(&args, &c), 0);
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++)
        check(t[i].name, shown_default(c->settings, &t[i]), t[i].choices, t[i].help,
              t[i].scope == SETTING_SERVER ? ""
              : t[i].scope == SETTING_APP  ? "(app) "
                                           : "(tenant) ");
    config_free(c);
}

static const struct plugin *plugin(const char *name)
{
    const struct plugin *p;
    struct str error;
    if (plugins_load(plugins, &arena, name, &p, &error))
        fail_msg("%s", error.p);
    return p;
}

static bool is_option(const char *key)
{
    for (size_t k = 0; k < sizeof(plugin_names) / sizeof(plugin_names[0]); k++)
        if (plugin_option(plugin(plugin_names[k]), key))
            return true;
    return false;
}

static void options_stand_in_the_file(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof(plugin_names) / sizeof(plugin_names[0]); k++) {
        const struct plugin *p = plugin(plugin_names[k]);
        for (uint32_t i = 0; i < p->v.noptions; i++) {
            const stk_option *o = &p->options[i];
            if (!(o->flags & (STK_OPT_IGNORED | STK_OPT_REFUSED)))
                check(o->key, o->dflt ? o->dflt : "", o->choices, o->help, "(tenant) ");
        }
    }
}

static void nothing_else_stands_there(void **state)
{
    (void)state;
    struct str rest = str_z(file), line, key, value;
    while (str_split(&rest, '\n', &line)) {
        if (line.len && line.p[0] != '#')
            fail_msg("config.yaml sets something: %.*s", STR_ARG(line));
        if (!is_setting(line, &key, &value))
            continue;
        const char *z = str_dup(&arena, key).p;
        if (!settings_find(key) && !is_option(z))
            fail_msg("nobody knows %s", z);
    }
}

/* All defaults spelt out are what no file at all means. */
static void defaults_can_be_spelt_out(void **state)
{
    (void)state;
    char path[] = "/tmp/test_config_yaml_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    struct str rest = str_z(file), line, key, value;
    while (str_split(&rest, '\n', &line))
        if (is_setting(line, &key, &value) && settings_find(key))
            fprintf(f, "%.*s: %.*s\n", STR_ARG(key), STR_ARG(value));
    fclose(f);
    static char *env[] = {NULL};
    struct config_args args = {.home = "/", .env = env}, spelt = args;
    struct config *a, *b;
    spelt.file = path;
    assert_int_equal(config_load(&args, &a), 0);
    if (config_load(&spelt, &b))
        fail_msg("%s", b->problems[0].text.p);
    unlink(path);
    assert_int_equal(b->nproblems, 0);
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++) {
        struct str x = settings_show(a->settings, &t[i], &arena);
        struct str y = settings_show(b->settings, &t[i], &arena);
        /* null means a standard stream, or no pause at all */
        if (!strstr(t[i].name, "log_path") && !str_eq(x, y))
            fail_msg("%s: %s is not %s", t[i].name, x.p, y.p);
    }
    config_free(a);
    config_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_stand_in_the_file),
        cmocka_unit_test(options_stand_in_the_file),
        cmocka_unit_test(nothing_else_stands_there),
        cmocka_unit_test(defaults_can_be_spelt_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
