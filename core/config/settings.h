/* SPDX-License-Identifier: Apache-2.0 */
/* Typed settings: immutable, reference counted; of the base (files, environment,
 * command line) or of a tenant (the same with its coreConfig laid over).  One
 * table, keys.def, declares every member, in the unit config.yaml uses.
 *
 * Thread-safe: a settings object never changes once made. */
#ifndef CORE_CONFIG_SETTINGS_H
#define CORE_CONFIG_SETTINGS_H

#include "base/arena.h"
#include "base/str.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values of CHOICE members; their order is that of the table's choices. */
enum setting_hash_alg { HASH_ALG_ARGON2, HASH_ALG_BCRYPT };
enum setting_reuse { REUSE_TOKEN_THEFT, REUSE_UNAUTHORISED };
enum setting_log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR, LEVEL_NONE };

struct settings {
#define INT(name, scope, flags, java, dflt, min, max, help) int64_t name;
#define REAL(name, scope, flags, dflt, min, max, help) double name;
#define BOOL(name, scope, flags, dflt, help) bool name;
#define TEXT(name, scope, flags, dflt, help) struct str name; /* .p NULL: not set */
#define CHOICE(name, scope, flags, type, dflt, choices, help) enum type name;
#include "config/keys.def"
#undef INT
#undef REAL
#undef BOOL
#undef TEXT
#undef CHOICE
    /* Derived. */
    int max_cdi, min_cdi;  /* CDI(5, 4), see base/ctx.h; 0: not set */
    struct ip_filter *ips; /* compiled ip_allow_regex and ip_deny_regex; NULL: none */
    unsigned refs;         /* atomic */
};

/* ---- the table */

enum setting_type { SETTING_INT, SETTING_REAL, SETTING_BOOL, SETTING_TEXT, SETTING_CHOICE };
/* SERVER: files, environment and command line only.  APP: the same for all
 * tenants of an app.  TENANT: each tenant its own. */
enum setting_scope { SETTING_SERVER, SETTING_APP, SETTING_TENANT };
enum {
    SETTING_SECRET = 1,     /* never printed */
    SETTING_HIDDEN = 2,     /* not listed by the core config calls */
    SETTING_PROTECTED = 4,  /* with a supertokens_saas_secret set, only its bearer changes it */
    SETTING_DEPRECATED = 8, /* has effect for old clients only; not listed */
    SETTING_UNUSED = 16,    /* accepted, no effect */
    SETTING_LATER = 32,     /* accepted, belongs to a recipe that this build does not serve */
    SETTING_NULLABLE = 64,  /* a number for which null means 0 */
    SETTING_PATH = 128      /* a file or folder; relative to HOME */
};

struct setting {
    const char *name;
    enum setting_type type;
    enum setting_scope scope;
    unsigned flags;
    size_t offset;       /* of the member in struct settings */
    const char *java;    /* type name in error texts of the CDI */
    const char *choices; /* "A|B|C", CHOICE only */
    const char *help;    /* one line, no final period */
    const char *dflt;    /* as config.yaml would spell it; NULL: not set */
    double min, max;     /* INT and REAL */
};

const struct setting *settings_table(size_t *n);
/* By key or by its older spelling; NULL: no such key. */
const struct setting *settings_find(struct str key);

/* ---- making and keeping them */

const struct settings *settings_ref(const struct settings *s);
void settings_unref(const struct settings *s);

/* The settings of a tenant: base with the members of core_config (numbers,
 * booleans, strings, null) laid over; for a tenant below others, pass the merged
 * object (own, else app's, else connection URI domain's).  Members that the
 * table does not know are skipped: they are a plugin's keys, checked with
 * settings_check_keys().  RC_OK with *out (a reference of the caller; base
 * itself when nothing was laid over), or RC_FAIL with *err in the arena: the
 * text after "Invalid core config: ". */
int settings_overlay(const struct settings *base, const json_t *core_config, bool test_mode,
                     struct arena *a, const struct settings **out, struct str *err);
/* RC_FAIL with "Invalid config key: X" for the first member that is neither in
 * the table nor known to plugin_key (may be NULL). */
int settings_check_keys(const json_t *core_config, bool (*plugin_key)(void *ud, const char *key),
                        void *ud, struct arena *a, struct str *err);
/* RC_FAIL when an APP key differs: two tenants of one app may not. */
int settings_check_app(const struct settings *x, const struct settings *y, struct arena *a,
                       struct str *err);
/* RC_FAIL when core_config holds a SERVER key; the last check upstream makes. */
int settings_check_scope(const json_t *core_config, struct arena *a, struct str *err);

/* ---- using them */

/* Whether one of api_keys equals key, in constant time per key; true when none
 * is configured. */
bool settings_api_key(const struct settings *s, struct str key);
/* Whether ip_allow_regex and ip_deny_regex let this textual address in. */
bool settings_ip_allowed(const struct settings *s, struct str ip);
/* Whether the CDI version (CDI(major, minor)) is one this core serves at all. */
bool settings_cdi_known(int cdi);
/* "5.4" -> CDI(5, 4); 0: not a version. */
int settings_cdi_parse(struct str text);

/* The "config" array of GET /recipe/dashboard/tenant/core-config, without the
 * plugin's part; the caller owns it. */
json_t *settings_describe(const struct settings *s);
/* Appends the same shape for a plugin's option; value may be NULL. */
void settings_describe_add(json_t *array, const char *key, const char *type, json_t *value,
                           json_t *dflt, json_t *possible, const char *help, bool editable);
/* The value as config.yaml would spell it, "***" for a set secret, STR_NULL if
 * not set. */
struct str settings_show(const struct settings *s, const struct setting *k, struct arena *a);

#endif
