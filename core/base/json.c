/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers over jansson; see json.h. */
#include "base/json.h"

void json_add_str(json_t *object, const char *key, struct str s)
{
    if (s.p)
        json_object_set_new(object, key, json_stringn(s.p, s.len));
}

void json_add_i64(json_t *object, const char *key, int64_t v)
{
    json_object_set_new(object, key, json_integer(v));
}

void json_add_bool(json_t *object, const char *key, bool v)
{
    json_object_set_new(object, key, json_boolean(v));
}

struct str json_get_str(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? str_make(json_string_value(v), json_string_length(v)) : STR_NULL;
}

static int append(const char *p, size_t n, void *buf)
{
    strbuf_add(buf, str_make(p, n));
    return 0;
}

struct str json_text(struct arena *a, const json_t *v)
{
    struct strbuf b;
    strbuf_init(&b, a);
    if (v)
        (void)json_dump_callback(v, append, &b, JSON_COMPACT | JSON_ENCODE_ANY);
    return strbuf_str(&b);
}

json_t *json_object_parse(struct str text)
{
    json_t *v = text.p ? json_loadb(text.p, text.len, 0, NULL) : NULL;
    if (v && !json_is_object(v)) {
        json_decref(v);
        return NULL;
    }
    return v;
}

static void drop(void *v)
{
    json_decref(v);
}

json_t *json_own(struct arena *a, json_t *v)
{
    if (v)
        arena_defer(a, drop, v);
    return v;
}
