/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: one table for statements, one list of remedies for connecting.
 *
 * A message never shows what the server said about classes 22 and 23, whose
 * texts and details quote the values of the row. */
#include "pg_error.h"

#include <ctype.h>
#include <inttypes.h>

#include "pg_conf.h"

struct rule {
    const char *state; /* five characters, or a class of two */
    stk_status status;
    unsigned flags;
    const char *what;   /* NULL: the server's own words */
    const char *remedy; /* NULL: none but to wait, or it is the core's fault */
};

#define MIGRATE "Run: supertokens migrate"

/* The first match wins. */
static const struct rule rules[] = {
    {"22012", STK_E_EXPECT, 0, "the expected row count was not met", NULL},
    {"22021", STK_E_INVALID, 0, "a text is not valid in the database's encoding", NULL},
    {"22P05", STK_E_INVALID, 0, "a text has no equivalent in the database's encoding", NULL},
    {"22001", STK_E_TOO_BIG, 0, "a value is longer than its column", NULL},
    {"22003", STK_E_INVALID, 0, "a number is out of range", NULL},
    {"22", STK_E_INVALID, 0, "a value was refused", NULL},
    {"23502", STK_E_INVALID, 0, "a NULL was refused", NULL},
    {"23", STK_E_INVALID, 0, "a constraint refused the row", NULL},
    {"25006", STK_E_UNAVAILABLE, PG_DROP | PG_STALE, "the server is read-only",
     "With several hosts, name the writable one by target_session_attrs=read-write"},
    {"25P03", STK_E_UNAVAILABLE, PG_DROP, "the server ended an idle transaction", NULL},
    {"26000", STK_E_RETRY, PG_UNPREPARE | PG_STALE, "a prepared statement is gone", NULL},
    {"42P05", STK_E_RETRY, PG_UNPREPARE | PG_STALE, "a prepared statement exists already", NULL},
    {"0A000", STK_E_RETRY, PG_DROP | PG_STALE, NULL, NULL},
    {"40003", STK_E_UNCERTAIN, PG_DROP, NULL, NULL},
    {"40", STK_E_RETRY, 0, NULL, NULL},
    {"55P03", STK_E_RETRY, 0, "a lock was not available", NULL},
    {"57014", STK_E_TIMEOUT, 0, "the statement was cancelled", NULL},
    {"57P", STK_E_UNAVAILABLE, PG_DROP | PG_STALE, NULL, NULL},
    {"58", STK_E_UNAVAILABLE, 0, NULL, "See the server's log and its disk"},
    {"08", STK_E_UNAVAILABLE, PG_DROP | PG_STALE, NULL, NULL},
    {"53100", STK_E_READ_ONLY, 0, NULL, "Free space on the server's disk"},
    {"53", STK_E_UNAVAILABLE, 0, NULL, "See the server's log for what it is short of"},
    {"54000", STK_E_TOO_BIG, 0, NULL, NULL},
    {"3F000", STK_E_SCHEMA, 0, NULL, MIGRATE},
    {"42P01", STK_E_SCHEMA, 0, NULL, MIGRATE},
    {"42P10", STK_E_SCHEMA, 0, NULL, MIGRATE},
    {"42703", STK_E_SCHEMA, 0, NULL, MIGRATE},
    {"42804", STK_E_SCHEMA, 0, NULL, MIGRATE},
    {"42883", STK_E_SCHEMA, 0, NULL, MIGRATE},
};

static const struct rule *find_rule(const char *state)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strncmp(state, rules[i].state, strlen(rules[i].state)) == 0)
            return &rules[i];
    return NULL;
}

/* An identifier as an operator would type it. */
static const char *ident(const char *name, char *buf, size_t n)
{
    bool plain = islower((unsigned char)name[0]) || name[0] == '_';
    for (const char *s = name; *s && plain; s++)
        plain = islower((unsigned char)*s) || isdigit((unsigned char)*s) || *s == '_';
    if (plain) {
        snprintf(buf, n, "%s", name);
        return buf;
    }
    size_t len = 0;
    buf[len++] = '"';
    for (const char *s = name; *s && len + 4 < n; s++) {
        if (*s == '"')
            buf[len++] = '"';
        buf[len++] = *s;
    }
    buf[len++] = '"';
    buf[len] = '\0';
    return buf;
}

static stk_status denied(const struct pg_place *at, const struct pg_failure *f, stk_err *err)
{
    char user[140], schema[140];
    ident(at->user, user, sizeof user);
    ident(at->schema, schema, sizeof schema);
    return stk_err_set(err, STK_E_DENIED,
                       PG_NAME
                       ": %s (user %s, schema %s on %s). Grant it: GRANT USAGE ON SCHEMA %s "
                       "TO %s; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "
                       "%s TO %s;",
                       f->message[0] ? f->message : "permission denied", user, schema, at->server,
                       schema, user, schema, user);
}

static stk_status duplicate(const struct stk_sql *sql, uint16_t table, const struct pg_failure *f,
                            stk_err *err)
{
    uint16_t t = table, key = STK_NONE;
    if (!sql || !stk_sql_find_key(sql, f->constraint, STK_NONE, &t, &key)) {
        t = table;
        key = STK_NONE;
    }
    return stk_sql_duplicate(sql, t, key, err);
}

stk_status pg_error_statement(const struct stk_sql *sql, const struct pg_place *at, uint16_t table,
                              const struct pg_failure *f, unsigned *flags, stk_err *err)
{
    const char *state = f->sqlstate;
    stk_status st;
    *flags = f->fatal ? PG_DROP : 0;
    const struct rule *r = find_rule(state);
    const char *name = sql && table < sql->ntables ? sql->tables[table].name : NULL;
    if (strcmp(state, "23505") == 0 && sql) {
        st = duplicate(sql, table, f, err);
    } else if (strcmp(state, "42501") == 0) {
        st = denied(at, f, err);
    } else if (r) {
        *flags |= r->flags;
        st = stk_err_set(err, r->status, PG_NAME ": %s%s%s on %s (SQLSTATE %s)%s%s",
                         r->what ? r->what : f->message, name ? ", table " : "", name ? name : "",
                         at->server, state, r->remedy ? ". " : "", r->remedy ? r->remedy : "");
    } else {
        st = stk_err_set(err, f->fatal ? STK_E_UNAVAILABLE : STK_E_INTERNAL,
                         PG_NAME ": %s%s%s on %s (SQLSTATE %s)", f->message, name ? ", table " : "",
                         name ? name : "", at->server, state[0] ? state : "unknown");
    }
    if (err) {
        memcpy(err->sqlstate, state, 6);
        if (err->table == STK_NONE)
            err->table = table;
    }
    return st;
}

/* ---------------------------------------------------------------- connecting */

void pg_error_reason(const char *message, char sqlstate[6], char *reason, size_t n)
{
    sqlstate[0] = '\0';
    const char *text = strstr(message, "failed: ");
    text = text ? text + 8 : message;
    /* SEVERITY:  SSSSS: text, the severity in the server's language */
    for (const char *s = strstr(text, ":  "); s; s = NULL) {
        const char *state = s + 3;
        size_t i = 0;
        while (i < 5 && (isdigit((unsigned char)state[i]) || isupper((unsigned char)state[i])))
            i++;
        if (i == 5 && state[5] == ':') {
            memcpy(sqlstate, state, 5);
            sqlstate[5] = '\0';
            text = state + 6;
        }
    }
    text += strspn(text, " \n\t");
    snprintf(reason, n, "%.*s", (int)strcspn(text, "\n"), text);
}

static stk_status connect_refused(const struct pg_place *at, const char *state, const char *text,
                                  stk_err *err)
{
    char name[140];
    if (strcmp(state, "3D000") == 0)
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME ": database \"%s\" does not exist on %s. Create it: CREATE "
                                   "DATABASE %s;",
                           at->database, at->server, ident(at->database, name, sizeof name));
    if (strcmp(state, "28P01") == 0)
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": %s refuses the password of user \"%s\". Check user and "
                                   "password in postgresql_connection_uri or postgresql_password",
                           at->server, at->user);
    if (strncmp(state, "28", 2) == 0 && strstr(text, "no encryption"))
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME
                           ": %s lets user \"%s\" into database \"%s\" with TLS only, or not "
                           "at all: %s. Add ?sslmode=require to postgresql_connection_uri",
                           at->server, at->user, at->database, text);
    if (strncmp(state, "28", 2) == 0)
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": %s does not let user \"%s\" into database \"%s\": %s. Check "
                                   "the user name, sslmode, and pg_hba.conf on the server",
                           at->server, at->user, at->database, text);
    if (strcmp(state, "42501") == 0)
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": user \"%s\" may not connect to database \"%s\" on %s. Grant "
                                   "it: GRANT CONNECT ON DATABASE %s TO %s;",
                           at->user, at->database, at->server, at->database, at->user);
    if (strcmp(state, "53300") == 0)
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME ": %s has no connection left: %s. Raise max_connections there "
                                   "or lower postgresql_connection_pool_size",
                           at->server, text);
    return stk_err_set(err, STK_E_UNAVAILABLE,
                       PG_NAME ": %s refuses the connection: %s (SQLSTATE %s). Wait until the "
                               "server is ready, or see its log",
                       at->server, text, state);
}

static bool says(const char *text, const char *what)
{
    return strcasestr(text, what) != NULL;
}

static stk_status connect_failed(const struct pg_place *at, const char *text, uint64_t timeout_us,
                                 stk_err *err)
{
    if (timeout_us)
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME ": %s did not answer within %" PRIu64
                                   " ms. Check host and port, "
                                   "and that no firewall is between",
                           at->server, timeout_us / 1000);
    if (says(text, "invalid sslmode value") || says(text, "invalid connection option") ||
        says(text, "invalid value") || says(text, "invalid integer") || says(text, "invalid port"))
        return stk_err_set(err, STK_E_CONFIG, PG_NAME ": %s. Correct postgresql_connection_uri",
                           text);
    if (says(text, "could not translate host name") || says(text, "could not look up"))
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME ": the host name of %s cannot be resolved. Check its spelling "
                                   "and the DNS",
                           at->server);
    if (says(text, "no password supplied"))
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": %s asks for the password of user \"%s\". Set it in "
                                   "postgresql_connection_uri or postgresql_password",
                           at->server, at->user);
    if (says(text, "certificate verify failed"))
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME
                           ": no TLS connection to %s: %s: its certificate has expired, or is not "
                           "signed by sslrootcert. Renew it, or correct sslrootcert in "
                           "postgresql_connection_uri",
                           at->server, text);
    if (says(text, "SSL") || says(text, "certificate") || says(text, "TLS"))
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME
                           ": no TLS connection to %s: %s. Check sslmode and sslrootcert in "
                           "postgresql_connection_uri",
                           at->server, text);
    if (says(text, "read-only") || says(text, "hot standby"))
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           PG_NAME ": %s takes no writes: %s. Start the primary, or name it in "
                                   "the list of hosts",
                           at->server, text);
    return stk_err_set(err, STK_E_UNAVAILABLE,
                       PG_NAME ": cannot connect to %s: %s. Check that PostgreSQL runs there and "
                               "that host and port are right",
                       at->server, text[0] ? text : "the connection was closed");
}

stk_status pg_error_connect(const struct pg_place *at, const char *sqlstate, const char *text,
                            uint64_t timeout_us, stk_err *err)
{
    stk_status st = sqlstate[0] ? connect_refused(at, sqlstate, text, err)
                                : connect_failed(at, text, timeout_us, err);
    if (err)
        memcpy(err->sqlstate, sqlstate, strlen(sqlstate) + 1);
    return st;
}
