/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_conf.h -- settings of a driver whose database lies behind a URI: the URI first,
 * then single keys for what it leaves open; and the identities made of them.
 */
#ifndef STK_CONF_H
#define STK_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stk_plugin.h"
#include "stk_uri.h"

/* What is being read.  All is borrowed. */
struct stk_conf {
    const char *plugin;  /* begins messages */
    const char *uri_key; /* "mysql_connection_uri" */
    const stk_kv *kv;
    size_t nkv;
    const stk_host *host; /* is told what is ignored; NULL: nobody is */
    stk_err *err;
};

/* The value of a key; NULL: not set, or empty. */
const char *stk_conf_get(const struct stk_conf *c, const char *key);

/* Replaces *slot by a copy; what was there is wiped. */
stk_status stk_conf_set(const struct stk_conf *c, char **slot, const char *value);

/* A decimal number from min to max; name is that of the key or parameter.  The core
 * has checked those of options, a conformance run has not. */
stk_status stk_conf_number(const struct stk_conf *c, const char *name, const char *text,
                           int64_t min, int64_t max, int64_t *out);

/* Calls take() for each pair of a=b&c=d, as the Java core's ..._connection_attributes. */
stk_status stk_conf_pairs(const struct stk_conf *c, const char *text,
                          stk_status (*take)(void *ud, const char *name, const char *value),
                          void *ud);

/* User, password and database of the URI into the slots, where it names them. */
stk_status stk_conf_login(const struct stk_conf *c, const struct stk_uri *uri, char **user,
                          char **password, char **database);

/* Says that a key loses against the URI, if it is set and says something else. */
void stk_conf_overridden(const struct stk_conf *c, const char *key, const char *uri_value);

/* STK_E_CONFIG unless the file, named by a parameter of the URI, can be read; NULL is
 * fine.  Client libraries say no more of such a file than that it is not there. */
stk_status stk_conf_readable(const struct stk_conf *c, const char *name, const char *path);

/* Wipes and frees. */
void stk_conf_wipe(char *secret);

/* FNV-1a over texts, NULL as "": for what must be compared without being readable. */
#define STK_CONF_HASH 14695981039346656037u
uint64_t stk_conf_hash(uint64_t h, const char *s);

/* An identity that grows in a buffer.  What does not fit is ended by a hash of all. */
struct stk_identity {
    char *buf;
    size_t n, len;
    uint64_t hash;
};
/* STK_E_INVALID: the buffers of the caller are too small for any. */
stk_status stk_identity_begin(const struct stk_conf *c, struct stk_identity *id, char *buf,
                              size_t n);
void stk_identity_put(struct stk_identity *id, const char *s);
void stk_identity_end(struct stk_identity *id);

#endif /* STK_CONF_H */
