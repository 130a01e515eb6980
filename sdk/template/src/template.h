/* SPDX-License-Identifier: Apache-2.0 */
/* A whole storage plugin over rows in memory.  What each file does, and what
 * becomes of it when a database of yours takes the place of engine.c:
 *
 *     plugin.c  the vtable, its options, opening and closing   change the options
 *     check.c   refuses what the plugin does not know          keep
 *     exec.c    transactions, batches, locks, deadlines        replace the gate
 *     engine.c  predicates and the six operations              replace
 *     schema.c  ensure, verify, drop, migrations               replace
 *
 * Isolation is the plainest there is: a transaction that may write holds the
 * whole database from its first batch to its end, and whoever else comes waits. */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stk_plugin.h>
#include <stk_sdk.h>

#ifndef PLUGIN_NAME
#define PLUGIN_NAME "template"
#endif

enum { MAX_COLS = 64, MAX_KEYS = 16, MAX_KEY_COLS = 8, MAX_NAME = 64 };
enum { MAX_LIST = 1000, MAX_BATCH = 1000, MAX_HISTORY = 64 };

/* A row never changes once it is in a table; an update puts another in its
 * place.  A table that has grown since has more columns than the row has cells. */
struct row {
    uint32_t n;
    stk_val cells[];
};

struct column {
    char name[MAX_NAME];
    uint8_t type, flags;
};

struct key {
    char name[MAX_NAME];
    uint8_t kind;
    uint16_t ncols, cols[MAX_KEY_COLS]; /* columns of the table, not of the catalogue */
};

struct table {
    char name[MAX_NAME];
    struct column cols[MAX_COLS];
    struct key keys[MAX_KEYS];
    uint16_t ncols, nkeys;
    uint32_t n, cap;
    struct row **rows;
    struct table *next;
};

/* One step of a transaction: row `at` of the table was `before` (NULL: was not
 * there) and became `after` (NULL: is gone).  Undone newest first. */
struct change {
    struct table *table;
    uint32_t at;
    struct row *before, *after;
    struct change *next;
};

/* A script that was applied; what a database keeps in st_schema_version. */
struct history {
    uint32_t version;
    int64_t applied_at;
    char name[MAX_NAME], sha256[65];
};

/* The one database of the process.  Many readers or one writer: not a
 * pthread_rwlock_t, because a transaction may end in another thread than it
 * began in.  lock covers the first line, being a reader or writer the second. */
struct database {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned readers, waiting; /* writers that wait keep new readers out */
    bool writer;

    struct table *tables;
    struct history history[MAX_HISTORY];
    uint32_t nhistory;
};

struct stk_db {
    struct database *d;
    const stk_catalog *catalog;
    uint32_t flags;
    uint64_t wait_us; /* for a call without a deadline */
};

struct stk_txn {
    stk_db *db;
    bool write, inside; /* may write; is the writer */
    struct change *changes;
};

extern const stk_host *host; /* of load() */

/* Elements of the catalogue.  They lie as far apart as the core says, and are
 * never smaller than those of ABI 1.0; to read a member that a later minor
 * added, stk_copy_min() first. */
static inline const stk_table *cat_table(const stk_catalog *c, unsigned i)
{
    return (const stk_table *)stk_at(c->tables, c->table_size, i);
}
static inline const stk_col *cat_col(const stk_catalog *c, const stk_table *t, unsigned i)
{
    return (const stk_col *)stk_at(t->cols, c->col_size, i);
}
static inline const stk_key *cat_key(const stk_catalog *c, const stk_table *t, unsigned i)
{
    return (const stk_key *)stk_at(t->keys, c->key_size, i);
}
static inline const stk_pred *cat_pred(const stk_catalog *c, const stk_query *q, unsigned i)
{
    return (const stk_pred *)stk_at(q->where, c->pred_size, i);
}
static inline const stk_set *cat_set(const stk_catalog *c, const stk_query *q, unsigned i)
{
    return (const stk_set *)stk_at(q->set, c->set_size, i);
}
static inline const stk_order *cat_order(const stk_catalog *c, const stk_query *q, unsigned i)
{
    return (const stk_order *)stk_at(q->order, c->order_size, i);
}

/* check.c */
stk_status check_catalog(const stk_catalog *c, stk_err *err);
stk_status check_call(const stk_catalog *c, const stk_call *call, stk_err *err);

/* exec.c */
stk_status db_enter(stk_db *db, bool write, uint64_t deadline_us, stk_err *err);
void db_leave(stk_db *db, bool write);
stk_status txn_begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err);
stk_status txn_exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err);
stk_status txn_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err);
void txn_rollback(stk_txn *txn);

/* engine.c, as a reader or writer of the database */
stk_status engine_run(stk_db *db, const stk_call *call, stk_arena *arena, struct change **log,
                      stk_err *err);
void engine_undo(struct change **log);
void engine_keep(struct change **log);

/* schema.c */
struct table *schema_find(const struct database *d, const char *name);
uint16_t schema_column(const struct table *t, const char *name);
void schema_free(struct database *d, struct table *t);
stk_status schema_verify(stk_db *db, stk_err *err);
stk_status schema_ensure(stk_db *db, const stk_catalog *catalog, stk_err *err);
stk_status schema_drop(stk_db *db, const stk_catalog *catalog, stk_err *err);
stk_status schema_status(stk_db *db, const stk_migration *scripts, size_t n,
                         void (*emit)(void *, const stk_migration_state *), void *ud, stk_err *err);
stk_status schema_migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err);

#endif
