/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations, and the real schema against the logical one. */
#include <stdlib.h>

#include "sqlite_plugin.h"

/* ----------------------------------------------------------- small queries */

typedef stk_status (*row_fn)(void *ud, sqlite3_stmt *st);

/* Runs one statement with one optional text parameter and integer. */
static stk_status query(struct conn *c, const char *text, const char *p1, int64_t p2, row_fn row,
                        void *ud, stk_err *err)
{
    sqlite3_stmt *st = NULL;
    stk_status status = STK_OK;
    int rc = sqlite3_prepare_v2(c->s, text, -1, &st, NULL);
    if (rc == SQLITE_OK && p1) {
        sqlite3_bind_text(st, 1, p1, -1, SQLITE_STATIC);
        sqlite3_bind_int64(st, 2, p2);
    }
    while (rc == SQLITE_OK && !status) {
        int step = sqlite3_step(st);
        if (step == SQLITE_DONE)
            break;
        if (step == SQLITE_ROW)
            status = row ? row(ud, st) : STK_OK;
        else
            rc = step;
    }
    if (rc != SQLITE_OK)
        status = conn_error(c, rc, "a query of the schema", err);
    else if (status == STK_E_NOMEM)
        stk_err_nomem(err);
    sqlite3_finalize(st);
    return status;
}

static const char *text_of(sqlite3_stmt *st, int i)
{
    return (const char *)sqlite3_column_text(st, i);
}

/* -------------------------------------------------------------- migrations */

static stk_status note_exists(void *ud, sqlite3_stmt *st)
{
    (void)st;
    *(bool *)ud = true;
    return STK_OK;
}

static stk_status mig_exists(void *ud, bool *exists, stk_err *err)
{
    *exists = false;
    return query(
        ud, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '" STK_MIGRATE_TABLE "'",
        NULL, 0, note_exists, exists, err);
}

struct read {
    stk_migrate_row_fn row;
    void *ud;
};

static stk_status note_version(void *ud, sqlite3_stmt *st)
{
    const struct read *r = ud;
    struct stk_migrate_row row = {.version = (uint32_t)sqlite3_column_int64(st, 0),
                                  .name = text_of(st, 1),
                                  .applied_at = sqlite3_column_int64(st, 2),
                                  .compat = (uint32_t)sqlite3_column_int64(st, 3),
                                  .sha256 = text_of(st, 4)};
    return r->row(r->ud, &row);
}

static stk_status mig_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    struct read r = {.row = row, .ud = rud};
    return query(ud,
                 "SELECT version, name, applied_at, compat, sha256 FROM " STK_MIGRATE_TABLE
                 " ORDER BY version",
                 NULL, 0, note_version, &r, err);
}

static stk_status mig_begin(void *ud, stk_err *err)
{
    return conn_begin(ud, err);
}

static stk_status mig_end(void *ud, bool commit, stk_err *err)
{
    if (commit)
        return conn_commit(ud, err);
    conn_rollback(ud);
    return STK_OK;
}

static stk_status mig_script(void *ud, const stk_migration *m, const char *body, size_t len,
                             stk_err *err)
{
    (void)m;
    char *text = strndup(body, len);
    if (!text)
        return stk_err_nomem(err);
    stk_status rc = conn_run(ud, text, err);
    free(text);
    return rc;
}

static stk_status mig_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    return query(ud, "UPDATE " STK_MIGRATE_TABLE " SET sha256 = ?1 WHERE version = ?2", sha256,
                 version, NULL, NULL, err);
}

static const struct stk_migrate_ops mig_ops = {.exists = mig_exists,
                                               .read = mig_read,
                                               .begin = mig_begin,
                                               .end = mig_end,
                                               .script = mig_script,
                                               .set_sha = mig_set_sha};

static struct stk_migrate runner(struct conn *c, const stk_migration *scripts, size_t n)
{
    return (struct stk_migrate){.plugin = "sqlite",
                                .ops = &mig_ops,
                                .ud = c,
                                .host = c->db->host,
                                .manual = "sqlite3 DATABASE <migration_scripts/sqlite/%s.sql",
                                .scripts = scripts,
                                .nscripts = n,
                                .catalog_version = c->db->sql->version};
}

stk_status sqlite_migration_status(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                                   void (*emit)(void *ud, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    struct conn *c;
    stk_status rc = conn_get(db, false, 0, &c, err);
    if (rc)
        return rc;
    struct stk_migrate m = runner(c, scripts, nscripts);
    rc = stk_migrate_status(&m, emit, ud, err);
    conn_put(c);
    return rc;
}

stk_status sqlite_migrate(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                          uint32_t to, uint32_t flags, stk_progress_fn progress, void *ud,
                          stk_err *err)
{
    struct conn *c;
    uint64_t deadline = db->host->now_us(db->host->ctx) + SQLITE_MIGRATE_US;
    stk_status rc = conn_get(db, true, deadline, &c, err);
    if (rc)
        return rc;
    struct stk_migrate m = runner(c, scripts, nscripts);
    rc = stk_migrate_run(&m, to, flags, progress, ud, err);
    conn_put(c);
    return rc;
}

/* --------------------------------------------------------- the real schema */

static stk_status note_column(void *ud, sqlite3_stmt *st)
{
    return stk_sql_real_column(ud, text_of(st, 0), text_of(st, 1)) ? STK_OK : STK_E_NOMEM;
}

static stk_status note_key(void *ud, sqlite3_stmt *st)
{
    return stk_sql_real_key(ud, text_of(st, 0), sqlite3_column_int(st, 1), text_of(st, 2))
               ? STK_OK
               : STK_E_NOMEM;
}

/* Keys come as table, kind, columns in order; the primary key from the table
 * itself, for it has no index of its own where it is the table. */
static stk_status read_real(struct conn *c, struct stk_sql_real *real, stk_err *err)
{
    stk_status rc = query(c,
                          "SELECT m.name, p.name FROM sqlite_master AS m "
                          "JOIN pragma_table_info(m.name) AS p "
                          "WHERE m.type = 'table' AND substr(m.name, 1, 3) = 'st_'",
                          NULL, 0, note_column, real, err);
    if (!rc)
        rc = query(c,
                   "SELECT name, 1, group_concat(col) FROM "
                   "(SELECT m.name AS name, p.name AS col FROM sqlite_master AS m "
                   "JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' "
                   "AND substr(m.name, 1, 3) = 'st_' AND p.pk > 0 ORDER BY m.name, p.pk) "
                   "GROUP BY name",
                   NULL, 0, note_key, real, err);
    if (!rc)
        rc = query(c,
                   "SELECT name, kind, group_concat(col) FROM "
                   "(SELECT m.name AS name, i.name AS idx, iif(i.\"unique\", 2, 3) AS kind, "
                   "p.name AS col FROM sqlite_master AS m "
                   "JOIN pragma_index_list(m.name) AS i JOIN pragma_index_info(i.name) AS p "
                   "WHERE m.type = 'table' AND substr(m.name, 1, 3) = 'st_' AND i.origin <> 'pk' "
                   "AND i.partial = 0 ORDER BY m.name, i.name, p.seqno) "
                   "GROUP BY name, idx, kind",
                   NULL, 0, note_key, real, err);
    return rc;
}

/* Every statement must compile against the real tables. */
static stk_status check_statements(struct conn *c, stk_err *err)
{
    const struct stk_sql *sql = c->db->sql;
    for (uint16_t i = 0; i < sql->nqueries; i++) {
        if (conn_stmt(c, i, 0, err))
            continue;
        if (err) {
            const stk_err cause = *err;
            stk_err_set(err, STK_E_SCHEMA, "sqlite: query \"%s\" cannot run: %.400s",
                        sql->queries[i].name, cause.msg);
        }
        return STK_E_SCHEMA;
    }
    return STK_OK;
}

stk_status sqlite_verify(struct stk_db *db, stk_err *err)
{
    struct conn *c;
    stk_status rc = conn_get(db, false, 0, &c, err);
    if (rc)
        return rc;
    struct stk_sql_real *real = stk_sql_real_new();
    rc = real ? read_real(c, real, err) : stk_err_nomem(err);
    if (!rc)
        rc = stk_sql_verify(db->sql, real, STK_SQL_REMEDY("sqlite"), err);
    if (!rc)
        rc = check_statements(c, err);
    stk_sql_real_free(real);
    conn_put(c);
    return rc;
}

/* ------------------------------------------------------------ ensure, drop */

static stk_status run_ddl(void *ud, const char *sql, stk_err *err)
{
    return conn_run(ud, sql, err);
}

/* The statements of one change, in one transaction on the writer. */
static stk_status change(struct stk_db *db, const stk_catalog *catalog,
                         stk_status (*fn)(struct conn *, const struct stk_sql *, stk_err *),
                         stk_err *err)
{
    struct stk_sql *sql = NULL;
    struct conn *c = NULL;
    stk_status rc = stk_sql_open(catalog, &db->sql->dialect, &sql, err);
    if (!rc)
        rc = conn_get(db, true, 0, &c, err);
    if (!rc)
        rc = conn_begin(c, err);
    if (!rc)
        rc = fn(c, sql, err);
    if (!rc)
        rc = conn_commit(c, err);
    if (c)
        conn_put(c);
    stk_sql_close(sql);
    return rc;
}

static stk_status do_ensure(struct conn *c, const struct stk_sql *sql, stk_err *err)
{
    struct stk_sql_real *real = stk_sql_real_new();
    stk_status rc = real ? read_real(c, real, err) : stk_err_nomem(err);
    if (!rc)
        rc = stk_sql_ensure(sql, real, run_ddl, c, err);
    stk_sql_real_free(real);
    return rc;
}

/* The history goes with the tables it tells of. */
static stk_status do_drop(struct conn *c, const struct stk_sql *sql, stk_err *err)
{
    stk_status rc = stk_sql_ddl_drop(sql, run_ddl, c, err);
    return rc ? rc : conn_run(c, "DROP TABLE IF EXISTS " STK_MIGRATE_TABLE, err);
}

stk_status sqlite_ensure(struct stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return change(db, catalog, do_ensure, err);
}

stk_status sqlite_drop(struct stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (!(db->flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID,
                           "sqlite: drop of %s refused: it was not opened as a test database",
                           db->path);
    return change(db, catalog, do_drop, err);
}
