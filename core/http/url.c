/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding, strictly; see request.h. */
#include "http/request.h"

#include <string.h>
#include <strings.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte of the escape at in.p[i], or -1. */
static int escape(struct str in, size_t i)
{
    if (i + 2 >= in.len)
        return -1;
    int high = hex(in.p[i + 1]), low = hex(in.p[i + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool url_decode(struct arena *a, struct str in, bool plus, struct str *out)
{
    char *p = arena_alloc(a, in.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        char c = in.p[i];
        if (c == '%') {
            int byte = escape(in, i);
            if (byte < 0)
                return false;
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        p[n++] = c;
    }
    p[n] = '\0';
    *out = str_make(p, n);
    return str_utf8(*out);
}

bool url_query_find(struct arena *a, struct str query, const char *name, struct str *value)
{
    struct str rest = query, pair, decoded, want = str_z(name);
    while (rest.p && str_split(&rest, '&', &pair)) {
        ptrdiff_t eq = str_find(pair, '=');
        struct str key = eq < 0 ? pair : str_sub(pair, 0, (size_t)eq);
        bool escaped = str_find(key, '%') >= 0 || str_find(key, '+') >= 0;
        if (escaped && url_decode(a, key, true, &decoded))
            key = decoded;
        if (!str_eq(key, want))
            continue;
        *value = eq < 0 ? STR("") : str_sub(pair, (size_t)eq + 1, pair.len);
        return true;
    }
    return false;
}

bool url_path(struct arena *a, struct str raw, struct str *path)
{
    struct str in;
    for (size_t i = 0; i + 2 < raw.len; i++)
        if (raw.p[i] == '%' && escape(raw, i) == '/')
            return false;
    if (raw.len == 0 || raw.p[0] != '/' || !url_decode(a, raw, false, &in))
        return false;
    char *p = arena_alloc(a, in.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++)
        if (in.p[i] != '/' || n == 0 || p[n - 1] != '/')
            p[n++] = in.p[i];
    if (p[n - 1] == '/')
        n--;
    p[n] = '\0';
    *path = str_make(p, n);
    return true;
}

enum http_method request_method(const char *name)
{
    static const char *const names[] = {
        [HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};
    for (int i = HTTP_GET; i < HTTP_OTHER; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum http_method)i;
    return HTTP_OTHER;
}

struct str request_header(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->nheaders; i++)
        if (strcasecmp(r->headers[i].name, name) == 0)
            return str_z(r->headers[i].value);
    return STR_NULL;
}
