/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: the URI first, then the single keys for what it leaves open.  The
 * kit takes the URI apart, so that a password need not be encoded as strictly as
 * libmongoc wants it, and what libmongoc is given is made anew from the parts. */
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include <stk_conf.h>

#include "mongodb_plugin.h"

#define URI_KEY "mongodb_connection_uri"

struct loader {
    struct stk_conf in;
    struct mg_conf *conf;
};

static void tell_ignored(const struct loader *l, const char *name, const char *why)
{
    if (l->in.host)
        stk_logf(l->in.host, STK_LOG_INFO, MG_NAME, MG_NAME ": %s is ignored: %s", name, why);
}

/* Percent-encodes all but the unreserved characters. */
static void encode(char *out, size_t n, const char *s)
{
    size_t len = strlen(out);
    for (; *s && len + 4 < n; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c);
        len += (size_t)snprintf(out + len, n - len, plain ? "%c" : "%%%02X", c);
    }
}

static void append(char *out, size_t n, const char *s)
{
    size_t len = strlen(out);
    snprintf(out + len, n - len, "%s", s);
}

/* The URI that the single keys make; "" when they name neither host nor user. */
static void uri_of_keys(const struct loader *l, char *out, size_t n)
{
    const char *host = stk_conf_get(&l->in, "mongodb_host"),
               *port = stk_conf_get(&l->in, "mongodb_port");
    const char *user = stk_conf_get(&l->in, "mongodb_user"),
               *password = stk_conf_get(&l->in, "mongodb_password");
    const char *scheme = stk_conf_get(&l->in, "mongodb_connection_scheme");
    const char *attributes = stk_conf_get(&l->in, "mongodb_connection_attributes");
    out[0] = '\0';
    if (!host && !user)
        return;
    append(out, n, scheme ? scheme : "mongodb");
    append(out, n, "://");
    if (user)
        encode(out, n, user);
    if (user && password) {
        append(out, n, ":");
        encode(out, n, password);
    }
    append(out, n, user ? "@" : "");
    append(out, n, host ? host : "localhost");
    if (!host || !strchr(host, ':')) {
        append(out, n, port ? ":" : "");
        append(out, n, port ? port : "");
    }
    append(out, n, "/");
    if (attributes) {
        append(out, n, "?");
        append(out, n, attributes);
    }
}

/* ------------------------------------------------------------------- loading */

static stk_status take_hosts(struct loader *l, const struct stk_uri *uri)
{
    struct mg_conf *conf = l->conf;
    for (size_t i = 0; i < uri->nhosts; i++) {
        const struct stk_uri_host *h = &uri->hosts[i];
        const char *name = h->host[0] ? h->host : "localhost";
        size_t len = strlen(conf->where);
        if (strcmp(uri->scheme, "mongodb+srv") == 0)
            snprintf(conf->where + len, sizeof conf->where - len, "%s%s", i ? "," : "", name);
        else
            snprintf(conf->where + len, sizeof conf->where - len, h->ipv6 ? "%s[%s]:%u" : "%s%s:%u",
                     i ? "," : "", name, h->port ? h->port : 27017u);
    }
    if (!conf->where[0])
        snprintf(conf->where, sizeof conf->where, "localhost:27017");
    return STK_OK;
}

/* What the URI leaves open: user, password, database. */
static stk_status fill(struct loader *l, struct stk_uri *uri, bool given)
{
    struct mg_conf *conf = l->conf;
    stk_status rc = STK_OK;
    const char *user = stk_conf_get(&l->in, "mongodb_user"),
               *password = stk_conf_get(&l->in, "mongodb_password");
    const char *database = stk_conf_get(&l->in, "mongodb_database_name");
    if (given)
        stk_conf_overridden(&l->in, "mongodb_user", uri->user);
    if (given && uri->nhosts && uri->hosts[0].host[0] && stk_conf_get(&l->in, "mongodb_host"))
        tell_ignored(l, "mongodb_host", URI_KEY " says it");
    if (!uri->user && user)
        rc = stk_conf_set(&l->in, &uri->user, user);
    if (!rc && uri->user && !uri->password && password)
        rc = stk_conf_set(&l->in, &uri->password, password);
    /* libmongoc wants the slash before options, and looks for the user in the
     * database that follows it. */
    if (!rc && !uri->database)
        rc = stk_conf_set(&l->in, &uri->database, "");
    if (rc)
        return rc;
    bool named = uri->database && *uri->database;
    if (named)
        stk_conf_overridden(&l->in, "mongodb_database_name", uri->database);
    conf->database = strdup(named ? uri->database : database ? database : "supertokens");
    if (!conf->database)
        return stk_err_nomem(l->in.err);
    if (strlen(conf->database) > 63 || strpbrk(conf->database, "/\\. \"$"))
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           MG_NAME ": \"%.80s\" is no name of a database: at most 63 bytes, none "
                                   "of / \\ . \" $ and blank",
                           conf->database);
    snprintf(conf->user, sizeof conf->user, "%s", uri->user ? uri->user : "");
    const char *source = stk_uri_param(uri, "authSource");
    snprintf(conf->auth_source, sizeof conf->auth_source, "%s",
             source  ? source
             : named ? uri->database
                     : "admin");
    return STK_OK;
}

static void default_int(mongoc_uri_t *uri, const char *name, int32_t value)
{
    if (mongoc_uri_get_option_as_int32(uri, name, -1) < 0)
        mongoc_uri_set_option_as_int32(uri, name, value);
}

/* Reads and writes go to the primary and wait for a majority, whatever the URI
 * says: anything less loses or hides what was acknowledged. */
static void strengthen(struct loader *l, const struct stk_uri *parsed, mongoc_uri_t *uri)
{
    static const char *const weaker[] = {"readPreference", "w", "readConcernLevel"};
    static const char *const right[] = {"primary", "majority", "majority"};
    for (size_t i = 0; i < 3; i++) {
        const char *value = stk_uri_param(parsed, weaker[i]);
        if (value && strcasecmp(value, right[i]) != 0)
            tell_ignored(l, weaker[i], "rows are read from the primary and written to a majority");
    }
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    mongoc_uri_set_read_prefs_t(uri, prefs);
    mongoc_read_prefs_destroy(prefs);
    mongoc_write_concern_t *w = mongoc_write_concern_new();
    mongoc_uri_set_write_concern(uri, w);
    mongoc_write_concern_destroy(w);
    mongoc_read_concern_t *r = mongoc_read_concern_new();
    mongoc_uri_set_read_concern(uri, r);
    mongoc_read_concern_destroy(r);
}

static stk_status readable(struct loader *l, const mongoc_uri_t *uri, const char *name)
{
    return stk_conf_readable(&l->in, name, mongoc_uri_get_option_as_utf8(uri, name, NULL));
}

static stk_status make_uri(struct loader *l, const struct stk_uri *parsed)
{
    struct mg_conf *conf = l->conf;
    char *text = stk_uri_format(parsed, false);
    if (!text)
        return stk_err_nomem(l->in.err);
    bson_error_t e = {0};
    conf->uri = mongoc_uri_new_with_error(text, &e);
    explicit_bzero(text, strlen(text));
    free(text);
    if (!conf->uri)
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           MG_NAME ": " URI_KEY " is not accepted: %.200s. Write "
                                   "mongodb://user:password@host:27017/supertokens",
                           e.message);
    stk_status rc = readable(l, conf->uri, MONGOC_URI_TLSCAFILE);
    if (!rc)
        rc = readable(l, conf->uri, MONGOC_URI_TLSCERTIFICATEKEYFILE);
    if (rc)
        return rc;
    default_int(conf->uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 5000);
    default_int(conf->uri, MONGOC_URI_CONNECTTIMEOUTMS, 5000);
    default_int(conf->uri, MONGOC_URI_SOCKETTIMEOUTMS, 20000);
    if (!mongoc_uri_get_appname(conf->uri))
        mongoc_uri_set_appname(conf->uri, "supertokens");
    strengthen(l, parsed, conf->uri);
    int32_t size = mongoc_uri_get_option_as_int32(conf->uri, MONGOC_URI_MAXPOOLSIZE, -1);
    const char *given = stk_conf_get(&l->in, "mongodb_connection_pool_size");
    int64_t pool = 10;
    if (given &&
        (rc = stk_conf_number(&l->in, "mongodb_connection_pool_size", given, 1, 10000, &pool)))
        return rc;
    conf->pool_size = (uint32_t)(size > 0 ? size : pool);
    mongoc_uri_set_option_as_int32(conf->uri, MONGOC_URI_MAXPOOLSIZE, (int32_t)conf->pool_size);
    return STK_OK;
}

static stk_status load(struct loader *l)
{
    char made[4096];
    const char *text = stk_conf_get(&l->in, URI_KEY);
    if (stk_conf_get(&l->in, "mongodb_collection_names_prefix"))
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           MG_NAME ": mongodb_collection_names_prefix is not supported: "
                                   "collections have fixed names. Give this installation a "
                                   "database of its own with mongodb_database_name instead");
    uri_of_keys(l, made, sizeof made);
    if (!text && !made[0])
        return stk_err_set(l->in.err, STK_E_CONFIG,
                           MG_NAME ": neither " URI_KEY " nor mongodb_host is set. Set " URI_KEY
                                   ": \"mongodb://user:password@host:27017/supertokens\"");
    struct stk_uri *uri = NULL;
    stk_status rc =
        stk_uri_parse(text ? text : made, text ? URI_KEY : "mongodb_host", &uri, l->in.err);
    explicit_bzero(made, sizeof made);
    if (rc)
        return rc;
    if (strcmp(uri->scheme, "mongodb") != 0 && strcmp(uri->scheme, "mongodb+srv") != 0)
        rc = stk_err_set(l->in.err, STK_E_CONFIG,
                         MG_NAME ": " URI_KEY " begins with %.40s://. Write "
                                 "mongodb://user:password@host:27017/supertokens",
                         uri->scheme);
    if (!rc)
        rc = take_hosts(l, uri);
    if (!rc)
        rc = fill(l, uri, text != NULL);
    if (!rc)
        rc = make_uri(l, uri);
    stk_uri_free(uri);
    return rc;
}

stk_status mg_conf_load(const stk_kv *kv, size_t nkv, const stk_host *host, struct mg_conf *conf,
                        stk_err *err)
{
    memset(conf, 0, sizeof *conf);
    struct loader l = {.in = {MG_NAME, URI_KEY, kv, nkv, host, err}, .conf = conf};
    stk_status rc = load(&l);
    if (rc)
        mg_conf_free(conf);
    return rc;
}

void mg_conf_free(struct mg_conf *conf)
{
    if (conf->uri)
        mongoc_uri_destroy(conf->uri);
    free(conf->database);
    memset(conf, 0, sizeof *conf);
}

/* ------------------------------------------------------------------ identity */

stk_status mg_conf_identity(const struct mg_conf *conf, char *data_id, char *pool_id, size_t n,
                            stk_err *err)
{
    int a = snprintf(data_id, n, "mongodb://%s/%s", conf->where, conf->database);
    uint64_t all = stk_conf_hash(STK_CONF_HASH, mongoc_uri_get_string(conf->uri));
    all = stk_conf_hash(stk_conf_hash(all, conf->user), mongoc_uri_get_password(conf->uri));
    int b = snprintf(pool_id, n, "mongodb-pool:%s/%s/%u@%016" PRIx64, conf->where, conf->database,
                     conf->pool_size, all);
    if ((size_t)a >= n || (size_t)b >= n)
        return stk_err_set(err, STK_E_INVALID, MG_NAME ": identity buffers are too small");
    return STK_OK;
}
