/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and JSON: coreConfig of tenants laid over the base, the checks that
 * the multitenancy calls make, and the description the core config calls give. */
#include "config/settings_internal.h"

#include <inttypes.h>
#include <string.h>

/* A JSON value as the text config.yaml would hold; .p NULL for null. */
static int value_text(const struct setting *k, const json_t *v, struct arena *a, struct str *text,
                      struct str *err)
{
    switch (json_typeof(v)) {
    case JSON_STRING: *text = str_make(json_string_value(v), json_string_length(v)); return RC_OK;
    case JSON_INTEGER:
        *text = str_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return RC_OK;
    case JSON_REAL: *text = str_printf(a, "%.17g", json_real_value(v)); return RC_OK;
    case JSON_TRUE:
    case JSON_FALSE: *text = json_is_true(v) ? STR("true") : STR("false"); return RC_OK;
    case JSON_NULL: *text = STR_NULL; return RC_OK;
    default: return settings_bad(a, err, "'%s' must be of type %s", k->name, k->java);
    }
}

int settings_overlay(const struct settings *base, const json_t *core_config, bool test_mode,
                     struct arena *a, const struct settings **out, struct str *err)
{
    struct settings draft;
    settings_draft(&draft, base);
    /* A default that was derived from another key must follow that key. */
    struct str *shown = &draft.oauth_provider_url_configured_in_oauth_provider;
    if (shown->p && str_eq(*shown, base->oauth_provider_public_service_url))
        *shown = STR_NULL;
    bool changed = false;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)core_config, key, value)
    {
        const struct setting *k = settings_find(str_z(key));
        struct str text = STR_NULL;
        /* A server key is refused by settings_check_scope(), and never taken. */
        if (!k || k->scope == SETTING_SERVER)
            continue;
        if (value_text(k, value, a, &text, err) || settings_set(&draft, k, text, a, err))
            return RC_FAIL;
        changed = true;
    }
    if (!changed) {
        *out = settings_ref(base);
        return RC_OK;
    }
    if (settings_check(&draft, test_mode, a, err))
        return RC_FAIL;
    *out = settings_pack(&draft);
    return RC_OK;
}

int settings_check_keys(const json_t *core_config, bool (*plugin_key)(void *ud, const char *key),
                        void *ud, struct arena *a, struct str *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)core_config, key, value)
    {
        if (!settings_find(str_z(key)) && !(plugin_key && plugin_key(ud, key)))
            return settings_bad(a, err, "Invalid config key: %s", key);
    }
    return RC_OK;
}

int settings_check_scope(const json_t *core_config, struct arena *a, struct str *err)
{
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++)
        if (t[i].scope == SETTING_SERVER && json_object_get(core_config, t[i].name))
            return settings_bad(a, err, "%s can only be set via the core's base config setting",
                                t[i].name);
    return RC_OK;
}

static bool same(const struct setting *k, const struct settings *x, const struct settings *y)
{
    const void *p = setting_value(x, k), *q = setting_value(y, k);
    switch (k->type) {
    case SETTING_INT: return *(const int64_t *)p == *(const int64_t *)q;
    case SETTING_REAL: return memcmp(p, q, sizeof(double)) == 0;
    case SETTING_BOOL: return *(const bool *)p == *(const bool *)q;
    case SETTING_TEXT: {
        struct str s = *(const struct str *)p, t = *(const struct str *)q;
        return (s.p == NULL) == (t.p == NULL) && str_eq(s, t);
    }
    case SETTING_CHOICE: return *(const unsigned *)p == *(const unsigned *)q;
    }
    return false;
}

int settings_check_app(const struct settings *x, const struct settings *y, struct arena *a,
                       struct str *err)
{
    size_t n;
    const struct setting *t = settings_table(&n);
    for (size_t i = 0; i < n; i++)
        if (t[i].scope == SETTING_APP && !same(&t[i], x, y))
            return settings_bad(a, err, "You cannot set different values for %s for the same appId",
                                t[i].name);
    return RC_OK;
}

/* ---- description */

static struct str choice_text(const struct setting *k, unsigned index)
{
    const char *rest = k->choices;
    struct str item = STR_NULL;
    for (unsigned i = 0; i <= index && choice_next(&rest, &item); i++)
        ;
    return item;
}

static json_t *text_json(struct str s)
{
    return s.p ? json_stringn(s.p, s.len) : json_null();
}

static json_t *value_json(const struct settings *s, const struct setting *k)
{
    const void *m = setting_value(s, k);
    switch (k->type) {
    case SETTING_INT: return json_integer(*(const int64_t *)m);
    case SETTING_REAL: return json_real(*(const double *)m);
    case SETTING_BOOL: return json_boolean(*(const bool *)m);
    case SETTING_TEXT: return text_json(*(const struct str *)m);
    case SETTING_CHOICE: return text_json(choice_text(k, *(const unsigned *)m));
    }
    return json_null();
}

static json_t *choices_json(const struct setting *k)
{
    if (k->type != SETTING_CHOICE)
        return json_null();
    json_t *list = json_array();
    const char *rest = k->choices;
    struct str item;
    while (choice_next(&rest, &item))
        json_array_append_new(list, text_json(item));
    return list;
}

static const char *type_name(const struct setting *k)
{
    switch (k->type) {
    case SETTING_INT:
    case SETTING_REAL: return "number";
    case SETTING_BOOL: return "boolean";
    case SETTING_CHOICE: return "enum";
    case SETTING_TEXT: break;
    }
    return "string";
}

static json_t *field(const char *key, const char *type, json_t *value, const char *help,
                     bool per_tenant, json_t *possible, json_t *dflt, bool plugin, bool editable)
{
    json_t *f = json_object();
    json_object_set_new(f, "key", json_string(key));
    json_object_set_new(f, "valueType", json_string(type));
    json_object_set_new(f, "value", value ? value : json_null());
    json_object_set_new(f, "description", json_string(help));
    json_object_set_new(f, "isDifferentAcrossTenants", json_boolean(per_tenant));
    json_object_set_new(f, "possibleValues", possible ? possible : json_null());
    json_object_set_new(f, "isNullable", json_boolean(!dflt || json_is_null(dflt)));
    json_object_set_new(f, "defaultValue", dflt ? dflt : json_null());
    json_object_set_new(f, "isPluginProperty", json_boolean(plugin));
    json_object_set_new(f, "isPluginPropertyEditable", json_boolean(editable));
    return f;
}

json_t *settings_describe(const struct settings *s)
{
    struct settings dflt;
    settings_defaults(&dflt);
    size_t n;
    const struct setting *t = settings_table(&n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct setting *k = &t[i];
        if (k->scope == SETTING_SERVER || (k->flags & (SETTING_HIDDEN | SETTING_DEPRECATED)))
            continue;
        json_array_append_new(list, field(k->name, type_name(k), value_json(s, k), k->help,
                                          k->scope == SETTING_TENANT, choices_json(k),
                                          value_json(&dflt, k), false, false));
    }
    return list;
}

void settings_describe_add(json_t *array, const char *key, const char *type, json_t *value,
                           json_t *dflt, json_t *possible, const char *help, bool editable)
{
    json_array_append_new(array,
                          field(key, type, value, help, true, possible, dflt, true, editable));
}

struct str settings_show(const struct settings *s, const struct setting *k, struct arena *a)
{
    const void *m = setting_value(s, k);
    switch (k->type) {
    case SETTING_INT: return str_printf(a, "%" PRId64, *(const int64_t *)m);
    case SETTING_REAL: return str_printf(a, "%.15g", *(const double *)m);
    case SETTING_BOOL: return *(const bool *)m ? STR("true") : STR("false");
    case SETTING_CHOICE: return str_dup(a, choice_text(k, *(const unsigned *)m));
    case SETTING_TEXT: break;
    }
    struct str text = *(const struct str *)m;
    if (text.p && (k->flags & SETTING_SECRET))
        return STR("***");
    return text.p ? str_dup(a, text) : STR_NULL;
}
