/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the MySQL plugin share. */
#ifndef MQ_H
#define MQ_H

#include <pthread.h>
#include <stdatomic.h>

#include <mysql.h>
#include <stk_server.h>

#include "mq_conf.h"
#include "mq_error.h"

/* my_bool in MariaDB's library, bool in MySQL's. */
typedef __typeof__(*((MYSQL_BIND *)0)->is_null) mq_bool;

#define MQ_GRACE_US 500000u /* a commit past its deadline is waited for this long */
#define MQ_ROLLBACK_US 5000000u
#define MQ_PING_US 2000000u
#define MQ_CLOSE_US 1000000u

struct stk_db {
    struct stk_server server;
    struct mq_conf *conf;
    atomic_bool plain; /* TLS was preferred, but the server has none */
};

/* A result cell as the library writes it. */
struct mq_cell {
    int64_t n;
    unsigned long len;
    mq_bool null, error;
};

/* A prepared statement of one connection. */
struct mq_stmt {
    MYSQL_STMT *h;
    MYSQL_BIND *out; /* ncols, with their cells */
    struct mq_cell *cells;
};

struct mq_conn {
    MYSQL *my;
    struct stk_db *db;
    const struct stk_server_host *host;
    struct mq_stmt **stmts; /* [query * STK_SQL_SLOTS + slot], prepared on first use */
    bool reused;            /* not opened for who has it now */
    unsigned long id;       /* the server's number of this connection */
    size_t max_packet;
    const char *server; /* "db:3306" */
    /* Reused for every statement. */
    MYSQL_BIND *in;
    int64_t *numbers;
    uint32_t cap;
};

/* The host, kept by load(); NULL before. */
extern const stk_host *mq_core;
static inline uint64_t mq_now(void)
{
    return mq_core->now_us(mq_core->ctx);
}

/* -- mq_query.c */

/* Until mq_limit_end() no call of this thread into the library waits longer than
 * until the deadline; it then fails as if the connection were lost, and
 * mq_expired() is true. */
void mq_limit(uint64_t deadline_us);
void mq_limit_end(void);
/* At the deadline the statement of this connection is to be interrupted, and its
 * answer waited for a moment more: it tells whether it was applied. */
void mq_limit_stop(struct mq_conn *conn);
bool mq_expired(void);
/* Makes a connection that is to be opened, then one that is open, obey. */
void mq_limit_set_up(MYSQL *my, unsigned seconds);
void mq_limit_connected(MYSQL *my);

/* One statement.  *out (may be NULL) is the caller's to free. */
stk_status mq_query(struct mq_conn *conn, const char *sql, uint64_t deadline_us, MYSQL_RES **out,
                    stk_err *err);
/* The library's error of the last text statement. */
void mq_failure_read(MYSQL *my, struct mq_failure *out);
/* Ends what the server still runs for this connection, or its statement only;
 * returns at once. */
void mq_kill(struct mq_conn *conn, bool statement_only);

/* -- mq_tls.c */

/* Once, when the library is there. */
bool mq_tls_load(void);
/* For a connection that is to be opened; plain: TLS is not to be asked for. */
void mq_tls_set_up(MYSQL *my, const struct mq_conf *conf, bool plain);

/* -- mq_connect.c */

/* Of struct stk_server_ops; c: a struct mq_conn. */
stk_status mq_connect(struct stk_server *s, uint64_t deadline_us, void **conn, stk_err *err);
void mq_disconnect(void *c);
bool mq_reuse(void *c);
bool mq_ping(struct stk_server *s, void *conn);
/* A bare one to this host, for mq_kill(); NULL: none. */
MYSQL *mq_connect_bare(const struct mq_conf *conf, const struct stk_server_host *host, bool plain,
                       uint64_t deadline_us);
void mq_place(const struct mq_conn *conn, struct mq_place *out);

/* -- mq_stmt.c */

/* What running one statement came to. */
struct mq_run {
    uint32_t trips;
    bool sent;           /* the statement itself went out */
    struct mq_failure f; /* on failure */
};

/* Runs one piece of a call under the limit set; false: see run->f.  Adds to the
 * result of the call. */
bool mq_stmt_run(struct mq_conn *conn, const stk_call *call, const struct stk_sql_piece *piece,
                 stk_arena *arena, struct mq_run *run);
void mq_stmt_forget(struct mq_conn *conn);

/* -- mq_exec.c, of struct stk_server_ops */

stk_status mq_attempt(struct stk_exec *x, stk_err *err);
bool mq_undo(void *conn);

/* -- mq_schema.c, mq_lease.c */

extern const struct stk_server_schema mq_schema;

/* The leased row that excludes other migrating cores, and what holds it. */
struct mq_lease;
stk_status mq_lease_take(struct mq_conn *conn, struct mq_lease **out, stk_err *err);
/* drop: its table goes too, if it was still held. */
void mq_lease_release(struct mq_conn *conn, struct mq_lease *lease, bool drop);

#endif /* MQ_H */
