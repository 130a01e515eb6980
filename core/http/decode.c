/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of bodies and queries.  The texts, and that a required field that is
 * missing counts as invalid, are what the SDKs know. */
#include "http/request.h"

#include <math.h>

static int invalid(struct api *a, const char *field)
{
    return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' is invalid in JSON input", field);
}

/* ---- strings */

static int str_of(struct api *a, const char *field, const json_t *v, struct str *out)
{
    if (!json_is_string(v))
        return invalid(a, field);
    *out = str_make(json_string_value(v), json_string_length(v));
    return RC_OK;
}

int api_str(struct api *a, const char *field, struct str *out)
{
    *out = STR_NULL;
    return str_of(a, field, json_object_get(a->body, field), out);
}

int api_str_opt(struct api *a, const char *field, struct str *out)
{
    const json_t *v = json_object_get(a->body, field);
    *out = STR_NULL;
    return v ? str_of(a, field, v, out) : RC_OK;
}

int api_trim(struct api *a, const char *field, struct str *s)
{
    if (!s->p)
        return RC_OK;
    *s = str_dup(a->ctx.arena, str_trim(*s));
    if (s->len == 0)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' cannot be an empty String",
                        field);
    return RC_OK;
}

/* ---- booleans and numbers */

static int bool_of(struct api *a, const char *field, const json_t *v, bool *out)
{
    if (!json_is_boolean(v))
        return invalid(a, field);
    *out = json_is_true(v);
    return RC_OK;
}

int api_bool(struct api *a, const char *field, bool *out)
{
    *out = false;
    return bool_of(a, field, json_object_get(a->body, field), out);
}

int api_bool_opt(struct api *a, const char *field, bool dflt, bool *out)
{
    const json_t *v = json_object_get(a->body, field);
    *out = dflt;
    return v ? bool_of(a, field, v, out) : RC_OK;
}

/* A fraction is cut off, and digits in quotes count. */
static int i64_of(struct api *a, const char *field, const json_t *v, int64_t *out)
{
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return RC_OK;
    }
    if (json_is_real(v) && fabs(json_real_value(v)) < 9.2e18) {
        *out = (int64_t)json_real_value(v);
        return RC_OK;
    }
    if (json_is_string(v) && str_i64(str_make(json_string_value(v), json_string_length(v)), out))
        return RC_OK;
    return invalid(a, field);
}

int api_i64(struct api *a, const char *field, int64_t *out)
{
    *out = 0;
    return i64_of(a, field, json_object_get(a->body, field), out);
}

int api_i64_opt(struct api *a, const char *field, int64_t dflt, int64_t *out)
{
    const json_t *v = json_object_get(a->body, field);
    *out = dflt;
    return v ? i64_of(a, field, v, out) : RC_OK;
}

/* ---- objects and arrays */

int api_object(struct api *a, const char *field, json_t **out)
{
    *out = json_object_get(a->body, field);
    return json_is_object(*out) ? RC_OK : invalid(a, field);
}

int api_object_opt(struct api *a, const char *field, json_t **out)
{
    *out = json_object_get(a->body, field);
    return !*out || json_is_object(*out) ? RC_OK : invalid(a, field);
}

int api_array(struct api *a, const char *field, json_t **out)
{
    *out = json_object_get(a->body, field);
    return json_is_array(*out) ? RC_OK : invalid(a, field);
}

int api_array_opt(struct api *a, const char *field, json_t **out)
{
    *out = json_object_get(a->body, field);
    return !*out || json_is_array(*out) ? RC_OK : invalid(a, field);
}

/* ---- the query */

int api_query_opt(struct api *a, const char *name, struct str *out)
{
    struct str raw;
    *out = STR_NULL;
    if (!url_query_find(a->ctx.arena, a->request->query, name, &raw))
        return RC_OK;
    if (url_decode(a->ctx.arena, raw, true, out))
        return RC_OK;
    *out = STR_NULL;
    return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' is invalid in GET request", name);
}

int api_query(struct api *a, const char *name, struct str *out)
{
    int rc = api_query_opt(a, name, out);
    if (rc == RC_OK && !out->p)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' is missing in GET request",
                        name);
    return rc;
}

int api_query_bool_opt(struct api *a, const char *name, bool dflt, bool *out)
{
    struct str s;
    int rc = api_query_opt(a, name, &s);
    *out = s.p ? str_ieq(s, STR("true")) : dflt;
    return rc;
}

static int query_number(struct api *a, const char *name, const char *type, int64_t most,
                        int64_t *out)
{
    struct str s;
    int64_t v;
    int rc = api_query_opt(a, name, &s);
    if (rc != RC_OK || !s.p)
        return rc;
    if (!str_i64(s, &v) || v > most || v < -most - 1)
        return ctx_fail(&a->ctx, FAIL_BAD_REQUEST, "Field name '%s' must be %s in the GET request",
                        name, type);
    *out = v;
    return RC_OK;
}

int api_query_i64_opt(struct api *a, const char *name, int64_t dflt, int64_t *out)
{
    *out = dflt;
    return query_number(a, name, "a long", INT64_MAX, out);
}

int api_query_int_opt(struct api *a, const char *name, int64_t dflt, int64_t *out)
{
    *out = dflt;
    return query_number(a, name, "an int", INT32_MAX, out);
}
