/* SPDX-License-Identifier: Apache-2.0 */
/* Settings and identities: see stk_conf.h. */
#include "stk_conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stk_sdk.h"

const char *stk_conf_get(const struct stk_conf *c, const char *key)
{
    const char *value = stk_kv_get(c->kv, c->nkv, key, NULL);
    return value && *value ? value : NULL;
}

void stk_conf_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

stk_status stk_conf_set(const struct stk_conf *c, char **slot, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return stk_err_nomem(c->err);
    stk_conf_wipe(*slot);
    *slot = copy;
    return STK_OK;
}

stk_status stk_conf_number(const struct stk_conf *c, const char *name, const char *text,
                           int64_t min, int64_t max, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < min || v > max)
        return stk_err_set(c->err, STK_E_CONFIG,
                           "%s: %s must be a number from %" PRId64 " to %" PRId64, c->plugin, name,
                           min, max);
    *out = v;
    return STK_OK;
}

stk_status stk_conf_pairs(const struct stk_conf *c, const char *text,
                          stk_status (*take)(void *ud, const char *name, const char *value),
                          void *ud)
{
    char *copy = strdup(text);
    if (!copy)
        return stk_err_nomem(c->err);
    stk_status st = STK_OK;
    char *rest = copy;
    for (char *item; st == STK_OK && (item = strsep(&rest, "&"));) {
        if (!*item)
            continue;
        char *eq = strchr(item, '=');
        if (eq)
            *eq = '\0';
        st = take(ud, item, eq ? eq + 1 : "");
    }
    explicit_bzero(copy, strlen(text));
    free(copy);
    return st;
}

stk_status stk_conf_login(const struct stk_conf *c, const struct stk_uri *uri, char **user,
                          char **password, char **database)
{
    stk_status st = STK_OK;
    if (uri->user && *uri->user)
        st = stk_conf_set(c, user, uri->user);
    if (st == STK_OK && uri->password)
        st = stk_conf_set(c, password, uri->password);
    if (st == STK_OK && uri->database && *uri->database)
        st = stk_conf_set(c, database, uri->database);
    return st;
}

void stk_conf_overridden(const struct stk_conf *c, const char *key, const char *uri_value)
{
    const char *value = stk_conf_get(c, key);
    if (value && uri_value && c->host && strcmp(value, uri_value) != 0)
        stk_logf(c->host, STK_LOG_INFO, c->plugin, "%s: %s is ignored, %s says it", c->plugin, key,
                 c->uri_key);
}

stk_status stk_conf_readable(const struct stk_conf *c, const char *name, const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return STK_OK;
    return stk_err_set(c->err, STK_E_CONFIG, "%s: %s of %s names %.300s: %s", c->plugin, name,
                       c->uri_key, path, strerror(errno));
}

/* ------------------------------------------------------------------ identity */

uint64_t stk_conf_hash(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return (h ^ 0xFF) * 1099511628211u;
}

stk_status stk_identity_begin(const struct stk_conf *c, struct stk_identity *id, char *buf,
                              size_t n)
{
    if (n < 64)
        return stk_err_set(c->err, STK_E_INVALID, "%s: identity buffers are too small", c->plugin);
    memset(buf, 0, n);
    *id = (struct stk_identity){.buf = buf, .n = n, .hash = STK_CONF_HASH};
    return STK_OK;
}

void stk_identity_put(struct stk_identity *id, const char *s)
{
    id->hash = stk_conf_hash(id->hash, s);
    size_t add = strlen(s);
    if (id->len + add < id->n)
        memcpy(id->buf + id->len, s, add + 1);
    id->len += add;
}

void stk_identity_end(struct stk_identity *id)
{
    if (id->len < id->n)
        return;
    size_t at = strlen(id->buf);
    at = at < id->n - 18 ? at : id->n - 18;
    snprintf(id->buf + at, id->n - at, "~%016" PRIx64, id->hash);
}
