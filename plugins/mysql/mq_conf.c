/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the URI first, then the single keys for what it leaves open.
 *
 * Parameters are those of the JDBC drivers of MySQL and MariaDB, in any case.
 * Of their hundreds most tune that driver only: they are accepted and said to
 * have no effect, but an unknown word about TLS is refused, for who writes it
 * expects a protection. */
#include "mq_conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stk_sdk.h>

#define URI_KEY "mysql_connection_uri"

struct loader {
    struct stk_conf in;
    struct mq_conf *conf;
    int use, require, verify; /* useSSL, requireSSL, verifyServerCertificate; -1: not said */
    bool mode_set;            /* sslMode */
};

#define FAIL(l, ...) stk_err_set((l)->in.err, STK_E_CONFIG, MQ_NAME ": " __VA_ARGS__)

/* ------------------------------------------------------ parameters of the URI */

static stk_status set_mode(struct loader *l, const char *value)
{
    static const struct {
        const char *name;
        enum mq_tls mode;
    } modes[] = {{"PREFERRED", MQ_TLS_PREFERRED},
                 {"DISABLED", MQ_TLS_DISABLED},
                 {"DISABLE", MQ_TLS_DISABLED},
                 {"REQUIRED", MQ_TLS_REQUIRED},
                 {"TRUST", MQ_TLS_REQUIRED},
                 {"VERIFY_CA", MQ_TLS_VERIFY_CA},
                 {"VERIFY-CA", MQ_TLS_VERIFY_CA},
                 {"VERIFY_IDENTITY", MQ_TLS_VERIFY_IDENTITY},
                 {"VERIFY-FULL", MQ_TLS_VERIFY_IDENTITY}};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcasecmp(value, modes[i].name) == 0) {
            l->conf->tls = modes[i].mode;
            l->mode_set = true;
            return STK_OK;
        }
    return FAIL(l,
                "sslMode=%s is not known. Use DISABLED, PREFERRED, REQUIRED, VERIFY_CA or "
                "VERIFY_IDENTITY",
                value);
}

static stk_status set_flag(struct loader *l, const char *name, const char *value, int *out)
{
    if (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0 || !*value)
        *out = 1;
    else if (strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0)
        *out = 0;
    else
        return FAIL(l, "%s=%s must be true or false", name, value);
    return STK_OK;
}

/* A file of certificates, also as a file: URL. */
static stk_status set_file(struct loader *l, char **slot, const char *value)
{
    if (strncmp(value, "file://", 7) == 0)
        value += 7;
    else if (strncmp(value, "file:", 5) == 0)
        value += 5;
    return stk_conf_set(&l->in, slot, value);
}

static stk_status set_millis(struct loader *l, const char *name, const char *value)
{
    int64_t ms = 0;
    stk_status st = stk_conf_number(&l->in, name, value, 0, 3600000, &ms);
    if (st == STK_OK && ms)
        l->conf->server.connect_us = (uint64_t)ms * 1000;
    return st;
}

static bool is_one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (strcasecmp(name, *list) == 0)
            return true;
    return false;
}

static const char *const ca_names[] = {"serverSslCert", "sslCa", "ssl-ca", "ssl_ca", NULL};
static const char *const cert_names[] = {"clientSslCert", "sslCert", "ssl-cert", "ssl_cert", NULL};
static const char *const key_names[] = {"clientSslKey", "sslKey", "ssl-key", "ssl_key", NULL};
static const char *const version_names[] = {"enabledTLSProtocols", "tlsVersions",
                                            "enabledSslProtocolSuites", NULL};
static const char *const cipher_names[] = {"enabledSSLCipherSuites", "tlsCiphersuites", "sslCipher",
                                           "ssl-cipher", NULL};

/* STK_E_UNSUPPORTED: not about TLS. */
static stk_status take_tls_param(struct loader *l, const char *name, const char *value)
{
    struct mq_conf *conf = l->conf;
    if (strcasecmp(name, "useSSL") == 0)
        return set_flag(l, name, value, &l->use);
    if (strcasecmp(name, "requireSSL") == 0)
        return set_flag(l, name, value, &l->require);
    if (strcasecmp(name, "verifyServerCertificate") == 0)
        return set_flag(l, name, value, &l->verify);
    if (strcasecmp(name, "trustServerCertificate") == 0) {
        int trust = 0;
        stk_status st = set_flag(l, name, value, &trust);
        l->verify = st == STK_OK ? !trust : l->verify;
        return st;
    }
    if (strcasecmp(name, "sslMode") == 0 || strcmp(name, "ssl-mode") == 0)
        return set_mode(l, value);
    if (is_one_of(name, ca_names))
        return set_file(l, &conf->ca, value);
    if (is_one_of(name, cert_names))
        return set_file(l, &conf->cert, value);
    if (is_one_of(name, key_names))
        return set_file(l, &conf->key, value);
    if (is_one_of(name, version_names))
        return stk_conf_set(&l->in, &conf->tls_versions, value);
    if (is_one_of(name, cipher_names))
        return stk_conf_set(&l->in, &conf->ciphers, value);
    if (strcasestr(name, "ssl") || strcasestr(name, "tls") || strcasestr(name, "cert"))
        return FAIL(l,
                    "parameter \"%s\" of " URI_KEY " is not known. For TLS use useSSL, requireSSL, "
                    "verifyServerCertificate, sslMode and serverSslCert (a PEM file)",
                    name);
    return STK_E_UNSUPPORTED;
}

/* One parameter of the URI or of mysql_connection_attributes. */
static stk_status take_param(void *ud, const char *name, const char *value)
{
    struct loader *l = ud;
    struct stk_server_conf *server = &l->conf->server;
    stk_status st = take_tls_param(l, name, value);
    if (st != STK_E_UNSUPPORTED)
        return st;
    if (strcasecmp(name, "maxPoolSize") == 0)
        return stk_conf_number(&l->in, name, value, 1, 10000, &server->pool_size);
    if (strcasecmp(name, "minPoolSize") == 0)
        return stk_conf_number(&l->in, name, value, 0, 10000, &server->min_idle);
    if (strcasecmp(name, "maxIdleTime") == 0) {
        st = stk_conf_number(&l->in, name, value, 0, INT32_MAX / 1000, &server->idle_ms);
        server->idle_ms *= 1000;
        return st;
    }
    if (strcasecmp(name, "connectTimeout") == 0)
        return set_millis(l, name, value);
    if (strcasecmp(name, "user") == 0)
        return stk_conf_set(&l->in, &server->user, value);
    if (strcasecmp(name, "password") == 0)
        return stk_conf_set(&l->in, &server->password, value);
    stk_logf(l->in.host, STK_LOG_DEBUG, MQ_NAME,
             MQ_NAME ": parameter \"%s\" of " URI_KEY " has no effect here", name);
    return STK_OK;
}

/* The flags of older drivers where sslMode is not given.  useSSL=true never
 * falls back to plain text, and who names a CA wants it checked. */
static stk_status settle_tls(struct loader *l)
{
    struct mq_conf *conf = l->conf;
    if (!l->mode_set) {
        if (l->use == 0 && l->require != 1)
            conf->tls = MQ_TLS_DISABLED;
        else if (l->verify == 1 || (conf->ca && l->verify != 0))
            conf->tls = MQ_TLS_VERIFY_IDENTITY;
        else if (l->use == 1 || l->require == 1 || conf->ca || conf->cert)
            conf->tls = MQ_TLS_REQUIRED;
    }
    if (!conf->cert != !conf->key)
        return FAIL(l, "%s is given without %s in " URI_KEY,
                    conf->cert ? "clientSslCert" : "clientSslKey",
                    conf->cert ? "clientSslKey" : "clientSslCert");
    stk_status st = stk_conf_readable(&l->in, "serverSslCert", conf->ca);
    if (!st)
        st = stk_conf_readable(&l->in, "clientSslCert", conf->cert);
    return st ? st : stk_conf_readable(&l->in, "clientSslKey", conf->key);
}

/* ------------------------------------------------------------------- loading */

static const struct stk_server_rules rules = {
    .schemes = {"mysql", "mariadb"},
    .example = "mysql://user:password@host:3306/supertokens",
    .own_tables = "Give this installation a database of its own instead",
    .no_host = "localhost",
    .port = 3306,
    .needs_user = true,
    .param = take_param,
};

stk_status mq_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct mq_conf **out,
                        stk_err *err)
{
    struct loader l = {.in = {MQ_NAME, URI_KEY, kv, nkv, host, err},
                       .conf = calloc(1, sizeof(struct mq_conf)),
                       .use = -1,
                       .require = -1,
                       .verify = -1};
    *out = NULL;
    if (!l.conf)
        return stk_err_nomem(err);
    stk_status st = stk_server_conf_load(&l.in, &rules, &l, &l.conf->server);
    if (st == STK_OK && strlen(l.conf->server.database) > 64 * 4)
        st = FAIL(&l, "the database name is longer than 64 characters");
    if (st == STK_OK)
        st = settle_tls(&l);
    if (st != STK_OK) {
        mq_conf_free(l.conf);
        return st;
    }
    *out = l.conf;
    return STK_OK;
}

void mq_conf_free(struct mq_conf *conf)
{
    if (!conf)
        return;
    stk_server_conf_free(&conf->server);
    free(conf->ca);
    free(conf->cert);
    free(conf->key);
    free(conf->ciphers);
    free(conf->tls_versions);
    free(conf);
}

stk_status mq_conf_identity(const struct mq_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    const struct stk_conf in = {.plugin = MQ_NAME, .err = err};
    const char tls[] = {(char)('0' + conf->tls), '\0'};
    const char *const parts[] = {conf->ca,      conf->cert,         conf->key,
                                 conf->ciphers, conf->tls_versions, tls};
    uint64_t hash = STK_CONF_HASH;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = stk_conf_hash(hash, parts[i]);
    return stk_server_identity(&in, &conf->server, "", hash, data_id, pool_id, n);
}
