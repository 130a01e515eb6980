/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations, verification and creation of the schema.
 *
 * Whatever can be known from the catalogue is asked there first, so that no
 * statement of a normal start fails in the server's log. */
#include "pg.h"

#include <inttypes.h>
#include <stdlib.h>

#define LOCK_WAIT_US 600000000u /* another core may be migrating */
#define SCRIPT_US 86400000000u  /* an index over a large table takes long */
#define CATALOG_US 30000000u

struct job {
    stk_db *db;
    struct pg_conn *conn;
};

/* "a""b" for a"b; malloc'ed. */
static char *quoted(const char *name)
{
    char *out = malloc(strlen(name) * 2 + 3), *p = out;
    if (!out)
        return NULL;
    *p++ = '"';
    for (; *name; name++) {
        if (*name == '"')
            *p++ = '"';
        *p++ = *name;
    }
    *p++ = '"';
    *p = '\0';
    return out;
}

static stk_status job_start(struct job *job, stk_db *db, stk_err *err)
{
    job->db = db;
    void *conn;
    stk_status st = stk_pool_get(db->server.pool, pg_now() + CATALOG_US, &conn, err);
    if (st == STK_OK)
        job->conn = conn;
    return st;
}

/* A connection that is not idle afterwards is not given back to others. */
static void job_end(struct job *job, stk_status st)
{
    bool idle = PQtransactionStatus(job->conn->pg) == PQTRANS_IDLE;
    stk_pool_put(job->db->server.pool, job->conn, !idle || st == STK_E_TIMEOUT);
}

static stk_status run(struct job *job, const char *sql, uint64_t us, stk_err *err)
{
    return pg_script(job->conn, sql, pg_now() + us, err);
}

/* Formats and runs; the schema, quoted, is the only %s. */
static stk_status run_in_schema(struct job *job, const char *before, const char *after, uint64_t us,
                                stk_err *err)
{
    char *schema = quoted(job->db->conf->schema), *sql = NULL;
    stk_status st = STK_E_NOMEM;
    if (!schema || asprintf(&sql, "%s%s%s", before, schema, after) < 0)
        stk_err_nomem(err);
    else
        st = run(job, sql, us, err);
    free(schema);
    free(sql);
    return st;
}

/* ------------------------------------------------------------ the runner's ops */

static stk_status op_exists(void *ud, bool *exists, stk_err *err)
{
    struct job *job = ud;
    const char *const params[] = {job->db->conf->schema, STK_MIGRATE_TABLE};
    PGresult *res = NULL;
    stk_status st = pg_query(job->conn,
                             "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
                             "ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2",
                             2, params, pg_now() + CATALOG_US, &res, err);
    if (st == STK_OK)
        *exists = PQntuples(res) > 0;
    PQclear(res);
    return st;
}

static stk_status op_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    struct job *job = ud;
    char *schema = quoted(job->db->conf->schema), *sql = NULL;
    PGresult *res = NULL;
    stk_status st = STK_E_NOMEM;
    if (!schema || asprintf(&sql,
                            "SELECT version, compat, applied_at, name, sha256 FROM "
                            "%s." STK_MIGRATE_TABLE " ORDER BY version",
                            schema) < 0)
        stk_err_nomem(err);
    else
        st = pg_query(job->conn, sql, 0, NULL, pg_now() + CATALOG_US, &res, err);
    for (int i = 0; st == STK_OK && i < PQntuples(res); i++) {
        struct stk_migrate_row r = {.version = (uint32_t)strtoul(PQgetvalue(res, i, 0), NULL, 10),
                                    .compat = (uint32_t)strtoul(PQgetvalue(res, i, 1), NULL, 10),
                                    .applied_at = strtoll(PQgetvalue(res, i, 2), NULL, 10),
                                    .name = PQgetvalue(res, i, 3),
                                    .sha256 =
                                        PQgetisnull(res, i, 4) ? NULL : PQgetvalue(res, i, 4)};
        st = row(rud, &r);
    }
    PQclear(res);
    free(schema);
    free(sql);
    return st;
}

/* The lock comes before everything else: two cores that meet on an empty
 * database must not both begin to create. */
static stk_status op_begin(void *ud, stk_err *err)
{
    struct job *job = ud;
    stk_status st = run_in_schema(job,
                                  "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT "
                                  "pg_catalog.pg_advisory_xact_lock(" STK_MIGRATE_PG_LOCK_TEXT
                                  "); SET LOCAL search_path = ",
                                  "", LOCK_WAIT_US, err);
    if (st == STK_E_TIMEOUT)
        stk_err_set(err, st,
                    PG_NAME ": another core or a script run by hand holds the migration lock of "
                            "database \"%s\" on %s. See pg_locks for locktype advisory",
                    job->db->conf->server.database, job->conn->server);
    return st;
}

static stk_status op_end(void *ud, bool commit, stk_err *err)
{
    struct job *job = ud;
    return run(job, commit ? "COMMIT" : "ROLLBACK", commit ? SCRIPT_US : PG_ROLLBACK_US, err);
}

/* What an unprivileged user is told, with the statement that helps. */
static stk_status no_privilege(struct job *job, bool schema_exists, stk_err *err)
{
    const char *schema = job->db->conf->schema, *user = PQuser(job->conn->pg);
    if (schema_exists)
        return stk_err_set(err, STK_E_DENIED,
                           PG_NAME ": user \"%s\" may not create tables in schema \"%s\" of "
                                   "database \"%s\" on %s. Let it: GRANT ALL ON SCHEMA \"%s\" TO "
                                   "\"%s\"; (PostgreSQL 15 and newer do not give this right on "
                                   "schema public to everybody)",
                           user, schema, job->db->conf->server.database, job->conn->server, schema,
                           user);
    return stk_err_set(err, STK_E_DENIED,
                       PG_NAME ": schema \"%s\" does not exist in database \"%s\" on %s. Create "
                               "it: CREATE SCHEMA \"%s\" AUTHORIZATION \"%s\";",
                       schema, job->db->conf->server.database, job->conn->server, schema, user);
}

/* Makes sure that tables can be created, by asking and not by failing. */
static stk_status prepare_schema(struct job *job, stk_err *err)
{
    const char *const params[] = {job->db->conf->schema};
    PGresult *res = NULL;
    stk_status st =
        pg_query(job->conn,
                 "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), "
                 "'CREATE'), n.oid IS NOT NULL, coalesce(pg_catalog.has_schema_privilege(n.oid, "
                 "'CREATE') AND pg_catalog.has_schema_privilege(n.oid, 'USAGE'), false) FROM "
                 "(SELECT 1) o LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = $1",
                 1, params, pg_now() + CATALOG_US, &res, err);
    if (st != STK_OK)
        return st;
    bool may_make = PQgetvalue(res, 0, 0)[0] == 't';
    bool exists = PQgetvalue(res, 0, 1)[0] == 't';
    bool may_fill = PQgetvalue(res, 0, 2)[0] == 't';
    PQclear(res);
    if (exists ? !may_fill : !may_make)
        return no_privilege(job, exists, err);
    return exists ? STK_OK : run_in_schema(job, "CREATE SCHEMA ", "", CATALOG_US, err);
}

static stk_status op_script(void *ud, const stk_migration *m, const char *body, size_t len,
                            stk_err *err)
{
    (void)m;
    struct job *job = ud;
    stk_status st = prepare_schema(job, err);
    if (st != STK_OK)
        return st;
    char *text = strndup(body, len);
    if (!text)
        return stk_err_nomem(err);
    st = run(job, text, SCRIPT_US, err);
    free(text);
    if (st == STK_E_DENIED)
        stk_err_set(err, st,
                    PG_NAME ": user \"%s\" lacks a privilege for it. Run the script as the owner "
                            "of the tables, or: GRANT ALL ON SCHEMA \"%s\" TO \"%s\";",
                    PQuser(job->conn->pg), job->db->conf->schema, PQuser(job->conn->pg));
    return st;
}

static stk_status op_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    struct job *job = ud;
    char number[16];
    snprintf(number, sizeof number, "%" PRIu32, version);
    const char *const params[] = {sha256, number};
    char *schema = quoted(job->db->conf->schema), *sql = NULL;
    stk_status st = STK_E_NOMEM;
    if (!schema ||
        asprintf(&sql, "UPDATE %s." STK_MIGRATE_TABLE " SET sha256 = $1 WHERE version = $2",
                 schema) < 0)
        stk_err_nomem(err);
    else
        st = pg_query(job->conn, sql, 2, params, pg_now() + CATALOG_US, NULL, err);
    free(schema);
    free(sql);
    return st;
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
    return (struct stk_migrate){.plugin = PG_NAME,
                                .ops = &ops,
                                .ud = job,
                                .host = pg_core,
                                .manual = "psql -f migration_scripts/postgresql/%s.sql",
                                .scripts = scripts,
                                .nscripts = nscripts,
                                .catalog_version = job->db->server.sql->version};
}

stk_status pg_migration_status(stk_db *db, const stk_migration *scripts, size_t nscripts,
                               void (*emit)(void *ud, const stk_migration_state *), void *ud,
                               stk_err *err)
{
    struct job job = {.db = db};
    struct stk_migrate m = runner(&job, scripts, nscripts);
    return stk_migrate_status(&m, emit, ud, err);
}

stk_status pg_migrate(stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                      uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    struct job job = {.db = db};
    struct stk_migrate m = runner(&job, scripts, nscripts);
    return stk_migrate_run(&m, to, flags, progress, ud, err);
}

/* ----------------------------------------------------------- the real schema */

#define OURS                                                                                       \
    "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind " \
    "IN ('r', 'p') AND (c.relname >= 'st_' AND c.relname < 'st`' OR c.relname IN "                 \
    "(" STK_SQL_JAVA_TABLES_LIST ")) "

static stk_status read_rows(struct job *job, const char *sql, PGresult **res, stk_err *err)
{
    const char *const params[] = {job->db->conf->schema};
    return pg_query(job->conn, sql, 1, params, pg_now() + CATALOG_US, res, err);
}

static stk_status read_real(struct job *job, struct stk_sql_real *real, stk_err *err)
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

stk_status pg_verify(stk_db *db, stk_err *err)
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
        st = stk_sql_verify(db->server.sql, real, STK_SQL_REMEDY(PG_NAME), err);
    if (st == STK_OK)
        stk_sql_warn_of_java_core(real, pg_core, PG_NAME, db->conf->server.database);
    stk_sql_real_free(real);
    return st;
}

static stk_status emit_ddl(void *ud, const char *sql, stk_err *err)
{
    return run(ud, sql, SCRIPT_US, err);
}

/* Runs fn over the tables of a catalogue in one locked transaction. */
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
        if (st == STK_OK)
            st = fn(&job, sql, err);
        stk_status end = op_end(&job, st == STK_OK, st == STK_OK ? err : NULL);
        st = st == STK_OK ? end : st;
        job_end(&job, st);
    }
    stk_sql_close(sql);
    return st;
}

static stk_status create(struct job *job, const struct stk_sql *sql, stk_err *err)
{
    struct stk_sql_real *real = stk_sql_real_new();
    stk_status st = real ? prepare_schema(job, err) : stk_err_nomem(err);
    if (st == STK_OK)
        st = read_real(job, real, err);
    if (st == STK_OK)
        st = stk_sql_ensure(sql, real, emit_ddl, job, err);
    stk_sql_real_free(real);
    return st;
}

static stk_status discard(struct job *job, const struct stk_sql *sql, stk_err *err)
{
    return stk_sql_ddl_drop(sql, emit_ddl, job, err);
}

stk_status pg_ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return change(db, catalog, create, err);
}

stk_status pg_drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (!(db->server.flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID,
                           PG_NAME ": tables are dropped only on a handle opened as scratch");
    return change(db, catalog, discard, err);
}
