/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a plugin before any of its code but the entry point runs. */
#include "base/log.h"
#include "base/mem.h"
#include "storage/loader_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ------------------------------------------------------------------- owner */

static enum plugin_refusal check_one(struct arena *a, const char *path, const char *what,
                                     struct str *error)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        *error = str_printf(a, "plugin %s cannot be read: %s", path, strerror(errno));
        return PLUGIN_NOT_FOUND;
    }
    if (st.st_mode & S_IWOTH) {
        *error = str_printf(a,
                            "plugin %s %s is not loaded: everyone may write to it. "
                            "Run: chmod o-w %s",
                            what, path, path);
        return PLUGIN_UNSAFE;
    }
    if (st.st_uid != 0 && st.st_uid != geteuid()) {
        *error = str_printf(a,
                            "plugin %s %s is not loaded: it belongs to user %u, neither to root "
                            "nor to user %u, who runs this. Run: chown root %s",
                            what, path, (unsigned)st.st_uid, (unsigned)geteuid(), path);
        return PLUGIN_UNSAFE;
    }
    if (st.st_mode & S_IWGRP)
        log_warn("plugins", "%s %s can be written by group %u. Run: chmod g-w %s", what, path,
                 (unsigned)st.st_gid, path);
    return PLUGIN_OK;
}

static const char *folder_of(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash && slash > path ? (size_t)(slash - path) : 1;
    return arena_dup(a, path, n);
}

enum plugin_refusal loader_check_owner(struct arena *a, const char *path, const char *real,
                                       struct str *error)
{
    const char *real_folder = folder_of(a, real), *folder = folder_of(a, path);
    enum plugin_refusal rc = check_one(a, real, "file", error);
    if (rc == PLUGIN_OK)
        rc = check_one(a, real_folder, "folder", error);
    if (rc == PLUGIN_OK && strcmp(folder, real_folder) != 0)
        rc = check_one(a, folder, "folder", error);
    return rc;
}

/* ------------------------------------------------------------------ vtable */

static bool good_name(const char *s)
{
    size_t n = strlen(s);
    if (n < 2 || n > 32 || s[0] < 'a' || s[0] > 'z')
        return false;
    return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

/* The first mandatory member that is absent, or NULL. */
static const char *missing_member(const struct stk_plugin *v)
{
#define MEMBER(m)                                                                                  \
    if (!v->m)                                                                                     \
    return #m
    MEMBER(name);
    MEMBER(version);
    MEMBER(identity);
    MEMBER(open);
    MEMBER(close);
    MEMBER(migration_status);
    MEMBER(migrate);
    MEMBER(verify);
    MEMBER(ensure);
    MEMBER(drop);
    MEMBER(begin);
    MEMBER(exec);
    MEMBER(commit);
    MEMBER(rollback);
    MEMBER(health);
#undef MEMBER
    return NULL;
}

static enum plugin_refusal bad_table(struct arena *a, const struct plugin *p, struct str *error,
                                     const char *what, const char *which)
{
    *error = str_printf(a, "plugin %s is not loaded: %s%s%s. Ask its maker for a corrected one",
                        p->file, what, which ? " " : "", which ? which : "");
    return PLUGIN_BAD_TABLE;
}

static const char *option_fault(const struct plugin *p, uint32_t i)
{
    const stk_option *o = &p->options[i];
    size_t n = strlen(p->v.name);
    if (strncmp(o->key, p->v.name, n) != 0 || o->key[n] != '_')
        return "does not begin with the plugin's name";
    if (strspn(o->key, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(o->key))
        return "is not of [a-z0-9_]";
    if (o->type < STK_OPT_STR || o->type > STK_OPT_URI)
        return "has an unknown type";
    if (!o->help)
        return "has no help";
    if (o->type == STK_OPT_ENUM && !o->choices)
        return "has no choices";
    if (o->type == STK_OPT_INT && o->min > o->max)
        return "has an empty range";
    for (uint32_t j = 0; j < i; j++)
        if (strcmp(p->options[j].key, o->key) == 0)
            return "is there twice";
    return NULL;
}

static enum plugin_refusal copy_options(struct arena *a, struct plugin *p, struct str *error)
{
    const struct stk_plugin *v = &p->v;
    if (v->noptions && (!v->options || v->option_size < offsetof(stk_option, rsv)))
        return bad_table(a, p, error, "its table of options has elements of a wrong size", NULL);
    stk_option *to = mem_zalloc((v->noptions + 1u) * sizeof(*to));
    p->options = to;
    size_t n = v->option_size < sizeof(*to) ? v->option_size : sizeof(*to);
    for (uint32_t i = 0; i < v->noptions; i++) {
        memcpy(&to[i], (const char *)v->options + (size_t)i * v->option_size, n);
        if (!to[i].key)
            return bad_table(a, p, error, "an option has no key", NULL);
        const char *fault = option_fault(p, i);
        if (fault)
            return bad_table(a, p, error, str_printf(a, "option %s", to[i].key).p, fault);
    }
    return PLUGIN_OK;
}

static enum plugin_refusal copy_migrations(struct arena *a, struct plugin *p, struct str *error)
{
    const struct stk_plugin *v = &p->v;
    if (v->nmigrations && (!v->migrations || v->migration_size < sizeof(stk_migration)))
        return bad_table(a, p, error, "its table of migrations has elements of a wrong size", NULL);
    stk_migration *to = mem_zalloc((v->nmigrations + 1u) * sizeof(*to));
    p->migrations = to;
    for (uint32_t i = 0; i < v->nmigrations; i++) {
        memcpy(&to[i], (const char *)v->migrations + (size_t)i * v->migration_size, sizeof(*to));
        if (to[i].version != i + 1)
            return bad_table(a, p, error, "its migrations are not numbered 1, 2, 3, ...", NULL);
        if (!to[i].name || !to[i].text || !to[i].sha256 || strlen(to[i].sha256) != 64)
            return bad_table(a, p, error, "a migration lacks its name, text or hash", NULL);
    }
    return PLUGIN_OK;
}

static enum plugin_refusal check_version(struct arena *a, const struct stk_plugin *from,
                                         const struct plugin *p, struct str *error)
{
    if (from->magic != STK_MAGIC) {
        *error = str_printf(a,
                            "%s is not a storage plugin: its vtable begins with %08x instead of "
                            "STK_MAGIC",
                            p->file, from->magic);
        return PLUGIN_NOT_A_PLUGIN;
    }
    if (from->abi_major != STK_ABI_MAJOR) {
        *error = str_printf(a,
                            "plugin %s is not loaded: it is built for plugin ABI %u, this core has "
                            "ABI %u. Install the plugin's release for ABI %u",
                            p->file, from->abi_major, STK_ABI_MAJOR, STK_ABI_MAJOR);
        return PLUGIN_MAJOR;
    }
    if (from->need_minor > STK_ABI_MINOR) {
        *error =
            str_printf(a,
                       "plugin %s is not loaded: it needs plugin ABI %u.%u or newer, this "
                       "core has %u.%u. Install a newer core or an older plugin",
                       p->file, from->abi_major, from->need_minor, STK_ABI_MAJOR, STK_ABI_MINOR);
        return PLUGIN_NEEDS_NEWER;
    }
    return PLUGIN_OK;
}

enum plugin_refusal loader_check_vtable(struct arena *a, const struct stk_plugin *from,
                                        struct plugin *p, struct str *error)
{
    enum plugin_refusal rc = check_version(a, from, p, error);
    if (rc != PLUGIN_OK)
        return rc;
    p->size = from->size;
    memset(&p->v, 0, sizeof(p->v));
    memcpy(&p->v, from, from->size < sizeof(p->v) ? from->size : sizeof(p->v));
    const struct stk_plugin *v = &p->v;
    const char *missing = missing_member(v);
    if (missing) {
        *error = str_printf(a,
                            "plugin %s is not loaded: its %s is missing. Ask its maker for a "
                            "complete one",
                            p->file, missing);
        return PLUGIN_INCOMPLETE;
    }
    if (!good_name(v->name))
        return bad_table(a, p, error, "its name is not [a-z][a-z0-9]{1,31}", NULL);
    if (v->thread_model < STK_THREAD_SERIAL || v->thread_model > STK_THREAD_PARALLEL)
        return bad_table(a, p, error, "its thread_model is unknown", NULL);
    if (v->max_in_list < 100 || v->max_batch < 64)
        return bad_table(a, p, error, "max_in_list is below 100 or max_batch below 64", NULL);
    rc = copy_options(a, p, error);
    return rc == PLUGIN_OK ? copy_migrations(a, p, error) : rc;
}
