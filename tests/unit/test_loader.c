/* SPDX-License-Identifier: Apache-2.0 */
/* The loader: every refusal has its own message, and a good plugin is loaded
 * once, entered by threads and left by them. */
#include "scratch.h"

#include "base/log.h"
#include "storage/loader.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fix {
    char dir[256];
    struct arena arena;
    struct plugins *ps;
    const struct plugin *p;
    struct str error;
};

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof(*f));
    scratch_make(f->dir, sizeof(f->dir));
    log_open(NULL, NULL, LOG_ERROR, &(const char *){0});
    arena_init(&f->arena);
    f->ps = plugins_new(f->dir);
    unsetenv("STK_BAD");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;
    plugins_free(f->ps);
    arena_free(&f->arena);
    int rc = scratch_remove(f->dir);
    free(f);
    return rc;
}

/* Copies a plugin of the build to the folder, so that it is another file. */
static const char *copy(struct fix *f, const char *from, const char *to)
{
    const char *path = str_printf(&f->arena, "%s/%s", f->dir, to).p;
    FILE *in = fopen(str_printf(&f->arena, "%s/tests/plugins/%s", scratch_build(), from).p, "rb");
    FILE *out = fopen(path, "wb");
    assert_non_null(in);
    assert_non_null(out);
    char buf[65536];
    for (size_t n; (n = fread(buf, 1, sizeof(buf), in)) > 0;)
        assert_int_equal(fwrite(buf, 1, n, out), n);
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(path, 0755), 0);
    return path;
}

static enum plugin_refusal load(struct fix *f, const char *name)
{
    f->error = STR("");
    enum plugin_refusal rc = plugins_load(f->ps, &f->arena, name, &f->p, &f->error);
    assert_true((rc == PLUGIN_OK) == (f->p != NULL));
    assert_true((rc == PLUGIN_OK) == (f->error.len == 0));
    return rc;
}

static void says(const struct fix *f, const char *text)
{
    if (!strstr(f->error.p, text))
        fail_msg("\"%s\" does not say \"%s\"", f->error.p, text);
}

static void not_found(void **state)
{
    struct fix *f = *state;
    assert_int_equal(load(f, "nosuch"), PLUGIN_NOT_FOUND);
    says(f, "storage plugin \"nosuch\" was not found: tried ");
    says(f, "/nosuch.so (No such file or directory)");
    says(f, "There are no plugins in");
    copy(f, "memory.so", "memory.so");
    copy(f, "bad.so", "bad.so");
    assert_int_equal(load(f, "postgres"), PLUGIN_NOT_FOUND);
    says(f, "/postgresql.so");
    says(f, ": bad, memory. Set storage_plugin to one of these");
    assert_int_equal(load(f, "/no/where.so"), PLUGIN_NOT_FOUND);
    says(f, "tried /no/where.so");
}

static void not_a_plugin(void **state)
{
    struct fix *f = *state;
    scratch_write(f->dir, "text.so", "no ELF");
    assert_int_equal(load(f, "text"), PLUGIN_NOT_A_PLUGIN);
    says(f, "is not a storage plugin: it is no shared object");
    scratch_mkdir(f->dir, "folder.so");
    assert_int_equal(load(f, "folder"), PLUGIN_NOT_A_PLUGIN);
    struct link_map *map = NULL;
    void *libm = dlopen("libm.so.6", RTLD_LAZY);
    assert_non_null(libm);
    assert_int_equal(dlinfo(libm, RTLD_DI_LINKMAP, &map), 0);
    assert_int_equal(load(f, map->l_name), PLUGIN_NOT_A_PLUGIN);
    dlclose(libm);
    says(f, "does not export stk_plugin_v1");
    scratch_write(f->dir, "cut.so", "\177ELF and no more");
    assert_int_equal(load(f, "cut"), PLUGIN_UNRESOLVED);
}

static void unresolved(void **state)
{
    struct fix *f = *state;
    copy(f, "bad_symbol.so", "bad.so");
    assert_int_equal(load(f, "bad"), PLUGIN_UNRESOLVED);
    says(f, "stk_nobody_defines_this");
    says(f, "a symbol it needs is nowhere");
}

static void other_major(void **state)
{
    struct fix *f = *state;
    copy(f, "bad_major.so", "bad.so");
    assert_int_equal(load(f, "bad"), PLUGIN_MAJOR);
    says(f, "it is built for plugin ABI 2, this core has ABI 1");
}

/* Each way of being wrong, what it is told as, and a part of the message. */
static void wrong_vtables(void **state)
{
    static const struct {
        const char *how;
        enum plugin_refusal refusal;
        const char *text;
    } cases[] = {
        {"magic", PLUGIN_NOT_A_PLUGIN, "begins with 00000007"},
        {"major", PLUGIN_MAJOR, "it is built for plugin ABI 2"},
        {"need_minor", PLUGIN_NEEDS_NEWER, "it needs plugin ABI 1.1 or newer, this core has 1.0"},
        {"null", PLUGIN_NEEDS_NEWER, "it does not serve plugin ABI 1.0"},
        {"short", PLUGIN_INCOMPLETE, "its verify is missing"},
        {"exec", PLUGIN_INCOMPLETE, "its exec is missing"},
        {"name", PLUGIN_BAD_TABLE, "its name is not"},
        {"threads", PLUGIN_BAD_TABLE, "its thread_model is unknown"},
        {"limits", PLUGIN_BAD_TABLE, "max_in_list"},
        {"option", PLUGIN_BAD_TABLE, "option other_key does not begin with the plugin's name"},
        {"migration", PLUGIN_BAD_TABLE, "not numbered 1, 2, 3"},
        {"load", PLUGIN_LOAD_FAILED, "bad: load() was told to fail"},
    };
    struct fix *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *name = str_printf(&f->arena, "bad%zu.so", i).p;
        setenv("STK_BAD", cases[i].how, 1);
        enum plugin_refusal rc = load(f, copy(f, "bad.so", name));
        if (rc != cases[i].refusal)
            fail_msg("%s: refusal %d: %s", cases[i].how, rc, f->error.p);
        says(f, cases[i].text);
        says(f, name);
    }
}

static void unsafe(void **state)
{
    struct fix *f = *state;
    const char *path = copy(f, "bad.so", "bad.so");
    assert_int_equal(chmod(path, 0757), 0);
    assert_int_equal(load(f, "bad"), PLUGIN_UNSAFE);
    says(f, "everyone may write to it. Run: chmod o-w ");
    assert_int_equal(chmod(path, 0775), 0);
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(load(f, "bad"), PLUGIN_UNSAFE);
    says(f, "folder");
    assert_int_equal(chmod(f->dir, 0755), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 0), 0);
        assert_int_equal(load(f, "bad"), PLUGIN_UNSAFE);
        says(f, "it belongs to user 12345, neither to root nor to user 0");
        assert_int_equal(chown(path, 0, 0), 0);
    }
    assert_int_equal(load(f, "bad"), PLUGIN_OK);
}

/* A link is as safe as the folder that holds it and as what it leads to. */
static void unsafe_link(void **state)
{
    struct fix *f = *state;
    scratch_mkdir(f->dir, "real");
    scratch_mkdir(f->dir, "open");
    copy(f, "bad.so", "real/bad.so");
    const char *link = str_printf(&f->arena, "%s/open/bad.so", f->dir).p;
    assert_int_equal(symlink("../real/bad.so", link), 0);
    const char *folder = str_printf(&f->arena, "%s/open", f->dir).p;
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(load(f, link), PLUGIN_UNSAFE);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(load(f, link), PLUGIN_OK);
}

static void names(void **state)
{
    struct fix *f = *state;
    copy(f, "memory.so", "memory.so");
    assert_int_equal(load(f, "memory"), PLUGIN_OK);
    const struct plugin *first = f->p;
    assert_int_equal(load(f, "memory"), PLUGIN_OK);
    assert_ptr_equal(f->p, first);
    assert_int_equal(
        load(f, str_printf(&f->arena, "%s/../%s/memory.so", f->dir, strrchr(f->dir, '/') + 1).p),
        PLUGIN_OK);
    assert_ptr_equal(f->p, first);
    assert_ptr_equal(plugins_find(f->ps, "memory"), first);
    assert_null(plugins_find(f->ps, "mariadb"));

    setenv("STK_BAD", "clash", 1);
    assert_int_equal(load(f, copy(f, "bad.so", "other.so")), PLUGIN_NAME_CLASH);
    says(f, "its name \"memory\" is taken by ");
    unsetenv("STK_BAD");
    copy(f, "bad.so", "good.so");
    assert_int_equal(load(f, "good"), PLUGIN_NAME_CLASH);
    says(f, "it calls itself \"bad\". Rename the file to bad.so, or give its path");

    const char *const *found;
    assert_int_equal(plugins_names(f->ps, &f->arena, &found), 3);
    assert_string_equal(found[0], "good");
    assert_string_equal(found[1], "memory");
    assert_true(plugins_installed(f->ps, "memory"));
    assert_false(plugins_installed(f->ps, "mariadb"));
    assert_string_equal(plugin_canonical("postgres"), "postgresql");
    assert_string_equal(plugin_canonical("mariadb"), "mysql");
    assert_string_equal(plugin_canonical("sqlite"), "sqlite");
}

static void keep_line(void *ud, const char *key, const char *value)
{
    strbuf_printf(ud, "%s=%s\n", key, value);
}

static void newer_minor(void **state)
{
    struct fix *f = *state;
    setenv("STK_BAD", "newer", 1);
    assert_int_equal(load(f, copy(f, "bad.so", "bad.so")), PLUGIN_OK);
    assert_int_equal(f->p->size, sizeof(stk_plugin) + sizeof(void *));
    struct strbuf b;
    strbuf_init(&b, &f->arena);
    plugin_describe(f->p, keep_line, &b);
    f->error = strbuf_str(&b);
    says(f, "name=bad\n");
    says(f, "abi=1.5, needs 1.0, this core has 1.0\n");
    says(f, "caps=txn\n");
}

static void described(void **state)
{
    struct fix *f = *state;
    setenv("STK_BAD", "options", 1);
    assert_int_equal(load(f, copy(f, "bad.so", "bad.so")), PLUGIN_OK);
    assert_ptr_equal(plugin_option(f->p, "bad_key"), &f->p->options[0]);
    assert_ptr_equal(plugin_option(f->p, "bad_old_key"), &f->p->options[0]);
    assert_null(plugin_option(f->p, "bad_other"));
    copy(f, "memorym.so", "memorym.so");
    struct strbuf b;
    strbuf_init(&b, &f->arena);
    plugin_describe(f->p, keep_line, &b);
    assert_int_equal(load(f, "memorym"), PLUGIN_OK);
    plugin_describe(f->p, keep_line, &b);
    f->error = strbuf_str(&b);
    says(f, "option.bad_key=integer 0..9, default 5, also bad_old_key: A key\n");
    says(f, "option.bad_password=text, secret: A secret\n");
    says(f, "migration.001_first=");
    says(f, "library=none\n");
    says(f, "caps=txn auto_schema\n");
}

/* ----------------------------------------------------------------- threads */

static _Thread_local int inside;
static int entered, left;
static pthread_mutex_t count_lock = PTHREAD_MUTEX_INITIALIZER;

static stk_status on_enter(void)
{
    pthread_mutex_lock(&count_lock);
    entered++;
    pthread_mutex_unlock(&count_lock);
    inside++;
    return STK_OK;
}

static void on_leave(void)
{
    pthread_mutex_lock(&count_lock);
    left++;
    pthread_mutex_unlock(&count_lock);
    inside--;
}

static void *use_twice(void *arg)
{
    const struct plugin *p = arg;
    for (int i = 0; i < 2; i++) {
        if (plugin_enter(p) != STK_OK || inside != 1 || !plugin_lock(p, 0))
            return arg; /* not NULL: wrong */
        plugin_unlock(p);
    }
    return NULL;
}

static void threads_enter_once(void **state)
{
    struct fix *f = *state;
    assert_int_equal(load(f, copy(f, "bad.so", "bad.so")), PLUGIN_OK);
    /* The loaded copy is ours alone: give it what the file lacks. */
    struct stk_plugin *v = (struct stk_plugin *)(uintptr_t)&f->p->v;
    v->thread_enter = on_enter;
    v->thread_leave = on_leave;
    v->thread_model = STK_THREAD_SERIAL;
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&t[i], NULL, use_twice, (void *)(uintptr_t)f->p), 0);
    for (int i = 0; i < 6; i++) {
        void *wrong;
        pthread_join(t[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(entered, 6);
    assert_int_equal(left, 6);
    assert_int_equal(plugin_enter(f->p), STK_OK);
    plugins_free(f->ps);
    f->ps = plugins_new(f->dir);
    assert_int_equal(entered, 7);
    assert_int_equal(left, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
        T(not_found),     T(not_a_plugin), T(unresolved),         T(other_major),
        T(wrong_vtables), T(unsafe),       T(unsafe_link),        T(names),
        T(newer_minor),   T(described),    T(threads_enter_once),
    };
    return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
