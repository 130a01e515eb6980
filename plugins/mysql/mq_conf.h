/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of one database, read from option keys and the URI.
 * Free of the client library, so that a unit test can include it. */
#ifndef MQ_CONF_H
#define MQ_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stk_plugin.h>

#define MQ_NAME "mysql"

enum mq_tls {
    MQ_TLS_PREFERRED, /* where the server offers it; nothing is verified */
    MQ_TLS_DISABLED,
    MQ_TLS_REQUIRED,
    MQ_TLS_VERIFY_CA,
    MQ_TLS_VERIFY_IDENTITY
};

struct mq_host {
    char *host; /* a name or address, or the path of a socket */
    uint16_t port;
};

struct mq_conf {
    struct mq_host *hosts;
    size_t nhosts;
    char *user, *password, *database; /* password NULL: none */
    enum mq_tls tls;
    char *ca, *cert, *key, *ciphers, *tls_versions; /* NULL: the library's default */
    uint32_t pool_size, min_idle;
    uint64_t idle_us;    /* idle connections above min_idle are closed after it */
    uint64_t connect_us; /* for each host */
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

/* "host:port", "[address]:port" or the path of the socket. */
void mq_host_text(const struct mq_host *host, char *out, size_t n);

#endif /* MQ_CONF_H */
