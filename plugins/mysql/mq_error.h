/* SPDX-License-Identifier: Apache-2.0 */
/* From an error number of MySQL, MariaDB or their client library to a status and
 * a message.  Free of the client library, so that a unit test can include it. */
#ifndef MQ_ERROR_H
#define MQ_ERROR_H

#include <stdbool.h>

#include <stk_sql.h>

/* What is kept of an error.  message may quote values of a row: it is shown only
 * where the kind of error cannot hold any. */
struct mq_failure {
    unsigned code; /* 2000 to 2999: of the client library */
    char sqlstate[6];
    char message[256];
    char key[70]; /* of a duplicate: the physical key, without its table */
};

/* Where it happened, for messages. */
struct mq_place {
    const char *server; /* "db:3306" */
    const char *user, *database;
};

/* What is to be done with the connection and its statements. */
enum {
    MQ_DROP = 1, /* close the connection */
    MQ_STALE = 2 /* nothing was applied; a fresh connection may well succeed */
};

/* True when the error means that the server's answer will never come. */
bool mq_error_lost(unsigned code);

/* True when an error in answer to COMMIT proves that nothing was applied. */
bool mq_error_undone(unsigned code);

/* Fills f from what the library tells. */
void mq_failure_set(struct mq_failure *f, unsigned code, const char *sqlstate, const char *message);

/* Fills err (all but err->call) for a failed statement over `table` (STK_NONE:
 * none of ours) and returns its status; flags gets MQ_*. */
stk_status mq_error_statement(const struct stk_sql *sql, const struct mq_place *at, uint16_t table,
                              const struct mq_failure *f, unsigned *flags, stk_err *err);

/* The same for an attempt to connect.  timeout_us not 0: no answer within it. */
stk_status mq_error_connect(const struct mq_place *at, const struct mq_failure *f,
                            uint64_t timeout_us, stk_err *err);

#endif /* MQ_ERROR_H */
