/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the URI first, then the single keys for what it leaves open.
 *
 * The URI is taken apart by the kit (so that user@server works) and handed to
 * libpq as keywords.  Parameters of the JDBC driver, which the Java core's
 * configuration may hold, are translated or dropped; any other parameter must
 * be one that libpq knows. */
#include "pg_conf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <stk_conf.h>
#include <stk_sdk.h>

#define URI_KEY "postgresql_connection_uri"

struct loader {
    struct stk_conf in;
    struct pg_conf *conf;
    bool target_set;
    char *uri_schema; /* currentSchema */
};

#define FAIL(l, ...) stk_err_set((l)->in.err, STK_E_CONFIG, PG_NAME ": " __VA_ARGS__)

static const char *param_get(const struct pg_conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->nparams; i++)
        if (strcmp(conf->params[i].key, name) == 0)
            return conf->params[i].value;
    return NULL;
}

static stk_status param_set(struct loader *l, const char *name, const char *value)
{
    struct pg_conf *conf = l->conf;
    for (size_t i = 0; i < conf->nparams; i++)
        if (strcmp(conf->params[i].key, name) == 0)
            return stk_conf_set(&l->in, &conf->params[i].value, value);
    struct pg_param *p = realloc(conf->params, (conf->nparams + 1) * sizeof *p);
    if (!p)
        return stk_err_nomem(l->in.err);
    conf->params = p;
    p += conf->nparams;
    p->key = strdup(name);
    p->value = strdup(value);
    if (!p->key || !p->value) {
        free(p->key);
        free(p->value);
        return stk_err_nomem(l->in.err);
    }
    conf->nparams++;
    return STK_OK;
}

/* ------------------------------------------------------ parameters of the URI */

/* Of the JDBC driver only: they change how that driver works, not what the
 * connection is. */
static const char *const jdbc_ignored[] = {
    "allowPublicKeyRetrieval",
    "binaryTransfer",
    "binaryTransferEnable",
    "characterEncoding",
    "defaultRowFetchSize",
    "disableColumnSanitiser",
    "loggerFile",
    "loggerLevel",
    "logUnclosedConnections",
    "maxResultBuffer",
    "preferQueryMode",
    "prepareThreshold",
    "preparedStatementCacheQueries",
    "preparedStatementCacheSizeMiB",
    "receiveBufferSize",
    "reWriteBatchedInserts",
    "sendBufferSize",
    "socketTimeout",
    "sslfactory",
    "stringtype",
    "unknownLength",
    "useUnicode",
};

static const char *const target_names[] = {
    [PG_TARGET_ANY] = "any",
    [PG_TARGET_READ_WRITE] = "read-write",
    [PG_TARGET_READ_ONLY] = "read-only",
    [PG_TARGET_PRIMARY] = "primary",
    [PG_TARGET_STANDBY] = "standby",
    [PG_TARGET_PREFER_STANDBY] = "prefer-standby",
};
enum { NTARGETS = sizeof target_names / sizeof target_names[0] };

const char *pg_target_text(enum pg_target target)
{
    return target_names[target];
}

static stk_status set_target(struct loader *l, const char *value)
{
    static const struct {
        const char *jdbc;
        enum pg_target target;
    } jdbc[] = {{"master", PG_TARGET_PRIMARY},
                {"slave", PG_TARGET_STANDBY},
                {"secondary", PG_TARGET_STANDBY},
                {"preferSlave", PG_TARGET_PREFER_STANDBY},
                {"preferSecondary", PG_TARGET_PREFER_STANDBY}};
    l->target_set = true;
    for (int i = 0; i < NTARGETS; i++)
        if (strcasecmp(value, target_names[i]) == 0) {
            l->conf->target = (enum pg_target)i;
            return STK_OK;
        }
    for (size_t i = 0; i < sizeof jdbc / sizeof jdbc[0]; i++)
        if (strcasecmp(value, jdbc[i].jdbc) == 0) {
            l->conf->target = jdbc[i].target;
            return STK_OK;
        }
    return FAIL(l,
                "target_session_attrs=%s is not known. Use any, read-write, read-only, primary, "
                "standby or prefer-standby",
                value);
}

static stk_status set_connect_timeout(struct loader *l, const char *value)
{
    char *end;
    errno = 0;
    long seconds = strtol(value, &end, 10);
    if (errno || end == value || *end || seconds > 3600)
        return FAIL(l, "connect_timeout=%s is not a number of seconds (0 to 3600)", value);
    if (seconds > 0)
        l->conf->connect_us = (uint64_t)seconds * 1000000;
    return STK_OK;
}

/* One parameter of the URI or of postgresql_connection_attributes. */
static stk_status take_param(void *ud, const char *name, const char *value)
{
    struct loader *l = ud;
    for (size_t i = 0; i < sizeof jdbc_ignored / sizeof jdbc_ignored[0]; i++)
        if (strcasecmp(name, jdbc_ignored[i]) == 0)
            return STK_OK;
    if (strcasecmp(name, "currentSchema") == 0)
        return stk_conf_set(&l->in, &l->uri_schema, value);
    if (strcasecmp(name, "ApplicationName") == 0)
        return param_set(l, "application_name", value);
    if (strcasecmp(name, "tcpKeepAlive") == 0)
        return param_set(l, "keepalives", strcasecmp(value, "true") == 0 ? "1" : "0");
    if (strcasecmp(name, "ssl") == 0) {
        if (strcasecmp(value, "false") == 0 || param_get(l->conf, "sslmode"))
            return STK_OK;
        return param_set(l, "sslmode", "require");
    }
    if (strcmp(name, "target_session_attrs") == 0 || strcasecmp(name, "targetServerType") == 0)
        return set_target(l, value);
    if (strcmp(name, "connect_timeout") == 0 || strcasecmp(name, "connectTimeout") == 0 ||
        strcasecmp(name, "loginTimeout") == 0)
        return set_connect_timeout(l, value);
    if (strcmp(name, "load_balance_hosts") == 0) {
        l->conf->random_host = strcmp(value, "random") == 0;
        return STK_OK;
    }
    if (strcmp(name, "client_encoding") == 0)
        return STK_OK; /* always UTF8 */
    if (strcmp(name, "user") == 0)
        return stk_conf_set(&l->in, &l->conf->user, value);
    if (strcmp(name, "password") == 0)
        return stk_conf_set(&l->in, &l->conf->password, value);
    if (strcmp(name, "dbname") == 0)
        return stk_conf_set(&l->in, &l->conf->database, value);
    if (!pg_param_known(name))
        return FAIL(l, "parameter \"%s\" of " URI_KEY " is not known to libpq. Remove it", name);
    return param_set(l, name, value);
}

/* --------------------------------------------------------------------- hosts */

static stk_status add_host(struct loader *l, const char *host, const char *port, bool raw)
{
    struct pg_conf *conf = l->conf;
    struct pg_host *h = realloc(conf->hosts, (conf->nhosts + 1) * sizeof *h);
    if (!h)
        return stk_err_nomem(l->in.err);
    conf->hosts = h;
    h += conf->nhosts++;
    *h = (struct pg_host){.raw = raw};
    stk_status st = host && *host ? stk_conf_set(&l->in, &h->host, host) : STK_OK;
    return st == STK_OK && port && *port ? stk_conf_set(&l->in, &h->port, port) : st;
}

/* postgresql_host, which may list several. */
static stk_status take_host_keys(struct loader *l)
{
    const char *hosts = stk_conf_get(&l->in, "postgresql_host");
    const char *port = stk_conf_get(&l->in, "postgresql_port");
    char *copy = strdup(hosts ? hosts : "localhost");
    if (!copy)
        return stk_err_nomem(l->in.err);
    stk_status st = STK_OK;
    char *rest = copy;
    for (char *h; st == STK_OK && (h = strsep(&rest, ", "));)
        if (*h)
            st = add_host(l, h, port ? port : "5432", false);
    free(copy);
    return st;
}

static stk_status take_uri_hosts(struct loader *l, const struct stk_uri *uri)
{
    const char *raw = param_get(l->conf, "host");
    if (!raw)
        raw = param_get(l->conf, "hostaddr");
    if (raw) /* libpq deals with it, lists included */
        return add_host(l, raw, param_get(l->conf, "port"), true);
    if (uri->nhosts == 0 || (uri->nhosts == 1 && uri->hosts[0].host[0] == '\0' &&
                             stk_conf_get(&l->in, "postgresql_host")))
        return take_host_keys(l);
    const char *fallback = param_get(l->conf, "port");
    if (!fallback)
        fallback = stk_conf_get(&l->in, "postgresql_port");
    stk_status st = STK_OK;
    for (size_t i = 0; i < uri->nhosts && st == STK_OK; i++) {
        char port[8] = "";
        if (uri->hosts[i].port)
            snprintf(port, sizeof port, "%u", uri->hosts[i].port);
        st = add_host(l, uri->hosts[i].host, port[0] ? port : fallback ? fallback : "5432", false);
    }
    return st;
}

/* ------------------------------------------------------------------- loading */

static stk_status take_uri(struct loader *l, const char *text)
{
    struct stk_uri *uri = NULL;
    stk_status st = stk_uri_parse(text, URI_KEY, &uri, l->in.err);
    if (st != STK_OK)
        return st;
    struct pg_conf *conf = l->conf;
    if (strcmp(uri->scheme, "postgresql") != 0 && strcmp(uri->scheme, "postgres") != 0) {
        st = FAIL(l, URI_KEY " begins with %s://. Write postgresql://user:password@host:5432/name",
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
    char port[8] = "";
    if (uri->nhosts && uri->hosts[0].port)
        snprintf(port, sizeof port, "%u", uri->hosts[0].port);
    stk_conf_overridden(&l->in, "postgresql_user", conf->user);
    stk_conf_overridden(&l->in, "postgresql_password", conf->password);
    stk_conf_overridden(&l->in, "postgresql_database_name", conf->database);
    stk_conf_overridden(&l->in, "postgresql_table_schema", l->uri_schema);
    if (uri->nhosts && uri->hosts[0].host[0])
        stk_conf_overridden(&l->in, "postgresql_host", uri->hosts[0].host);
    stk_conf_overridden(&l->in, "postgresql_port", port[0] ? port : NULL);
out:
    stk_uri_free(uri);
    return st;
}

static stk_status number(struct loader *l, const char *name, int64_t dflt, int64_t min, int64_t max,
                         int64_t *out)
{
    const char *text = stk_conf_get(&l->in, name);
    *out = dflt;
    return text ? stk_conf_number(&l->in, name, text, min, max, out) : STK_OK;
}

static stk_status take_pool(struct loader *l)
{
    struct pg_conf *conf = l->conf;
    int64_t size, idle, timeout;
    stk_status st = number(l, "postgresql_connection_pool_size", 10, 1, 10000, &size);
    if (st == STK_OK)
        st = number(l, "postgresql_minimum_idle_connections", size, 0, size, &idle);
    if (st == STK_OK)
        st = number(l, "postgresql_idle_connection_timeout", 60000, 0, INT32_MAX, &timeout);
    if (st != STK_OK)
        return st;
    conf->pool_size = (uint32_t)size;
    conf->min_idle = (uint32_t)idle;
    conf->idle_us = (uint64_t)timeout * 1000;
    const char *prepared = stk_conf_get(&l->in, "postgresql_prepared_statements");
    if (!prepared || strcasecmp(prepared, "auto") == 0)
        conf->prepared = PG_PREPARED_AUTO;
    else if (strcasecmp(prepared, "on") == 0)
        conf->prepared = PG_PREPARED_ON;
    else if (strcasecmp(prepared, "off") == 0)
        conf->prepared = PG_PREPARED_OFF;
    else
        return FAIL(l, "postgresql_prepared_statements=%s is not known. Use auto, on or off",
                    prepared);
    return STK_OK;
}

/* What the URI left open comes from the keys, then from the defaults. */
static stk_status take_keys(struct loader *l, bool uri)
{
    struct pg_conf *conf = l->conf;
    stk_status st = STK_OK;
    const char *user = stk_conf_get(&l->in, "postgresql_user");
    const char *password = stk_conf_get(&l->in, "postgresql_password");
    const char *database = stk_conf_get(&l->in, "postgresql_database_name");
    const char *schema = stk_conf_get(&l->in, "postgresql_table_schema");
    if (!uri && !user)
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           PG_NAME ": neither " URI_KEY " nor postgresql_user is set. Set " URI_KEY
                                   ": \"postgresql://user:password@host:5432/supertokens\"");
    if (!conf->user && user)
        st = stk_conf_set(&l->in, &conf->user, user);
    if (st == STK_OK && !conf->password && password)
        st = stk_conf_set(&l->in, &conf->password, password);
    if (st == STK_OK && !conf->database)
        st = stk_conf_set(&l->in, &conf->database, database ? database : "supertokens");
    if (l->uri_schema || !schema)
        schema = l->uri_schema ? l->uri_schema : "public";
    if (strlen(schema) > 63)
        return FAIL(l, "the schema name \"%s\" is longer than 63 bytes", schema);
    if (st == STK_OK)
        st = stk_conf_set(&l->in, &conf->schema, schema);
    if (st == STK_OK && !uri)
        st = take_host_keys(l);
    if (st == STK_OK && conf->nhosts == 0)
        return FAIL(l, "postgresql_host names no host");
    return st;
}

stk_status pg_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct pg_conf **out,
                        stk_err *err)
{
    struct loader l = {.in = {PG_NAME, URI_KEY, kv, nkv, host, err},
                       .conf = calloc(1, sizeof(struct pg_conf))};
    *out = NULL;
    if (!l.conf)
        return stk_err_nomem(err);
    l.conf->connect_us = 5000000;
    stk_status st = STK_OK;
    const char *uri = stk_conf_get(&l.in, URI_KEY);
    /* What the Java core appends to its own URL; parameters of the URI are stronger. */
    const char *attributes = stk_conf_get(&l.in, "postgresql_connection_attributes");
    if (stk_conf_get(&l.in, "postgresql_table_names_prefix"))
        st =
            FAIL(&l,
                 "%s is not supported: tables have fixed names. Give this installation a schema of "
                 "its own with postgresql_table_schema instead",
                 "postgresql_table_names_prefix");
    if (st == STK_OK && attributes)
        st = stk_conf_pairs(&l.in, attributes, take_param, &l);
    if (st == STK_OK && uri)
        st = take_uri(&l, uri);
    if (st == STK_OK)
        st = take_keys(&l, uri != NULL);
    if (st == STK_OK)
        st = take_pool(&l);
    /* Of several hosts only one takes writes; without a word about it that one
     * is meant. */
    if (st == STK_OK && !l.target_set)
        l.conf->target = PG_TARGET_READ_WRITE;
    free(l.uri_schema);
    if (st != STK_OK) {
        pg_conf_free(l.conf);
        return st;
    }
    *out = l.conf;
    return STK_OK;
}

void pg_conf_free(struct pg_conf *conf)
{
    if (!conf)
        return;
    for (size_t i = 0; i < conf->nhosts; i++) {
        free(conf->hosts[i].host);
        free(conf->hosts[i].port);
    }
    for (size_t i = 0; i < conf->nparams; i++) {
        free(conf->params[i].key);
        stk_conf_wipe(conf->params[i].value); /* sslpassword */
    }
    free(conf->hosts);
    free(conf->params);
    free(conf->user);
    stk_conf_wipe(conf->password);
    free(conf->database);
    free(conf->schema);
    free(conf);
}

/* ------------------------------------------------------------------ identity */

void pg_host_text(const struct pg_host *h, char *out, size_t n)
{
    if (!h->host)
        snprintf(out, n, "the local socket");
    else if (h->host[0] == '/' || h->host[0] == '@')
        snprintf(out, n, "%s/.s.PGSQL.%s", h->host, h->port ? h->port : "5432");
    else if (strchr(h->host, ':'))
        snprintf(out, n, "[%s]:%s", h->host, h->port ? h->port : "5432");
    else
        snprintf(out, n, "%s:%s", h->host, h->port ? h->port : "5432");
}

stk_status pg_conf_identity(const struct pg_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    const struct stk_conf in = {.plugin = PG_NAME, .err = err};
    struct stk_identity data;
    stk_status st = stk_identity_begin(&in, &data, data_id, n);
    if (st != STK_OK)
        return st;
    char id[256];
    memset(pool_id, 0, n);
    stk_identity_put(&data, "postgresql://");
    for (size_t i = 0; i < conf->nhosts; i++) {
        pg_host_text(&conf->hosts[i], id, sizeof id);
        stk_identity_put(&data, i ? "," : "");
        stk_identity_put(&data, id);
    }
    static const char *const where[] = {"host", "hostaddr", "port", "service"};
    for (size_t i = 0; i < 4; i++) {
        const char *value = param_get(conf, where[i]);
        if (value) {
            stk_identity_put(&data, ";");
            stk_identity_put(&data, value);
        }
    }
    stk_identity_put(&data, "/");
    stk_identity_put(&data, conf->database);
    stk_identity_put(&data, "#");
    stk_identity_put(&data, conf->schema);
    stk_identity_end(&data);

    /* The password takes part as a hash over everything that makes a connection. */
    uint64_t all = stk_conf_hash(data.hash, conf->user);
    all = stk_conf_hash(all, conf->password);
    for (size_t i = 0; i < conf->nparams; i++)
        all = stk_conf_hash(stk_conf_hash(all, conf->params[i].key), conf->params[i].value);
    snprintf(id, sizeof id, "%u/%u/%" PRIu64 "/%d/%d/%d", conf->pool_size, conf->min_idle,
             conf->idle_us, (int)conf->target, (int)conf->prepared, (int)conf->random_host);
    all = stk_conf_hash(all, id);
    snprintf(pool_id, n, "postgresql-pool:%.16s@%016" PRIx64 "%016" PRIx64,
             conf->user ? conf->user : "", all, data.hash);
    return STK_OK;
}
