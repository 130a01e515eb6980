/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of migrations, and what the server tells of the schema.
 *
 * Whatever can be known from the catalogue is asked there first, so that no
 * statement of a normal start fails in the server's log. */
#include "pg.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOCK_WAIT_US 600000000u /* another core may be migrating */

static const struct pg_conf *conf_of(const struct stk_server_job *job)
{
    return job->db->conf;
}

static struct pg_conn *conn_of(const struct stk_server_job *job)
{
    return job->conn;
}

/* One query; in its text %s is the schema, quoted. */
static stk_status query(const struct stk_server_job *job, const char *format, int nparams,
                        const char *const *params, PGresult **out, stk_err *err)
{
    char sql[400];
    const char *at = strstr(format, "%s");
    if (at)
        snprintf(sql, sizeof sql, "%.*s%s%s", (int)(at - format), format, conf_of(job)->quoted,
                 at + 2);
    return pg_query(job->conn, at ? sql : format, nparams, params, pg_now() + STK_SERVER_CATALOG_US,
                    out, err);
}

/* Statements that may take long. */
static stk_status run(void *ud, const char *sql, stk_err *err)
{
    struct stk_server_job *job = ud;
    return pg_script(job->conn, sql, pg_now() + STK_SERVER_SCRIPT_US, err);
}

/* ------------------------------------------------------------ the runner's ops */

static stk_status op_exists(void *ud, bool *exists, stk_err *err)
{
    struct stk_server_job *job = ud;
    const char *const params[] = {conf_of(job)->schema, STK_MIGRATE_TABLE};
    PGresult *res = NULL;
    stk_status st = query(job,
                          "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                          "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                          2, params, &res, err);
    if (st == STK_OK)
        *exists = PQntuples(res) > 0;
    PQclear(res);
    return st;
}

static stk_status op_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    PGresult *res = NULL;
    stk_status st =
        query(ud, "SELECT " STK_MIGRATE_COLUMNS " FROM %s." STK_MIGRATE_TABLE " ORDER BY version",
              0, NULL, &res, err);
    for (int i = 0; st == STK_OK && i < PQntuples(res); i++) {
        const char *cells[5];
        for (int k = 0; k < 5; k++)
            cells[k] = PQgetisnull(res, i, k) ? NULL : PQgetvalue(res, i, k);
        st = stk_migrate_cells(cells, row, rud);
    }
    PQclear(res);
    return st;
}

/* The lock comes before everything else: two cores that meet on an empty
 * database must not both begin to create. */
static stk_status op_begin(void *ud, stk_err *err)
{
    struct stk_server_job *job = ud;
    char sql[400];
    snprintf(sql, sizeof sql,
             "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT "
             "pg_catalog.pg_advisory_xact_lock(" STK_MIGRATE_PG_LOCK_TEXT
             "); SET LOCAL search_path = %s",
             conf_of(job)->quoted);
    stk_status st = pg_script(job->conn, sql, pg_now() + LOCK_WAIT_US, err);
    if (st == STK_E_TIMEOUT)
        stk_err_set(err, st,
                    PG_NAME ": another core or a script run by hand holds the migration lock of "
                            "database \"%s\" on %s. See pg_locks for locktype advisory",
                    conf_of(job)->server.database, conn_of(job)->server);
    return st;
}

static stk_status op_end(void *ud, bool commit, stk_err *err)
{
    struct stk_server_job *job = ud;
    return commit ? run(job, "COMMIT", err)
                  : pg_script(job->conn, "ROLLBACK", pg_now() + PG_ROLLBACK_US, err);
}

/* What an unprivileged user is told, with the statement that helps. */
static stk_status no_privilege(struct stk_server_job *job, bool schema_exists, stk_err *err)
{
    const char *schema = conf_of(job)->schema, *user = PQuser(conn_of(job)->pg);
    if (schema_exists)
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": user \"%s\" may not create tables in schema \"%s\" of "
                                   "database \"%s\" on %s. Let it: GRANT ALL ON SCHEMA \"%s\" TO "
                                   "\"%s\"; (PostgreSQL 15 and newer do not give this right on "
                                   "schema public to everybody)",
                           user, schema, conf_of(job)->server.database, conn_of(job)->server,
                           schema, user);
    return stk_err_set(err, STK_E_DENIED,
                       PG_NAME ": schema \"%s\" does not exist in database \"%s\" on %s. Create "
                               "it: CREATE SCHEMA \"%s\" AUTHORIZATION \"%s\";",
                       schema, conf_of(job)->server.database, conn_of(job)->server, schema, user);
}

/* Makes sure that tables can be created, by asking and not by failing. */
static stk_status prepare_schema(struct stk_server_job *job, stk_err *err)
{
    const char *const params[] = {conf_of(job)->schema};
    PGresult *res = NULL;
    stk_status st =
        query(job,
              "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), "
              "'CREATE'), n.oid IS NOT NULL, coalesce(pg_catalog.has_schema_privilege(n.oid, "
              "'CREATE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) FROM "
              "(SELECT 1) o LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1",
              1, params, &res, err);
    if (st != STK_OK)
        return st;
    bool may_make = PQgetvalue(res, 0, 0)[0] == 't';
    bool exists = PQgetvalue(res, 0, 1)[0] == 't';
    bool may_fill = PQgetvalue(res, 0, 2)[0] == 't';
    PQclear(res);
    if (exists ? !may_fill : !may_make)
        return no_privilege(job, exists, err);
    return exists ? STK_OK : query(job, "CREATE SCHEMA %s", 0, NULL, NULL, err);
}

static stk_status op_script(void *ud, const stk_migration *m, const char *body, size_t len,
                            stk_err *err)
{
    (void)m;
    struct stk_server_job *job = ud;
    stk_status st = prepare_schema(job, err);
    if (st != STK_OK)
        return st;
    char *text = strndup(body, len);
    if (!text)
        return stk_err_nomem(err);
    st = run(job, text, err);
    free(text);
    if (st == STK_E_DENIED)
        stk_err_set(err, st,
                    PG_NAME ": user \"%s\" lacks a privilege for it. Run the script as the owner "
                            "of the tables, or: GRANT ALL ON SCHEMA \"%s\" TO \"%s\";",
                    PQuser(conn_of(job)->pg), conf_of(job)->schema, PQuser(conn_of(job)->pg));
    return st;
}

static stk_status op_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    struct stk_server_job *job = ud;
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, version);
    const char *const params[] = {sha256, number};
    return query(job, "UPDATE %s." STK_MIGRATE_TABLE " SET sha256 = $1 WHERE version = $2", 2,
                 params, NULL, err);
}

/* ----------------------------------------------------------- the real schema */

#define OURS                                                                                       \
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind " \
    "IN ('r', 'p') AND (c.relname >= 'st_' AND c.relname < 'st`' OR c.relname IN "                 \
    "(" STK_SQL_JAVA_TABLES_LIST ")) "

static stk_status read_rows(struct stk_server_job *job, const char *sql, PGresult **res,
                            stk_err *err)
{
    const char *const params[] = {conf_of(job)->schema};
    return query(job, sql, 1, params, res, err);
}

static stk_status read_real(struct stk_server_job *job, struct stk_sql_real *real, stk_err *err)
{
    PGresult *cols = NULL, *keys = NULL;
    stk_status st = read_rows(job,
                              "SELECT c.relname, a.attname FROM pg_catalog.pg_attribute a JOIN "
                              "pg_catalog.pg_class c ON c.oid = a.attrelid " OURS
                              "AND a.attnum > 0 AND NOT a.attisdropped",
                              &cols, err);
    if (st == STK_OK)
        st = read_rows(job,
                       "SELECT c.relname, CASE WHEN i.indisprimary THEN 1 WHEN i.indisunique THEN "
                       "2 ELSE 3 END, (SELECT pg_catalog.string_agg(a.attname, ',' ORDER BY k.n) "
                       "FROM ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[])) WITH "
                       "ORDINALITY AS k(att, n) JOIN pg_catalog.pg_attribute a ON a.attrelid = "
                       "i.indrelid AND a.attnum = k.att WHERE k.n <= i.indnkeyatts) FROM "
                       "pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = "
                       "i.indrelid " OURS
                       "AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL",
                       &keys, err);
    bool ok = true;
    for (int i = 0; st == STK_OK && ok && i < PQntuples(cols); i++)
        ok = stk_sql_real_column(real, PQgetvalue(cols, i, 0), PQgetvalue(cols, i, 1));
    for (int i = 0; st == STK_OK && ok && i < PQntuples(keys); i++)
        ok = stk_sql_real_key(real, PQgetvalue(keys, i, 0), PQgetvalue(keys, i, 1)[0] - '0',
                              PQgetvalue(keys, i, 2));
    PQclear(cols);
    PQclear(keys);
    return ok ? st : stk_err_nomem(err);
}

const struct stk_server_schema pg_schema = {.migrate = {.exists = op_exists,
                                                        .read = op_read,
                                                        .begin = op_begin,
                                                        .end = op_end,
                                                        .script = op_script,
                                                        .set_sha = op_set_sha},
                                            .manual = "psql -f migration_scripts/postgresql/%s.sql",
                                            .remedy = STK_SQL_REMEDY(PG_NAME),
                                            .read = read_real,
                                            .prepare = prepare_schema,
                                            .ddl = run};
