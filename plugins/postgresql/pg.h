/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the PostgreSQL plugin share.
 *
 * Connections are always non-blocking and in pipeline mode, which pg_script()
 * leaves for a moment. */
#ifndef PG_H
#define PG_H

#include <pthread.h>
#include <stdatomic.h>

#include <libpq-fe.h>
#include <stk_server.h>

#include "pg_conf.h"
#include "pg_error.h"

/* Type oids, fixed in every PostgreSQL. */
enum {
    PG_OID_BOOL = 16,
    PG_OID_BYTEA = 17,
    PG_OID_INT8 = 20,
    PG_OID_TEXT = 25,
    PG_OID_BOOL_ARRAY = 1000,
    PG_OID_BYTEA_ARRAY = 1001,
    PG_OID_TEXT_ARRAY = 1009,
    PG_OID_INT8_ARRAY = 1016
};

#define PG_GRACE_US 500000u /* a commit past its deadline is waited for this long */
#define PG_ROLLBACK_US 5000000u
#define PG_PING_US 2000000u
#define PG_PLANS_US 500000u /* cached plans are dropped after this, doubled each time */
#define PG_PLANS_MAX_US 600000000u

/* The statement of a query that fails on the server when its count is wrong. */
struct pg_guard {
    char *text;
    char name[24];
};

struct pg_slot {
    _Atomic(struct pg_guard *) guard;
};

struct stk_db {
    struct stk_server server;
    struct pg_conf *conf;
    struct pg_slot *guards; /* by query, made on first use */
    uint32_t nbits;         /* of pg_conn.prepared */
    atomic_bool use_prepared;
};

struct pg_conn {
    PGconn *pg;
    struct stk_db *db;
    uint64_t *prepared; /* one bit a statement: see pg_exec.c */
    bool reused;        /* not opened for who has it now */
    bool direct;        /* known to talk to the server itself, no pooler between */
    const char *server; /* "db:5432" */
    /* When cached plans are dropped next, and how long after that again; 0: never. */
    uint64_t plans_due_us, plans_every_us;
    /* Reused for every statement, see pg_bind.c. */
    const char **values;
    int *lengths, *formats;
    Oid *types;
    int64_t *numbers;
    uint32_t cap;
};

/* The host, kept by load(); NULL before. */
extern const stk_host *pg_core;
static inline uint64_t pg_now(void)
{
    return pg_core->now_us(pg_core->ctx);
}

/* -- pg_connect.c */

/* Of struct stk_server_ops; c: a struct pg_conn. */
stk_status pg_connect(struct stk_server *s, uint64_t deadline_us, void **conn, stk_err *err);
void pg_disconnect(void *c);
bool pg_reuse(void *c);
bool pg_ping(struct stk_server *s, void *conn);
void pg_place(const struct pg_conn *conn, struct pg_place *out);

/* -- pg_wait.c */

enum pg_wait { PG_WAIT_READY, PG_WAIT_TIMEOUT, PG_WAIT_LOST };
/* Waits until the socket is readable (and writable, if out), at most until the
 * deadline. */
enum pg_wait pg_wait_socket(PGconn *pg, bool in, bool out, uint64_t deadline_us);
/* Flushes and reads until a result can be taken without blocking. */
enum pg_wait pg_wait_result(PGconn *pg, uint64_t deadline_us);
/* Asks the server to stop what the connection runs; returns at once. */
void pg_cancel(struct pg_conn *conn);

/* One statement with text parameters and text results.  *out (may be NULL) is the caller's to clear. */
stk_status pg_query(struct pg_conn *conn, const char *sql, int nparams, const char *const *params,
                    uint64_t deadline_us, PGresult **out, stk_err *err);
/* Several statements by the simple protocol. */
stk_status pg_script(struct pg_conn *conn, const char *sql, uint64_t deadline_us, stk_err *err);
/* Reads an error answer. */
void pg_failure_read(const PGresult *res, PGconn *pg, struct pg_failure *out);

/* -- pg_bind.c */

/* Makes room for n parameters. */
bool pg_bind_reserve(struct pg_conn *conn, uint32_t n);
/* Fills parameter i; arrays are built in the arena. */
void pg_bind(struct pg_conn *conn, uint32_t i, const struct stk_sql_bind *b, const stk_val *v,
             stk_arena *arena);
void pg_bind_number(struct pg_conn *conn, uint32_t i, int64_t n);
/* Turns a SELECT's rows into cells; takes the result over. */
void pg_rows(const struct stk_sql *sql, const stk_query *q, PGresult *res, uint32_t nrows,
             stk_arena *arena, stk_result *out);
int64_t pg_cell_i64(const PGresult *res, int row, int col);

/* -- pg_exec.c, of struct stk_server_ops */

stk_status pg_attempt(struct stk_exec *x, stk_err *err);
bool pg_undo(void *conn);

/* -- pg_guard.c */

/* The guarded statement of an UPDATE, DELETE or SELECT; NULL: out of memory. */
const struct pg_guard *pg_guard_get(struct stk_db *db, const struct stk_sql_stmt *stmt);
void pg_guards_free(struct stk_db *db);

/* -- pg_schema.c */

extern const struct stk_server_schema pg_schema;

#endif /* PG_H */
