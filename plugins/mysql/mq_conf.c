/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the URI first, then the single keys for what it leaves open.
 *
 * Parameters are those of the JDBC drivers of MySQL and MariaDB, in any case.
 * Of their hundreds most tune that driver only: they are accepted and said to
 * have no effect, but an unknown word about TLS is refused, for who writes it
 * expects a protection. */
#include "mq_conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <stk_sdk.h>
#include <stk_uri.h>

#define URI_KEY "mysql_connection_uri"

struct loader {
    struct mq_conf *conf;
    const stk_kv *kv;
    size_t nkv;
    const stk_host *host;
    int use, require, verify; /* useSSL, requireSSL, verifyServerCertificate; -1: not said */
    bool mode_set;            /* sslMode */
    int64_t pool_size, min_idle, idle_ms; /* of the URI; -1: not said */
    stk_err *err;
};

#define FAIL(l, ...) stk_err_set((l)->err, STK_E_CONFIG, MQ_NAME ": " __VA_ARGS__)

static const char *key(const struct loader *l, const char *name)
{
    const char *value = stk_kv_get(l->kv, l->nkv, name, NULL);
    return value && *value ? value : NULL;
}

/* Replaces *slot by a copy. */
static stk_status set(struct loader *l, char **slot, const char *value)
{
    char *copy = strdup(value);
    if (!copy)
        return stk_err_nomem(l->err);
    free(*slot);
    *slot = copy;
    return STK_OK;
}

static stk_status number(struct loader *l, const char *name, const char *text, int64_t min,
                         int64_t max, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end || v < min || v > max)
        return stk_err_set(l->err, STK_E_CONFIG,
                           MQ_NAME ": %s must be a number from %" PRId64 " to %" PRId64, name, min,
                           max);
    *out = v;
    return STK_OK;
}

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
    return set(l, slot, value);
}

static stk_status set_millis(struct loader *l, const char *name, const char *value)
{
    int64_t ms = 0;
    stk_status st = number(l, name, value, 0, 3600000, &ms);
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
        return set(l, &conf->tls_versions, value);
    if (is_one_of(name, cipher_names))
        return set(l, &conf->ciphers, value);
    if (strcasestr(name, "ssl") || strcasestr(name, "tls") || strcasestr(name, "cert"))
        return FAIL(l,
                    "parameter \"%s\" of " URI_KEY " is not known. For TLS use useSSL, requireSSL, "
                    "verifyServerCertificate, sslMode and serverSslCert (a PEM file)",
                    name);
    return STK_E_UNSUPPORTED;
}

/* One parameter of the URI or of mysql_connection_attributes. */
static stk_status take_param(struct loader *l, const char *name, const char *value)
{
    stk_status st = take_tls_param(l, name, value);
    if (st != STK_E_UNSUPPORTED)
        return st;
    if (strcasecmp(name, "maxPoolSize") == 0)
        return number(l, name, value, 1, 10000, &l->pool_size);
    if (strcasecmp(name, "minPoolSize") == 0)
        return number(l, name, value, 0, 10000, &l->min_idle);
    if (strcasecmp(name, "maxIdleTime") == 0) {
        st = number(l, name, value, 0, INT32_MAX / 1000, &l->idle_ms);
        l->idle_ms *= 1000;
        return st;
    }
    if (strcasecmp(name, "connectTimeout") == 0)
        return set_millis(l, name, value);
    if (strcasecmp(name, "user") == 0)
        return set(l, &l->conf->user, value);
    if (strcasecmp(name, "password") == 0)
        return set(l, &l->conf->password, value);
    stk_logf(l->host, STK_LOG_DEBUG, MQ_NAME,
             MQ_NAME ": parameter \"%s\" of " URI_KEY " has no effect here", name);
    return STK_OK;
}

/* mysql_connection_attributes: a=b&c=d, what the Java core appends to its own
 * URL.  Parameters of the URI are stronger, so it is read first. */
static stk_status take_attributes(struct loader *l, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return stk_err_nomem(l->err);
    stk_status st = STK_OK;
    char *rest = copy;
    for (char *item; st == STK_OK && (item = strsep(&rest, "&"));) {
        if (!*item)
            continue;
        char *eq = strchr(item, '=');
        if (eq)
            *eq = '\0';
        st = take_param(l, item, eq ? eq + 1 : "");
    }
    explicit_bzero(copy, strlen(text));
    free(copy);
    return st;
}

/* The library says no more of such a file than "No such file or directory". */
static stk_status readable(struct loader *l, const char *name, const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return STK_OK;
    return FAIL(l, "%s of " URI_KEY " names %.300s: %s", name, path, strerror(errno));
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
    stk_status st = readable(l, "serverSslCert", conf->ca);
    if (!st)
        st = readable(l, "clientSslCert", conf->cert);
    return st ? st : readable(l, "clientSslKey", conf->key);
}

/* --------------------------------------------------------------------- hosts */

static stk_status add_host(struct loader *l, const char *host, uint16_t port)
{
    struct mq_conf *conf = l->conf;
    struct mq_host *h = realloc(conf->hosts, (conf->nhosts + 1) * sizeof *h);
    if (!h)
        return stk_err_nomem(l->err);
    conf->hosts = h;
    h += conf->nhosts++;
    memset(h, 0, sizeof *h);
    h->port = port;
    return set(l, &h->host, *host ? host : "localhost");
}

static stk_status key_port(struct loader *l, uint16_t *port)
{
    const char *text = key(l, "mysql_port");
    int64_t n = 3306;
    stk_status st = text ? number(l, "mysql_port", text, 1, 65535, &n) : STK_OK;
    *port = (uint16_t)n;
    return st;
}

/* mysql_host, which may list several. */
static stk_status take_host_keys(struct loader *l)
{
    const char *hosts = key(l, "mysql_host");
    uint16_t port;
    stk_status st = key_port(l, &port);
    char *copy = strdup(hosts ? hosts : "localhost");
    if (!copy)
        return stk_err_nomem(l->err);
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
        (uri->nhosts == 1 && uri->hosts[0].host[0] == '\0' && key(l, "mysql_host")))
        return take_host_keys(l);
    uint16_t port;
    stk_status st = key_port(l, &port);
    for (size_t i = 0; i < uri->nhosts && st == STK_OK; i++)
        st = add_host(l, uri->hosts[i].host, uri->hosts[i].port ? uri->hosts[i].port : port);
    return st;
}

/* ------------------------------------------------------------------- loading */

/* A key beside the URI that says something else is said to lose. */
static void tell_override(const struct loader *l, const char *name, const char *uri_value)
{
    const char *value = key(l, name);
    if (value && uri_value && l->host && strcmp(value, uri_value) != 0)
        stk_logf(l->host, STK_LOG_INFO, MQ_NAME, MQ_NAME ": %s is ignored, " URI_KEY " says it",
                 name);
}

static void tell_overrides(const struct loader *l, const struct stk_uri *uri)
{
    char text[24] = "";
    tell_override(l, "mysql_user", l->conf->user);
    tell_override(l, "mysql_password", l->conf->password);
    tell_override(l, "mysql_database_name", l->conf->database);
    if (uri->nhosts && uri->hosts[0].host[0])
        tell_override(l, "mysql_host", uri->hosts[0].host);
    if (uri->nhosts && uri->hosts[0].port) {
        snprintf(text, sizeof text, "%u", uri->hosts[0].port);
        tell_override(l, "mysql_port", text);
    }
    if (l->pool_size >= 0) {
        snprintf(text, sizeof text, "%" PRId64, l->pool_size);
        tell_override(l, "mysql_connection_pool_size", text);
    }
}

static stk_status take_uri(struct loader *l, const char *text)
{
    struct stk_uri *uri = NULL;
    /* What a JDBC configuration holds. */
    if (strncasecmp(text, "jdbc:", 5) == 0)
        text += 5;
    stk_status st = stk_uri_parse(text, URI_KEY, &uri, l->err);
    if (st != STK_OK)
        return st;
    struct mq_conf *conf = l->conf;
    if (strcmp(uri->scheme, "mysql") != 0 && strcmp(uri->scheme, "mariadb") != 0) {
        st = FAIL(l, URI_KEY " begins with %s://. Write mysql://user:password@host:3306/name",
                  uri->scheme);
        goto out;
    }
    if (uri->user && *uri->user && (st = set(l, &conf->user, uri->user)) != STK_OK)
        goto out;
    if (uri->password && (st = set(l, &conf->password, uri->password)) != STK_OK)
        goto out;
    if (uri->database && *uri->database && (st = set(l, &conf->database, uri->database)) != STK_OK)
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
    const char *text = key(l, name);
    *out = uri >= 0 ? uri : dflt;
    if (uri >= 0 || !text)
        return STK_OK;
    return number(l, name, text, min, max, out);
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
    const char *user = key(l, "mysql_user");
    const char *password = key(l, "mysql_password");
    const char *database = key(l, "mysql_database_name");
    if (!conf->user && !user)
        return stk_err_set(l->err, STK_E_CONFIG,
                           MQ_NAME ": no user name is set. Set " URI_KEY
                                   ": \"mysql://user:password@host:3306/supertokens\"");
    if (!conf->user)
        st = set(l, &conf->user, user);
    if (st == STK_OK && !conf->password && password)
        st = set(l, &conf->password, password);
    if (st == STK_OK && !conf->database)
        st = set(l, &conf->database, database ? database : "supertokens");
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
    struct loader l = {.conf = calloc(1, sizeof(struct mq_conf)),
                       .kv = kv,
                       .nkv = nkv,
                       .host = host,
                       .use = -1,
                       .require = -1,
                       .verify = -1,
                       .pool_size = -1,
                       .min_idle = -1,
                       .idle_ms = -1,
                       .err = err};
    *out = NULL;
    if (!l.conf)
        return stk_err_nomem(err);
    l.conf->connect_us = 5000000;
    stk_status st = STK_OK;
    const char *uri = key(&l, URI_KEY);
    const char *attributes = key(&l, "mysql_connection_attributes");
    if (key(&l, "mysql_table_names_prefix"))
        st = FAIL(&l,
                  "%s is not supported: tables have fixed names, all beginning with st_. Give this "
                  "installation a database of its own instead",
                  "mysql_table_names_prefix");
    if (st == STK_OK && attributes)
        st = take_attributes(&l, attributes);
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
    if (conf->password)
        explicit_bzero(conf->password, strlen(conf->password));
    free(conf->user);
    free(conf->password);
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

/* FNV-1a, for identities too long for their buffer and for what must be
 * compared without being readable. */
static uint64_t mix(uint64_t h, const char *s)
{
    for (; s && *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211u;
    return (h ^ 0xFF) * 1099511628211u;
}

stk_status mq_conf_identity(const struct mq_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    if (n < 64)
        return stk_err_set(err, STK_E_INVALID, MQ_NAME ": identity buffers are too small");
    char one[300];
    uint64_t hash = 14695981039346656037u;
    memset(data_id, 0, n);
    memset(pool_id, 0, n);
    size_t len = (size_t)snprintf(data_id, n, "mysql://");
    for (size_t i = 0; i <= conf->nhosts; i++) {
        if (i < conf->nhosts)
            mq_host_text(&conf->hosts[i], one, sizeof one);
        else
            snprintf(one, sizeof one, "/%s", conf->database);
        hash = mix(hash, one);
        const char *comma = i && i < conf->nhosts ? "," : "";
        len += (size_t)snprintf(data_id + (len < n ? len : n - 1), len < n ? n - len : 1, "%s%s",
                                comma, one);
    }
    /* Where the parts did not fit, a hash of all of them ends what did. */
    if (len >= n)
        snprintf(data_id + n - 18, 18, "~%016" PRIx64, hash);

    /* The password takes part as a hash over everything that makes a connection. */
    uint64_t all = mix(mix(hash, conf->user), conf->password);
    const char *const files[] = {conf->ca, conf->cert, conf->key, conf->ciphers,
                                 conf->tls_versions};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        all = mix(all, files[i]);
    snprintf(one, sizeof one, "%u/%u/%" PRIu64 "/%d", conf->pool_size, conf->min_idle,
             conf->idle_us, (int)conf->tls);
    all = mix(all, one);
    snprintf(pool_id, n, "mysql-pool:%.16s@%016" PRIx64 "%016" PRIx64, conf->user, all, hash);
    return STK_OK;
}
