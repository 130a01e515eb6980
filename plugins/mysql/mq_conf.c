/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the URI first, then the single keys for what it leaves open.
 *
 * Parameters are those of the JDBC drivers of MySQL and MariaDB, in any case.
 * Of their hundreds most tune that driver only: they are accepted and said to
 * have no effect, but an unknown word about TLS is refused, for who writes it
 * expects a protection. */
#include "mq_conf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stk_conf.h>
#include <stk_sdk.h>

#define URI_KEY "mysql_connection_uri"

struct loader {
    struct stk_conf in;
    struct mq_conf *conf;
    int use, require, verify; /* useSSL, requireSSL, verifyServerCertificate; -1: not said */
    bool mode_set;            /* sslMode */
    int64_t pool_size, min_idle, idle_ms; /* of the URI; -1: not said */
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
        l->conf->connect_us = (uint64_t)ms * 1000;
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
    stk_status st = take_tls_param(l, name, value);
    if (st != STK_E_UNSUPPORTED)
        return st;
    if (strcasecmp(name, "maxPoolSize") == 0)
        return stk_conf_number(&l->in, name, value, 1, 10000, &l->pool_size);
    if (strcasecmp(name, "minPoolSize") == 0)
        return stk_conf_number(&l->in, name, value, 0, 10000, &l->min_idle);
    if (strcasecmp(name, "maxIdleTime") == 0) {
        st = stk_conf_number(&l->in, name, value, 0, INT32_MAX / 1000, &l->idle_ms);
        l->idle_ms *= 1000;
        return st;
    }
    if (strcasecmp(name, "connectTimeout") == 0)
        return set_millis(l, name, value);
    if (strcasecmp(name, "user") == 0)
        return stk_conf_set(&l->in, &l->conf->user, value);
    if (strcasecmp(name, "password") == 0)
        return stk_conf_set(&l->in, &l->conf->password, value);
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

/* --------------------------------------------------------------------- hosts */

static stk_status add_host(struct loader *l, const char *host, uint16_t port)
{
    struct mq_conf *conf = l->conf;
    struct mq_host *h = realloc(conf->hosts, (conf->nhosts + 1) * sizeof *h);
    if (!h)
        return stk_err_nomem(l->in.err);
    conf->hosts = h;
    h += conf->nhosts++;
    memset(h, 0, sizeof *h);
    h->port = port;
    return stk_conf_set(&l->in, &h->host, *host ? host : "localhost");
}

static stk_status key_port(struct loader *l, uint16_t *port)
{
    const char *text = stk_conf_get(&l->in, "mysql_port");
    int64_t n = 3306;
    stk_status st = text ? stk_conf_number(&l->in, "mysql_port", text, 1, 65535, &n) : STK_OK;
    *port = (uint16_t)n;
    return st;
}

/* mysql_host, which may list several. */
static stk_status take_host_keys(struct loader *l)
{
    const char *hosts = stk_conf_get(&l->in, "mysql_host");
    uint16_t port;
    stk_status st = key_port(l, &port);
    char *copy = strdup(hosts ? hosts : "localhost");
    if (!copy)
        return stk_err_nomem(l->in.err);
    char *rest = copy;
    for (char *h; st == STK_OK && (h = strsep(&rest, ", "));)
        if (*h)
            st = add_host(l, h, port);
    free(copy);
    return st;
}

static stk_status take_uri_hosts(struct loader *l, const struct stk_uri *uri)
{
    if (uri->nhosts == 0 ||
        (uri->nhosts == 1 && uri->hosts[0].host[0] == '\0' && stk_conf_get(&l->in, "mysql_host")))
        return take_host_keys(l);
    uint16_t port;
    stk_status st = key_port(l, &port);
    for (size_t i = 0; i < uri->nhosts && st == STK_OK; i++)
        st = add_host(l, uri->hosts[i].host, uri->hosts[i].port ? uri->hosts[i].port : port);
    return st;
}

/* ------------------------------------------------------------------- loading */

static void tell_overrides(const struct loader *l, const struct stk_uri *uri)
{
    char text[24] = "";
    stk_conf_overridden(&l->in, "mysql_user", l->conf->user);
    stk_conf_overridden(&l->in, "mysql_password", l->conf->password);
    stk_conf_overridden(&l->in, "mysql_database_name", l->conf->database);
    if (uri->nhosts && uri->hosts[0].host[0])
        stk_conf_overridden(&l->in, "mysql_host", uri->hosts[0].host);
    if (uri->nhosts && uri->hosts[0].port) {
        snprintf(text, sizeof text, "%u", uri->hosts[0].port);
        stk_conf_overridden(&l->in, "mysql_port", text);
    }
    if (l->pool_size >= 0) {
        snprintf(text, sizeof text, "%" PRId64, l->pool_size);
        stk_conf_overridden(&l->in, "mysql_connection_pool_size", text);
    }
}

static stk_status take_uri(struct loader *l, const char *text)
{
    struct stk_uri *uri = NULL;
    /* What a JDBC configuration holds. */
    if (strncasecmp(text, "jdbc:", 5) == 0)
        text += 5;
    stk_status st = stk_uri_parse(text, URI_KEY, &uri, l->in.err);
    if (st != STK_OK)
        return st;
    struct mq_conf *conf = l->conf;
    if (strcmp(uri->scheme, "mysql") != 0 && strcmp(uri->scheme, "mariadb") != 0) {
        st = FAIL(l, URI_KEY " begins with %s://. Write mysql://user:password@host:3306/name",
                  uri->scheme);
        goto out;
    }
    st = stk_conf_login(&l->in, uri, &conf->user, &conf->password, &conf->database);
    if (st != STK_OK)
        goto out;
    for (size_t i = 0; i < uri->nparams; i++)
        if ((st = take_param(l, uri->params[i].key, uri->params[i].value)) != STK_OK)
            goto out;
    st = take_uri_hosts(l, uri);
    if (st == STK_OK)
        tell_overrides(l, uri);
out:
    stk_uri_free(uri);
    return st;
}

/* A number of the URI, else of the key, else the default. */
static stk_status pick(struct loader *l, int64_t uri, const char *name, int64_t dflt, int64_t min,
                       int64_t max, int64_t *out)
{
    const char *text = stk_conf_get(&l->in, name);
    *out = uri >= 0 ? uri : dflt;
    if (uri >= 0 || !text)
        return STK_OK;
    return stk_conf_number(&l->in, name, text, min, max, out);
}

static stk_status take_pool(struct loader *l)
{
    struct mq_conf *conf = l->conf;
    int64_t size, idle, timeout;
    stk_status st = pick(l, l->pool_size, "mysql_connection_pool_size", 10, 1, 10000, &size);
    if (st == STK_OK)
        st = pick(l, l->min_idle, "mysql_minimum_idle_connections", size, 0, size, &idle);
    if (st == STK_OK)
        st = pick(l, l->idle_ms, "mysql_idle_connection_timeout", 60000, 0, INT32_MAX, &timeout);
    if (st != STK_OK)
        return st;
    conf->pool_size = (uint32_t)size;
    conf->min_idle = (uint32_t)(idle < size ? idle : size);
    conf->idle_us = (uint64_t)timeout * 1000;
    return STK_OK;
}

/* What the URI left open comes from the keys, then from the defaults. */
static stk_status take_keys(struct loader *l, bool uri)
{
    struct mq_conf *conf = l->conf;
    stk_status st = STK_OK;
    const char *user = stk_conf_get(&l->in, "mysql_user");
    const char *password = stk_conf_get(&l->in, "mysql_password");
    const char *database = stk_conf_get(&l->in, "mysql_database_name");
    if (!conf->user && !user)
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           MQ_NAME ": no user name is set. Set " URI_KEY
                                   ": \"mysql://user:password@host:3306/supertokens\"");
    if (!conf->user)
        st = stk_conf_set(&l->in, &conf->user, user);
    if (st == STK_OK && !conf->password && password)
        st = stk_conf_set(&l->in, &conf->password, password);
    if (st == STK_OK && !conf->database)
        st = stk_conf_set(&l->in, &conf->database, database ? database : "supertokens");
    if (st == STK_OK && conf->database && strlen(conf->database) > 64 * 4)
        return FAIL(l, "the database name is longer than 64 characters");
    if (st == STK_OK && !uri)
        st = take_host_keys(l);
    if (st == STK_OK && conf->nhosts == 0)
        return FAIL(l, "mysql_host names no host");
    return st;
}

stk_status mq_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct mq_conf **out,
                        stk_err *err)
{
    struct loader l = {.in = {MQ_NAME, URI_KEY, kv, nkv, host, err},
                       .conf = calloc(1, sizeof(struct mq_conf)),
                       .use = -1,
                       .require = -1,
                       .verify = -1,
                       .pool_size = -1,
                       .min_idle = -1,
                       .idle_ms = -1};
    *out = NULL;
    if (!l.conf)
        return stk_err_nomem(err);
    l.conf->connect_us = 5000000;
    stk_status st = STK_OK;
    const char *uri = stk_conf_get(&l.in, URI_KEY);
    /* What the Java core appends to its own URL; parameters of the URI are stronger. */
    const char *attributes = stk_conf_get(&l.in, "mysql_connection_attributes");
    if (stk_conf_get(&l.in, "mysql_table_names_prefix"))
        st = FAIL(&l,
                  "%s is not supported: tables have fixed names, all beginning with st_. Give this "
                  "installation a database of its own instead",
                  "mysql_table_names_prefix");
    if (st == STK_OK && attributes)
        st = stk_conf_pairs(&l.in, attributes, take_param, &l);
    if (st == STK_OK && uri)
        st = take_uri(&l, uri);
    if (st == STK_OK)
        st = take_keys(&l, uri != NULL);
    if (st == STK_OK)
        st = take_pool(&l);
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
    for (size_t i = 0; i < conf->nhosts; i++)
        free(conf->hosts[i].host);
    free(conf->hosts);
    free(conf->user);
    stk_conf_wipe(conf->password);
    free(conf->database);
    free(conf->ca);
    free(conf->cert);
    free(conf->key);
    free(conf->ciphers);
    free(conf->tls_versions);
    free(conf);
}

/* ------------------------------------------------------------------ identity */

void mq_host_text(const struct mq_host *h, char *out, size_t n)
{
    if (h->host[0] == '/')
        snprintf(out, n, "%s", h->host);
    else
        snprintf(out, n, strchr(h->host, ':') ? "[%s]:%u" : "%s:%u", h->host, h->port);
}

stk_status mq_conf_identity(const struct mq_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    const struct stk_conf in = {.plugin = MQ_NAME, .err = err};
    struct stk_identity id;
    stk_status st = stk_identity_begin(&in, &id, data_id, n);
    if (st != STK_OK)
        return st;
    char one[300];
    memset(pool_id, 0, n);
    stk_identity_put(&id, "mysql://");
    for (size_t i = 0; i < conf->nhosts; i++) {
        mq_host_text(&conf->hosts[i], one, sizeof one);
        stk_identity_put(&id, i ? "," : "");
        stk_identity_put(&id, one);
    }
    stk_identity_put(&id, "/");
    stk_identity_put(&id, conf->database);
    stk_identity_end(&id);

    /* The password takes part as a hash over everything that makes a connection. */
    snprintf(one, sizeof one, "%u/%u/%" PRIu64 "/%d", conf->pool_size, conf->min_idle,
             conf->idle_us, (int)conf->tls);
    const char *const parts[] = {conf->user, conf->password, conf->ca,           conf->cert,
                                 conf->key,  conf->ciphers,  conf->tls_versions, one};
    uint64_t all = id.hash;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        all = stk_conf_hash(all, parts[i]);
    snprintf(pool_id, n, "mysql-pool:%.16s@%016" PRIx64 "%016" PRIx64, conf->user, all, id.hash);
    return STK_OK;
}
