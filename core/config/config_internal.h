/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of core/config that only its own files use. */
#ifndef CORE_CONFIG_CONFIG_INTERNAL_H
#define CORE_CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"

/* One key of the file. */
struct config_entry {
    struct str key, value; /* value.p NULL: null */
    int line;
};

/* What the base says about one option of its plugin. */
struct option_value {
    struct str text;  /* .p NULL: not set */
    struct str where; /* prefix for messages: "config.yaml line 3: " */
    bool from_args, is_default;
};

/* Reads the file into c->entries; problems are added to c. */
void config_file_read(struct config *c, const char *path);
/* The same from memory. */
void config_file_text(struct config *c, struct str text);

/* One YAML scalar: plain, 'single' or "double", maybe followed by a comment;
 * what stands for null gives value->p NULL.  NULL, or what is wrong with it. */
const char *scalar_parse(struct str raw, struct arena *a, struct str *value);
/* The inside of a double-quoted scalar. */
const char *scalar_unescape(struct str inside, struct arena *a, struct str *value);

void config_error(struct config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void config_warn(struct config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* HOME, the file, the plugin folder: from what was said and what exists. */
void config_find_home(struct config *c);
void config_find_plugins(struct config *c, struct str setting);
void config_find_state(struct config *c, struct str setting);
/* base/path, or path if it is absolute. */
struct str path_join(struct arena *a, struct str base, struct str path);

const char *config_getenv(const struct config *c, const char *name);
/* Whether the value is set in environment, command line or file. */
bool config_find(struct config *c, const char *key, const char *env, struct config_value *v);

/* The name among n that is nearest to key, if near enough to be a slip. */
struct nearest {
    struct str key;
    const char *best;
    size_t distance;
};
void nearest_try(struct nearest *n, const char *name);

#endif
