/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations, verification and creation of the schema.
 *
 * DDL commits by itself here, so that a script is no unit: its statements are
 * idempotent, its record comes last, and one that broke off is run again. */
#include "mq.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

#define SCRIPT_US 86400000000u /* an index over a large table takes long */
#define CATALOG_US 30000000u

struct job {
    stk_db *db;
    struct mq_conn *conn;
    struct mq_lease *lease;
    bool dropped; /* nothing of ours is to stay */
};

static stk_status job_start(struct job *job, stk_db *db, stk_err *err)
{
    *job = (struct job){.db = db};
    void *conn;
    stk_status st = stk_pool_get(db->server.pool, mq_now() + CATALOG_US, &conn, err);
    if (st == STK_OK)
        job->conn = conn;
    return st;
}

static void job_end(struct job *job, stk_status st)
{
    stk_pool_put(job->db->server.pool, job->conn, st == STK_E_TIMEOUT || st == STK_E_UNAVAILABLE);
}

static stk_status run(struct job *job, const char *sql, uint64_t us, stk_err *err)
{
    return mq_query(job->conn, sql, mq_now() + us, NULL, err);
}

/* ------------------------------------------------------------------ scripts */

/* The end of a quoted text, of a comment, or one byte on. */
static const char *skip_token(const char *p, const char *end)
{
    if (*p == '\'' || *p == '"' || *p == '`') {
        char quote = *p++;
        while (p < end && *p != quote)
            p += *p == '\\' && quote != '`' && p + 1 < end ? 2 : 1;
        return p < end ? p + 1 : end;
    }
    bool dashes = end - p > 2 && p[0] == '-' && p[1] == '-' && isspace((unsigned char)p[2]);
    if (dashes || *p == '#') {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        return nl ? nl + 1 : end;
    }
    if (end - p > 1 && p[0] == '/' && p[1] == '*') {
        const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
        return close ? close + 2 : end;
    }
    return p + 1;
}

static bool is_comment(const char *p)
{
    return *p == '#' || (p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*' && p[2] != '!');
}

/* Runs statement after statement, as the client program mysql does. */
static stk_status op_script(void *ud, const stk_migration *m, const char *body, size_t len,
                            stk_err *err)
{
    (void)m;
    const char *end = body + len;
    const char *p = body;
    stk_status st = STK_OK;
    while (st == STK_OK && p < end) {
        while (p < end && (isspace((unsigned char)*p) || *p == ';'))
            p++;
        if (p < end && is_comment(p)) {
            p = skip_token(p, end);
            continue;
        }
        const char *stop = p;
        while (stop < end && *stop != ';')
            stop = skip_token(stop, end);
        char *sql = stop > p ? strndup(p, (size_t)(stop - p)) : NULL;
        if (sql)
            st = run(ud, sql, SCRIPT_US, err);
        else if (stop > p)
            st = stk_err_nomem(err);
        free(sql);
        p = stop;
    }
    return st;
}

/* ------------------------------------------------------------ the runner's ops */

static stk_status op_exists(void *ud, bool *exists, stk_err *err)
{
    struct job *job = ud;
    MYSQL_RES *res = NULL;
    stk_status st = mq_query(job->conn,
                             "SELECT 1 FROM information_schema.tables WHERE table_schema = "
                             "DATABASE() AND table_name = '" STK_MIGRATE_TABLE "'",
                             mq_now() + CATALOG_US, &res, err);
    if (st == STK_OK) {
        *exists = mysql_num_rows(res) > 0;
        mysql_free_result(res);
    }
    return st;
}

static stk_status op_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    struct job *job = ud;
    MYSQL_RES *res = NULL;
    stk_status st =
        mq_query(job->conn,
                 "SELECT version, compat, applied_at, name, sha256 FROM " STK_MIGRATE_TABLE
                 " ORDER BY version",
                 mq_now() + CATALOG_US, &res, err);
    MYSQL_ROW r;
    while (st == STK_OK && (r = mysql_fetch_row(res))) {
        struct stk_migrate_row out = {.version = (uint32_t)strtoul(r[0], NULL, 10),
                                      .compat = (uint32_t)strtoul(r[1], NULL, 10),
                                      .applied_at = strtoll(r[2], NULL, 10),
                                      .name = r[3],
                                      .sha256 = r[4]};
        st = row(rud, &out);
    }
    if (res)
        mysql_free_result(res);
    return st;
}

static stk_status op_begin(void *ud, stk_err *err)
{
    struct job *job = ud;
    return mq_lease_take(job->conn, &job->lease, err);
}

static stk_status op_end(void *ud, bool commit, stk_err *err)
{
    struct job *job = ud;
    (void)commit;
    (void)err;
    if (job->lease)
        mq_lease_release(job->conn, job->lease, job->dropped);
    job->lease = NULL;
    return STK_OK;
}

static stk_status op_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    char sql[200];
    for (const char *s = sha256; *s; s++)
        if (!isxdigit((unsigned char)*s))
            return stk_err_set(err, STK_E_INVALID, MQ_NAME ": a sha256 is not hexadecimal");
    snprintf(sql, sizeof sql,
             "UPDATE " STK_MIGRATE_TABLE " SET sha256 = '%.64s' WHERE version = %" PRIu32, sha256,
             version);
    return run(ud, sql, CATALOG_US, err);
}

static stk_status op_start(void *ud, stk_err *err)
{
    struct job *job = ud;
    return job_start(job, job->db, err);
}

static void op_stop(void *ud, stk_status st)
{
    job_end(ud, st);
}

static struct stk_migrate runner(struct job *job, const stk_migration *scripts, size_t nscripts)
{
    static const struct stk_migrate_ops ops = {.exists = op_exists,
                                               .read = op_read,
                                               .begin = op_begin,
                                               .end = op_end,
                                               .script = op_script,
                                               .set_sha = op_set_sha,
                                               .start = op_start,
                                               .stop = op_stop};
    return (struct stk_migrate){.plugin = MQ_NAME,
                                .ops = &ops,
                                .ud = job,
                                .host = mq_core,
                                .manual = "source migration_scripts/mysql/%s.sql",
                                .scripts = scripts,
                                .nscripts = nscripts,
                                .catalog_version = job->db->server.sql->version};
}

stk_status mq_migration_status(stk_db *db, const stk_migration *scripts, size_t nscripts,
                               void (*emit)(void *ud, const stk_migration_state *), void *ud,
                               stk_err *err)
{
    struct job job = {.db = db};
    struct stk_migrate m = runner(&job, scripts, nscripts);
    return stk_migrate_status(&m, emit, ud, err);
}

stk_status mq_migrate(stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                      uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    struct job job = {.db = db};
    struct stk_migrate m = runner(&job, scripts, nscripts);
    return stk_migrate_run(&m, to, flags, progress, ud, err);
}

/* ----------------------------------------------------------- the real schema */

#define OURS                                                                                       \
    "table_schema = DATABASE() AND (table_name LIKE 'st\\_%' OR table_name IN "                    \
    "(" STK_SQL_JAVA_TABLES_LIST ")) "

/* Each key of a table as its kind and its columns; a key over a part of a column
 * is none. */
static bool add_keys(struct stk_sql_real *real, MYSQL_RES *res)
{
    char table[80] = "", key[80] = "", cols[768] = "";
    int kind = 0;
    bool ok = true, whole = false;
    for (;;) {
        MYSQL_ROW r = mysql_fetch_row(res);
        bool same = r && strcmp(table, r[0]) == 0 && strcmp(key, r[1]) == 0;
        if (!same) {
            if (kind && whole)
                ok = ok && stk_sql_real_key(real, table, kind, cols);
            if (!r)
                return ok;
            snprintf(table, sizeof table, "%s", r[0]);
            snprintf(key, sizeof key, "%s", r[1]);
            kind = strcmp(key, "PRIMARY") == 0 ? STK_KEY_PRIMARY
                   : strcmp(r[2], "0") == 0    ? STK_KEY_UNIQUE
                                               : STK_KEY_INDEX;
            cols[0] = '\0';
            whole = true;
        }
        size_t len = strlen(cols);
        whole = whole && r[3] && !r[4] && len + strlen(r[3]) + 2 < sizeof cols;
        if (whole)
            snprintf(cols + len, sizeof cols - len, "%s%s", len ? "," : "", r[3]);
    }
}

static stk_status read_real(struct job *job, struct stk_sql_real *real, stk_err *err)
{
    MYSQL_RES *cols = NULL, *keys = NULL;
    stk_status st = mq_query(job->conn,
                             "SELECT table_name, column_name FROM information_schema.columns "
                             "WHERE " OURS,
                             mq_now() + CATALOG_US, &cols, err);
    if (st == STK_OK)
        st = mq_query(job->conn,
                      "SELECT table_name, index_name, non_unique, column_name, sub_part FROM "
                      "information_schema.statistics WHERE " OURS
                      "ORDER BY table_name, index_name, seq_in_index",
                      mq_now() + CATALOG_US, &keys, err);
    bool ok = true;
    MYSQL_ROW r;
    while (st == STK_OK && ok && (r = mysql_fetch_row(cols)))
        ok = stk_sql_real_column(real, r[0], r[1]);
    if (st == STK_OK && ok)
        ok = add_keys(real, keys);
    if (cols)
        mysql_free_result(cols);
    if (keys)
        mysql_free_result(keys);
    return ok ? st : stk_err_nomem(err);
}

stk_status mq_verify(stk_db *db, stk_err *err)
{
    struct job job;
    struct stk_sql_real *real = stk_sql_real_new();
    if (!real)
        return stk_err_nomem(err);
    stk_status st = job_start(&job, db, err);
    if (st == STK_OK) {
        st = read_real(&job, real, err);
        job_end(&job, st);
    }
    if (st == STK_OK)
        st = stk_sql_verify(db->server.sql, real, STK_SQL_REMEDY(MQ_NAME), err);
    if (st == STK_OK)
        stk_sql_warn_of_java_core(real, mq_core, MQ_NAME, db->conf->server.database);
    stk_sql_real_free(real);
    return st;
}

static stk_status emit_ddl(void *ud, const char *sql, stk_err *err)
{
    return run(ud, sql, SCRIPT_US, err);
}

static stk_status create(struct job *job, const struct stk_sql *sql, stk_err *err)
{
    struct stk_sql_real *real = stk_sql_real_new();
    stk_status st = real ? read_real(job, real, err) : stk_err_nomem(err);
    if (st == STK_OK)
        st = stk_sql_ensure(sql, real, emit_ddl, job, err);
    stk_sql_real_free(real);
    return st;
}

static stk_status discard(struct job *job, const struct stk_sql *sql, stk_err *err)
{
    job->dropped = true;
    return stk_sql_ddl_drop(sql, emit_ddl, job, err);
}

/* Runs fn over the tables of a catalogue under the lease. */
static stk_status change(stk_db *db, const stk_catalog *catalog,
                         stk_status (*fn)(struct job *job, const struct stk_sql *sql, stk_err *err),
                         stk_err *err)
{
    struct stk_sql *sql = NULL;
    struct job job;
    stk_status st = stk_sql_open(catalog, &db->server.sql->dialect, &sql, err);
    if (st != STK_OK)
        return st;
    st = job_start(&job, db, err);
    if (st == STK_OK) {
        st = op_begin(&job, err);
        if (st == STK_OK) {
            st = fn(&job, sql, err);
            op_end(&job, st == STK_OK, NULL);
        }
        job_end(&job, st);
    }
    stk_sql_close(sql);
    return st;
}

stk_status mq_ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return change(db, catalog, create, err);
}

stk_status mq_drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (!(db->server.flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID,
                           MQ_NAME ": tables are dropped only on a handle opened as scratch");
    return change(db, catalog, discard, err);
}
