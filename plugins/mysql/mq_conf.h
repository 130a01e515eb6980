/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one database, read from option keys and the URI.
 * Free of the client library, so that a unit test can include it. */
#ifndef MQ_CONF_H
#define MQ_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stk_server.h>

#define MQ_NAME "mysql"

enum mq_tls {
    MQ_TLS_PREFERRED, /* where the server offers it; nothing is verified */
    MQ_TLS_DISABLED,
    MQ_TLS_REQUIRED,
    MQ_TLS_VERIFY_CA,
    MQ_TLS_VERIFY_IDENTITY
};

struct mq_conf {
    struct stk_server_conf server;
    enum mq_tls tls;
    char *ca, *cert, *key, *ciphers, *tls_versions; /* NULL: the library's default */
};

/* Reads and checks the settings.  host, where not NULL, is told which keys the
 * URI overrides and which parameters have no effect.  STK_E_CONFIG names the key
 * that is wrong. */
stk_status mq_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct mq_conf **out,
                        stk_err *err);
/* Wipes and frees; NULL is fine. */
void mq_conf_free(struct mq_conf *conf);

/* stk_plugin.identity over loaded settings. */
stk_status mq_conf_identity(const struct mq_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err);

#endif /* MQ_CONF_H */
