/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin as it was written for ABI 1.0.  Never edited once 1.0 is released: it
 * must compile without a warning against every later stk_plugin.h of major 1 and
 * be accepted by every later core.  It stores nothing. */
#include <stk_plugin.h>
#include <string.h>

static const stk_host *host;

static stk_status refuse(stk_err *err)
{
    static const char msg[] = "oneoh: this plugin stores nothing";
    err->code = STK_E_UNAVAILABLE;
    err->native = 0;
    err->sqlstate[0] = '\0';
    err->call = err->table = err->key = err->column = STK_NONE;
    memcpy(err->msg, msg, sizeof(msg));
    return STK_E_UNAVAILABLE;
}

static stk_status load(const stk_host *h, stk_err *err)
{
    (void)err;
    host = h;
    h->log(h->ctx, STK_LOG_DEBUG, "oneoh", "loaded", 6);
    return h->now_us(h->ctx) > 0 && h->time_ms(h->ctx) > 0 ? STK_OK : STK_E_INTERNAL;
}

static void unload(void)
{
}

static stk_status thread_enter(void)
{
    return STK_OK;
}

static void thread_leave(void)
{
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    (void)err;
    if (n < 6)
        return STK_E_INVALID;
    memcpy(data_id, "oneoh", 6);
    memcpy(pool_id, "oneoh", 6);
    return nkv && !kv[0].key ? STK_E_CONFIG : STK_OK;
}

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **db, stk_err *err)
{
    (void)kv;
    (void)nkv;
    (void)flags;
    *db = NULL;
    for (uint16_t i = 0; i < catalog->nqueries; i++) {
        const stk_query *q = catalog->queries[i];
        if (q->id != i || q->op < STK_OP_INSERT || q->op > STK_OP_COUNT)
            return STK_E_UNSUPPORTED;
    }
    return refuse(err);
}

static void close_db(stk_db *db)
{
    (void)db;
}

static uint64_t db_caps(stk_db *db)
{
    (void)db;
    return STK_CAP_TXN;
}

static stk_status migration_status(stk_db *db, const stk_migration *scripts, size_t nscripts,
                                   void (*emit)(void *ud, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    stk_migration_state st;
    (void)db;
    (void)err;
    memset(&st, 0, sizeof(st));
    st.size = sizeof(st);
    for (size_t i = 0; i < nscripts; i++) {
        st.version = scripts[i].version;
        st.state = STK_MIG_PENDING;
        st.compat = 0;
        st.applied_at = 0;
        st.name = scripts[i].name;
        emit(ud, &st);
    }
    return STK_OK;
}

static stk_status migrate(stk_db *db, const stk_migration *scripts, size_t nscripts, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    stk_progress p;
    (void)db;
    (void)to;
    memset(&p, 0, sizeof(p));
    p.size = sizeof(p);
    p.nsteps = (uint32_t)nscripts;
    p.text = flags & STK_MIGRATE_DRY_RUN ? scripts[0].text : NULL;
    if (progress && progress(ud, &p))
        return STK_E_ABORTED;
    return refuse(err);
}

static stk_status verify(stk_db *db, stk_err *err)
{
    (void)db;
    return refuse(err);
}

static stk_status ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    (void)db;
    (void)catalog;
    return refuse(err);
}

static stk_status drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    (void)db;
    (void)catalog;
    return refuse(err);
}

static stk_status begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    (void)db;
    (void)mode;
    (void)deadline_us;
    *txn = NULL;
    return refuse(err);
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    (void)db;
    (void)txn;
    for (uint32_t i = 0; i < batch->ncalls; i++) {
        const stk_call *c =
            (const stk_call *)((const char *)batch->calls + (size_t)i * batch->call_size);
        stk_val *cells = stk_alloc(batch->arena, sizeof(*cells));
        memset(cells, 0, sizeof(*cells));
        cells->type = STK_T_NULL;
        c->result->status = i ? STK_E_ABORTED : STK_E_UNAVAILABLE;
        c->result->cells = cells;
        c->result->nrows = c->result->ncols = 0;
        c->result->affected = 0;
    }
    batch->round_trips++;
    batch->statements += batch->flags & STK_X_COMMIT ? 0 : 1;
    return refuse(err);
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    (void)txn;
    (void)deadline_us;
    return refuse(err);
}

static void rollback(stk_txn *txn)
{
    (void)txn;
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *h, stk_err *err)
{
    (void)db;
    (void)timeout_ms;
    h->pool_size = h->pool_open = h->pool_idle = h->pool_waiters = 0;
    h->rtt_us = h->reconnects = 0;
    memcpy(h->server, "none", 5);
    return refuse(err);
}

static void dump(stk_db *db, void (*emit)(void *ud, const char *key, const char *value), void *ud)
{
    (void)db;
    emit(ud, "library", "none");
}

static const stk_option options[] = {
    {"oneoh_text", NULL, NULL, NULL, "A text", 0, 0, STK_OPT_STR, 0, {0}},
    {"oneoh_number", "oneoh_n", "5", NULL, "A number", 0, 9, STK_OPT_INT, 0, {0}},
    {"oneoh_choice", NULL, "a", "a|b", "A choice", 0, 0, STK_OPT_ENUM, 0, {0}},
    {"oneoh_secret", NULL, NULL, NULL, "A secret", 0, 0, STK_OPT_STR, STK_OPT_SECRET, {0}},
};

static const stk_migration migrations[] = {
    {1, 0, "001_initial_schema", "", 0,
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
};

static const stk_plugin plugin = {
    .magic = STK_MAGIC,
    .size = sizeof(stk_plugin),
    .abi_major = 1,
    .abi_minor = 0,
    .need_minor = 0,
    .thread_model = STK_THREAD_PARALLEL,
    .name = "oneoh",
    .version = "1.0",
    .license = "Apache-2.0",
    .help = "Stores nothing",
    .caps = STK_CAP_TXN,
    .options = options,
    .migrations = migrations,
    .noptions = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(stk_option),
    .nmigrations = 1,
    .migration_size = sizeof(stk_migration),
    .max_in_list = 100,
    .max_batch = 64,
    .load = load,
    .unload = unload,
    .thread_enter = thread_enter,
    .thread_leave = thread_leave,
    .identity = identity,
    .open = open_db,
    .close = close_db,
    .db_caps = db_caps,
    .migration_status = migration_status,
    .migrate = migrate,
    .verify = verify,
    .ensure = ensure,
    .drop = drop,
    .begin = begin,
    .exec = exec,
    .commit = commit,
    .rollback = rollback,
    .health = health,
    .dump = dump,
};

STK_PLUGIN(plugin)
