/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of migrations, and what the server tells of the schema.
 *
 * DDL commits by itself here, so that a script is no unit: its statements are
 * idempotent, its record comes last, and one that broke off is run again. */
#include "mq.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

static stk_status query(const struct stk_server_job *job, const char *sql, MYSQL_RES **out,
                        stk_err *err)
{
    return mq_query(job->conn, sql, mq_now() + STK_SERVER_CATALOG_US, out, err);
}

/* A statement that may take long. */
static stk_status run(void *ud, const char *sql, stk_err *err)
{
    struct stk_server_job *job = ud;
    return mq_query(job->conn, sql, mq_now() + STK_SERVER_SCRIPT_US, NULL, err);
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
            st = run(ud, sql, err);
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
    MYSQL_RES *res = NULL;
    stk_status st = query(ud,
                          "SELECT 1 FROM information_schema.tables WHERE table_schema = "
                          "DATABASE() AND table_name = '" STK_MIGRATE_TABLE "'",
                          &res, err);
    if (st == STK_OK) {
        *exists = mysql_num_rows(res) > 0;
        mysql_free_result(res);
    }
    return st;
}

static stk_status op_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    MYSQL_RES *res = NULL;
    stk_status st =
        query(ud, "SELECT " STK_MIGRATE_COLUMNS " FROM " STK_MIGRATE_TABLE " ORDER BY version",
              &res, err);
    MYSQL_ROW r;
    while (st == STK_OK && (r = mysql_fetch_row(res))) {
        const char *const cells[] = {r[0], r[1], r[2], r[3], r[4]};
        st = stk_migrate_cells(cells, row, rud);
    }
    if (res)
        mysql_free_result(res);
    return st;
}

static stk_status op_begin(void *ud, stk_err *err)
{
    struct stk_server_job *job = ud;
    struct mq_lease *lease = NULL;
    stk_status st = mq_lease_take(job->conn, &lease, err);
    job->lock = lease;
    return st;
}

static stk_status op_end(void *ud, bool commit, stk_err *err)
{
    struct stk_server_job *job = ud;
    (void)commit;
    (void)err;
    mq_lease_release(job->conn, job->lock, job->dropping);
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
    return query(ud, sql, NULL, err);
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

static stk_status read_real(struct stk_server_job *job, struct stk_sql_real *real, stk_err *err)
{
    MYSQL_RES *cols = NULL, *keys = NULL;
    stk_status st = query(job,
                          "SELECT table_name, column_name FROM information_schema.columns "
                          "WHERE " OURS,
                          &cols, err);
    if (st == STK_OK)
        st = query(job,
                   "SELECT table_name, index_name, non_unique, column_name, sub_part FROM "
                   "information_schema.statistics WHERE " OURS
                   "ORDER BY table_name, index_name, seq_in_index",
                   &keys, err);
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

const struct stk_server_schema mq_schema = {.migrate = {.exists = op_exists,
                                                        .read = op_read,
                                                        .begin = op_begin,
                                                        .end = op_end,
                                                        .script = op_script,
                                                        .set_sha = op_set_sha},
                                            .manual = "source migration_scripts/mysql/%s.sql",
                                            .remedy = STK_SQL_REMEDY(MQ_NAME),
                                            .read = read_real,
                                            .ddl = run};
