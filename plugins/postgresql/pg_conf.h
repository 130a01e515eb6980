/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one database, read from option keys and the URI.
 * Free of libpq, so that a unit test can include it. */
#ifndef PG_CONF_H
#define PG_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stk_server.h>

#define PG_NAME "postgresql"

enum pg_prepared { PG_PREPARED_AUTO, PG_PREPARED_ON, PG_PREPARED_OFF };

/* target_session_attrs of libpq, kept here because hosts are tried one by one. */
enum pg_target {
    PG_TARGET_ANY,
    PG_TARGET_READ_WRITE,
    PG_TARGET_READ_ONLY,
    PG_TARGET_PRIMARY,
    PG_TARGET_STANDBY,
    PG_TARGET_PREFER_STANDBY
};

/* A keyword of libpq that is passed on as it is. */
struct pg_param {
    char *key, *value;
};

struct pg_conf {
    struct stk_server_conf server;
    char *schema;
    char *quoted; /* the schema as statements name it: "public" */
    struct pg_param *params;
    size_t nparams;
    enum pg_target target;
    enum pg_prepared prepared;
    bool random_host; /* load_balance_hosts=random */
    bool raw_host;    /* host and port are among params; that of server is for messages only */
};

/* Reads and checks the settings.  host, where not NULL, is told which keys the
 * URI overrides.  STK_E_CONFIG names the key that is wrong. */
stk_status pg_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct pg_conf **out,
                        stk_err *err);
/* Wipes and frees; NULL is fine. */
void pg_conf_free(struct pg_conf *conf);

/* stk_plugin.identity over loaded settings. */
stk_status pg_conf_identity(const struct pg_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err);

/* The keyword as libpq spells it (target_session_attrs). */
const char *pg_target_text(enum pg_target target);

/* Whether libpq knows the keyword; in pg_connect.c. */
bool pg_param_known(const char *keyword);

#endif /* PG_CONF_H */
