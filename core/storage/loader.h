/* SPDX-License-Identifier: Apache-2.0 */
/* Finds, checks and loads storage plugins.  A plugin is loaded once and stays
 * until the process ends (client libraries register exit handlers, so it is
 * never unmapped); every refusal has a message of its own.
 *
 * Thread-safe: a tenant may bring a new engine while requests run. */
#ifndef CORE_STORAGE_LOADER_H
#define CORE_STORAGE_LOADER_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stk_plugin.h>

struct plugins;

/* A loaded plugin.  Immutable; lives as long as the struct plugins. */
struct plugin {
    struct stk_plugin v; /* what this core knows of the vtable; members a shorter one lacks are 0 */
    const char *file;    /* the path it was loaded from, links resolved */
    uint32_t size;       /* of the vtable as the plugin has it */
    uint16_t index;      /* among the plugins of this process */
    /* Its tables in this build's sizes; v.options and v.migrations have the
     * plugin's own strides and are only for handing back to it. */
    const stk_option *options;       /* v.noptions */
    const stk_migration *migrations; /* v.nmigrations */
};

/* dir is where NAME.so is looked for. */
struct plugins *plugins_new(const char *dir);
/* thread_leave for the calling thread, then unload of every plugin.  Every
 * storage is closed and every other thread that used one has ended. */
void plugins_free(struct plugins *ps);
const char *plugins_dir(const struct plugins *ps);

/* "postgres" gives "postgresql", "mariadb" gives "mysql", others themselves. */
const char *plugin_canonical(const char *name);

/* Whether dir holds NAME.so; opens nothing. */
bool plugins_installed(const struct plugins *ps, const char *name);
/* The names of all NAME.so in dir, sorted, in the arena; opens nothing. */
size_t plugins_names(const struct plugins *ps, struct arena *a, const char *const **names);

/* Why a plugin was refused. */
enum plugin_refusal {
    PLUGIN_OK = 0,
    PLUGIN_NOT_FOUND,
    PLUGIN_UNSAFE,       /* anyone else could replace the file */
    PLUGIN_NOT_A_PLUGIN, /* no ELF object, or no entry symbol */
    PLUGIN_UNRESOLVED,   /* a library or symbol it needs is missing */
    PLUGIN_MAJOR,        /* another ABI major */
    PLUGIN_NEEDS_NEWER,  /* need_minor above ours */
    PLUGIN_INCOMPLETE,   /* a mandatory callback or member is missing */
    PLUGIN_BAD_TABLE,    /* options, migrations or limits are wrong */
    PLUGIN_NAME_CLASH,   /* its name is taken, or is not the one asked for */
    PLUGIN_LOAD_FAILED   /* its load() failed */
};

/* A name or alias (looked for in dir), or a path if it has a slash.  Loads it
 * on first use.  On refusal *plugin is NULL and *error says what, why and what
 * to do; warnings go to the log. */
enum plugin_refusal plugins_load(struct plugins *ps, struct arena *a, const char *name,
                                 const struct plugin **plugin, struct str *error);
/* A plugin already loaded, by name or alias; NULL: none. */
const struct plugin *plugins_find(struct plugins *ps, const char *name);
/* The option of this key or alias; NULL: none. */
const stk_option *plugin_option(const struct plugin *p, const char *key);

/* To be called before each use of a plugin's callbacks but load(): thread_enter
 * where this thread has not used the plugin; thread_leave follows when the
 * thread ends.  STK_OK or what thread_enter said. */
stk_status plugin_enter(const struct plugin *p);
/* Locks that stand in for a weaker thread model; deadline_us 0: no limit.
 * False: the deadline passed.  Nothing for PARALLEL and PER_DB. */
bool plugin_lock(const struct plugin *p, uint64_t deadline_us);
void plugin_unlock(const struct plugin *p);

/* Describes a plugin in key/value lines, without opening a database: file, abi,
 * version, caps, options, migrations, libraries. */
typedef void (*plugin_emit)(void *ud, const char *key, const char *value);
void plugin_describe(const struct plugin *p, plugin_emit emit, void *ud);
/* "txn pipeline lock" */
struct str plugin_caps_text(struct arena *a, uint64_t caps);

#endif
