/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: one table for statements, one for connecting.
 *
 * A message of the server is never shown where it quotes the values of a row
 * (duplicates, bad values).  Numbers are written as such: the two libraries do
 * not define the same names. */
#include "mq_error.h"

#include <inttypes.h>
#include <stdlib.h>

#include "mq_conf.h"

struct rule {
    unsigned code;
    stk_status status;
    unsigned flags;
    const char *what;   /* NULL: the server's own words */
    const char *remedy; /* NULL: none but to wait, or it is the core's fault */
};

#define MIGRATE "Run: supertokens migrate"
#define WRITABLE "Name the one that takes writes in the list of hosts, or set read_only = OFF"
#define PACKET "Raise it on the server"
#define DISK "Free space on the server's disk"

static const struct rule rules[] = {
    {1205, STK_E_RETRY, 0, "a lock was not available within innodb_lock_wait_timeout", NULL},
    {1213, STK_E_RETRY, 0, "deadlock or write conflict", NULL},
    {1020, STK_E_RETRY, 0, "a row changed since it was read", NULL},
    {1412, STK_E_RETRY, 0, "a table changed since the transaction began", NULL},
    {3101, STK_E_RETRY, 0, "the group refused the transaction", NULL},
    {3572, STK_E_RETRY, 0, "a lock was not available", NULL},
    {1243, STK_E_RETRY, MQ_STALE, "a prepared statement is gone", NULL},
    {1615, STK_E_RETRY, MQ_STALE, "a prepared statement is out of date", NULL},
    {1290, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server is read-only", WRITABLE},
    {1792, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server is read-only", WRITABLE},
    {1836, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server is read-only", WRITABLE},
    {3100, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the group takes no writes", NULL},
    {1047, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the node is not ready for queries", NULL},
    {1053, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server shuts down", NULL},
    {1077, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server shuts down", NULL},
    {1927, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the connection was killed", NULL},
    {3169, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the connection was killed", NULL},
    {4031, STK_E_UNAVAILABLE, MQ_DROP | MQ_STALE, "the server closed an idle connection", NULL},
    {1040, STK_E_UNAVAILABLE, MQ_DROP, "too many connections",
     "Raise max_connections there or lower mysql_connection_pool_size"},
    {1317, STK_E_TIMEOUT, 0, "the statement was interrupted", NULL},
    {3024, STK_E_TIMEOUT, 0, "the statement ran longer than max_execution_time", NULL},
    {1969, STK_E_TIMEOUT, 0, "the statement ran longer than max_statement_time", NULL},
    {1153, STK_E_TOO_BIG, MQ_DROP, "the statement is larger than max_allowed_packet", PACKET},
    {1301, STK_E_TOO_BIG, 0, "a value is larger than max_allowed_packet", PACKET},
    {1406, STK_E_TOO_BIG, 0, "a value is longer than its column", NULL},
    {1118, STK_E_TOO_BIG, 0, NULL, NULL},
    {1264, STK_E_INVALID, 0, "a number is out of range", NULL},
    {1690, STK_E_INVALID, 0, "a number is out of range", NULL},
    {1366, STK_E_INVALID, 0, "a value was refused", NULL},
    {1292, STK_E_INVALID, 0, "a value was refused", NULL},
    {1300, STK_E_INVALID, 0, "a text is not valid UTF-8", NULL},
    {1048, STK_E_INVALID, 0, "a NULL was refused", NULL},
    {1364, STK_E_INVALID, 0, "a column without a default was left out", NULL},
    {1665, STK_E_CONFIG, 0, "binlog_format is STATEMENT, which cannot log READ COMMITTED",
     "Set it to ROW or MIXED"},
    {1461, STK_E_UNAVAILABLE, MQ_DROP, "max_prepared_stmt_count is reached", PACKET},
    {1021, STK_E_READ_ONLY, 0, "the disk is full", DISK},
    {1114, STK_E_READ_ONLY, 0, "the table or the disk is full", DISK},
    {1028, STK_E_READ_ONLY, 0, "the disk is full", DISK},
    {1026, STK_E_READ_ONLY, 0, "a file cannot be written", DISK},
    {1146, STK_E_SCHEMA, 0, NULL, MIGRATE},
    {1054, STK_E_SCHEMA, 0, NULL, MIGRATE},
    {1136, STK_E_SCHEMA, 0, NULL, MIGRATE},
    {1049, STK_E_SCHEMA, 0, NULL, MIGRATE},
};

bool mq_error_lost(unsigned code)
{
    /* 2006 and 2013 end the connection; 2000, 2012, 2014, 2027 and 2055 leave it
     * in a state nobody knows. */
    return code == 2006 || code == 2013 || code == 2055 || code == 2000 || code == 2012 ||
           code == 2014 || code == 2026 || code == 2027 || code == 2002 || code == 2003;
}

bool mq_error_undone(unsigned code)
{
    return code == 1213 || code == 1205 || code == 1047 || code == 3101 || code == 3100 ||
           code == 1290 || code == 1792 || code == 1836 || code == 1062 || code == 1020;
}

/* The text between the last two quotes: "... for key 'st_users.email'"; older
 * servers leave the table out. */
static void read_key(const char *message, char *out, size_t n)
{
    const char *end = strrchr(message, '\'');
    const char *begin = end;
    while (begin && begin > message && begin[-1] != '\'')
        begin--;
    if (!begin || begin == message)
        return;
    const char *dot = memchr(begin, '.', (size_t)(end - begin));
    begin = dot ? dot + 1 : begin;
    if ((size_t)(end - begin) < n) {
        memcpy(out, begin, (size_t)(end - begin));
        out[end - begin] = '\0';
    }
}

/* What the server says before TLS stands is wrapped by MariaDB's library: "...
 * cannot be verified: 1040 - Too many connections". */
static void read_unverified(unsigned *code, const char **message)
{
    static const char before[] = "cannot be verified: ";
    const char *s = strstr(*message, before);
    if (!s)
        return;
    char *end;
    s += sizeof before - 1;
    unsigned long inner = strtoul(s, &end, 10);
    if (inner >= 1000 && inner < 10000 && strncmp(end, " - ", 3) == 0) {
        *code = (unsigned)inner;
        *message = end + 3;
    }
}

void mq_failure_set(struct mq_failure *f, unsigned code, const char *sqlstate, const char *message)
{
    memset(f, 0, sizeof *f);
    message = message ? message : "";
    read_unverified(&code, &message);
    f->code = code;
    snprintf(f->sqlstate, sizeof f->sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(f->message, sizeof f->message, "%.*s", (int)strcspn(message, "\n"), message);
    if (code == 1062)
        read_key(message, f->key, sizeof f->key);
}

static const struct rule *find_rule(unsigned code)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].code == code)
            return &rules[i];
    return NULL;
}

static bool is_denied(unsigned code)
{
    return code == 1142 || code == 1143 || code == 1044 || code == 1045 || code == 1227 ||
           code == 1370;
}

static stk_status denied(const struct mq_place *at, const struct mq_failure *f, stk_err *err)
{
    return stk_err_set(
        err, STK_E_DENIED,
        MQ_NAME ": %s (on %s). Grant it: GRANT ALL PRIVILEGES ON `%s`.* TO '%s'@'%%';",
        f->message[0] ? f->message : "permission denied", at->server, at->database, at->user);
}

static stk_status duplicate(const struct stk_sql *sql, uint16_t table, const struct mq_failure *f,
                            stk_err *err)
{
    uint16_t t = table, key = STK_NONE;
    if (!stk_sql_find_key(sql, f->key, table, &t, &key)) {
        t = table;
        key = STK_NONE;
    }
    return stk_sql_duplicate(sql, t, key, err);
}

stk_status mq_error_statement(const struct stk_sql *sql, const struct mq_place *at, uint16_t table,
                              const struct mq_failure *f, unsigned *flags, stk_err *err)
{
    *flags = 0;
    const struct rule *r = find_rule(f->code);
    const char *name = sql && table < sql->ntables ? sql->tables[table].name : NULL;
    stk_status st;
    if (mq_error_lost(f->code)) {
        *flags = MQ_DROP | MQ_STALE;
        st = stk_err_set(err, STK_E_UNAVAILABLE, MQ_NAME ": the connection to %s was lost",
                         at->server);
    } else if (f->code == 1062 && sql) {
        st = duplicate(sql, table, f, err);
    } else if (f->code == 2008) {
        st = stk_err_nomem(err);
    } else if (is_denied(f->code)) {
        st = denied(at, f, err);
    } else if (r) {
        *flags = r->flags;
        st = stk_err_set(err, r->status, MQ_NAME ": %s%s%s on %s (error %u)%s%s",
                         r->what ? r->what : f->message, name ? ", table " : "", name ? name : "",
                         at->server, f->code, r->remedy ? ". " : "", r->remedy ? r->remedy : "");
    } else {
        st = stk_err_set(err, STK_E_INTERNAL, MQ_NAME ": %s%s%s on %s (error %u)",
                         f->code == 1062 ? "a key exists already" : f->message,
                         name ? ", table " : "", name ? name : "", at->server, f->code);
    }
    if (err) {
        err->native = (int32_t)f->code;
        memcpy(err->sqlstate, f->sqlstate, sizeof f->sqlstate);
        if (err->table == STK_NONE)
            err->table = table;
    }
    return st;
}

/* ---------------------------------------------------------------- connecting */

static stk_status refused(const struct mq_place *at, const struct mq_failure *f, stk_err *err)
{
    switch (f->code) {
    case 1049:
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           MQ_NAME
                           ": database \"%s\" does not exist on %s. Create it: CREATE "
                           "DATABASE `%s` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;",
                           at->database, at->server, at->database);
    case 1045:
    case 1698:
        return stk_err_set(err, STK_E_DENIED,
                           MQ_NAME ": %s refuses user \"%s\": %s. Check user and password in "
                                   "mysql_connection_uri or mysql_password, from which hosts the "
                                   "user may come, and whether TLS is required (useSSL=true)",
                           at->server, at->user, f->message);
    case 1044: /* in whose eyes there is no such database as well */
        return stk_err_set(
            err, STK_E_DENIED,
            MQ_NAME ": user \"%s\" may not use database \"%s\" on %s, or there is "
                    "none. Run: CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4 "
                    "COLLATE utf8mb4_unicode_ci; GRANT ALL PRIVILEGES ON `%s`.* TO "
                    "'%s'@'%%';",
            at->user, at->database, at->server, at->database, at->database, at->user);
    case 1130:
        return stk_err_set(err, STK_E_DENIED,
                           MQ_NAME ": %s lets nobody in from this machine: %s. Create the user "
                                   "for it: CREATE USER '%s'@'%%' IDENTIFIED BY '...';",
                           at->server, f->message, at->user);
    case 1820:
    case 1862:
        return stk_err_set(err, STK_E_DENIED,
                           MQ_NAME ": the password of user \"%s\" on %s has expired. Set a new one",
                           at->user, at->server);
    case 1040:
    case 1203:
    case 1226:
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           MQ_NAME ": %s has no connection left: %s. Raise max_connections there "
                                   "or lower mysql_connection_pool_size",
                           at->server, f->message);
    case 1129:
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           MQ_NAME ": %s has blocked this machine after failed attempts. Unblock "
                                   "it there: mysqladmin flush-hosts",
                           at->server);
    case 3159:
    case 4053: /* MariaDB, require_secure_transport */
        return stk_err_set(err, STK_E_DENIED,
                           MQ_NAME ": %s takes connections with TLS only. Add useSSL=true to "
                                   "mysql_connection_uri",
                           at->server);
    case 1251:
    case 2049:
    case 2058:
    case 2059:
    case 2061:
        return stk_err_set(err, STK_E_DENIED,
                           MQ_NAME ": %s wants a way of authentication that the client library "
                                   "cannot serve: %s. Change the plugin of user \"%s\", use TLS, "
                                   "or install the library's plugins",
                           at->server, f->message, at->user);
    default:
        return stk_err_set(err, STK_E_UNAVAILABLE,
                           MQ_NAME ": %s refuses the connection: %s (error %u). Wait until the "
                                   "server is ready, or see its log",
                           at->server, f->message, f->code);
    }
}

stk_status mq_error_connect(const struct mq_place *at, const struct mq_failure *f,
                            uint64_t timeout_us, stk_err *err)
{
    stk_status st;
    if (timeout_us)
        st = stk_err_set(err, STK_E_UNAVAILABLE,
                         MQ_NAME ": %s did not answer within %" PRIu64
                                 " ms. Check host and port, and that no firewall is between",
                         at->server, timeout_us / 1000);
    else if (f->code == 2026)
        st = stk_err_set(err, STK_E_UNAVAILABLE,
                         MQ_NAME ": no TLS connection to %s: %s. Check useSSL, sslMode and "
                                 "serverSslCert in mysql_connection_uri",
                         at->server, f->message);
    else if (f->code == 2005)
        st = stk_err_set(err, STK_E_UNAVAILABLE,
                         MQ_NAME ": the host name of %s cannot be resolved. Check its spelling and "
                                 "the DNS",
                         at->server);
    else if (f->code == 2002 || f->code == 2003 || f->code == 2006 || f->code == 2012 ||
             f->code == 2013)
        st = stk_err_set(err, STK_E_UNAVAILABLE,
                         MQ_NAME ": cannot connect to %s: %s. Check that the server runs there and "
                                 "that host and port are right",
                         at->server, f->message);
    else
        st = refused(at, f, err);
    if (err) {
        err->native = (int32_t)f->code;
        memcpy(err->sqlstate, f->sqlstate, sizeof f->sqlstate);
    }
    return st;
}
