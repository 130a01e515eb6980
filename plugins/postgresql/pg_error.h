/* SPDX-License-Identifier: Apache-2.0 */
/* From an SQLSTATE to a status and a message.  Free of libpq, so that a unit
 * test can include it. */
#ifndef PG_ERROR_H
#define PG_ERROR_H

#include <stdbool.h>

#include <stk_sql.h>

/* What is kept of an error answer.  message is the primary message, which a
 * server may translate and which may quote values: only shown where the class
 * of the error cannot hold any. */
struct pg_failure {
    char sqlstate[6];
    bool fatal; /* FATAL or PANIC: the connection ends */
    char constraint[64];
    char message[256];
};

/* Where it happened, for messages. */
struct pg_place {
    const char *server; /* "db:5432" */
    const char *user, *database, *schema;
};

/* What is to be done with the connection and the statement cache. */
enum {
    PG_DROP = 1,      /* close the connection */
    PG_UNPREPARE = 2, /* named statements do not work here (a pooler) */
    PG_STALE = 4      /* nothing was applied; a fresh connection may well succeed */
};

/* Fills err (all but err->call) for a failed statement over `table` (STK_NONE:
 * none of ours) and returns its status; flags gets PG_*. */
stk_status pg_error_statement(const struct stk_sql *sql, const struct pg_place *at, uint16_t table,
                              const struct pg_failure *f, unsigned *flags, stk_err *err);

/* The same for an attempt to connect.  sqlstate "" : text is libpq's own, about
 * the network or TLS. */
stk_status pg_error_connect(const struct pg_place *at, const char *sqlstate, const char *text,
                            uint64_t timeout_us, stk_err *err);

/* Cuts libpq's message about a connection attempt down to its reason and finds
 * the SQLSTATE in it (PQERRORS_VERBOSE): "... failed: FATAL:  28P01: text\n". */
void pg_error_reason(const char *message, char sqlstate[6], char *reason, size_t n);

#endif /* PG_ERROR_H */
