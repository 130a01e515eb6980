/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in and out of an exchange; see reply.h. */
#include "http/reply.h"

#include "base/log.h"

#define TEXT_TYPE STR("text/html;charset=UTF-8")
#define JSON_TYPE STR("application/json;charset=UTF-8")

/* Counts brackets outside of strings; whether they match is jansson's affair. */
static bool too_deep(struct str text)
{
    int depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

json_t *reply_body_parse(struct arena *a, struct str text)
{
    return too_deep(text) ? NULL : json_own(a, json_object_parse(text));
}

static int status_of(enum fail_kind kind)
{
    switch (kind) {
    case FAIL_BAD_REQUEST: return 400;
    case FAIL_UNAUTHORISED: return 401;
    case FAIL_FEATURE: return 402;
    case FAIL_FORBIDDEN: return 403;
    case FAIL_NOT_FOUND: return 404;
    case FAIL_UNAVAILABLE: return 503;
    default: return 500;
    }
}

static void encode_failure(struct exchange *x, int rc)
{
    struct ctx *c = &x->api.ctx;
    if (rc != RC_FAIL || c->fail == FAIL_NONE) {
        log_error("http", "%s %.*s ended with %d and no reason", x->api.request->method,
                  STR_ARG(x->match.endpoint->path), rc);
        c->fail = FAIL_INTERNAL;
        c->fail_text = STR("Internal Error");
    }
    if (x->status == 0)
        x->status = status_of(c->fail);
    x->content_type = TEXT_TYPE;
    x->body = c->fail_text;
}

void reply_encode(struct exchange *x, int rc)
{
    struct reply *r = &x->api.reply;
    if (rc != RC_OK) {
        encode_failure(x, rc);
    } else {
        if (x->status == 0)
            x->status = r->status ? r->status : 200;
        x->content_type = r->json ? JSON_TYPE : TEXT_TYPE;
        if (r->content_type.p)
            x->content_type = r->content_type;
        x->cache_control = r->cache_control;
        x->body = r->json ? json_text(x->api.ctx.arena, r->json) : r->text;
    }
    json_decref(r->json);
    r->json = NULL;
}

json_t *api_status(struct api *a, const char *status)
{
    json_decref(a->reply.json);
    a->reply.json = json_pack("{s:s}", "status", status);
    return a->reply.json;
}

json_t *api_ok(struct api *a)
{
    return api_status(a, "OK");
}

struct str api_header(const struct api *a, const char *name)
{
    return request_header(a->request, name);
}
