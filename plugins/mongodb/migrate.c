/* SPDX-License-Identifier: Apache-2.0 */
/* Migrations.  A script is {"version", "name", "commands": [...]}: commands of
 * the database, run in order, each harmless when it is run again; the last one
 * records the script.  MongoDB has no transaction over them, so a script that
 * was cut off is simply run again from its beginning.  The lock is a lease. */
#include <stdlib.h>

#include "mongodb_plugin.h"

struct run {
    struct stk_db *db;
    struct mg_conn *conn;
    struct mg_lease *lease;
};

static struct mg_op op_of(const struct run *r, stk_err *err)
{
    return mg_op(r->conn, mg_now(r->conn->db) + MG_MIGRATE_US, err);
}

static stk_status mig_exists(void *ud, bool *exists, stk_err *err)
{
    struct mg_op op = op_of(ud, err);
    return mg_exists(&op, STK_MIGRATE_TABLE, exists);
}

struct reader {
    stk_migrate_row_fn row;
    void *ud;
};

static const char *text_of(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : NULL;
}

static stk_status note_version(void *ud, const bson_t *doc)
{
    const struct reader *r = ud;
    struct stk_migrate_row row = {.version = (uint32_t)mg_int(doc, "version"),
                                  .compat = (uint32_t)mg_int(doc, "compat"),
                                  .applied_at = mg_int(doc, "applied_at"),
                                  .name = text_of(doc, "name"),
                                  .sha256 = text_of(doc, "sha256")};
    return r->row(r->ud, &row);
}

static stk_status mig_read(void *ud, stk_migrate_row_fn row, void *rud, stk_err *err)
{
    struct mg_op op = op_of(ud, err);
    struct reader r = {row, rud};
    bson_t all = BSON_INITIALIZER, opts = BSON_INITIALIZER, sort;
    bson_append_document_begin(&opts, "sort", -1, &sort);
    bson_append_int32(&sort, "version", -1, 1);
    bson_append_document_end(&opts, &sort);
    stk_status rc = mg_find(&op, STK_MIGRATE_TABLE, &all, &opts, note_version, &r);
    bson_destroy(&all);
    bson_destroy(&opts);
    return rc;
}

static stk_status mig_begin(void *ud, stk_err *err)
{
    struct run *r = ud;
    struct stk_db *db = r->conn->db;
    char holder[64];
    stk_status rc = mg_lease_take(db, "migrate", mg_now(db) + MG_MIGRATE_US, &r->lease, holder,
                                  sizeof holder, err);
    if (rc == STK_E_TIMEOUT)
        return stk_err_set(err, rc,
                           MG_NAME ": %s has been migrating database %s on %s for ten minutes. "
                                   "Wait for it, or end it",
                           holder, db->conf.database, db->conf.where);
    return rc;
}

static stk_status mig_end(void *ud, bool commit, stk_err *err)
{
    struct run *r = ud;
    (void)commit;
    (void)err;
    if (r->lease)
        mg_lease_free(r->lease);
    r->lease = NULL;
    return STK_OK;
}

/* One command of a script.  Collections that are there are not made again, for
 * no command should fail in the server's log. */
static stk_status run_one(struct run *r, const bson_t *cmd, stk_err *err)
{
    enum { NAMESPACE_EXISTS = 48 };
    struct mg_op op = op_of(r, err);
    const char *created = text_of(cmd, "create");
    bool exists = false;
    if (mg_lease_state(r->lease) != MG_LEASE_GOOD)
        return mg_fail(&op, STK_E_UNAVAILABLE, "the lease of migrations was not renewed in time");
    stk_status rc = created ? mg_exists(&op, created, &exists) : STK_OK;
    if (rc || exists)
        return rc;
    bson_t reply;
    bool write = bson_has_field(cmd, "update");
    rc = mg_command(&op, write ? MG_WRITE : MG_ADMIN, cmd, &reply);
    if (rc && created && mg_int(&reply, "code") == NAMESPACE_EXISTS)
        rc = STK_OK;
    bson_destroy(&reply);
    return rc == STK_E_UNCERTAIN
               ? mg_fail(&op, STK_E_UNAVAILABLE, "the connection was lost. Run the migration again")
               : rc;
}

static stk_status mig_script(void *ud, const stk_migration *m, const char *body, size_t len,
                             stk_err *err)
{
    bson_error_t e = {0};
    bson_t *script = bson_new_from_json((const uint8_t *)body, (ssize_t)len, &e);
    bson_iter_t it, each;
    if (!script || !bson_iter_init_find(&it, script, "commands") || !BSON_ITER_HOLDS_ARRAY(&it) ||
        !bson_iter_recurse(&it, &each)) {
        if (script)
            bson_destroy(script);
        return stk_err_set(err, STK_E_SCHEMA,
                           MG_NAME ": %s.json is no object with a list \"commands\": %.200s",
                           m->name, e.message);
    }
    stk_status rc = STK_OK;
    while (!rc && bson_iter_next(&each)) {
        uint32_t n = 0;
        const uint8_t *data = NULL;
        bson_t cmd;
        if (BSON_ITER_HOLDS_DOCUMENT(&each))
            bson_iter_document(&each, &n, &data);
        if (!data || !bson_init_static(&cmd, data, n))
            rc = stk_err_set(err, STK_E_SCHEMA, MG_NAME ": a command of %s.json is no object",
                             m->name);
        else
            rc = run_one(ud, &cmd, err);
    }
    bson_destroy(script);
    return rc;
}

static stk_status mig_set_sha(void *ud, uint32_t version, const char *sha256, stk_err *err)
{
    struct mg_op op = op_of(ud, err);
    bson_t *cmd = BCON_NEW("update", STK_MIGRATE_TABLE, "updates", "[", "{", "q", "{", "version",
                           BCON_INT64(version), "}", "u", "{", "$set", "{", "sha256",
                           BCON_UTF8(sha256), "}", "}", "}", "]");
    bson_t reply;
    stk_status rc = mg_command(&op, MG_WRITE, cmd, &reply);
    bson_destroy(&reply);
    bson_destroy(cmd);
    return rc;
}

static stk_status mig_start(void *ud, stk_err *err)
{
    struct run *r = ud;
    return mg_conn_get(r->db, 0, &r->conn, err);
}

static void mig_stop(void *ud, stk_status st)
{
    struct run *r = ud;
    (void)st;
    mg_conn_put(r->conn);
}

static const struct stk_migrate_ops mig_ops = {.exists = mig_exists,
                                               .read = mig_read,
                                               .begin = mig_begin,
                                               .end = mig_end,
                                               .script = mig_script,
                                               .set_sha = mig_set_sha,
                                               .start = mig_start,
                                               .stop = mig_stop};

static struct stk_migrate runner(struct run *r, const stk_migration *scripts, size_t n)
{
    struct stk_db *db = r->db;
    return (struct stk_migrate){
        .plugin = MG_NAME,
        .ops = &mig_ops,
        .ud = r,
        .host = db->host,
        .manual = "mongosh URI --eval 'JSON.parse(fs.readFileSync(\"migration_scripts/mongodb/"
                  "%s.json\")).commands.forEach(c => { try { db.runCommand(c) } catch (e) { if "
                  "(e.code != 48) throw e } })'",
        .forget = "db." STK_MIGRATE_TABLE ".updateOne({version: %u}, {$unset: {sha256: true}})",
        .scripts = scripts,
        .nscripts = n,
        .catalog_version = db->sql->version};
}

stk_status mg_migration_status(struct stk_db *db, const stk_migration *scripts, size_t nscripts,
                               void (*emit)(void *ud, const stk_migration_state *), void *ud,
                               stk_err *err)
{
    struct run r = {.db = db};
    struct stk_migrate m = runner(&r, scripts, nscripts);
    return stk_migrate_status(&m, emit, ud, err);
}

stk_status mg_migrate(struct stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                      uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    struct run r = {.db = db};
    struct stk_migrate m = runner(&r, scripts, nscripts);
    return stk_migrate_run(&m, to, flags, progress, ud, err);
}
