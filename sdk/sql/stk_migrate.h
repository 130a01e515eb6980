/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_migrate.h -- applies numbered scripts once, over any database.
 *
 * The history is the table st_schema_version:
 *     version INTEGER primary key, name, applied_at BIGINT (ms UTC),
 *     compat INTEGER (lowest catalogue version that may use the schema),
 *     sha256 of the script, NULL until a core has seen it
 * A script creates that table, changes what it changes and records itself, all
 * of it safe to run twice; so running it by hand gives the same as migrate().
 */
#ifndef STK_MIGRATE_H
#define STK_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "stk_plugin.h"

#define STK_MIGRATE_TABLE "st_schema_version"

/* The key of pg_advisory_xact_lock() in every PostgreSQL script, as a number
 * and as text. */
#define STK_MIGRATE_PG_LOCK 7310868735422148
#define STK_MIGRATE_PG_LOCK_TEXT "7310868735422148"

/* One row of the history. */
struct stk_migrate_row {
    uint32_t version, compat;
    int64_t applied_at;
    const char *name, *sha256; /* sha256 NULL: not yet known; both copied by the receiver */
};
typedef stk_status (*stk_migrate_row_fn)(void *ud, const struct stk_migrate_row *row);

/* The columns of the history as stk_migrate_cells() takes them. */
#define STK_MIGRATE_COLUMNS "version, compat, applied_at, name, sha256"
/* Gives row() one row of the history whose cells are texts, sha256 NULL where it is NULL. */
stk_status stk_migrate_cells(const char *const cells[5], stk_migrate_row_fn row, void *rud);

/* What the driver brings.  All of one runner call happen in one thread and on
 * one connection, ud. */
struct stk_migrate_ops {
    /* Whether the history table exists, asked of the catalogue: no statement may
     * fail in the server's log. */
    stk_status (*exists)(void *ud, bool *exists, stk_err *err);
    /* Calls row() for each recorded version in order; the table exists. */
    stk_status (*read)(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err);
    /* Begins a unit that excludes every other migrating core and hand-run
     * script, waiting for it (PostgreSQL: BEGIN, the advisory lock, SET LOCAL
     * search_path; SQLite: BEGIN IMMEDIATE; MySQL: the leased row). */
    stk_status (*begin)(void *ud, stk_err *err);
    /* Ends it: commit, or undo what can be undone. */
    stk_status (*end)(void *ud, bool commit, stk_err *err);
    /* Runs the statements of a script without its frame (BEGIN ... COMMIT). */
    stk_status (*script)(void *ud, const stk_migration *m, const char *body, size_t len,
                         stk_err *err);
    /* Stores the hash of a recorded version. */
    stk_status (*set_sha)(void *ud, uint32_t version, const char *sha256, stk_err *err);
    /* Before all others, e.g. to take a connection, and after them with what came of
     * it.  NULL, both: nothing is to be done. */
    stk_status (*start)(void *ud, stk_err *err);
    void (*stop)(void *ud, stk_status st);
};

struct stk_migrate {
    const char *plugin; /* begins messages: "sqlite" */
    const struct stk_migrate_ops *ops;
    void *ud;
    const stk_host *host;         /* log of hashes filled in; may be NULL */
    const char *manual;           /* how to run a script by hand, one %s for its name, e.g.
                                 "psql -1 -f migration_scripts/postgresql/%s.sql"; may be NULL */
    const char *forget;           /* clears a recorded hash, one %u for the version; NULL: the
                                    SQL statement */
    const stk_migration *scripts; /* stride sizeof(stk_migration) */
    size_t nscripts;
    uint32_t catalog_version; /* what this core knows, compared with compat */
};

/* stk_plugin.migration_status and stk_plugin.migrate over the driver's ops. */
stk_status stk_migrate_status(const struct stk_migrate *m,
                              void (*emit)(void *ud, const stk_migration_state *), void *ud,
                              stk_err *err);
stk_status stk_migrate_run(const struct stk_migrate *m, uint32_t to, uint32_t flags,
                           stk_progress_fn progress, void *ud, stk_err *err);

/* The body of a script: what stands between the line BEGIN...; (with, on
 * PostgreSQL, the lock line that follows) and the last line COMMIT; -- the whole
 * text where there is no frame. */
void stk_migrate_body(const char *text, size_t len, const char **body, size_t *body_len);

#endif /* STK_MIGRATE_H */
