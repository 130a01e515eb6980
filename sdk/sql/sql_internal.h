/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the SQL kit share: memory of one stk_sql, a growing text,
 * and how each parameter of a query is used. */
#ifndef STK_SQL_INTERNAL_H
#define STK_SQL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "stk_sql.h"

/* How the one place that uses a parameter uses it. */
enum { USE_NONE, USE_WRITE, USE_COMPARE, USE_LIST, USE_PREFIX, USE_LIMIT };

struct sql_use {
    uint8_t role; /* USE_* */
    uint16_t col; /* STK_NONE for USE_LIMIT */
};

struct sql_block {
    struct sql_block *next;
    _Alignas(16) char data[];
};

typedef _Atomic(struct stk_sql_stmt *) sql_slot;

struct stk_sql_impl {
    struct sql_block *blocks;
    struct sql_use **uses; /* uses[query][param] */
    sql_slot *cache;       /* nqueries * STK_SQL_SLOTS */
    uint32_t max_list;
};

/* Text that grows; oom is set instead of failing each call. */
struct sql_text {
    char *p;
    size_t len, cap;
    bool oom;
};

void sql_put(struct sql_text *t, const char *s);
void sql_putf(struct sql_text *t, const char *fmt, ...) STK_PRINTF(2, 3);
/* A column or other identifier, quoted as the dialect does. */
void sql_put_name(struct sql_text *t, int dialect, const char *name);
/* A table, qualified by the schema where there is one. */
void sql_put_table(struct sql_text *t, const struct stk_sql *sql, uint16_t table);
/* The columns of a key, quoted, joined by ", ", each after `prefix`. */
void sql_put_key_cols(struct sql_text *t, const struct stk_sql *sql, const stk_table *table,
                      const stk_key *key, const char *prefix);

/* Zeroed memory that lives as long as sql; NULL: out of memory. */
void *sql_keep(struct stk_sql_impl *impl, size_t n);

/* Checks the copied catalogue and fills impl->uses. */
stk_status sql_check_catalog(struct stk_sql *sql, stk_err *err);

/* Generates one statement, independent of the cache; NULL: out of memory. */
struct stk_sql_stmt *sql_generate(const struct stk_sql *sql, const stk_query *q, uint8_t slot);

/* DDL of one key or of a column added later. */
void sql_put_index(struct sql_text *t, const struct stk_sql *sql, uint16_t table, uint16_t key);
void sql_put_add_column(struct sql_text *t, const struct stk_sql *sql, uint16_t table,
                        uint16_t col);

/* Hands the text to emit and frees it. */
stk_status sql_send(struct sql_text *t, stk_sql_emit emit, void *ud, stk_err *err);

/* True when column c belongs to the primary key. */
bool sql_in_pk(const stk_table *t, uint16_t c);

/* Longest text that may be compared, ordered or indexed, in characters. */
enum { SQL_KEY_TEXT = 512 };

#endif /* STK_SQL_INTERNAL_H */
