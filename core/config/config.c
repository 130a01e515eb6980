/* SPDX-License-Identifier: Apache-2.0 */
/* Puts the base settings together: defaults, then the file, then the
 * environment, then the command line. */
#include "config/config.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "config/config_internal.h"
#include "config/settings_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_SECRET_FILE = 64 * 1024 };

/* ---- problems */

static void __attribute__((format(printf, 3, 0)))
add_problem(struct config *c, bool error, const char *fmt, va_list ap)
{
    c->problems = mem_realloc(c->problems, (c->nproblems + 1) * sizeof(*c->problems));
    c->problems[c->nproblems++] =
        (struct config_problem){.error = error, .text = str_vprintf(&c->arena, fmt, ap)};
    c->nerrors += error;
}

void config_error(struct config *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(c, true, fmt, ap);
    va_end(ap);
}

void config_warn(struct config *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add_problem(c, false, fmt, ap);
    va_end(ap);
}

/* ---- environment */

/* NULL for unset and for empty. */
const char *config_getenv(const struct config *c, const char *name)
{
    size_t n = strlen(name);
    for (char *const *e = c->args.env ? c->args.env : environ; e && *e; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return (*e)[n + 1] ? *e + n + 1 : NULL;
    return NULL;
}

struct str config_env_name(struct arena *a, const char *key)
{
    if (strcmp(key, "host") == 0)
        return STR("SUPERTOKENS_HOST");
    if (strcmp(key, "port") == 0)
        return STR("SUPERTOKENS_PORT");
    char *p = arena_strdup(a, key);
    for (char *q = p; *q; q++)
        *q = (char)toupper((unsigned char)*q);
    return str_z(p);
}

/* As in the incumbent, a value in double quotes is unescaped. */
static struct str env_value(struct config *c, const char *text)
{
    struct str s = str_z(text), out;
    if (s.len >= 2 && s.p[0] == '"' && s.p[s.len - 1] == '"' &&
        !scalar_unescape(str_sub(s, 1, s.len - 1), &c->arena, &out))
        return out;
    return s;
}

/* The content of a NAME_FILE, without its last newline; STR_NULL after an error. */
static struct str secret_file(struct config *c, const char *env, const char *path)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        config_error(c, "%s_FILE: cannot read %s: %s", env, path, strerror(errno));
        return STR_NULL;
    }
    char *buf = arena_alloc(&c->arena, MAX_SECRET_FILE + 1);
    size_t n = fread(buf, 1, MAX_SECRET_FILE + 1, f);
    bool bad = ferror(f) || n > MAX_SECRET_FILE || memchr(buf, '\0', n);
    fclose(f);
    if (bad) {
        config_error(c, "%s_FILE: %s cannot be read as a text of at most 64 KiB", env, path);
        return STR_NULL;
    }
    if (n && buf[n - 1] == '\n')
        n--;
    if (n && buf[n - 1] == '\r')
        n--;
    buf[n] = '\0';
    return str_make(buf, n);
}

bool config_find(struct config *c, const char *key, const char *env, struct config_value *v)
{
    *v = (struct config_value){.source = SOURCE_ARG};
    for (size_t i = c->args.nkeys; i-- > 0;)
        if (strcmp(c->args.keys[i].key, key) == 0) {
            v->value = str_z(c->args.keys[i].value);
            return true;
        }
    const char *text = config_getenv(c, env);
    struct str file_name = str_printf(&c->arena, "%s_FILE", env);
    const char *path = config_getenv(c, file_name.p);
    if (text) {
        v->source = SOURCE_ENV;
        v->value = env_value(c, text);
        return true;
    }
    if (path) {
        v->source = SOURCE_ENV_FILE;
        v->value = secret_file(c, env, path);
        return true;
    }
    v->source = SOURCE_FILE;
    for (size_t i = 0; i < c->nentries; i++)
        if (str_eqz(c->entries[i].key, key)) {
            v->line = c->entries[i].line;
            v->value = c->entries[i].value;
            return true;
        }
    v->source = SOURCE_DEFAULT;
    return false;
}

bool config_lookup(struct config *c, const char *key, struct config_value *v)
{
    return config_find(c, key, config_env_name(&c->arena, key).p, v);
}

struct str config_where(const struct config *c, const char *key, const struct config_value *v,
                        struct arena *a)
{
    switch (v->source) {
    case SOURCE_FILE: return str_printf(a, "%s line %d", c->file.p ? c->file.p : "config", v->line);
    case SOURCE_ENV: return str_printf(a, "environment variable %s", config_env_name(a, key).p);
    case SOURCE_ENV_FILE:
        return str_printf(a, "environment variable %s_FILE", config_env_name(a, key).p);
    case SOURCE_ARG: return STR("command line");
    case SOURCE_DEFAULT: break;
    }
    return STR("default");
}

/* ---- the table's keys */

/* Also under its older spelling, in the file only. */
static bool find_setting(struct config *c, const struct setting *k, struct config_value *v)
{
    if (config_lookup(c, k->name, v))
        return true;
    for (size_t i = 0; i < c->nentries; i++)
        if (settings_find(c->entries[i].key) == k) {
            *v = (struct config_value){SOURCE_FILE, c->entries[i].line, c->entries[i].value};
            return true;
        }
    return false;
}

struct config_value config_origin(struct config *c, const struct setting *k)
{
    struct config_value v;
    find_setting(c, k, &v);
    return v;
}

/* A path is relative to HOME, on the command line to the working directory. */
static struct str resolve_path(struct config *c, const struct config_value *v)
{
    return path_join(&c->arena, v->source == SOURCE_ARG ? c->cwd : c->home, v->value);
}

static bool says_null(struct str s)
{
    return !s.p || str_ieq(s, STR("null"));
}

/* log paths: not set is HOME/logs, null is the standard stream (.p NULL). */
static struct str log_path(struct config *c, const char *key, const char *file)
{
    struct config_value v;
    if (!config_lookup(c, key, &v))
        return path_join(&c->arena, c->home, str_z(file));
    c->default_logs = false;
    return says_null(v.value) || v.value.len == 0 ? STR_NULL : resolve_path(c, &v);
}

static void set_key(struct config *c, struct settings *draft, const struct setting *k)
{
    struct config_value v;
    struct str err;
    if (!find_setting(c, k, &v))
        return;
    if (v.value.p && (k->flags & SETTING_PATH))
        v.value = v.value.len ? resolve_path(c, &v) : STR_NULL;
    if (settings_set(draft, k, v.value, &c->arena, &err))
        config_error(c, "%s: %.*s", config_where(c, k->name, &v, &c->arena).p, STR_ARG(err));
}

static void load_settings(struct config *c)
{
    struct settings draft;
    struct str err;
    size_t n;
    const struct setting *table = settings_table(&n);
    settings_defaults(&draft);
    for (size_t i = 0; i < n; i++)
        set_key(c, &draft, &table[i]);
    c->default_logs = true;
    draft.info_log_path = log_path(c, "info_log_path", "logs/info.log");
    draft.error_log_path = log_path(c, "error_log_path", "logs/error.log");
    /* With a value that could not be read, the rules would blame the wrong key. */
    if (c->nerrors == 0 && settings_check(&draft, c->args.test_mode, &c->arena, &err))
        config_error(c, "%s: %.*s", c->file.p ? c->file.p : "config", STR_ARG(err));
    config_find_plugins(c, draft.plugin_dir);
    config_find_state(c, draft.state_dir);
    if (c->nerrors == 0)
        c->settings = settings_pack(&draft);
}

int config_load(const struct config_args *args, struct config **out)
{
    struct config *c = mem_zalloc(sizeof(*c));
    arena_init(&c->arena);
    c->arena.wipe = true;
    c->args = *args;
    char cwd[4096];
    c->cwd = str_dup(&c->arena, str_z(getcwd(cwd, sizeof(cwd)) ? cwd : "/"));
    config_find_home(c);
    if (c->file.p)
        config_file_read(c, c->file.p);
    load_settings(c);
    *out = c;
    return c->nerrors ? RC_FAIL : RC_OK;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    settings_unref(c->settings);
    mem_free(c->entries);
    mem_free(c->problems);
    arena_free(&c->arena);
    mem_free(c);
}
