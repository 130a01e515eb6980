/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a database server: see stk_server.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "stk_sdk.h"
#include "stk_server.h"

/* Names a key of the plugin: "mysql_port". */
struct key {
    char name[64];
};

static struct key key_of(const struct stk_conf *c, const char *name)
{
    struct key key;
    snprintf(key.name, sizeof key.name, "%s_%s", c->plugin, name);
    return key;
}

static const char *get(const struct stk_conf *c, const char *name)
{
    return stk_conf_get(c, key_of(c, name).name);
}

/* A number of the key unless a parameter has said it, else dflt. */
static stk_status number(const struct stk_conf *c, const char *name, int64_t dflt, int64_t min,
                         int64_t max, int64_t *out)
{
    struct key key = key_of(c, name);
    const char *text = stk_conf_get(c, key.name);
    if (*out >= 0)
        return STK_OK;
    *out = dflt;
    return text ? stk_conf_number(c, key.name, text, min, max, out) : STK_OK;
}

/* --------------------------------------------------------------------- hosts */

static char *host_name(const struct stk_server_rules *rules, const char *host, uint16_t port)
{
    char *name = NULL;
    int n;
    if (!host)
        return strdup("the local socket");
    if (host[0] == '/' && !rules->socket)
        return strdup(host);
    if (rules->socket && (host[0] == '/' || host[0] == '@'))
        n = asprintf(&name, "%s%s%u", host, rules->socket, port);
    else
        n = asprintf(&name, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    return n < 0 ? NULL : name;
}

stk_status stk_server_conf_add(const struct stk_conf *c, const struct stk_server_rules *rules,
                               struct stk_server_conf *conf, const char *host, uint16_t port)
{
    if (host && !*host)
        host = NULL;
    struct stk_server_host *h = realloc(conf->hosts, (conf->nhosts + 1) * sizeof *h);
    if (!h)
        return stk_err_nomem(c->err);
    conf->hosts = h;
    h += conf->nhosts++;
    *h = (struct stk_server_host){.port = port, .name = host_name(rules, host, port)};
    if (host)
        h->host = strdup(host);
    return h->name && (h->host || !host) ? STK_OK : stk_err_nomem(c->err);
}

void stk_server_conf_drop_hosts(struct stk_server_conf *conf)
{
    for (size_t i = 0; i < conf->nhosts; i++) {
        free(conf->hosts[i].host);
        free(conf->hosts[i].name);
    }
    free(conf->hosts);
    conf->hosts = NULL;
    conf->nhosts = 0;
}

/* Of hosts that name none: a parameter's, the key's, the default. */
static stk_status settle_port(const struct stk_conf *c, const struct stk_server_rules *rules,
                              struct stk_server_conf *conf)
{
    int64_t port = conf->port ? conf->port : -1;
    stk_status st = number(c, "port", rules->port, 1, 65535, &port);
    conf->port = (uint16_t)port;
    return st;
}

/* PLUGIN_host, which may list several. */
static stk_status take_host_key(const struct stk_conf *c, const struct stk_server_rules *rules,
                                struct stk_server_conf *conf)
{
    const char *hosts = get(c, "host");
    char *copy = strdup(hosts ? hosts : "localhost");
    if (!copy)
        return stk_err_nomem(c->err);
    stk_status st = STK_OK;
    char *rest = copy;
    for (char *h; st == STK_OK && (h = strsep(&rest, ", "));)
        if (*h)
            st = stk_server_conf_add(c, rules, conf, h, conf->port);
    free(copy);
    if (st == STK_OK && conf->nhosts == 0)
        return stk_err_set(c->err, STK_E_CONFIG, "%s: %s names no host", c->plugin,
                           key_of(c, "host").name);
    return st;
}

static stk_status take_uri_hosts(const struct stk_conf *c, const struct stk_server_rules *rules,
                                 const struct stk_uri *uri, struct stk_server_conf *conf)
{
    if (uri->nhosts == 0 || (uri->nhosts == 1 && !uri->hosts[0].host[0] && get(c, "host")))
        return take_host_key(c, rules, conf);
    stk_status st = STK_OK;
    for (size_t i = 0; i < uri->nhosts && st == STK_OK; i++) {
        const struct stk_uri_host *h = &uri->hosts[i];
        st = stk_server_conf_add(c, rules, conf, h->host[0] ? h->host : rules->no_host,
                                 h->port ? h->port : conf->port);
    }
    return st;
}

/* ------------------------------------------------------------------- loading */

static void tell_overrides(const struct stk_conf *c, const struct stk_uri *uri,
                           const struct stk_server_conf *conf)
{
    char port[24] = "", size[24] = "";
    if (uri->nhosts && uri->hosts[0].port)
        snprintf(port, sizeof port, "%u", uri->hosts[0].port);
    if (conf->pool_size >= 0)
        snprintf(size, sizeof size, "%" PRId64, conf->pool_size);
    const struct {
        const char *name, *value;
    } said[] = {{"user", conf->user},
                {"password", conf->password},
                {"database_name", conf->database},
                {"host", uri->nhosts && uri->hosts[0].host[0] ? uri->hosts[0].host : NULL},
                {"port", port[0] ? port : NULL},
                {"connection_pool_size", size[0] ? size : NULL}};
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        stk_conf_overridden(c, key_of(c, said[i].name).name, said[i].value);
}

static stk_status take_uri(const struct stk_conf *c, const struct stk_server_rules *rules,
                           const char *text, void *ud, struct stk_server_conf *conf)
{
    struct stk_uri *uri = NULL;
    if (strncasecmp(text, "jdbc:", 5) == 0) /* what a JDBC configuration holds */
        text += 5;
    stk_status st = stk_uri_parse(text, c->uri_key, &uri, c->err);
    if (st != STK_OK)
        return st;
    if (strcmp(uri->scheme, rules->schemes[0]) != 0 && strcmp(uri->scheme, rules->schemes[1]) != 0)
        st = stk_err_set(c->err, STK_E_CONFIG, "%s: %s begins with %s://. Write %s", c->plugin,
                         c->uri_key, uri->scheme, rules->example);
    else
        st = stk_conf_login(c, uri, &conf->user, &conf->password, &conf->database);
    for (size_t i = 0; st == STK_OK && i < uri->nparams; i++)
        st = rules->param(ud, uri->params[i].key, uri->params[i].value);
    if (st == STK_OK)
        st = settle_port(c, rules, conf);
    if (st == STK_OK)
        st = take_uri_hosts(c, rules, uri, conf);
    if (st == STK_OK)
        tell_overrides(c, uri, conf);
    stk_uri_free(uri);
    return st;
}

/* Who, and which database, where the URI leaves it open. */
static stk_status take_login_keys(const struct stk_conf *c, const struct stk_server_rules *rules,
                                  bool uri, struct stk_server_conf *conf)
{
    const char *user = get(c, "user"), *password = get(c, "password");
    const char *database = get(c, "database_name");
    stk_status st = STK_OK;
    if (!conf->user && !user && !uri)
        return stk_err_set(c->err, STK_E_CONFIG, "%s: neither %s nor %s is set. Set %s: \"%s\"",
                           c->plugin, c->uri_key, key_of(c, "user").name, c->uri_key,
                           rules->example);
    if (!conf->user && !user && rules->needs_user)
        return stk_err_set(c->err, STK_E_CONFIG, "%s: no user name is set. Set %s: \"%s\"",
                           c->plugin, c->uri_key, rules->example);
    if (!conf->user && user)
        st = stk_conf_set(c, &conf->user, user);
    if (st == STK_OK && !conf->password && password)
        st = stk_conf_set(c, &conf->password, password);
    if (st == STK_OK && !conf->database)
        st = stk_conf_set(c, &conf->database, database ? database : "supertokens");
    return st;
}

static stk_status take_pool(const struct stk_conf *c, struct stk_server_conf *conf)
{
    stk_status st = number(c, "connection_pool_size", 10, 1, 10000, &conf->pool_size);
    int64_t size = conf->pool_size;
    if (st == STK_OK)
        st = number(c, "minimum_idle_connections", size, 0, size, &conf->min_idle);
    if (conf->min_idle > size)
        conf->min_idle = size;
    if (st == STK_OK)
        st = number(c, "idle_connection_timeout", 60000, 0, INT32_MAX, &conf->idle_ms);
    return st;
}

stk_status stk_server_conf_load(const struct stk_conf *c, const struct stk_server_rules *rules,
                                void *ud, struct stk_server_conf *conf)
{
    conf->pool_size = conf->min_idle = conf->idle_ms = -1;
    conf->connect_us = 5000000;
    const char *uri = stk_conf_get(c, c->uri_key);
    const char *attributes = get(c, "connection_attributes");
    stk_status st = STK_OK;
    if (get(c, "table_names_prefix"))
        return stk_err_set(c->err, STK_E_CONFIG,
                           "%s: %s is not supported: tables have fixed names, all beginning with "
                           "st_. %s",
                           c->plugin, key_of(c, "table_names_prefix").name, rules->own_tables);
    /* What the Java core appends to its own URL. */
    if (attributes)
        st = stk_conf_pairs(c, attributes, rules->param, ud);
    if (st == STK_OK && uri)
        st = take_uri(c, rules, uri, ud, conf);
    if (st == STK_OK)
        st = take_login_keys(c, rules, uri != NULL, conf);
    if (st == STK_OK && !uri && (st = settle_port(c, rules, conf)) == STK_OK)
        st = take_host_key(c, rules, conf);
    return st == STK_OK ? take_pool(c, conf) : st;
}

void stk_server_conf_free(struct stk_server_conf *conf)
{
    stk_server_conf_drop_hosts(conf);
    free(conf->user);
    stk_conf_wipe(conf->password);
    free(conf->database);
}

/* ------------------------------------------------------------------ identity */

stk_status stk_server_identity(const struct stk_conf *c, const struct stk_server_conf *conf,
                               const char *more, uint64_t hash, char *data_id, char *pool_id,
                               size_t n)
{
    struct stk_identity id;
    stk_status st = stk_identity_begin(c, &id, data_id, n);
    if (st != STK_OK)
        return st;
    memset(pool_id, 0, n);
    stk_identity_put(&id, c->plugin);
    stk_identity_put(&id, "://");
    for (size_t i = 0; i < conf->nhosts; i++) {
        stk_identity_put(&id, i ? "," : "");
        stk_identity_put(&id, conf->hosts[i].name);
    }
    stk_identity_put(&id, "/");
    stk_identity_put(&id, conf->database);
    stk_identity_put(&id, more);
    stk_identity_end(&id);

    /* The password takes part as a hash over everything that makes a connection. */
    char numbers[96];
    snprintf(numbers, sizeof numbers, "%" PRId64 "/%" PRId64 "/%" PRId64 "/%" PRIu64,
             conf->pool_size, conf->min_idle, conf->idle_ms, hash);
    uint64_t all = stk_conf_hash(stk_conf_hash(id.hash, conf->user), conf->password);
    snprintf(pool_id, n, "%s-pool:%.16s@%016" PRIx64 "%016" PRIx64, c->plugin,
             conf->user ? conf->user : "", stk_conf_hash(all, numbers), id.hash);
    return STK_OK;
}
