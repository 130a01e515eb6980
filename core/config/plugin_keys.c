/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that belong to plugins: which plugin they choose, and their values as its
 * option table wants them.  Messages name key and place, never a value. */
#include "base/ctx.h"
#include "config/config_internal.h"
#include "storage/loader.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

/* Plugins this project ships; their keys are known even where they are absent. */
static const char *const shipped[] = {"sqlite", "postgresql", "mysql", "mongodb"};
enum { NSHIPPED = sizeof(shipped) / sizeof(shipped[0]) };

static int bad(struct arena *a, struct str *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static int bad(struct arena *a, struct str *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    *err = str_vprintf(a, fmt, ap);
    va_end(ap);
    return RC_FAIL;
}

/* ---- which plugin */

/* Names of installed and shipped plugins, each once. */
static size_t known_names(struct plugins *ps, struct arena *a, const char ***names)
{
    const char *const *found;
    size_t n = plugins_names(ps, a, &found);
    *names = ARENA_ARRAY(a, const char *, n + NSHIPPED);
    for (size_t i = 0; i < n; i++)
        (*names)[i] = found[i];
    for (size_t i = 0; i < NSHIPPED; i++) {
        bool have = false;
        for (size_t j = 0; j < n; j++)
            have = have || strcmp((*names)[j], shipped[i]) == 0;
        if (!have)
            (*names)[n++] = shipped[i];
    }
    return n;
}

/* What of a plugin's keys says that its database is to be used, strongest first. */
static const struct {
    const char *suffix;
    unsigned rank;
} selectors[] = {{"connection_uri", 0}, {"host", 1}, {"path", 1}, {"user", 2}};
enum { NSELECTORS = sizeof(selectors) / sizeof(selectors[0]), NO_RANK = 99 };

struct choice {
    const char *name, *key;
    struct config_value v;
    unsigned rank;
};

/* Finds the strongest selector of one plugin. */
static void select_of(struct config *c, const char *name, struct arena *a, struct choice *best)
{
    *best = (struct choice){.name = name, .rank = NO_RANK};
    for (size_t i = 0; i < NSELECTORS; i++) {
        struct config_value v;
        const char *key = str_printf(a, "%s_%s", name, selectors[i].suffix).p;
        if (selectors[i].rank < best->rank && config_lookup(c, key, &v) && v.value.p && v.value.len)
            *best = (struct choice){name, key, v, selectors[i].rank};
    }
}

static int select_plugin(struct config *c, struct plugins *ps, struct arena *a,
                         struct choice *choice, struct str *err)
{
    const char **names;
    size_t n = known_names(ps, a, &names);
    *choice = (struct choice){.name = "sqlite", .rank = NO_RANK};
    struct choice other = {.rank = NO_RANK};
    for (size_t i = 0; i < n; i++) {
        struct choice one;
        select_of(c, names[i], a, &one);
        if (one.rank < choice->rank) {
            *choice = one;
            other.rank = NO_RANK;
        } else if (one.rank != NO_RANK && one.rank == choice->rank) {
            other = one;
        }
    }
    if (other.rank == NO_RANK)
        return RC_OK;
    return bad(a, err,
               "config: both %s (%s) and %s (%s) are set, but only one database can be the base. "
               "Remove one, or name the plugin: storage_plugin: %s",
               choice->key, config_where(c, choice->key, &choice->v, a).p, other.key,
               config_where(c, other.key, &other.v, a).p, choice->name);
}

/* ---- one option */

static int check_choice(const stk_option *o, struct str where, struct str *value, struct arena *a,
                        struct str *err)
{
    struct str rest = str_z(o->choices), item;
    while (str_split(&rest, '|', &item))
        if (str_ieq(item, *value)) {
            *value = str_dup(a, item);
            return RC_OK;
        }
    return bad(a, err, "%.*s%s must be one of %s", STR_ARG(where), o->key, o->choices);
}

static int check_number(const stk_option *o, struct str where, struct str *value, struct arena *a,
                        struct str *err)
{
    int64_t v;
    if (!str_i64(*value, &v))
        return bad(a, err, "%.*s%s must be a whole number", STR_ARG(where), o->key);
    if (o->min < o->max && (v < o->min || v > o->max))
        return bad(a, err, "%.*s%s must be between %" PRId64 " and %" PRId64, STR_ARG(where),
                   o->key, o->min, o->max);
    *value = str_printf(a, "%" PRId64, v);
    return RC_OK;
}

/* Brings *value into the form the plugin is promised; where is a prefix such as
 * "config.yaml line 3: ". */
static int check_option(const stk_option *o, struct str where, struct str dir, struct str *value,
                        struct arena *a, struct str *err)
{
    if (!str_utf8(*value))
        return bad(a, err, "%.*s%s is not UTF-8", STR_ARG(where), o->key);
    if (o->flags & STK_OPT_REFUSED)
        return bad(a, err, "%.*s%s cannot be used here: %s", STR_ARG(where), o->key, o->help);
    switch (o->type) {
    case STK_OPT_INT: *value = str_trim(*value); return check_number(o, where, value, a, err);
    case STK_OPT_BOOL:
        *value = str_lower(a, str_trim(*value));
        if (!str_eqz(*value, "true") && !str_eqz(*value, "false"))
            return bad(a, err, "%.*s%s must be true or false", STR_ARG(where), o->key);
        return RC_OK;
    case STK_OPT_ENUM: *value = str_trim(*value); return check_choice(o, where, value, a, err);
    case STK_OPT_PATH:
        if (value->len && !str_eqz(*value, ":memory:"))
            *value = path_join(a, dir, *value);
        return RC_OK;
    default: *value = str_dup(a, *value); return RC_OK;
    }
}

/* ---- all options of a plugin */

/* A JSON scalar as text; false: an object or array. */
static bool json_scalar(const json_t *v, struct arena *a, struct str *text)
{
    if (json_is_string(v))
        *text = str_make(json_string_value(v), json_string_length(v));
    else if (json_is_integer(v))
        *text = str_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        *text = str_printf(a, "%.17g", json_real_value(v));
    else if (json_is_boolean(v))
        *text = json_is_true(v) ? STR("true") : STR("false");
    else
        *text = STR_NULL;
    return !json_is_object(v) && !json_is_array(v);
}

/* What the base's sources say about one option. */
static void find_base(struct config *c, const stk_option *o, struct option_value *out)
{
    const char *keys[] = {o->key, o->alias};
    struct arena *a = &c->arena;
    for (size_t i = 0; i < 2 && keys[i]; i++) {
        struct config_value v;
        if (!config_lookup(c, keys[i], &v) || !v.value.p)
            continue;
        out->text = str_dup(a, v.value);
        out->where = str_printf(a, "%s: ", config_where(c, keys[i], &v, a).p);
        out->from_args = v.source == SOURCE_ARG;
        return;
    }
}

/* The value of one option under its key or alias: core_config, then the base's
 * value, then the default. */
static int find_option(const struct option_value *base, const stk_option *o,
                       const json_t *core_config, struct arena *a, struct option_value *out,
                       struct str *err)
{
    const char *keys[] = {o->key, o->alias};
    *out = (struct option_value){.where = STR("")};
    for (size_t i = 0; i < 2 && keys[i] && core_config; i++) {
        const json_t *j = json_object_get(core_config, keys[i]);
        if (j && !json_scalar(j, a, &out->text))
            return bad(a, err, "'%s' must be of type String", keys[i]);
        if (out->text.p)
            return RC_OK;
    }
    if (base && base->text.p) {
        *out = *base;
        return RC_OK;
    }
    out->text = str_z(o->dflt);
    out->is_default = true;
    return RC_OK;
}

/* What a relative path is relative to: a default lives where .started is. */
static struct str path_base(const struct config *c, const struct option_value *v)
{
    if (v->from_args)
        return c->cwd;
    return v->is_default && c->state_dir.p ? c->state_dir : c->home;
}

/* base: values of the base for the same options, or NULL. */
static int collect(const struct config *c, const struct option_value *base,
                   const struct plugin *plugin, const json_t *core_config, struct arena *a,
                   stk_kv **kv, size_t *nkv, struct str *err)
{
    *kv = ARENA_ARRAY(a, stk_kv, plugin->v.noptions + 1);
    *nkv = 0;
    for (uint32_t i = 0; i < plugin->v.noptions; i++) {
        const stk_option *o = &plugin->options[i];
        struct option_value v;
        if (find_option(base ? &base[i] : NULL, o, core_config, a, &v, err))
            return RC_FAIL;
        bool refused_empty = (o->flags & STK_OPT_REFUSED) && (v.is_default || v.text.len == 0);
        if (!v.text.p || (o->flags & STK_OPT_IGNORED) || refused_empty)
            continue;
        if (check_option(o, v.where, path_base(c, &v), &v.text, a, err))
            return RC_FAIL;
        (*kv)[(*nkv)++] = (stk_kv){o->key, arena_dup(a, v.text.p, v.text.len)};
    }
    return RC_OK;
}

/* Remembers the plugin and what is said about its options: from here on nothing
 * but these values is read, so that requests may ask at any time. */
static void adopt(struct config *c, const struct plugin *p)
{
    c->plugin = p;
    c->values = ARENA_ARRAY(&c->arena, struct option_value, p->v.noptions + 1);
    for (uint32_t i = 0; i < p->v.noptions; i++)
        find_base(c, &p->options[i], &c->values[i]);
}

int config_plugin(struct config *c, struct plugins *ps, struct arena *a, struct str *why,
                  struct str *err)
{
    const struct plugin *plugin;
    struct str named = c->settings->storage_plugin;
    struct choice choice;
    const char *name;
    if (named.p && named.len) {
        struct config_value v = config_origin(c, settings_find(STR("storage_plugin")));
        name = str_find(named, '/') >= 0 ? named.p : plugin_canonical(named.p);
        *why = str_printf(a, "storage_plugin, %s", config_where(c, "storage_plugin", &v, a).p);
    } else {
        if (select_plugin(c, ps, a, &choice, err))
            return RC_FAIL;
        name = choice.name;
        *why = choice.key ? str_printf(a, "%s, %s", choice.key,
                                       config_where(c, choice.key, &choice.v, a).p)
                          : STR("no other database is configured");
    }
    if (plugins_load(ps, a, name, &plugin, err) != PLUGIN_OK)
        return RC_FAIL;
    adopt(c, plugin);
    return RC_OK;
}

int config_plugin_kv(const struct config *c, struct arena *a, stk_kv **kv, size_t *nkv,
                     struct str *err)
{
    return collect(c, c->values, c->plugin, NULL, a, kv, nkv, err);
}

/* ---- tenants */

/* The plugin whose connection core_config names, as a name; NULL: none. */
static const char *named_by(struct plugins *ps, const json_t *core_config, struct arena *a)
{
    const char **names;
    size_t n = known_names(ps, a, &names);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < NSELECTORS; j++) {
            const char *key = str_printf(a, "%s_%s", names[i], selectors[j].suffix).p;
            const json_t *v = json_object_get(core_config, key);
            if (v && !json_is_null(v))
                return names[i];
        }
    return NULL;
}

int config_tenant_plugin(const struct config *c, struct plugins *ps, const json_t *core_config,
                         struct arena *a, const struct plugin **plugin, stk_kv **kv, size_t *nkv,
                         struct str *err)
{
    *plugin = c->plugin;
    const char *name = core_config ? named_by(ps, core_config, a) : NULL;
    if (name && strcmp(name, c->plugin->v.name) != 0 &&
        plugins_load(ps, a, name, plugin, err) != PLUGIN_OK)
        return RC_FAIL;
    return collect(c, *plugin == c->plugin ? c->values : NULL, *plugin, core_config, a, kv, nkv,
                   err);
}

/* Whether key begins with name and '_'. */
static bool has_prefix(struct str key, const char *name)
{
    struct str n = str_z(name);
    return key.len > n.len && str_starts(key, n) && key.p[n.len] == '_';
}

/* ---- keys nobody knows */

static void try_all(struct nearest *n, const struct plugin *plugin)
{
    size_t count;
    const struct setting *t = settings_table(&count);
    for (size_t i = 0; i < count; i++)
        nearest_try(n, t[i].name);
    for (uint32_t i = 0; plugin && i < plugin->v.noptions; i++)
        nearest_try(n, plugin->options[i].key);
    nearest_try(n, "postgresql_connection_uri");
    nearest_try(n, "mysql_connection_uri");
    nearest_try(n, "mongodb_connection_uri");
    nearest_try(n, "sqlite_path");
}

/* Why a key is unknown, or STR_NULL if it is fine. */
static struct str judge(struct plugins *ps, const struct plugin *plugin, const char *key,
                        struct arena *a)
{
    if (settings_find(str_z(key)) || (plugin && plugin_option(plugin, key)) ||
        strcmp(key, "postgresql_config_version") == 0 || strcmp(key, "mysql_config_version") == 0 ||
        strcmp(key, "mongodb_config_version") == 0)
        return STR_NULL;
    const char **names;
    size_t n = known_names(ps, a, &names);
    for (size_t i = 0; i < n; i++)
        if (has_prefix(str_z(key), names[i]) && (!plugin || strcmp(names[i], plugin->v.name) != 0))
            return STR_NULL; /* of a plugin that is not used: accepted unread */
    struct nearest near = {.key = str_z(key)};
    try_all(&near, plugin);
    return near.best ? str_printf(a, "unknown key %s; did you mean %s?", key, near.best)
                     : str_printf(a, "unknown key %s", key);
}

void config_unknown_keys(struct config *c, struct plugins *ps)
{
    struct arena *a = &c->arena;
    for (size_t i = 0; i < c->nentries; i++) {
        struct str why = judge(ps, c->plugin, c->entries[i].key.p, a);
        if (why.p)
            config_warn(c, "%s line %d: %s", c->file.p, c->entries[i].line, why.p);
    }
    for (size_t i = 0; i < c->args.nkeys; i++) {
        struct str why = judge(ps, c->plugin, c->args.keys[i].key, a);
        if (why.p)
            config_error(c, "command line: %s", why.p);
    }
}

/* ---- for people */

/* A parameter list with the values of secret-looking names masked. */
static void mask_params(struct strbuf *b, struct str params)
{
    struct str one;
    bool first = true;
    while (str_split(&params, '&', &one)) {
        if (!first)
            strbuf_addc(b, '&');
        first = false;
        ptrdiff_t eq = str_find(one, '=');
        struct str name = eq < 0 ? one : str_sub(one, 0, (size_t)eq);
        struct str low = str_lower(b->arena, name);
        bool secret = strstr(low.p, "pass") || strstr(low.p, "secret") || strstr(low.p, "token") ||
                      strstr(low.p, "key");
        strbuf_add(b, eq >= 0 && secret ? name : one);
        if (eq >= 0 && secret)
            strbuf_add(b, STR("=***"));
    }
}

/* All between the user name and the last '@' goes, whatever it holds: a password
 * may contain any of the characters that URIs are cut at. */
struct str config_mask_uri(struct str uri, struct arena *a)
{
    struct strbuf b;
    strbuf_init(&b, a);
    const char *scheme = uri.len ? memmem(uri.p, uri.len, "://", 3) : NULL;
    size_t start = scheme ? (size_t)(scheme - uri.p) + 3 : 0;
    ptrdiff_t at = str_rfind(uri, '@');
    strbuf_add(&b, str_sub(uri, 0, start));
    struct str rest = str_sub(uri, start, uri.len);
    if (at >= (ptrdiff_t)start) {
        struct str user = str_sub(uri, start, (size_t)at);
        ptrdiff_t colon = str_find(user, ':');
        strbuf_add(&b, colon < 0 ? user : str_sub(user, 0, (size_t)colon));
        strbuf_add(&b, colon < 0 ? STR("@") : STR(":***@"));
        rest = str_sub(uri, (size_t)at + 1, uri.len);
    }
    ptrdiff_t q = str_find(rest, '?');
    strbuf_add(&b, q < 0 ? rest : str_sub(rest, 0, (size_t)q + 1));
    if (q >= 0)
        mask_params(&b, str_sub(rest, (size_t)q + 1, rest.len));
    return strbuf_str(&b);
}

struct str config_option_show(const stk_option *o, const char *value, struct arena *a)
{
    if (o->type == STK_OPT_URI)
        return config_mask_uri(str_z(value), a);
    if (o->flags & STK_OPT_SECRET)
        return STR("***");
    return str_dup(a, str_z(value));
}
