/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting: hosts one by one, each with its own time limit, because libpq's
 * non-blocking connect has none; starting with the host that was good last.
 *
 * Nothing is SET on the session and no startup options are sent, so that a
 * transaction pooler may be between. */
#include "pg.h"

#include <poll.h>
#include <stdlib.h>

bool pg_param_known(const char *keyword)
{
    bool known = false;
    PQconninfoOption *all = PQconndefaults();
    for (PQconninfoOption *o = all; o && o->keyword && !known; o++)
        known = strcmp(o->keyword, keyword) == 0;
    PQconninfoFree(all);
    return known;
}

/* ------------------------------------------------------------------ keywords */

struct keywords {
    const char *keys[64], *values[64];
    char port[8];
    int n;
};

static void put(struct keywords *k, const char *key, const char *value)
{
    if (value && k->n < 63) {
        k->keys[k->n] = key;
        k->values[k->n++] = value;
        k->keys[k->n] = k->values[k->n] = NULL;
    }
}

/* Ours come first where the operator may override them: a later one wins. */
static void fill_keywords(const struct pg_conf *conf, const struct stk_server_host *host,
                          enum pg_target target, struct keywords *k)
{
    k->n = 0;
    snprintf(k->port, sizeof k->port, "%u", host->port);
    put(k, "fallback_application_name", "supertokens");
    put(k, "gssencmode", "disable"); /* looking for Kerberos tickets costs milliseconds */
    put(k, "tcp_user_timeout", "10000");
    for (size_t i = 0; i < conf->nparams; i++)
        put(k, conf->params[i].key, conf->params[i].value);
    put(k, "client_encoding", "UTF8");
    if (!conf->raw_host) {
        put(k, "host", host->host);
        put(k, "port", k->port);
    }
    put(k, "user", conf->server.user);
    put(k, "password", conf->server.password);
    put(k, "dbname", conf->server.database);
    if (target != PG_TARGET_ANY)
        put(k, "target_session_attrs", pg_target_text(target));
}

/* --------------------------------------------------------------- one attempt */

static void no_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res; /* libpq's own default writes to stderr */
}

static enum pg_wait poll_connect(PGconn *pg, uint64_t deadline_us)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    for (;;) {
        enum pg_wait w = pg_wait_socket(pg, next == PGRES_POLLING_READING,
                                        next == PGRES_POLLING_WRITING, deadline_us);
        if (w == PG_WAIT_TIMEOUT)
            return w;
        next = PQconnectPoll(pg);
        if (next == PGRES_POLLING_OK)
            return PG_WAIT_READY;
        if (next == PGRES_POLLING_FAILED)
            return PG_WAIT_LOST;
    }
}

/* What a message needs of the settings, without a connection. */
static void place(const struct pg_conf *conf, const char *server, struct pg_place *out)
{
    out->server = server;
    out->user = conf->server.user ? conf->server.user : "(the system user)";
    out->database = conf->server.database;
    out->schema = conf->schema;
}

static stk_status open_host(const struct pg_conf *conf, const struct stk_server_host *host,
                            enum pg_target target, uint64_t deadline_us, PGconn **out, stk_err *err)
{
    struct keywords k;
    char state[6], reason[256];
    fill_keywords(conf, host, target, &k);
    PGconn *pg = PQconnectStartParams(k.keys, k.values, 0);
    if (!pg)
        return stk_err_nomem(err);
    PQsetErrorVerbosity(pg, PQERRORS_VERBOSE); /* puts the SQLSTATE into the message */
    PQsetNoticeReceiver(pg, no_notice, NULL);
    uint64_t start = pg_now();
    uint64_t limit = start + conf->server.connect_us;
    if (limit > deadline_us)
        limit = deadline_us;
    enum pg_wait w = PG_WAIT_LOST;
    if (PQstatus(pg) != CONNECTION_BAD)
        w = poll_connect(pg, limit);
    if (w == PG_WAIT_READY) {
        *out = pg;
        return STK_OK;
    }
    struct pg_place at;
    place(conf, host->name, &at);
    pg_error_reason(PQerrorMessage(pg), state, reason, sizeof reason);
    PQfinish(pg);
    return pg_error_connect(&at, state, reason,
                            w == PG_WAIT_TIMEOUT && limit > start ? limit - start : 0, err);
}

/* ---------------------------------------------------------------- the server */

static struct pg_conn *wrap(struct stk_db *db, PGconn *pg, const struct stk_server_host *host)
{
    struct pg_conn *conn = calloc(1, sizeof *conn);
    if (conn)
        conn->prepared = calloc(db->nbits / 64 + 1, sizeof *conn->prepared);
    if (!conn || !conn->prepared) {
        free(conn);
        PQfinish(pg);
        return NULL;
    }
    conn->pg = pg;
    conn->db = db;
    conn->server = host->name;
    PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
    PQsetnonblocking(pg, 1);
    if (!PQparameterStatus(pg, "crdb_version")) { /* CockroachDB plans by other means */
        conn->plans_every_us = PG_PLANS_US;
        conn->plans_due_us = pg_now() + PG_PLANS_US;
    }
    return conn;
}

/* Asks the server itself what a pooler between may hide: its process id, and
 * whether it takes writes (a pooler repeats what a server said long ago). */
static stk_status ask_server(struct pg_conn *conn, enum pg_target target, uint64_t deadline_us,
                             stk_err *err)
{
    struct stk_db *db = conn->db;
    PGresult *res = NULL;
    stk_status st =
        pg_query(conn, "SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery()", 0,
                 NULL, deadline_us, &res, err);
    if (st != STK_OK)
        return st;
    bool one = PQntuples(res) == 1;
    conn->direct = one && strtoll(PQgetvalue(res, 0, 0), NULL, 10) == PQbackendPID(conn->pg);
    bool standby = one && PQgetvalue(res, 0, 1)[0] == 't';
    PQclear(res);
    if (!conn->direct && db->conf->prepared == PG_PREPARED_AUTO &&
        atomic_exchange(&db->use_prepared, false))
        stk_logf(pg_core, STK_LOG_INFO, PG_NAME,
                 PG_NAME ": %s is a connection pooler, prepared statements are not used",
                 conn->server);
    if (standby && (target == PG_TARGET_READ_WRITE || target == PG_TARGET_PRIMARY)) {
        struct pg_place at;
        pg_place(conn, &at);
        return pg_error_connect(&at, "", "server is in hot standby mode", 0, err);
    }
    return STK_OK;
}

static stk_status check_server(struct pg_conn *conn, enum pg_target target, uint64_t deadline_us,
                               stk_err *err)
{
    int version = PQserverVersion(conn->pg);
    if (version < 110000)
        return stk_err_set(err, STK_E_CONFIG,
                           PG_NAME ": %s runs PostgreSQL %d.%d. Version 11 or newer is needed",
                           conn->server, version / 10000, version / 100 % 100);
    const char *encoding = PQparameterStatus(conn->pg, "server_encoding");
    if (encoding && strcmp(encoding, "UTF8") != 0 && strcmp(encoding, "SQL_ASCII") != 0)
        return stk_err_set(err, STK_E_CONFIG,
                           PG_NAME ": database \"%s\" on %s has encoding %s. Create it with UTF8: "
                                   "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0;",
                           conn->db->conf->server.database, conn->server, encoding);
    if (!PQenterPipelineMode(conn->pg))
        return stk_err_set(err, STK_E_INTERNAL, PG_NAME ": libpq refuses pipeline mode");
    return ask_server(conn, target, deadline_us, err);
}

/* how: an enum pg_target. */
static stk_status connect_host(struct stk_server *s, const struct stk_server_host *host, int how,
                               uint64_t deadline_us, void **out, stk_err *err)
{
    stk_db *db = (stk_db *)s;
    enum pg_target target = (enum pg_target)how;
    PGconn *pg = NULL;
    stk_status st = open_host(db->conf, host, target, deadline_us, &pg, err);
    if (st != STK_OK)
        return st;
    struct pg_conn *conn = wrap(db, pg, host);
    if (!conn)
        return stk_err_nomem(err);
    st = check_server(conn, target, deadline_us, err);
    if (st != STK_OK)
        pg_disconnect(conn);
    else
        *out = conn;
    return st;
}

stk_status pg_connect(struct stk_server *s, uint64_t deadline_us, void **conn, stk_err *err)
{
    const struct pg_conf *conf = ((stk_db *)s)->conf;
    bool prefer = conf->target == PG_TARGET_PREFER_STANDBY;
    if (conf->random_host)
        atomic_store(&s->first_host, (unsigned)(pg_now() / 7 % s->conf->nhosts));
    stk_status st = stk_server_try(s, prefer ? PG_TARGET_STANDBY : conf->target, deadline_us,
                                   connect_host, conn, err);
    if (st == STK_E_UNAVAILABLE && prefer)
        st = stk_server_try(s, PG_TARGET_ANY, deadline_us, connect_host, conn, err);
    return st;
}

void pg_disconnect(void *c)
{
    struct pg_conn *conn = c;
    PQfinish(conn->pg);
    free(conn->prepared);
    free(conn->values);
    free(conn->lengths);
    free(conn->formats);
    free(conn->types);
    free(conn->numbers);
    free(conn);
}

bool pg_reuse(void *c)
{
    struct pg_conn *conn = c;
    conn->reused = true;
    struct pollfd p = {PQsocket(conn->pg), POLLIN, 0};
    if (p.fd < 0 || PQstatus(conn->pg) == CONNECTION_BAD)
        return false;
    if (poll(&p, 1, 0) == 0)
        return true;
    /* Readable while idle: the end of the stream, a farewell, or mere news
     * such as a changed parameter. */
    if (!PQconsumeInput(conn->pg))
        return false;
    return PQstatus(conn->pg) == CONNECTION_OK && poll(&p, 1, 0) == 0;
}

bool pg_ping(struct stk_server *s, void *conn)
{
    enum pg_target target = ((stk_db *)s)->conf->target;
    PGresult *res = NULL;
    if (pg_query(conn, "SELECT pg_catalog.pg_is_in_recovery()", 0, NULL, pg_now() + PG_PING_US,
                 &res, NULL) != STK_OK)
        return false;
    bool standby = PQntuples(res) == 1 && PQgetvalue(res, 0, 0)[0] == 't';
    PQclear(res);
    return !standby || (target != PG_TARGET_READ_WRITE && target != PG_TARGET_PRIMARY);
}

void pg_place(const struct pg_conn *conn, struct pg_place *out)
{
    place(conn->db->conf, conn->server, out);
}
