/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin in front of another one that returns any status at any call.
 *
 * STK_INJECT_TARGET is the path of the plugin behind it, whose vtable, options
 * (inject_x for its NAME_x) and migrations it takes over.  STK_INJECT_RULES is a
 * file, read again whenever it has changed, of lines
 *     CALLBACK[:QUERY] STATUS [COUNT [applied]]
 * such as "exec:user_insert UNCERTAIN 1 applied" or "begin UNAVAILABLE 2": the
 * next COUNT (1) matching calls return STATUS.  With "applied" the call is made
 * first, and its answer thrown away.  ":QUERY" matches an exec() with that query
 * in its batch. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <stk_plugin.h>
#include <stk_sdk.h>

struct rule {
    char callback[32], query[64];
    stk_status status;
    unsigned count;
    bool applied;
};

enum { MAX_RULES = 32 };

/* lock covers all of it. */
static struct {
    pthread_mutex_t lock;
    const stk_plugin *target;
    stk_plugin mine;
    char text[4096]; /* of the rules file when it was last parsed */
    struct rule rules[MAX_RULES];
    unsigned nrules;
} inject = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The caller's transaction: real is NULL once the target has released it. */
struct stk_txn {
    stk_txn *real;
};

static stk_status status_of(const char *name)
{
    static const char *const names[] = {
        "OK",      "DUPLICATE",   "EXPECT",  "RETRY",     "UNCERTAIN", "UNAVAILABLE",
        "TIMEOUT", "UNSUPPORTED", "ABORTED", "SCHEMA",    "CONFIG",    "NOMEM",
        "INVALID", "TOO_BIG",     "DENIED",  "READ_ONLY", "INTERNAL"};
    for (int i = 0; i < 17; i++)
        if (strcmp(names[i], name) == 0)
            return -i;
    fprintf(stderr, "inject: unknown status %s\n", name);
    abort();
}

static void parse(char *text)
{
    inject.nrules = 0;
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line && inject.nrules < MAX_RULES;
         line = strtok_r(NULL, "\n", &save)) {
        char where[100] = "", status[32] = "", applied[16] = "";
        unsigned count = 1;
        if (sscanf(line, "%99s %31s %u %15s", where, status, &count, applied) < 2)
            continue;
        struct rule *r = &inject.rules[inject.nrules++];
        *r = (struct rule){.status = status_of(status),
                           .count = count,
                           .applied = strcmp(applied, "applied") == 0};
        char *colon = strchr(where, ':');
        if (colon)
            *colon++ = '\0';
        snprintf(r->callback, sizeof(r->callback), "%.31s", where);
        snprintf(r->query, sizeof(r->query), "%.63s", colon ? colon : "");
    }
}

static void refresh(void)
{
    char now[sizeof(inject.text)] = "";
    const char *path = getenv("STK_INJECT_RULES");
    FILE *f = path ? fopen(path, "re") : NULL;
    if (f) {
        size_t n = fread(now, 1, sizeof(now) - 1, f);
        now[n] = '\0';
        fclose(f);
    }
    if (strcmp(now, inject.text) == 0)
        return;
    memcpy(inject.text, now, sizeof(now));
    parse(now);
}

static bool has_query(const stk_batch *b, const char *name)
{
    for (uint32_t i = 0; b && i < b->ncalls; i++) {
        const stk_call *c = stk_at(b->calls, b->call_size, i);
        if (strcmp(c->query->name, name) == 0)
            return true;
    }
    return false;
}

/* The status to return from this call, or STK_OK. */
static stk_status strike(const char *callback, const stk_batch *b, bool *applied)
{
    stk_status rc = STK_OK;
    *applied = false;
    pthread_mutex_lock(&inject.lock);
    refresh();
    for (unsigned i = 0; i < inject.nrules && rc == STK_OK; i++) {
        struct rule *r = &inject.rules[i];
        if (r->count == 0 || strcmp(r->callback, callback) != 0 ||
            (r->query[0] && !has_query(b, r->query)))
            continue;
        r->count--;
        rc = r->status;
        *applied = r->applied;
    }
    pthread_mutex_unlock(&inject.lock);
    return rc;
}

static stk_status fill(stk_status rc, const char *callback, const stk_batch *b, stk_err *err)
{
    stk_err_set(err, rc, "inject: %s was told to fail", callback);
    if (!b || !b->ncalls)
        return rc;
    for (uint32_t i = 0; i < b->ncalls; i++) {
        stk_call c;
        stk_batch_call(b, i, &c);
        *c.result = (stk_result){.status = i ? STK_E_ABORTED : rc};
    }
    const stk_query *q = b->calls->query;
    err->call = 0;
    err->table = q->table;
    if (rc == STK_E_DUPLICATE)
        err->key = 0;
    if (rc == STK_E_TOO_BIG)
        err->column = q->nset ? q->set[0].col : 0;
    return rc;
}

/* A callback whose failure is only its status. */
#define STRIKE(callback)                                                                           \
    do {                                                                                           \
        bool applied_;                                                                             \
        stk_status rc_ = strike(callback, NULL, &applied_);                                        \
        if (rc_ < 0)                                                                               \
            return fill(rc_, callback, NULL, err);                                                 \
    } while (0)

/* inject_x=v becomes NAME_x=v of the target; freed by the caller. */
static stk_kv *translated(const stk_kv *kv, size_t n)
{
    stk_kv *to = calloc(n + 1, sizeof(*to));
    for (size_t i = 0; to && i < n; i++) {
        char *key = NULL;
        if (asprintf(&key, "%s%s", inject.target->name, strchr(kv[i].key, '_')) < 0)
            abort();
        to[i] = (stk_kv){key, kv[i].value};
    }
    return to;
}

static void translated_free(stk_kv *kv, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)kv[i].key);
    free(kv);
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    STRIKE("identity");
    stk_kv *to = translated(kv, nkv);
    stk_status rc = inject.target->identity(to, nkv, data_id, pool_id, n, err);
    translated_free(to, nkv);
    return rc;
}

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **db, stk_err *err)
{
    STRIKE("open");
    stk_kv *to = translated(kv, nkv);
    stk_status rc = inject.target->open(to, nkv, catalog, flags, db, err);
    translated_free(to, nkv);
    return rc;
}

static stk_status migration_status(stk_db *db, const stk_migration *scripts, size_t n,
                                   void (*emit)(void *, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    STRIKE("migration_status");
    return inject.target->migration_status(db, scripts, n, emit, ud, err);
}

static stk_status migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    STRIKE("migrate");
    return inject.target->migrate(db, scripts, n, to, flags, progress, ud, err);
}

static stk_status verify(stk_db *db, stk_err *err)
{
    STRIKE("verify");
    return inject.target->verify(db, err);
}

static stk_status ensure(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    STRIKE("ensure");
    return inject.target->ensure(db, catalog, err);
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    STRIKE("health");
    return inject.target->health(db, timeout_ms, out, err);
}

static stk_status begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    STRIKE("begin");
    stk_txn *t = calloc(1, sizeof(*t));
    if (!t)
        return stk_err_nomem(err);
    stk_status rc = inject.target->begin(db, mode, deadline_us, &t->real, err);
    if (rc < 0)
        free(t);
    else
        *txn = t;
    return rc;
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *b, stk_err *err)
{
    bool applied;
    stk_status rc = strike("exec", b, &applied);
    if (rc < 0 && !applied)
        return fill(rc, "exec", b, err);
    stk_status real = inject.target->exec(db, txn ? txn->real : NULL, b, err);
    if (real >= 0 && txn && (b->flags & STK_X_COMMIT)) {
        txn->real = NULL;
        if (rc >= 0)
            free(txn);
    }
    return rc < 0 && real >= 0 ? fill(rc, "exec", b, err) : real;
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    bool applied;
    stk_status rc = strike("commit", NULL, &applied), real = STK_OK;
    if (rc < 0 && !applied)
        inject.target->rollback(txn->real);
    else
        real = inject.target->commit(txn->real, deadline_us, err);
    free(txn);
    return rc < 0 && real >= 0 ? fill(rc, "commit", NULL, err) : real;
}

static void rollback(stk_txn *txn)
{
    if (txn->real)
        inject.target->rollback(txn->real);
    free(txn);
}

/* The target's options under this plugin's name. */
static const stk_option *renamed(void)
{
    const stk_plugin *t = inject.target;
    char *to = calloc(t->noptions + 1u, t->option_size);
    for (uint32_t i = 0; to && i < t->noptions; i++) {
        stk_option *o = (stk_option *)(void *)(to + (size_t)i * t->option_size);
        memcpy(o, stk_at(t->options, t->option_size, i), t->option_size);
        char *key = NULL;
        if (asprintf(&key, "inject%s", strchr(o->key, '_')) < 0)
            abort();
        o->key = key;
        o->alias = NULL;
    }
    return (const stk_option *)(void *)to;
}

STK_EXPORT const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor);
const stk_plugin *stk_plugin_v1(uint16_t major, uint16_t minor)
{
    if (inject.target)
        return &inject.mine;
    const char *path = getenv("STK_INJECT_TARGET");
    void *so = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
    stk_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, STK_ENTRY_SYMBOL);
    inject.target = entry ? entry(major, minor) : NULL;
    if (!inject.target)
        return NULL;
    stk_plugin *m = &inject.mine;
    stk_copy_min(m, sizeof(*m), inject.target, inject.target->size);
    m->size = sizeof(*m);
    m->name = "inject";
    m->options = renamed();
    m->identity = identity;
    m->open = open_db;
    m->migration_status = migration_status;
    m->migrate = migrate;
    m->verify = verify;
    m->ensure = ensure;
    m->health = health;
    m->begin = begin;
    m->exec = exec;
    m->commit = commit;
    m->rollback = rollback;
    return m;
}
