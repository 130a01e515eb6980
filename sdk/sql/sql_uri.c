/* SPDX-License-Identifier: Apache-2.0 */
/* Connection URIs.  Error messages never quote the URI: what was misread as a
 * host or port may be a piece of a password. */
#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "stk_sdk.h"
#include "stk_uri.h"

#define ENCODE_HINT "Percent-encode @ : / ? # [ ] %% in user and password (%%40 %%3A %%2F ...)."

struct parse {
    const char *what;
    stk_err *err;
};

static stk_status bad(const struct parse *p, const char *why)
{
    return stk_err_set(p->err, STK_E_CONFIG, "%s: %s. " ENCODE_HINT, p->what, why);
}

/* What an IPv6 address with a zone (RFC 6874) consists of. */
#define ADDRESS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:.%-_~"

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent-encoding of [s, e) into a new text. */
static stk_status decode(const struct parse *p, const char *s, const char *e, char **out)
{
    char *d = malloc((size_t)(e - s) + 1);
    if (!d)
        return stk_err_nomem(p->err);
    *out = d; /* owned by the caller also on failure */
    for (; s < e; s++) {
        if (*s != '%') {
            *d++ = *s;
            continue;
        }
        int hi = e - s > 2 ? hex(s[1]) : -1;
        int lo = e - s > 2 ? hex(s[2]) : -1;
        *d = '\0';
        if (hi < 0 || lo < 0)
            return bad(p, "a % is not followed by two hexadecimal digits");
        if (hi == 0 && lo == 0)
            return bad(p, "%00 is not allowed");
        *d++ = (char)(hi * 16 + lo);
        s += 2;
    }
    *d = '\0';
    return STK_OK;
}

static const char *find(const char *s, const char *e, char c)
{
    const char *at = s < e ? memchr(s, c, (size_t)(e - s)) : NULL;
    return at ? at : e;
}

static stk_status parse_user(const struct parse *p, struct stk_uri *u, const char *s, const char *e)
{
    const char *colon = find(s, e, ':');
    stk_status rc = decode(p, s, colon, &u->user);
    if (!rc && colon < e)
        rc = decode(p, colon + 1, e, &u->password);
    return rc;
}

static stk_status parse_port(const struct parse *p, const char *s, const char *e, uint16_t *port)
{
    unsigned n = 0;
    if (s == e)
        return STK_OK; /* host: with nothing after it, as libpq accepts */
    for (; s < e; s++) {
        if (*s < '0' || *s > '9' || (n = n * 10 + (unsigned)(*s - '0')) > 65535)
            return bad(p, "a port is no number from 1 to 65535");
    }
    if (n == 0)
        return bad(p, "a port is no number from 1 to 65535");
    *port = (uint16_t)n;
    return STK_OK;
}

static stk_status parse_host(const struct parse *p, struct stk_uri *u, const char *s, const char *e)
{
    struct stk_uri_host *hosts = realloc(u->hosts, (u->nhosts + 1) * sizeof *hosts);
    if (!hosts)
        return stk_err_nomem(p->err);
    u->hosts = hosts;
    struct stk_uri_host *h = &hosts[u->nhosts++];
    memset(h, 0, sizeof *h);
    const char *end = find(s, e, ':');
    if (s < e && *s == '[') {
        h->ipv6 = true;
        end = find(s, e, ']');
        if (end == e)
            return bad(p, "an IPv6 address has no closing ]");
        stk_status rc = decode(p, s + 1, end, &h->host);
        if (rc)
            return rc;
        if (!h->host || !*h->host || h->host[strspn(h->host, ADDRESS)])
            return bad(p, "there is no IPv6 address between [ and ]");
        end++;
        if (end < e && *end != ':')
            return bad(p, "something other than a port follows the ] of an IPv6 address");
    } else {
        stk_status rc = decode(p, s, end, &h->host);
        if (rc)
            return rc;
    }
    return end < e ? parse_port(p, end + 1, e, &h->port) : STK_OK;
}

static stk_status parse_authority(const struct parse *p, struct stk_uri *u, const char *s,
                                  const char *e)
{
    const char *at = e;
    while (at > s && at[-1] != '@')
        at--;
    if (at > s) {
        stk_status rc = parse_user(p, u, s, at - 1);
        if (rc)
            return rc;
    }
    for (s = at;; s++) {
        const char *comma = find(s, e, ',');
        stk_status rc = parse_host(p, u, s, comma);
        if (rc)
            return rc;
        s = comma;
        if (s == e)
            return STK_OK;
    }
}

static stk_status parse_params(const struct parse *p, struct stk_uri *u, const char *s,
                               const char *e)
{
    while (s < e) {
        const char *end = find(s, e, '&');
        const char *eq = find(s, end, '=');
        if (eq > s) {
            struct stk_uri_param *q = realloc(u->params, (u->nparams + 1) * sizeof *q);
            if (!q)
                return stk_err_nomem(p->err);
            u->params = q;
            q = &q[u->nparams++];
            memset(q, 0, sizeof *q);
            stk_status rc = decode(p, s, eq, &q->key);
            if (!rc)
                rc = decode(p, eq < end ? eq + 1 : end, end, &q->value);
            if (rc)
                return rc;
        }
        s = end < e ? end + 1 : e;
    }
    return STK_OK;
}

static stk_status parse_all(const struct parse *p, const char *text, struct stk_uri *u)
{
    const char *sep = strstr(text, "://");
    if (!sep || sep == text)
        return bad(p, "it does not begin with scheme://");
    u->scheme = strndup(text, (size_t)(sep - text));
    if (!u->scheme)
        return stk_err_nomem(p->err);
    for (char *c = u->scheme; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!isalnum((unsigned char)*c) && !strchr("+-.:", *c))
            return bad(p, "it does not begin with scheme://");
    }
    const char *s = sep + 3, *e = s + strcspn(s, "/?#");
    const char *end = text + strlen(text);
    if (strchr(e, '#'))
        return bad(p, "it holds a #, which begins nothing here");
    stk_status rc = parse_authority(p, u, s, e);
    if (rc)
        return rc;
    const char *query = find(e, end, '?');
    if (*e == '/' && query > e + 1)
        rc = decode(p, e + 1, query, &u->database);
    if (!rc && query < end)
        rc = parse_params(p, u, query + 1, end);
    return rc;
}

stk_status stk_uri_parse(const char *text, const char *what, struct stk_uri **out, stk_err *err)
{
    struct parse p = {.what = what, .err = err};
    *out = NULL;
    struct stk_uri *u = calloc(1, sizeof *u);
    if (!u)
        return stk_err_nomem(err);
    stk_status rc = parse_all(&p, text, u);
    if (rc)
        stk_uri_free(u);
    else
        *out = u;
    return rc;
}

static void wipe(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

void stk_uri_free(struct stk_uri *u)
{
    if (!u)
        return;
    free(u->scheme);
    wipe(u->user);
    wipe(u->password);
    free(u->database);
    for (size_t i = 0; i < u->nhosts; i++)
        free(u->hosts[i].host);
    for (size_t i = 0; i < u->nparams; i++) {
        free(u->params[i].key);
        wipe(u->params[i].value);
    }
    free(u->hosts);
    free(u->params);
    free(u);
}

const char *stk_uri_param(const struct stk_uri *u, const char *key)
{
    for (size_t i = u->nparams; i-- > 0;)
        if (strcasecmp(u->params[i].key, key) == 0)
            return u->params[i].value;
    return NULL;
}

/* ---------------------------------------------------------------- printing */

static bool names_secret(const char *key, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncasecmp(key + i, "password", 8) == 0 || strncasecmp(key + i, "secret", 6) == 0)
            return true;
    return false;
}

/* Appends to a buffer that is large enough. */
static char *put(char *d, const char *s)
{
    size_t n = strlen(s);
    memcpy(d, s, n);
    return d + n;
}

static char *put_encoded(char *d, const char *s)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (isalnum(c) || strchr("-._~", c))
            *d++ = (char)c;
        else
            d += snprintf(d, 4, "%%%02X", c);
    }
    return d;
}

static size_t room(const char *s)
{
    return s ? strlen(s) * 3 + 4 : 4;
}

static char *put_host(char *d, const struct stk_uri_host *h)
{
    if (h->ipv6) {
        d = put(d, "[");
        for (const char *s = h->host; *s; s++)
            d = *s == '%' ? put(d, "%25") : put(d, (char[]){*s, '\0'});
        d = put(d, "]");
    } else {
        d = put_encoded(d, h->host);
    }
    return h->port ? d + snprintf(d, 8, ":%u", h->port) : d;
}

char *stk_uri_format(const struct stk_uri *u, bool mask)
{
    size_t n = room(u->scheme) + room(u->user) + room(u->password) + room(u->database) + 16;
    for (size_t i = 0; i < u->nhosts; i++)
        n += room(u->hosts[i].host) + 8;
    for (size_t i = 0; i < u->nparams; i++)
        n += room(u->params[i].key) + room(u->params[i].value);
    char *out = malloc(n), *d = out;
    if (!out)
        return NULL;
    d = put(put(d, u->scheme), "://");
    if (u->user) {
        d = put_encoded(d, u->user);
        if (u->password)
            d = mask ? put(d, ":***") : put_encoded(put(d, ":"), u->password);
        d = put(d, "@");
    }
    for (size_t i = 0; i < u->nhosts; i++)
        d = put_host(put(d, i ? "," : ""), &u->hosts[i]);
    if (u->database)
        d = put_encoded(put(d, "/"), u->database);
    for (size_t i = 0; i < u->nparams; i++) {
        const struct stk_uri_param *q = &u->params[i];
        d = put_encoded(put(d, i ? "&" : "?"), q->key);
        d = put(d, "=");
        d = mask && names_secret(q->key, strlen(q->key)) ? put(d, "***") : put_encoded(d, q->value);
    }
    *d = '\0';
    return out;
}

/* Appends at most what fits. */
static void add(char *out, size_t n, const char *s, size_t len)
{
    size_t used = strlen(out);
    if (len > n - 1 - used)
        len = n - 1 - used;
    memcpy(out + used, s, len);
    out[used + len] = '\0';
}

void stk_uri_mask(const char *text, char *out, size_t n)
{
    if (n == 0)
        return;
    out[0] = '\0';
    const char *sep = strstr(text, "://");
    const char *at = strrchr(text, '@');
    if (sep && at && at > sep) {
        const char *colon = find(sep + 3, at, ':');
        add(out, n, text, (size_t)(colon - text));
        if (colon < at)
            add(out, n, ":***", 4);
        text = at;
    }
    while (*text) {
        size_t len = strcspn(text, "=");
        add(out, n, text, len);
        if (!text[len])
            return;
        add(out, n, "=", 1);
        size_t key = len;
        while (key > 0 && !strchr("?& ", text[key - 1]))
            key--;
        bool secret = names_secret(text + key, len - key);
        text += len + 1;
        if (secret && !sep) { /* a list of settings may quote blanks */
            add(out, n, "***", 3);
            return;
        }
        len = strcspn(text, "& ");
        add(out, n, secret ? "***" : text, secret ? 3 : len);
        text += len;
    }
}
