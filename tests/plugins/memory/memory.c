/* SPDX-License-Identifier: Apache-2.0 */
/* The callbacks; see memory.h.  MEMORY_NAME and STK_NMIGRATIONS are set by the
 * build: "memory" has no scripts, "memorym" has those of migrations/. */
#include "memory.h"

#include <stdlib.h>
#include <stk_migrations.h>
#include <unistd.h>

const stk_host *memory_host;

/* databases.lock covers the list; a database is never freed. */
static struct {
    pthread_mutex_t lock;
    struct database *list;
} databases = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const stk_option options[] = {
    {.key = MEMORY_NAME "_name",
     .dflt = "main",
     .help = "Name of the database within the process",
     .type = STK_OPT_STR},
    {.key = MEMORY_NAME "_password",
     .help = "Asks for no other",
     .type = STK_OPT_STR,
     .flags = STK_OPT_SECRET},
};

bool bug(const char *name)
{
    const char *set = getenv("STK_MEMORY_BUG");
    return set && strcmp(set, name) == 0;
}

static stk_status load(const stk_host *host, stk_err *err)
{
    (void)err;
    memory_host = host;
    return STK_OK;
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    (void)err;
    const char *name = stk_kv_get(kv, nkv, MEMORY_NAME "_name", "main");
    snprintf(data_id, n, "%s", name);
    snprintf(pool_id, n, "%s %s", name, stk_kv_get(kv, nkv, MEMORY_NAME "_password", ""));
    return STK_OK;
}

static struct database *database_of(const char *name)
{
    pthread_mutex_lock(&databases.lock);
    struct database *d = databases.list;
    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    if (!d) {
        d = calloc(1, sizeof(*d));
        if (!d)
            abort();
        snprintf(d->name, sizeof(d->name), "%s", name);
        pthread_rwlockattr_t attr;
        pthread_rwlockattr_init(&attr);
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        pthread_rwlock_init(&d->lock, &attr);
        pthread_rwlockattr_destroy(&attr);
        d->next = databases.list;
        databases.list = d;
    }
    pthread_mutex_unlock(&databases.lock);
    return d;
}

static void close_db(stk_db *db)
{
    catalog_free(db);
    free(db);
}

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    const char *name = stk_kv_get(kv, nkv, MEMORY_NAME "_name", "main");
    if (!*name || strlen(name) > 63)
        return stk_err_set(err, STK_E_CONFIG, MEMORY_NAME "_name must have 1 to 63 bytes");
    stk_db *db = calloc(1, sizeof(*db));
    if (!db)
        return stk_err_nomem(err);
    db->flags = flags;
    if (bug("leak") && dup(2) < 0)
        abort();
    stk_status rc = catalog_copy(db, catalog, err);
    if (rc < 0) {
        close_db(db);
        return rc;
    }
    db->d = database_of(name);
    *out = db;
    return STK_OK;
}

/* ------------------------------------------------------------------ schema */

static stk_status verify(stk_db *db, stk_err *err)
{
    if (!lock_until(db->d, false, 0))
        return stk_err_set(err, STK_E_TIMEOUT, "memory: %s is locked", db->d->name);
    stk_status rc = schema_verify(db->d, db, err);
    pthread_rwlock_unlock(&db->d->lock);
    return rc;
}

static stk_status ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    stk_db other = {.d = db->d};
    stk_status rc = catalog_copy(&other, catalog, err);
    if (rc >= 0 && !lock_until(db->d, true, 0))
        rc = stk_err_set(err, STK_E_TIMEOUT, "memory: %s is locked", db->d->name);
    if (rc >= 0) {
        for (unsigned i = 0; rc >= 0 && i < catalog->ntables; i++)
            rc = schema_create(db->d, &other.tables[i], err);
        pthread_rwlock_unlock(&db->d->lock);
    }
    catalog_free(&other);
    return rc;
}

static stk_status drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (!(db->flags & STK_OPEN_SCRATCH) && !bug("drop"))
        return stk_err_set(err, STK_E_INVALID, "memory: drop() of a handle not opened as scratch");
    if (!lock_until(db->d, true, 0))
        return stk_err_set(err, STK_E_TIMEOUT, "memory: %s is locked", db->d->name);
    for (unsigned i = 0; i < catalog->ntables; i++) {
        const stk_table *t = stk_at(catalog->tables, catalog->table_size, i);
        if (strcmp(t->name, "st_schema_version") == 0)
            db->d->nhistory = 0;
        schema_drop(db->d, t->name);
    }
    pthread_rwlock_unlock(&db->d->lock);
    return STK_OK;
}

/* ------------------------------------------------------------ transactions */

static void end(stk_txn *txn, bool keep)
{
    if (keep || bug("rollback"))
        engine_keep(&txn->changes);
    else
        engine_undo(&txn->changes);
    if (txn->locked)
        pthread_rwlock_unlock(&txn->db->d->lock);
    free(txn);
}

static stk_status begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    (void)deadline_us;
    if (mode != STK_TXN_RW && mode != STK_TXN_RO)
        return stk_err_set(err, STK_E_UNSUPPORTED, "memory: an unknown mode of begin()");
    *txn = calloc(1, sizeof(**txn));
    if (!*txn)
        return stk_err_nomem(err);
    (*txn)->db = db;
    (*txn)->write = mode == STK_TXN_RW;
    return STK_OK;
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    (void)deadline_us;
    (void)err;
    end(txn, true);
    return STK_OK;
}

static void rollback(stk_txn *txn)
{
    end(txn, false);
}

static bool is_read(const stk_query *q)
{
    return q->op == STK_OP_COUNT || (q->op == STK_OP_SELECT && !(q->flags & STK_QF_LOCK));
}

/* Takes the lock that the batch needs and says whether it is to be given back
 * after it: a read-write transaction holds it to its end. */
static stk_status lock_for(stk_db *db, stk_txn *txn, const stk_batch *b, bool *give_back,
                           stk_err *err)
{
    bool write = txn && txn->write;
    for (uint32_t i = 0; !txn && i < b->ncalls; i++) {
        const stk_call *c = stk_at(b->calls, b->call_size, i);
        write = write || !is_read(&db->queries[c->query->id]);
    }
    if (bug("lost-update"))
        txn = NULL;
    *give_back = !(txn && txn->write);
    if (txn && txn->locked)
        return STK_OK;
    if (!lock_until(db->d, write, bug("deadline") ? 0 : b->deadline_us))
        return stk_err_set(err, STK_E_TIMEOUT, "memory: database %s is locked by another writer",
                           db->d->name);
    if (txn && txn->write)
        txn->locked = true;
    return STK_OK;
}

static stk_status fail(const stk_batch *b, uint32_t at, stk_status rc, stk_err *err)
{
    for (uint32_t i = at; i < b->ncalls; i++) {
        stk_call c;
        stk_batch_call(b, i, &c);
        if (c.result)
            *c.result = (stk_result){.status = i == at ? rc : STK_E_ABORTED};
    }
    if (bug("call"))
        at = 0;
    err->code = rc;
    err->call = at < b->ncalls ? (uint16_t)at : STK_NONE;
    return rc;
}

static stk_status check(stk_db *db, const stk_txn *txn, const stk_batch *b, uint32_t *at,
                        stk_err *err)
{
    if ((b->flags & ~(uint32_t)STK_X_COMMIT) && !bug("flags"))
        return stk_err_set(err, STK_E_UNSUPPORTED, "memory: an unknown flag of exec()");
    for (*at = 0; *at < b->ncalls; ++*at) {
        stk_call c;
        stk_batch_call(b, *at, &c);
        stk_status rc = catalog_check_call(db, &c, err);
        if (rc < 0)
            return rc;
        const stk_query *q = &db->queries[c.query->id];
        if ((txn && !txn->write && !is_read(q)) || (!txn && (q->flags & STK_QF_LOCK)))
            return stk_err_set(err, STK_E_INVALID,
                               "memory: query \"%s\" needs a read-write transaction", q->name);
    }
    return STK_OK;
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *b, stk_err *err)
{
    uint32_t at = 0;
    struct change *own = NULL, **changes = txn ? &txn->changes : &own;
    bool give_back = false;
    stk_status rc = check(db, txn, b, &at, err);
    if (rc < 0)
        return fail(b, at, rc, err);
    rc = lock_for(db, txn, b, &give_back, err);
    if (rc < 0)
        return fail(b, 0, rc, err);
    for (at = 0; at < b->ncalls; at++) {
        stk_call c;
        stk_batch_call(b, at, &c);
        *c.result = (stk_result){0};
        rc = engine_run(db, &c, b->arena, changes, err);
        if (rc < 0)
            break;
        b->statements++;
    }
    b->round_trips++;
    if (bug("stdout"))
        puts("exec");
    if (rc < 0)
        fail(b, at, rc, err);
    if (!txn && rc < 0 && !bug("half"))
        engine_undo(&own);
    else if (!txn)
        engine_keep(&own);
    if (give_back)
        pthread_rwlock_unlock(&db->d->lock);
    if (rc >= 0 && txn && (b->flags & STK_X_COMMIT))
        end(txn, true);
    return rc;
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    (void)timeout_ms;
    (void)err;
    stk_health h = {.size = out->size};
    snprintf(h.server, sizeof(h.server), "memory 1.0 %s", db->d->name);
    memcpy(out, &h, out->size < sizeof(h) ? out->size : sizeof(h));
    return STK_OK;
}

static void dump(stk_db *db, void (*emit)(void *, const char *, const char *), void *ud)
{
    (void)db;
    emit(ud, "library", "none");
}

static const stk_plugin plugin = {
    .magic = STK_MAGIC,
    .size = sizeof(stk_plugin),
    .abi_major = STK_ABI_MAJOR,
    .abi_minor = STK_ABI_MINOR,
    .thread_model = STK_THREAD_PARALLEL,
    .name = MEMORY_NAME,
    .version = "1.0",
    .license = "Apache-2.0",
    .help = "Rows in memory, gone with the process; for tests",
    .caps = STK_CAP_TXN | STK_CAP_AUTO_SCHEMA,
    .options = options,
    .noptions = sizeof(options) / sizeof(options[0]),
    .option_size = sizeof(stk_option),
    .migrations = stk_migrations,
    .nmigrations = STK_NMIGRATIONS,
    .migration_size = sizeof(stk_migration),
    .max_in_list = MAX_LIST,
    .max_batch = 1000,
    .load = load,
    .identity = identity,
    .open = open_db,
    .close = close_db,
    .migration_status = memory_migration_status,
    .migrate = memory_migrate,
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
