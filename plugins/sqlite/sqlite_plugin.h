/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite plugin: what its files share.
 *
 * One connection writes, and RW transactions queue for it first come, first
 * served; a pool of others reads in WAL mode, where neither waits for the other.
 * So nothing in one process ever meets a lock; only another process does, and
 * it is waited for up to the deadline. */
#ifndef STK_SQLITE_PLUGIN_H
#define STK_SQLITE_PLUGIN_H

#include <sqlite3.h>
#include <stk_driver.h>

/* A connection: its own prepared statements, and the deadline of what runs. */
struct conn {
    struct stk_db *db;
    sqlite3 *s;
    sqlite3_stmt **stmts; /* [query * STK_SQL_SLOTS + slot], prepared on first use */
    sqlite3_stmt *begin, *commit, *rollback;
    uint64_t deadline_us;
    bool writer;
};

struct stk_db {
    const stk_host *host;
    struct stk_sql *sql;
    struct stk_pool *readers, *writer;
    char *path; /* absolute */
    uint32_t flags;
};

/* A transaction; takes its connection with the first exec(). */
struct stk_txn {
    struct stk_db *db;
    struct conn *conn;
    uint64_t deadline_us;
    int mode;
    bool failed;
};

enum {
    SQLITE_WAIT_US = 10 * 1000000,    /* deadline of a call without one */
    SQLITE_MIGRATE_US = 600 * 1000000 /* waiting for another migrating core */
};

/* conn.c */
stk_status conn_open_reader(void *db, uint64_t deadline_us, void **conn, stk_err *err);
stk_status conn_open_writer(void *db, uint64_t deadline_us, void **conn, stk_err *err);
void conn_close(void *db, void *conn);
/* Takes a connection for reading, or the writer, until the deadline (0: the
 * default), and gives it back. */
stk_status conn_get(struct stk_db *db, bool writer, uint64_t deadline_us, struct conn **out,
                    stk_err *err);
void conn_put(struct conn *c);
/* Begins: IMMEDIATE on the writer, a snapshot at the first read on a reader. */
stk_status conn_begin(struct conn *c, stk_err *err);
stk_status conn_commit(struct conn *c, stk_err *err);
void conn_rollback(struct conn *c);
/* Runs statements without parameters. */
stk_status conn_run(struct conn *c, const char *sql, stk_err *err);
/* The prepared statement of a query; NULL with err filled. */
sqlite3_stmt *conn_stmt(struct conn *c, uint16_t query, uint8_t slot, stk_err *err);
/* What a result code means; `what` says what was being done. */
stk_status conn_error(struct conn *c, int code, const char *what, stk_err *err);

/* file.c */
/* The absolute path without links, also of a file that does not exist yet. */
stk_status file_resolve(const char *path, char **out, stk_err *err);
/* Makes missing folders (0700) and the file (0600). */
stk_status file_create(const char *path, stk_err *err);

/* exec.c */
stk_status sqlite_begin(struct stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn,
                        stk_err *err);
stk_status sqlite_exec(struct stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err);
stk_status sqlite_commit(stk_txn *txn, uint64_t deadline_us, stk_err *err);
void sqlite_rollback(stk_txn *txn);

/* schema.c */
stk_status sqlite_migration_status(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                                   void (*emit)(void *ud, const stk_migration_state *), void *ud,
                                   stk_err *err);
stk_status sqlite_migrate(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                          uint32_t to, uint32_t flags, stk_progress_fn progress, void *ud,
                          stk_err *err);
stk_status sqlite_verify(struct stk_db *db, stk_err *err);
stk_status sqlite_ensure(struct stk_db *db, const stk_catalog *catalog, stk_err *err);
stk_status sqlite_drop(struct stk_db *db, const stk_catalog *catalog, stk_err *err);

#endif /* STK_SQLITE_PLUGIN_H */
