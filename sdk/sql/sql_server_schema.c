/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a database server: see stk_server.h. */
#include "stk_sdk.h"
#include "stk_server.h"

static struct stk_server *server_of(const struct stk_server_job *job)
{
    return (struct stk_server *)job->db;
}

static stk_status start(void *ud, stk_err *err)
{
    struct stk_server_job *job = ud;
    const struct stk_server *s = server_of(job);
    return stk_pool_get(s->pool, stk_server_now(s) + STK_SERVER_CATALOG_US, &job->conn, err);
}

/* What a failure left open on the connection is not worth finding out. */
static void stop(void *ud, stk_status st)
{
    struct stk_server_job *job = ud;
    stk_pool_put(server_of(job)->pool, job->conn, st != STK_OK);
}

/* ------------------------------------------------------------------ migrations */

static struct stk_migrate runner(struct stk_server_job *job, struct stk_migrate_ops *ops,
                                 const stk_migration *scripts, size_t nscripts)
{
    const struct stk_server *s = server_of(job);
    *ops = s->ops->schema->migrate;
    ops->start = start;
    ops->stop = stop;
    return (struct stk_migrate){.plugin = s->plugin,
                                .ops = ops,
                                .ud = job,
                                .host = s->host,
                                .manual = s->ops->schema->manual,
                                .scripts = scripts,
                                .nscripts = nscripts,
                                .catalog_version = s->sql->version};
}

stk_status stk_server_migration_status(stk_db *db, const stk_migration *scripts, size_t nscripts,
                                       void (*emit)(void *ud, const stk_migration_state *),
                                       void *ud, stk_err *err)
{
    struct stk_server_job job = {.db = db};
    struct stk_migrate_ops ops;
    struct stk_migrate m = runner(&job, &ops, scripts, nscripts);
    return stk_migrate_status(&m, emit, ud, err);
}

stk_status stk_server_migrate(stk_db *db, const stk_migration *scripts, size_t nscripts,
                              uint32_t to, uint32_t flags, stk_progress_fn progress, void *ud,
                              stk_err *err)
{
    struct stk_server_job job = {.db = db};
    struct stk_migrate_ops ops;
    struct stk_migrate m = runner(&job, &ops, scripts, nscripts);
    return stk_migrate_run(&m, to, flags, progress, ud, err);
}

/* ------------------------------------------------------ verify, ensure, drop */

stk_status stk_server_verify(stk_db *db, stk_err *err)
{
    struct stk_server_job job = {.db = db};
    const struct stk_server *s = server_of(&job);
    const struct stk_server_schema *schema = s->ops->schema;
    struct stk_sql_real *real = stk_sql_real_new();
    if (!real)
        return stk_err_nomem(err);
    stk_status st = start(&job, err);
    if (st == STK_OK) {
        st = schema->read(&job, real, err);
        stop(&job, st);
    }
    if (st == STK_OK)
        st = stk_sql_verify(s->sql, real, schema->remedy, err);
    if (st == STK_OK)
        stk_sql_warn_of_java_core(real, s->host, s->plugin, s->conf->database);
    stk_sql_real_free(real);
    return st;
}

typedef stk_status (*change_fn)(struct stk_server_job *job, const struct stk_sql *sql,
                                stk_err *err);

static stk_status create(struct stk_server_job *job, const struct stk_sql *sql, stk_err *err)
{
    const struct stk_server_schema *schema = server_of(job)->ops->schema;
    struct stk_sql_real *real = stk_sql_real_new();
    stk_status st = real ? STK_OK : stk_err_nomem(err);
    if (st == STK_OK && schema->prepare)
        st = schema->prepare(job, err);
    if (st == STK_OK)
        st = schema->read(job, real, err);
    if (st == STK_OK)
        st = stk_sql_ensure(sql, real, schema->ddl, job, err);
    stk_sql_real_free(real);
    return st;
}

static stk_status discard(struct stk_server_job *job, const struct stk_sql *sql, stk_err *err)
{
    job->dropping = true;
    return stk_sql_ddl_drop(sql, server_of(job)->ops->schema->ddl, job, err);
}

/* Runs fn over the tables of a catalogue under the lock of migrations. */
static stk_status change(stk_db *db, const stk_catalog *catalog, change_fn fn, stk_err *err)
{
    struct stk_server_job job = {.db = db};
    const struct stk_server *s = server_of(&job);
    const struct stk_migrate_ops *ops = &s->ops->schema->migrate;
    struct stk_sql *sql = NULL;
    stk_status st = stk_sql_open(catalog, &s->sql->dialect, &sql, err);
    if (st == STK_OK && (st = start(&job, err)) == STK_OK) {
        st = ops->begin(&job, err);
        if (st == STK_OK && (st = fn(&job, sql, err)) != STK_OK)
            ops->end(&job, false, NULL);
        else if (st == STK_OK)
            st = ops->end(&job, true, err);
        stop(&job, st);
    }
    stk_sql_close(sql);
    return st;
}

stk_status stk_server_ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return change(db, catalog, create, err);
}

stk_status stk_server_drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    const struct stk_server *s = (const struct stk_server *)db;
    if (!(s->flags & STK_OPEN_SCRATCH))
        return stk_err_set(err, STK_E_INVALID,
                           "%s: tables are dropped only on a handle opened as scratch", s->plugin);
    return change(db, catalog, discard, err);
}
