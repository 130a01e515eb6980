/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin in front of a good one that breaks one contract, to prove that the
 * conformance program notices, and notices nothing else.
 *
 * STK_BROKEN_TARGET is the path of the good one, whose vtable it takes over, name
 * and options included; STK_BROKEN names the bug.  Each bug stands where it acts,
 * behind bug("NAME"); test_broken.py says what finds it.
 *
 * The catalogue is handed on with every query twice: query n + i is query i as the
 * bug would have it, and exec() chooses between the two. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stk_plugin.h>
#include <stk_sdk.h>
#include <unistd.h>

static const stk_plugin *target;
static stk_plugin mine;
static const stk_host *host;

struct stk_db {
    stk_db *real;
    stk_catalog catalog;
    const stk_query **queries;
    void **kept;
    size_t nkept;
};

/* real is NULL before the first call, and after the target has released it. */
struct stk_txn {
    stk_db *db;
    stk_txn *real;
    int32_t mode;
};

static bool bug(const char *name)
{
    const char *set = getenv("STK_BROKEN");
    return set && strcmp(set, name) == 0;
}

/* ---------------------------------------------------------------- catalogue */

static void *keep(stk_db *db, size_t n)
{
    void *p = calloc(1, n + 1);
    void **kept = realloc(db->kept, (db->nkept + 1) * sizeof(void *));
    if (!p || !kept)
        abort();
    db->kept = kept;
    db->kept[db->nkept++] = p;
    return p;
}

static void *copied(stk_db *db, const void *from, size_t n)
{
    void *to = keep(db, n);
    return n ? memcpy(to, from, n) : to;
}

/* The query as the bug would have it. */
static void spoil(stk_db *db, stk_query *q)
{
    const stk_catalog *c = &db->catalog;
    char *where = copied(db, q->where, (size_t)q->nwhere * c->pred_size);
    char *order = copied(db, q->order, (size_t)q->norder * c->order_size);
    q->where = (const stk_pred *)(const void *)where;
    q->order = (const stk_order *)(const void *)order;
    for (unsigned i = 0; i < q->nwhere; i++) {
        stk_pred *p = (stk_pred *)(void *)(where + (size_t)i * c->pred_size);
        if (p->op == STK_IN && bug("empty-in"))
            p->op = STK_NOT_NULL;
        if (p->op == STK_KEYSET && bug("ties"))
            *p = (stk_pred){.col = q->keyset->cols[0],
                            .param = q->keyset->param,
                            .op = q->keyset->desc ? STK_LT : STK_GT};
    }
    for (unsigned i = 0; i < q->norder && bug("last-rows"); i++) {
        stk_order *o = (stk_order *)(void *)(order + (size_t)i * c->order_size);
        o->desc = !o->desc;
    }
    if (bug("uncapped")) {
        q->limit = 0;
        q->limit_param = STK_NONE;
    }
}

/* Whether this call is to be run as the bug would have it. */
static bool spoilt(const stk_db *db, const stk_call *call)
{
    const stk_query *q = call->query;
    if (bug("uncapped"))
        return q->op == STK_OP_COUNT;
    if (bug("last-rows"))
        return q->op == STK_OP_DELETE || q->op == STK_OP_UPDATE;
    if (bug("ties"))
        return q->keyset && q->keyset->ncols > 1;
    for (unsigned i = 0; i < q->nwhere && bug("empty-in"); i++) {
        const stk_pred *p = stk_at(q->where, db->catalog.pred_size, i);
        if (p->op == STK_IN && call->params[p->param].len == 0)
            return true;
    }
    return false;
}

static void take_catalog(stk_db *db, const stk_catalog *c)
{
    unsigned n = c->nqueries;
    stk_copy_min(&db->catalog, sizeof(db->catalog), c, c->size);
    db->queries = keep(db, 2 * n * sizeof(*db->queries));
    for (unsigned i = 0; i < n; i++) {
        stk_query *q = copied(db, c->queries[i], c->query_size);
        q->where = copied(db, q->where, (size_t)q->nwhere * c->pred_size);
        stk_query *other = copied(db, q, c->query_size);
        other->id = (uint16_t)(n + i);
        spoil(db, other);
        db->queries[i] = q;
        db->queries[n + i] = other;
    }
    db->catalog.size = sizeof(db->catalog);
    db->catalog.queries = db->queries;
    db->catalog.nqueries = (uint16_t)(2 * n);
}

static void release(stk_db *db)
{
    while (db->nkept)
        free(db->kept[--db->nkept]);
    free(db->kept);
    free(db);
}

/* ------------------------------------------------------ opening and the like */

static stk_status load(const stk_host *h, stk_err *err)
{
    host = h;
    return target->load ? target->load(h, err) : STK_OK;
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    static unsigned calls;
    stk_status rc = target->identity(kv, nkv, data_id, pool_id, n, err);
    if (bug("identity"))
        snprintf(data_id, n, "%u", ++calls);
    return rc;
}

static void *idle(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static const char *secret; /* of the settings */

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    pthread_t thread;
    for (size_t i = 0; i < nkv; i++)
        if (strstr(kv[i].key, "_password"))
            secret = kv[i].value;
    stk_db *db = calloc(1, sizeof(*db));
    if (!db)
        return stk_err_nomem(err);
    /* A catalogue that is to be refused is the target's to refuse. */
    stk_status rc = target->open(kv, nkv, catalog, flags, &db->real, err);
    if (rc >= 0) {
        target->close(db->real);
        take_catalog(db, catalog);
        rc = target->open(kv, nkv, &db->catalog, flags, &db->real, err);
    }
    if (rc < 0) {
        release(db);
        return rc;
    }
    if (bug("environment"))
        setenv("LC_BROKEN", "yes", 1);
    if (bug("descriptor") && dup(0) < 0)
        abort();
    if (bug("thread") && pthread_create(&thread, NULL, idle, NULL) != 0)
        abort();
    *out = db;
    return STK_OK;
}

static void close_db(stk_db *db)
{
    target->close(db->real);
    release(db);
}

static stk_status migration_status(stk_db *db, const stk_migration *scripts, size_t n,
                                   void (*emit)(void *, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    return target->migration_status(db->real, scripts, n, emit, ud, err);
}

static stk_status migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    if (bug("dry-run"))
        flags &= ~(uint32_t)STK_MIGRATE_DRY_RUN;
    return target->migrate(db->real, scripts, n, to, flags, progress, ud, err);
}

static stk_status verify(stk_db *db, stk_err *err)
{
    return target->verify(db->real, err);
}

static stk_status ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    if (bug("ensure"))
        target->drop(db->real, catalog, err);
    return target->ensure(db->real, catalog, err);
}

static stk_status drop(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    return target->drop(db->real, catalog, err);
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    if (bug("crash"))
        abort();
    stk_status rc = target->health(db->real, timeout_ms, out, err);
    if (bug("health"))
        out->pool_open = out->pool_size + 1;
    return rc;
}

static void dump(stk_db *db, void (*emit)(void *, const char *, const char *), void *ud)
{
    if (target->dump)
        target->dump(db ? db->real : NULL, emit, ud);
    if (bug("secret") && secret)
        emit(ud, "password", secret);
}

/* -------------------------------------------------------- before the target */

/* Text cut to its first n characters. */
static void cut(stk_val *v, uint32_t n)
{
    const char *p = v->u.p;
    for (uint32_t at = 0, chars = 0; at < v->len; at++)
        if (((unsigned char)p[at] & 0xC0) != 0x80 && ++chars > n)
            v->len = at;
}

static void change_params(const stk_db *db, stk_call *c, stk_arena *arena)
{
    const stk_query *q = c->query;
    const stk_table *t = stk_at(db->catalog.tables, db->catalog.table_size, q->table);
    size_t n = (size_t)c->nrows * q->nparams;
    stk_val *to = stk_alloc(arena, n * sizeof(*to) + 1);
    if (n)
        memcpy(to, c->params, n * sizeof(*to));
    for (size_t i = 0; i < n && bug("truncate"); i++)
        for (unsigned s = 0; s < q->nset; s++) {
            const stk_set *set = stk_at(q->set, db->catalog.set_size, s);
            const stk_col *col = stk_at(t->cols, db->catalog.col_size, set->col);
            if (set->param == i % q->nparams && to[i].type == STK_T_TEXT)
                cut(&to[i], col->max_len);
        }
    for (unsigned i = 0; i < q->nwhere && bug("underscore"); i++) {
        const stk_pred *p = stk_at(q->where, db->catalog.pred_size, i);
        const char *wild =
            p->op == STK_PREFIX ? memchr(to[p->param].u.p, '_', to[p->param].len) : NULL;
        if (wild)
            to[p->param].len = (uint32_t)(wild - (const char *)to[p->param].u.p);
    }
    c->params = to;
}

static stk_batch changed(const stk_db *db, const stk_batch *b)
{
    stk_batch own = {0};
    stk_copy_min(&own, sizeof(own), b, b->size);
    own.size = sizeof(own);
    own.call_size = sizeof(stk_call);
    stk_call *calls = stk_alloc(b->arena, (b->ncalls + 1u) * sizeof(*calls));
    for (uint32_t i = 0; i < b->ncalls; i++) {
        stk_batch_call(b, i, &calls[i]);
        if (bug("truncate") || bug("underscore"))
            change_params(db, &calls[i], b->arena);
        if (spoilt(db, &calls[i]))
            calls[i].query = db->queries[db->catalog.nqueries / 2 + calls[i].query->id];
    }
    own.calls = calls;
    return own;
}

/* --------------------------------------------------------- after the target */

/* A result of many rows is left in a buffer that the next batch uses again. */
static void reuse_buffer(const stk_batch *b)
{
    enum { MANY = 250 };
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static char *buffer;
    static size_t len;
    pthread_mutex_lock(&lock);
    if (buffer)
        memset(buffer, 0xDD, len);
    for (uint32_t i = 0; i < b->ncalls; i++) {
        const stk_result *r = b->calls[i].result;
        size_t need = 0, n = (size_t)r->nrows * r->ncols;
        if (r->nrows < MANY)
            continue;
        for (size_t k = 0; k < n; k++)
            need += r->cells[k].type == STK_T_TEXT ? r->cells[k].len + 1u : 0;
        free(buffer);
        buffer = malloc(need + 1);
        len = 0;
        for (size_t k = 0; buffer && k < n; k++) {
            stk_val *v = (stk_val *)(uintptr_t)&r->cells[k];
            if (v->type != STK_T_TEXT)
                continue;
            memcpy(buffer + len, v->u.p, v->len + 1u);
            v->u.p = buffer + len;
            len += v->len + 1u;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* The second of an upsert and a read gets the answer of another thread. */
static void mix_up(const stk_batch *b)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct {
        pthread_t of;
        int64_t value;
    } last;
    if (b->ncalls != 2 || b->calls[0].query->op != STK_OP_UPSERT ||
        b->calls[1].query->op != STK_OP_SELECT || b->calls[1].result->ncols != 2)
        return;
    stk_val *v = (stk_val *)(uintptr_t)&b->calls[1].result->cells[1];
    pthread_mutex_lock(&lock);
    int64_t value = v->u.i;
    if (last.of && !pthread_equal(last.of, pthread_self()))
        v->u.i = last.value;
    last.of = pthread_self();
    last.value = value;
    pthread_mutex_unlock(&lock);
}

static stk_status told(stk_status rc, const stk_batch *b, stk_err *err)
{
    for (uint32_t i = 0; rc >= 0 && i < b->ncalls && bug("upsert-count"); i++)
        if (b->calls[i].query->op == STK_OP_UPSERT)
            b->calls[i].result->affected = b->calls[i].nrows;
    if (rc >= 0 && bug("buffer"))
        reuse_buffer(b);
    if (rc >= 0 && bug("mix-up"))
        mix_up(b);
    if (rc == STK_E_DUPLICATE && bug("table"))
        err->table = 0;
    if (rc == STK_E_TOO_BIG && bug("column"))
        err->column = STK_NONE;
    if (rc == STK_E_UNCERTAIN && bug("uncertain"))
        rc = STK_E_RETRY;
    if (rc == STK_E_UNAVAILABLE && bug("unavailable"))
        rc = STK_E_UNCERTAIN;
    if (rc < 0)
        err->code = rc;
    return rc;
}

/* ------------------------------------------------------------- transactions */

static stk_status begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    stk_txn *t = calloc(1, sizeof(*t));
    if (!t)
        return stk_err_nomem(err);
    *t = (stk_txn){.db = db, .mode = mode};
    stk_status rc = target->begin(db->real, mode, deadline_us, &t->real, err);
    if (rc < 0)
        free(t);
    else
        *txn = t;
    return rc;
}

static bool only_locks(const stk_batch *b)
{
    for (uint32_t i = 0; i < b->ncalls; i++)
        if (!(b->calls[i].query->flags & STK_QF_LOCK))
            return false;
    return b->ncalls > 0;
}

/* Rows that are to stay locked are given up with a transaction of their own. */
static stk_status unlocked(stk_txn *txn, stk_batch *b, stk_err *err)
{
    stk_txn *brief;
    b->flags &= ~(uint32_t)STK_X_COMMIT;
    stk_status rc = target->begin(txn->db->real, txn->mode, b->deadline_us, &brief, err);
    if (rc < 0)
        return rc;
    rc = target->exec(txn->db->real, brief, b, err);
    target->rollback(brief);
    usleep(300);
    return rc;
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *b, stk_err *err)
{
    bool commits = txn && (b->flags & STK_X_COMMIT);
    bool late = b->deadline_us && b->deadline_us < host->now_us(host->ctx);
    stk_batch own = changed(db, b);
    stk_status rc;
    if (commits && bug("forgotten-commit"))
        own.flags &= ~(uint32_t)STK_X_COMMIT;
    if (txn && only_locks(&own) && bug("unlocked"))
        rc = unlocked(txn, &own, err);
    else
        rc = target->exec(db->real, txn ? txn->real : NULL, &own, err);
    b->round_trips = own.round_trips;
    b->statements = bug("statements") ? b->statements : own.statements;
    if (rc >= 0 && commits) {
        if (!(own.flags & STK_X_COMMIT))
            target->rollback(txn->real);
        free(txn);
    }
    if (rc >= 0 && late && !txn && bug("late"))
        rc = stk_err_set(err, STK_E_TIMEOUT, "broken: late");
    if (rc < 0 && bug("overrun") && b->size == sizeof(stk_batch)) /* a test that looks */
        memset((char *)err + err->size, 0, 8);
    return told(rc, &own, err);
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    stk_status rc = target->commit(txn->real, deadline_us, err);
    if (rc == STK_E_UNCERTAIN && bug("hopeful"))
        rc = STK_OK;
    const stk_batch none = {0};
    free(txn);
    return told(rc, &none, err);
}

static void rollback(stk_txn *txn)
{
    stk_err err = {.size = sizeof(err)};
    if (bug("rollback"))
        target->commit(txn->real, 0, &err);
    else
        target->rollback(txn->real);
    free(txn);
}

STK_EXPORT const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor);
const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor)
{
    const char *path = getenv("STK_BROKEN_TARGET");
    void *so = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
    stk_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, STK_ENTRY_SYMBOL);
    target = entry ? entry(major, minor) : NULL;
    if (!target)
        return NULL;
    stk_copy_min(&mine, sizeof(mine), target, target->size);
    mine.size = sizeof(mine);
    if (bug("vtable"))
        mine.max_batch = 10;
    mine.load = load;
    mine.identity = identity;
    mine.open = open_db;
    mine.close = close_db;
    mine.db_caps = NULL;
    mine.migration_status = migration_status;
    mine.migrate = migrate;
    mine.verify = verify;
    mine.ensure = ensure;
    mine.drop = drop;
    mine.begin = begin;
    mine.exec = exec;
    mine.commit = commit;
    mine.rollback = rollback;
    mine.health = health;
    mine.dump = dump;
    return &mine;
}
