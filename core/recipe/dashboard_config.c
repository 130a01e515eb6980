/* SPDX-License-Identifier: Apache-2.0 */
/* What the dashboard is shown of the configuration; see dashboard.h. */
#include "recipe/dashboard.h"

#include "base/json.h"
#include "config/config.h"
#include "config/settings.h"
#include "core.h"
#include "recipe/multitenancy.h"
#include "storage/loader.h"
#include "storage/tenant.h"

#include <string.h>

static json_t *typed(const stk_option *o, struct str text)
{
    int64_t n;
    if (!text.p)
        return json_null();
    if (o->type == STK_OPT_INT && str_i64(text, &n))
        return json_integer(n);
    if (o->type == STK_OPT_BOOL)
        return json_boolean(str_eqz(text, "true"));
    return json_stringn(text.p, text.len);
}

static json_t *choices(const stk_option *o)
{
    if (o->type != STK_OPT_ENUM)
        return NULL;
    json_t *list = json_array();
    struct str rest = str_z(o->choices), item;
    while (str_split(&rest, '|', &item))
        json_array_append_new(list, json_stringn(item.p, item.len));
    return list;
}

static const char *type_name(const stk_option *o)
{
    return o->type == STK_OPT_INT    ? "number"
           : o->type == STK_OPT_BOOL ? "boolean"
           : o->type == STK_OPT_ENUM ? "enum"
                                     : "string";
}

/* Numbers and switches are how a database is used; the rest says which it is,
 * and to change that is to leave the users behind. */
static bool editable(const stk_option *o)
{
    return (o->type == STK_OPT_INT || o->type == STK_OPT_BOOL) &&
           !str_ends(str_z(o->key), STR("_port"));
}

static void describe(struct ctx *c, const stk_option *o, const char *value, json_t *list)
{
    if (o->flags & (STK_OPT_REFUSED | STK_OPT_IGNORED))
        return;
    struct str text = value ? config_option_show(o, value, c->arena) : STR_NULL;
    settings_describe_add(list, o->key, type_name(o), typed(o, text), typed(o, str_z(o->dflt)),
                          choices(o), o->help, editable(o));
}

static int describe_plugin(struct ctx *c, json_t *list)
{
    const struct plugin *plugin;
    const stk_kv *kv;
    size_t n;
    int rc = tenant_connection(c, c->tenant, &plugin, &kv, &n);
    for (uint32_t i = 0; rc == RC_OK && i < plugin->v.noptions; i++) {
        const stk_option *o = &plugin->options[i];
        const char *value = NULL;
        for (size_t k = 0; k < n && !value; k++)
            if (strcmp(kv[k].key, o->key) == 0)
                value = kv[k].value;
        describe(c, o, value, list);
    }
    return rc;
}

int dashboard_core_config(struct ctx *c, bool protect, json_t **list)
{
    *list = settings_describe(c->tenant->settings);
    for (size_t i = json_array_size(*list); protect && i > 0; i--) {
        struct str key = json_get_str(json_array_get(*list, i - 1), "key");
        if (tenant_key_protected(key.p))
            json_array_remove(*list, i - 1);
    }
    return protect ? RC_OK : describe_plugin(c, *list);
}
