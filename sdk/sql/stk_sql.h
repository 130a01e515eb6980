/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_sql.h -- optional kit for plugins over an SQL database: statements from
 * query descriptors, value checks, DDL and schema comparison.  stk_pool.h,
 * stk_migrate.h and stk_uri.h (included here) are its other parts.
 *
 * The kit knows no database library: a driver prepares the text it is given,
 * binds the values it is given, in the order of stmt->binds, and reads columns.
 * A driver's exec() is, per call:
 *
 *     stk_sql_check_call(sql, &call, i, err)        types, sizes, lists, expect
 *     struct stk_sql_piece p = {0};
 *     while (stk_sql_next(sql, &call, &p))          0, 1 or (INSERT) more pieces
 *         stmt = stk_sql_stmt(sql, id, p.slot)      cached for all connections
 *         for b in stmt->binds: stk_sql_value(sql, stmt, &call, &p, b, arena, &v)
 *         run; add up affected, collect rows
 *     stk_sql_expect(&call, err)                    the compare-and-set
 *
 * A call for which stk_sql_next() yields nothing (an empty IN list) needs no
 * statement: its result is the zeroed one.
 *
 * A struct stk_sql is immutable after stk_sql_open() but for its cache of
 * statements, which is thread-safe.
 */
#ifndef STK_SQL_H
#define STK_SQL_H

#include <stdbool.h>

#include "stk_migrate.h"
#include "stk_plugin.h"
#include "stk_pool.h"
#include "stk_sdk.h"
#include "stk_uri.h"

/* NONE: a database without SQL, for the checks, names and comparison only; there is
 * no statement. */
enum { STK_SQL_POSTGRESQL = 1, STK_SQL_SQLITE = 2, STK_SQL_MYSQL = 3, STK_SQL_NONE = 4 };

enum {
    STK_SQL_MAX_ROWS = 256,  /* rows of one INSERT statement */
    STK_SQL_MAX_LIST = 1024, /* longest IN list where lists are placeholders */
    STK_SQL_SLOTS = 11       /* slots of a query: log2 of its rows or of its longest list */
};

/* How a driver's statements are spelt. */
struct stk_sql_dialect {
    int kind;           /* STK_SQL_* */
    const char *plugin; /* begins every error message, e.g. "postgresql" */
    const char *schema; /* PostgreSQL: qualifies every table; NULL: no qualifier */
    uint32_t max_list;  /* longest IN list, 0: STK_SQL_MAX_LIST */
};

struct stk_sql_impl;

/* A catalogue copied into the sizes of this build (so that a newer or older
 * core's strides are met once), checked, with its statements.  Readable:
 * tables[t].cols[c], tables[t].keys[k] and queries[id].where[i] and so on are
 * plain C arrays here. */
struct stk_sql {
    struct stk_sql_dialect dialect; /* strings owned */
    uint32_t version;               /* catalogue version */
    uint16_t ntables, nqueries;
    const stk_table *tables;
    const stk_query *queries;
    struct stk_sql_impl *impl;
};

/* Copies and checks the catalogue and generates every statement (slot 0).
 * STK_E_UNSUPPORTED or STK_E_INVALID names the query that cannot be served:
 * unknown op, predicate or flag, column out of range, IF_ABSENT or UPSERT where
 * the primary key is not the only unique key, keyset arity, parameters not used
 * exactly once, ... */
stk_status stk_sql_open(const stk_catalog *catalog, const struct stk_sql_dialect *dialect,
                        struct stk_sql **out, stk_err *err);
void stk_sql_close(struct stk_sql *sql);

/* -------------------------------------------------------------- statements */

enum {
    STK_BIND_PARAM = 1, /* params[param] of the row p.first + row */
    STK_BIND_ELEM = 2,  /* element `elem` of the list params[param]; the last one repeats */
    STK_BIND_LIST = 3,  /* PostgreSQL: the whole list params[param] as an array */
    STK_BIND_UPPER = 4  /* the exclusive upper bound of the prefix params[param] */
};

struct stk_sql_bind {
    uint8_t kind; /* STK_BIND_* */
    uint8_t type; /* STK_T_* of the value (of the elements for LIST); never NULL or LIST */
    uint16_t col; /* the column it is compared with or written to; STK_NONE for a limit */
    uint16_t param, elem, row;
};

/* One statement.  Placeholders are $1.. (PostgreSQL), ?1.. (SQLite) or ?
 * (MySQL); binds[i] belongs to placeholder number i + 1.  On MySQL a value used
 * twice is bound twice.  Valid until stk_sql_close(). */
struct stk_sql_stmt {
    const char *text; /* NUL-terminated */
    size_t len;
    const struct stk_sql_bind *binds;
    uint16_t nbinds;
    uint16_t query;
    uint16_t ncols; /* SELECT: cells of a row (nout); COUNT: 1; else 0 */
    uint8_t op, slot;
    char name[24]; /* "stk_" and 16 hex digits: a hash of text and query */
};

/* The statement of a query for a slot, made on first use; NULL: out of memory. */
const struct stk_sql_stmt *stk_sql_stmt(const struct stk_sql *sql, uint16_t query, uint8_t slot);

/* The next statement a call needs; zero the struct before the first. */
struct stk_sql_piece {
    uint32_t first, rows; /* INSERT, UPSERT: rows [first, first + rows) of the call */
    uint8_t slot;         /* rows (exactly), or the longest list (rounded up), as log2 */
    uint8_t started;
};

/* Steps to the next piece.  INSERT and UPSERT rows are taken in powers of two
 * (13 = 8 + 4 + 1), an UPSERT is also cut before a row that repeats a primary
 * key.  Anything else is one piece, or none when an IN list is empty. */
bool stk_sql_next(const struct stk_sql *sql, const stk_call *call, struct stk_sql_piece *p);

/* The value of one bind, borrowed from the call or made in the arena.  Its type
 * is b->type, STK_T_NULL, or STK_T_LIST for STK_BIND_LIST. */
void stk_sql_value(const struct stk_sql *sql, const stk_call *call, const struct stk_sql_piece *p,
                   const struct stk_sql_bind *b, stk_arena *arena, stk_val *out);

/* ------------------------------------------------------------------- calls */

/* Checks everything a caller can get wrong before anything is sent: the query
 * id, the flags of expect, types, NULLs, text that is not UTF-8 or holds a NUL
 * (STK_E_INVALID), written values longer than their column (STK_E_TOO_BIG; a
 * longer value that is only compared matches nothing), list lengths, limits.
 * Sets err->call, table and column. */
stk_status stk_sql_check_call(const struct stk_sql *sql, const stk_call *call, uint32_t index,
                              stk_err *err);

/* Checks all calls of a batch and its flags, and sets the results of a batch
 * that is refused.  txn_mode: STK_TXN_*, or -1 without a transaction; a write or
 * a lock in a read-only transaction and a lock outside a transaction are
 * STK_E_INVALID. */
stk_status stk_sql_check_batch(const struct stk_sql *sql, const stk_batch *batch, int txn_mode,
                               stk_err *err);

/* STK_OK, or STK_E_EXPECT when call->result misses call->expect. */
stk_status stk_sql_expect(const struct stk_sql *sql, const stk_call *call, stk_err *err);

/* The first half of every exec(): stk_sql_check_batch(), unless the transaction has failed
 * already, zeroed results, and the expectations of calls that need no statement, so
 * that what cannot come about is told before anything is sent.  txn_mode: as there. */
stk_status stk_sql_accept(const struct stk_sql *sql, const stk_batch *batch, int txn_mode,
                          bool failed, stk_err *err);

/* Zeroes the result of each call, as every attempt at a batch begins. */
void stk_sql_clear_results(const stk_batch *batch);

/* Marks call `index` of the batch as failed with `status` and the later ones
 * STK_E_ABORTED, sets err->call and code, and returns status. */
stk_status stk_sql_fail(const stk_batch *batch, uint32_t index, stk_status status, stk_err *err);

/* True when no call of the batch writes or locks. */
bool stk_sql_read_only(const struct stk_sql *sql, const stk_batch *batch);

/* True for SELECT and COUNT without a lock. */
bool stk_sql_is_read(const stk_query *q);

/* True for what changes rows: all but SELECT and COUNT. */
bool stk_sql_is_write(const stk_query *q);

/* The descriptor of a call of a batch that stk_sql_check_batch() has passed. */
const stk_query *stk_sql_query_of(const struct stk_sql *sql, const stk_batch *batch, uint32_t call);

/* Rows of a result that grow by doubling in the arena. */
struct stk_sql_rows {
    stk_val *cells;
    uint32_t n, cap;
};
/* Room for one more row of ncols cells. */
stk_val *stk_sql_rows_add(struct stk_sql_rows *rows, uint32_t ncols, stk_arena *arena);

/* ---------------------------------------------------------- logical names */

/* The physical name of a key ("st_users_email", "st_users_pkey"; on MySQL the
 * key's own name and "PRIMARY"; without SQL its own name and "_id_"), written to
 * out. */
void stk_sql_key_name(const struct stk_sql *sql, uint16_t table, uint16_t key, char *out, size_t n);

/* Finds a logical table or key by physical name; false: not ours.  table_hint
 * is STK_NONE when the name alone is unique (PostgreSQL). */
bool stk_sql_find_table(const struct stk_sql *sql, const char *name, uint16_t *table);
bool stk_sql_find_key(const struct stk_sql *sql, const char *name, uint16_t table_hint,
                      uint16_t *table, uint16_t *key);

/* Fills err for STK_E_DUPLICATE on a logical key (STK_NONE: not known). */
stk_status stk_sql_duplicate(const struct stk_sql *sql, uint16_t table, uint16_t key, stk_err *err);

/* -------------------------------------------------- schema: DDL and compare */

typedef stk_status (*stk_sql_emit)(void *ud, const char *sql, stk_err *err);

/* Emits CREATE TABLE and CREATE INDEX, each IF NOT EXISTS, for one table. */
stk_status stk_sql_ddl_table(const struct stk_sql *sql, uint16_t table, stk_sql_emit emit, void *ud,
                             stk_err *err);

/* Emits DROP TABLE IF EXISTS for every table of the catalogue. */
stk_status stk_sql_ddl_drop(const struct stk_sql *sql, stk_sql_emit emit, void *ud, stk_err *err);

/* What really exists, as the driver's catalogue queries tell.  Tables that are
 * not in the logical schema may be added too. */
struct stk_sql_real;
struct stk_sql_real *stk_sql_real_new(void);
void stk_sql_real_free(struct stk_sql_real *real);
/* Both return false when out of memory.  cols: the key's columns in order,
 * joined by ','.  kind: STK_KEY_*. */
bool stk_sql_real_column(struct stk_sql_real *real, const char *table, const char *column);
bool stk_sql_real_key(struct stk_sql_real *real, const char *table, int kind, const char *cols);

/* STK_OK, or STK_E_SCHEMA naming the first things missing; remedy is the last
 * sentence of the message. */
stk_status stk_sql_verify(const struct stk_sql *sql, struct stk_sql_real *real, const char *remedy,
                          stk_err *err);
/* A remedy, for the scripts of migration_scripts/NAME: pending, or applied and then somebody
 * dropped what they made. */
#define STK_SQL_REMEDY(name)                                                                       \
    "Run: supertokens migrate. Where it says the same, something was dropped: the scripts of "     \
    "migration_scripts/" name ", run by hand, make missing tables; add a column or key as they "   \
    "have it, or restore a backup"

/* Tables that only the Java core makes (others of its names, such as "apps", are
 * anybody's): as an SQL list for a driver's catalogue query, which tells of them
 * beside our own. */
#define STK_SQL_JAVA_TABLES(NAME, SEP)                                                             \
    NAME(all_auth_recipe_users) SEP NAME(app_id_to_user_id)                                        \
    SEP NAME(emailpassword_users)                                                                  \
    SEP NAME(passwordless_users)                                                                   \
    SEP NAME(session_info)                                                                         \
    SEP NAME(thirdparty_users)
#define STK_SQL_QUOTED(name) "'" #name "'"
#define STK_SQL_JAVA_TABLES_LIST STK_SQL_JAVA_TABLES(STK_SQL_QUOTED, ", ")
/* After stk_sql_verify(): logs a warning that names those that are there. */
void stk_sql_warn_of_java_core(const struct stk_sql_real *real, const stk_host *host,
                               const char *plugin, const char *database);

/* Emits the statements that add what is missing: tables with their keys,
 * columns (NOT NULL ones with a default of 0, '' or false), indexes. */
stk_status stk_sql_ensure(const struct stk_sql *sql, struct stk_sql_real *real, stk_sql_emit emit,
                          void *ud, stk_err *err);

#endif /* STK_SQL_H */
