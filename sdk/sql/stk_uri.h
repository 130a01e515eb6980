/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_uri.h -- connection URIs as the SQL drivers share them:
 *     scheme://[user[:password]@][host[:port][,host2[:port2]...]][/database][?key=value&...]
 * The user part ends at the last '@' before the path, so that user@server:pw@host
 * (Azure) needs no encoding; user and password are split at the first ':'.
 * Percent-encoding is undone everywhere; hosts may be [IPv6].
 */
#ifndef STK_URI_H
#define STK_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stk_plugin.h"

struct stk_uri_host {
    char *host;    /* "" when left out; IPv6 without its brackets */
    uint16_t port; /* 0 when left out */
    bool ipv6;
};

struct stk_uri_param {
    char *key, *value;
};

struct stk_uri {
    char *scheme;          /* lower case */
    char *user, *password; /* NULL when left out */
    char *database;        /* NULL when left out */
    struct stk_uri_host *hosts;
    struct stk_uri_param *params;
    size_t nhosts, nparams;
};

/* Parses text; `what` names it in messages (an option's key).  STK_E_CONFIG says
 * what is wrong and never quotes user, password or parameters. */
stk_status stk_uri_parse(const char *text, const char *what, struct stk_uri **out, stk_err *err);

/* Wipes and frees. */
void stk_uri_free(struct stk_uri *uri);

/* The value of the last parameter of that name, compared without case; NULL:
 * not given. */
const char *stk_uri_param(const struct stk_uri *uri, const char *key);

/* The URI with every part percent-encoded as RFC 3986 and libpq want it; with
 * mask the password, and the value of any parameter whose name holds "password"
 * or "secret", is ***.  Allocated; NULL: out of memory. */
char *stk_uri_format(const struct stk_uri *uri, bool mask);

/* Masks a URI as text without needing it to be valid: all between the scheme
 * and the last '@' but the user name is ***.  Always NUL-terminated. */
void stk_uri_mask(const char *text, char *out, size_t n);

#endif /* STK_URI_H */
