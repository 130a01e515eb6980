/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin says about itself, for `supertokens plugins`. */
#include "storage/loader.h"

#include <stdio.h>
#include <string.h>

static const char *const cap_names[] = {"txn", "pipeline", "auto_schema", "lock", "ask_again"};
static const char *const type_names[] = {"", "text", "integer", "true|false", "", "path", "uri"};
static const char *const model_names[] = {"", "serial", "one per database", "parallel"};

struct str plugin_caps_text(struct arena *a, uint64_t caps)
{
    struct strbuf b;
    strbuf_init(&b, a);
    for (unsigned i = 0; i < sizeof(cap_names) / sizeof(cap_names[0]); i++)
        if (caps >> i & 1u)
            strbuf_printf(&b, "%s%s", b.len ? " " : "", cap_names[i]);
    return strbuf_str(&b);
}

const stk_option *plugin_option(const struct plugin *p, const char *key)
{
    for (uint32_t i = 0; i < p->v.noptions; i++) {
        const stk_option *o = &p->options[i];
        if (strcmp(o->key, key) == 0 || (o->alias && strcmp(o->alias, key) == 0))
            return o;
    }
    return NULL;
}

static struct str option_text(struct arena *a, const stk_option *o)
{
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_add(&b, str_z(o->type == STK_OPT_ENUM ? o->choices : type_names[o->type]));
    if (o->type == STK_OPT_INT)
        strbuf_printf(&b, " %lld..%lld", (long long)o->min, (long long)o->max);
    if (o->flags & STK_OPT_SECRET)
        strbuf_add(&b, STR(", secret"));
    if (o->flags & STK_OPT_REFUSED)
        strbuf_add(&b, STR(", refused"));
    if (o->flags & STK_OPT_IGNORED)
        strbuf_add(&b, STR(", without effect"));
    if (o->dflt)
        strbuf_printf(&b, ", default %s", o->flags & STK_OPT_SECRET ? "***" : o->dflt);
    if (o->alias)
        strbuf_printf(&b, ", also %s", o->alias);
    strbuf_printf(&b, ": %s", o->help);
    return strbuf_str(&b);
}

void plugin_describe(const struct plugin *p, plugin_emit emit, void *ud)
{
    struct arena a;
    arena_init(&a);
    const struct stk_plugin *v = &p->v;
    emit(ud, "name", v->name);
    emit(ud, "path", p->file);
    emit(ud, "version", v->version);
    emit(ud, "license", v->license ? v->license : "");
    emit(ud, "about", v->help ? v->help : "");
    emit(ud, "abi",
         str_printf(&a, "%u.%u, needs %u.%u, this core has %u.%u", v->abi_major, v->abi_minor,
                    v->abi_major, v->need_minor, STK_ABI_MAJOR, STK_ABI_MINOR)
             .p);
    emit(ud, "struct_size", str_printf(&a, "%u of %zu", p->size, sizeof(*v)).p);
    emit(ud, "threads", model_names[v->thread_model]);
    emit(ud, "caps", plugin_caps_text(&a, v->caps).p);
    emit(ud, "max_in_list", str_printf(&a, "%u", v->max_in_list).p);
    emit(ud, "max_batch", str_printf(&a, "%u", v->max_batch).p);
    for (uint32_t i = 0; i < v->noptions; i++)
        emit(ud, str_printf(&a, "option.%s", p->options[i].key).p,
             option_text(&a, &p->options[i]).p);
    for (uint32_t i = 0; i < v->nmigrations; i++)
        emit(ud, str_printf(&a, "migration.%s", p->migrations[i].name).p, p->migrations[i].sha256);
    if (v->dump && plugin_enter(p) >= 0 && plugin_lock(p, 0)) {
        v->dump(NULL, emit, ud);
        plugin_unlock(p);
    }
    arena_free(&a);
}
