/* SPDX-License-Identifier: Apache-2.0 */
/* The in-memory plugin of the tests: the template's engine behind a vtable of its own,
 * to test the core without a database and other plugins against.  A database is a name
 * within the process; its rows outlive its handles.
 *
 * bugs.sed puts bugs into the template's sources when they are built for this plugin:
 * with STK_MEMORY_BUG set it breaks one contract, to prove that it is noticed.
 *
 * PLUGIN_NAME and STK_NMIGRATIONS are set by the build: "memory" has no scripts,
 * "memorym" has those of migrations/. */
#include "memory.h"
#include "template.h"

#include <stk_migrations.h>
#include <strings.h>
#include <unistd.h>

const stk_host *host;

struct named {
    struct database d;
    char name[64];
    struct named *next;
};

/* lock covers the list; a database is never freed. */
static struct {
    pthread_mutex_t lock;
    struct named *list;
} databases = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const stk_option options[] = {
    {.key = PLUGIN_NAME "_name",
     .dflt = "main",
     .help = "Name of the database within the process",
     .type = STK_OPT_STR},
    {.key = PLUGIN_NAME "_password",
     .help = "Asks for no other",
     .type = STK_OPT_STR,
     .flags = STK_OPT_SECRET},
};

/* --------------------------------------------------------------------- bugs */

static const char *bug_name; /* STK_MEMORY_BUG, "" without */

bool bug(const char *name)
{
    return *bug_name && strcmp(bug_name, name) == 0;
}

static uint32_t without_blanks(const stk_val *v)
{
    uint32_t n = v->len;
    while (n && ((const char *)v->u.p)[n - 1] == ' ')
        n--;
    return n;
}

/* What "arena" lets cells point to. */
struct copy {
    struct copy *next;
    uint32_t len;
    char text[];
};
static _Thread_local struct copy *copies;

const char *bug_copy(const void *text, uint32_t len)
{
    struct copy *c = calloc(1, sizeof(*c) + len + 1);
    if (!c)
        abort();
    *c = (struct copy){copies, len};
    if (len)
        memcpy(c->text, text, len);
    copies = c;
    return c->text;
}

void bug_spoil(void)
{
    for (; copies; copies = copies->next)
        memset(copies->text, '#', copies->len);
}

bool bug_compare(const stk_val *a, const stk_val *b, int *out)
{
    if (bug("case"))
        return a->len == b->len && strncasecmp(a->u.p, b->u.p, a->len) == 0;
    uint32_t n = without_blanks(a);
    if (!bug("pad") || n != without_blanks(b))
        return false;
    *out = n ? memcmp(a->u.p, b->u.p, n) : 0;
    return true;
}

void bug_tell(const stk_call *call, stk_err *err)
{
    const stk_val *v = &call->params[call->query->nset > 2 ? 2 : 0];
    if (v->type == STK_T_TEXT)
        snprintf(err->msg, sizeof(err->msg), "a key refuses %.*s", (int)v->len,
                 (const char *)v->u.p);
}

/* ------------------------------------------------------------ opening, closing */

static stk_status load(const stk_host *h, stk_err *err)
{
    (void)err;
    host = h;
    const char *set = getenv("STK_MEMORY_BUG");
    bug_name = set ? set : "";
    return STK_OK;
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    (void)err;
    const char *name = stk_kv_get(kv, nkv, PLUGIN_NAME "_name", "main");
    snprintf(data_id, n, "%s", name);
    snprintf(pool_id, n, "%s %s", name, stk_kv_get(kv, nkv, PLUGIN_NAME "_password", ""));
    return STK_OK;
}

static struct named *database_make(const char *name)
{
    struct named *d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    snprintf(d->name, sizeof(d->name), "%s", name);
    pthread_mutex_init(&d->d.lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->d.changed, &attr);
    pthread_condattr_destroy(&attr);
    return d;
}

static struct database *database_of(const char *name)
{
    pthread_mutex_lock(&databases.lock);
    struct named *d = databases.list;
    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    if (!d) {
        d = database_make(name);
        d->next = databases.list;
        databases.list = d;
    }
    pthread_mutex_unlock(&databases.lock);
    return &d->d;
}

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **out, stk_err *err)
{
    const char *name = stk_kv_get(kv, nkv, PLUGIN_NAME "_name", "main");
    if (!*name || strlen(name) > 63)
        return stk_err_set(err, STK_E_CONFIG, PLUGIN_NAME "_name must have 1 to 63 bytes");
    if (bug("leak") && dup(2) < 0)
        abort();
    stk_status rc = check_catalog(catalog, err);
    if (rc < 0)
        return rc;
    stk_db *db = calloc(1, sizeof(*db));
    if (!db)
        return stk_err_nomem(err);
    *db = (stk_db){.d = database_of(name), .catalog = catalog, .flags = flags, .wait_us = 10000000};
    *out = db;
    return STK_OK;
}

static void close_db(stk_db *db)
{
    free(db);
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    (void)timeout_ms;
    (void)err;
    stk_health h = {.size = out->size};
    snprintf(h.server, sizeof(h.server), "memory 1.0 %s", ((struct named *)db->d)->name);
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
    .name = PLUGIN_NAME,
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
    .max_batch = MAX_BATCH,
    .load = load,
    .identity = identity,
    .open = open_db,
    .close = close_db,
    .migration_status = schema_status,
    .migrate = schema_migrate,
    .verify = schema_verify,
    .ensure = schema_ensure,
    .drop = schema_drop,
    .begin = txn_begin,
    .exec = txn_exec,
    .commit = txn_commit,
    .rollback = txn_rollback,
    .health = health,
    .dump = dump,
};

STK_PLUGIN(plugin)
