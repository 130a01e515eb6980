/* SPDX-License-Identifier: Apache-2.0 */
/* Where the configuration comes from: HOME, the file, the environment and the
 * command line, in rising order of precedence; the keys of plugins, which only
 * the loaded plugin can check; and everything a person wants to be told. */
#ifndef CORE_CONFIG_CONFIG_H
#define CORE_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/str.h"
#include "config/settings.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stk_plugin.h>

struct plugins;
struct plugin;

struct config_arg {
    const char *key, *value; /* key with underscores */
};

/* What the command line said.  All borrowed for the life of the config. */
struct config_args {
    const char *home;     /* --home, NULL: found */
    const char *file;     /* --with-config, NULL: config.yaml in HOME */
    const char *temp_dir; /* --with-temp-dir, NULL: none */
    const char *exe;      /* path of the program, NULL: /proc/self/exe */
    char *const *env;     /* NULL: environ */
    const struct config_arg *keys;
    size_t nkeys;
    bool test_mode;
    bool fast_jobs; /* --fast-jobs */
};

enum config_source { SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENV, SOURCE_ENV_FILE, SOURCE_ARG };

/* One key found somewhere. */
struct config_value {
    enum config_source source;
    int line;         /* SOURCE_FILE */
    struct str value; /* .p NULL: null in the file */
};

struct config_problem {
    bool error; /* else a warning */
    struct str text;
};

struct config {
    struct arena arena; /* holds all texts; wiped at the end */
    struct config_args args;
    struct str home;
    struct str file; /* .p NULL: there is none, everything is default */
    struct str plugin_dir;
    struct str state_dir; /* holds .started; .p NULL: no place is writable */
    bool default_logs;    /* no log path was set anywhere */
    const struct settings *settings;
    struct config_entry *entries; /* keys of the file */
    size_t nentries;
    struct config_problem *problems;
    size_t nproblems, nerrors;
    struct str cwd;
    const struct plugin *plugin; /* set by config_plugin() */
    struct option_value *values; /* what is said about its options */
};

/* Always gives *out, freed with config_free(); RC_FAIL when it holds errors (and
 * then settings may be NULL).  Opens nothing but the file and *_FILE secrets. */
int config_load(const struct config_args *args, struct config **out);
void config_free(struct config *c);

/* Looks a key of a plugin up; false: set nowhere. */
bool config_lookup(struct config *c, const char *key, struct config_value *v);
/* The source of one of the table's keys, SOURCE_DEFAULT if set nowhere. */
struct config_value config_origin(struct config *c, const struct setting *k);
/* "config.yaml line 12", "environment variable PORT", ... for messages. */
struct str config_where(const struct config *c, const char *key, const struct config_value *v,
                        struct arena *a);
/* "SUPERTOKENS_PORT" */
struct str config_env_name(struct arena *a, const char *key);

/* ---- the plugin's keys (plugin_keys.c) */

/* Sets c->plugin, the plugin that serves the base: storage_plugin, else the one
 * whose connection is set, else sqlite; loads it.  *why tells which key decided. */
int config_plugin(struct config *c, struct plugins *ps, struct arena *a, struct str *why,
                  struct str *err);
/* Adds a warning for each key that neither the table nor a plugin knows, with
 * the nearest known one. */
void config_unknown_keys(struct config *c, struct plugins *ps);
/* The keys of c->plugin, checked and with defaults, ready for open(). */
int config_plugin_kv(const struct config *c, struct arena *a, stk_kv **kv, size_t *nkv,
                     struct str *err);

/* Requests may call this one.  The plugin and keys of a tenant with this (merged) core_config: the engine
 * whose connection it names, else the base's, whose keys it then inherits. */
int config_tenant_plugin(const struct config *c, struct plugins *ps, const json_t *core_config,
                         struct arena *a, const struct plugin **plugin, stk_kv **kv, size_t *nkv,
                         struct str *err);

/* The value for people: secrets and passwords in URIs are "***". */
struct str config_option_show(const stk_option *o, const char *value, struct arena *a);
struct str config_mask_uri(struct str uri, struct arena *a);

#endif
