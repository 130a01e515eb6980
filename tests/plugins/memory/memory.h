/* SPDX-License-Identifier: Apache-2.0 */
/* The in-memory reference plugin: the ABI's text, done in the plainest way, to
 * test the core without a database and other plugins against.
 *
 * A database is a name within the process; its rows outlive its handles.  One
 * writer at a time, which readers wait for: a read-write lock is all there is of
 * isolation, and a list of changed rows all there is of undo.
 *
 * With STK_MEMORY_BUG set it breaks one contract, to prove that it is noticed. */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stk_plugin.h>
#include <stk_sdk.h>

/* A row never changes once it is in a table; an update puts another in its
 * place.  A table that has grown columns since has more than the row. */
struct row {
    uint32_t n;
    stk_val cells[];
};

struct column {
    char name[64];
    uint8_t type, flags;
    uint32_t max_len;
};

enum { MAX_COLS = 64, MAX_KEYS = 16, MAX_LIST = 1000 };

struct key {
    char name[64];
    uint8_t kind;
    uint16_t ncols, cols[MAX_COLS]; /* columns of the table */
};

struct table {
    char name[64];
    struct column cols[MAX_COLS];
    struct key keys[MAX_KEYS];
    uint16_t ncols, nkeys;
    struct row **rows; /* by primary key */
    uint32_t n, cap;
    struct table *next;
};

/* One change of a transaction: before (NULL: none) became after (NULL: gone). */
struct change {
    struct table *table;
    struct row *before, *after;
    struct change *next;
};

struct history {
    uint32_t version;
    int64_t applied_at;
    char name[64], sha256[65];
};

enum { MAX_HISTORY = 64 };

struct database {
    char name[64];
    pthread_rwlock_t lock; /* writer: transactions that write, schema changes */
    struct table *tables;
    struct history history[MAX_HISTORY];
    uint32_t nhistory;
    struct database *next;
};

/* A handle, with its catalogue in this build's sizes. */
struct stk_db {
    struct database *d;
    const stk_catalog *catalog;
    uint32_t flags;
    stk_table *tables;
    stk_query *queries;
    void **kept; /* arrays to free */
    size_t nkept;
};

struct stk_txn {
    stk_db *db;
    bool write, locked;
    struct change *changes; /* newest first */
};

extern const stk_host *memory_host;

/* Whether STK_MEMORY_BUG names this bug: the conformance program must find it. */
bool bug(const char *name);

/* catalog.c: copies and checks the catalogue. */
stk_status catalog_copy(stk_db *db, const stk_catalog *catalog, stk_err *err);
void catalog_free(stk_db *db);
stk_status catalog_check_call(const stk_db *db, const stk_call *call, stk_err *err);

/* schema.c: under the write lock, but verify. */
struct table *schema_find(const struct database *d, const char *name);
stk_status schema_create(struct database *d, const stk_table *t, stk_err *err);
void schema_drop(struct database *d, const char *name);
stk_status schema_verify(const struct database *d, const stk_db *db, stk_err *err);
stk_status memory_migration_status(stk_db *db, const stk_migration *scripts, size_t n,
                                   void (*emit)(void *, const stk_migration_state *), void *ud,
                                   stk_err *err);
stk_status memory_migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err);

/* engine.c */
bool lock_until(struct database *d, bool write, uint64_t deadline_us);
stk_status engine_run(stk_db *db, const stk_call *call, stk_arena *arena, struct change **changes,
                      stk_err *err);
void engine_undo(struct change **changes);
void engine_keep(struct change **changes);
void row_free(struct row *r);

#endif
