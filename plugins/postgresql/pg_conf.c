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
        l->conf->server.connect_us = (uint64_t)seconds * 1000000;
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
    if (strcmp(name, "port") == 0)
        l->conf->server.port = (uint16_t)strtoul(value, NULL, 10);
    if (strcmp(name, "client_encoding") == 0)
        return STK_OK; /* always UTF8 */
    if (strcmp(name, "user") == 0)
        return stk_conf_set(&l->in, &l->conf->server.user, value);
    if (strcmp(name, "password") == 0)
        return stk_conf_set(&l->in, &l->conf->server.password, value);
    if (strcmp(name, "dbname") == 0)
        return stk_conf_set(&l->in, &l->conf->server.database, value);
    if (!pg_param_known(name))
        return FAIL(l, "parameter \"%s\" of " URI_KEY " is not known to libpq. Remove it", name);
    return param_set(l, name, value);
}

/* ------------------------------------------------------------------- loading */

static const struct stk_server_rules rules = {
    .schemes = {"postgresql", "postgres"},
    .example = "postgresql://user:password@host:5432/supertokens",
    .own_tables = "Give this installation a schema of its own with postgresql_table_schema instead",
    .socket = "/.s.PGSQL.",
    .port = 5432,
    .param = take_param,
};

/* libpq deals with hosts that are among the parameters of the URI, lists included. */
static stk_status take_raw_hosts(struct loader *l)
{
    struct stk_server_conf *server = &l->conf->server;
    const char *raw = param_get(l->conf, "host");
    if (!raw)
        raw = param_get(l->conf, "hostaddr");
    if (!raw || !stk_conf_get(&l->in, URI_KEY))
        return STK_OK;
    l->conf->raw_host = true;
    stk_server_conf_drop_hosts(server);
    return stk_server_conf_add(&l->in, &rules, server, raw, server->port);
}

/* "a""b" for a"b; malloc'ed. */
static char *quote(const char *name)
{
    char *out = malloc(strlen(name) * 2 + 3), *p = out;
    if (!out)
        return NULL;
    *p++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *p++ = '"';
        *p++ = *name;
    }
    *p++ = '"';
    *p = '\0';
    return out;
}

static stk_status take_schema(struct loader *l)
{
    const char *schema = stk_conf_get(&l->in, "postgresql_table_schema");
    stk_conf_overridden(&l->in, "postgresql_table_schema", l->uri_schema);
    if (l->uri_schema || !schema)
        schema = l->uri_schema ? l->uri_schema : "public";
    if (strlen(schema) > 63)
        return FAIL(l, "the schema name \"%s\" is longer than 63 bytes", schema);
    l->conf->quoted = quote(schema);
    return l->conf->quoted ? stk_conf_set(&l->in, &l->conf->schema, schema)
                           : stk_err_nomem(l->in.err);
}

static stk_status take_prepared(struct loader *l)
{
    static const char *const names[] = {"auto", "on", "off"}; /* as in enum pg_prepared */
    const char *said = stk_conf_get(&l->in, "postgresql_prepared_statements");
    for (int i = 0; said && i < 3; i++)
        if (strcasecmp(said, names[i]) == 0) {
            l->conf->prepared = (enum pg_prepared)i;
            return STK_OK;
        }
    return said ? FAIL(l, "postgresql_prepared_statements=%s is not known. Use auto, on or off",
                       said)
                : STK_OK;
}

stk_status pg_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct pg_conf **out,
                        stk_err *err)
{
    struct loader l = {.in = {PG_NAME, URI_KEY, kv, nkv, host, err},
                       .conf = calloc(1, sizeof(struct pg_conf))};
    *out = NULL;
    if (!l.conf)
        return stk_err_nomem(err);
    stk_status st = stk_server_conf_load(&l.in, &rules, &l, &l.conf->server);
    if (st == STK_OK)
        st = take_raw_hosts(&l);
    if (st == STK_OK)
        st = take_schema(&l);
    if (st == STK_OK)
        st = take_prepared(&l);
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
    stk_server_conf_free(&conf->server);
    for (size_t i = 0; i < conf->nparams; i++) {
        free(conf->params[i].key);
        stk_conf_wipe(conf->params[i].value); /* sslpassword */
    }
    free(conf->params);
    free(conf->schema);
    free(conf->quoted);
    free(conf);
}

/* ------------------------------------------------------------------ identity */

stk_status pg_conf_identity(const struct pg_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    const struct stk_conf in = {.plugin = PG_NAME, .err = err};
    static const char *const where[] = {"host", "hostaddr", "port", "service"};
    char more[1024], own[32];
    int len = snprintf(more, sizeof more, "#%s", conf->schema);
    for (size_t i = 0; i < 4; i++) {
        const char *value = param_get(conf, where[i]);
        if (value && (size_t)len < sizeof more)
            len += snprintf(more + len, sizeof more - (size_t)len, ";%s", value);
    }
    snprintf(own, sizeof own, "%d/%d/%d", (int)conf->target, (int)conf->prepared,
             (int)conf->random_host);
    uint64_t hash = stk_conf_hash(STK_CONF_HASH, own);
    for (size_t i = 0; i < conf->nparams; i++)
        hash = stk_conf_hash(stk_conf_hash(hash, conf->params[i].key), conf->params[i].value);
    return stk_server_identity(&in, &conf->server, more, hash, data_id, pool_id, n);
}
