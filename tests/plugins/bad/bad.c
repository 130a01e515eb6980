/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin wrong in the one way that STK_BAD names, or right without it.  Built
 * also with another entry symbol (BAD_MAJOR) and with a symbol that nobody
 * defines (BAD_SYMBOL). */
#include <stdlib.h>
#include <stk_plugin.h>
#include <stk_sdk.h>

static stk_status load(const stk_host *host, stk_err *err)
{
    (void)host;
    return stk_err_set(err, STK_E_CONFIG, "bad: load() was told to fail");
}

static stk_status identity(const stk_kv *kv, size_t nkv, char *data_id, char *pool_id, size_t n,
                           stk_err *err)
{
    (void)kv;
    (void)nkv;
    (void)err;
    snprintf(data_id, n, "bad");
    snprintf(pool_id, n, "bad");
    return STK_OK;
}

static stk_status open_db(const stk_kv *kv, size_t nkv, const stk_catalog *catalog, uint32_t flags,
                          stk_db **db, stk_err *err)
{
    (void)kv;
    (void)nkv;
    (void)catalog;
    (void)flags;
    (void)db;
    return stk_err_set(err, STK_E_UNAVAILABLE, "bad: there is no database");
}

static void close_db(stk_db *db)
{
    (void)db;
}

static stk_status migration_status(stk_db *db, const stk_migration *scripts, size_t n,
                                   void (*emit)(void *, const stk_migration_state *), void *ud,
                                   stk_err *err)
{
    (void)db;
    (void)scripts;
    (void)n;
    (void)emit;
    (void)ud;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status migrate(stk_db *db, const stk_migration *scripts, size_t n, uint32_t to,
                          uint32_t flags, stk_progress_fn progress, void *ud, stk_err *err)
{
    (void)db;
    (void)scripts;
    (void)n;
    (void)to;
    (void)flags;
    (void)progress;
    (void)ud;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status verify(stk_db *db, stk_err *err)
{
    (void)db;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status schema(stk_db *db, const stk_catalog *catalog, stk_err *err)
{
    (void)db;
    (void)catalog;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status begin(stk_db *db, int32_t mode, uint64_t deadline_us, stk_txn **txn, stk_err *err)
{
    (void)db;
    (void)mode;
    (void)deadline_us;
    (void)txn;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status exec(stk_db *db, stk_txn *txn, stk_batch *batch, stk_err *err)
{
    (void)db;
    (void)txn;
    (void)batch;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static stk_status commit(stk_txn *txn, uint64_t deadline_us, stk_err *err)
{
    (void)txn;
    (void)deadline_us;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

static void rollback(stk_txn *txn)
{
    (void)txn;
}

static stk_status health(stk_db *db, uint32_t timeout_ms, stk_health *out, stk_err *err)
{
    (void)db;
    (void)timeout_ms;
    (void)out;
    return stk_err_set(err, STK_E_INTERNAL, "bad: never open");
}

/* As a newer core's header would have it. */
static struct {
    stk_plugin p;
    void (*later)(void);
} plugin = {.p = {.magic = STK_MAGIC,
                  .size = sizeof(stk_plugin),
                  .abi_major = STK_ABI_MAJOR,
                  .abi_minor = STK_ABI_MINOR,
                  .thread_model = STK_THREAD_PARALLEL,
                  .name = "bad",
                  .version = "1",
                  .license = "Apache-2.0",
                  .help = "Wrong on request",
                  .caps = STK_CAP_TXN,
                  .max_in_list = 100,
                  .max_batch = 64,
                  .identity = identity,
                  .open = open_db,
                  .close = close_db,
                  .migration_status = migration_status,
                  .migrate = migrate,
                  .verify = verify,
                  .ensure = schema,
                  .drop = schema,
                  .begin = begin,
                  .exec = exec,
                  .commit = commit,
                  .rollback = rollback,
                  .health = health}};

static const stk_option foreign_key[] = {
    {.key = "other_key", .help = "A key", .type = STK_OPT_STR}};
static const stk_option good_key[] = {
    {.key = "bad_key",
     .alias = "bad_old_key",
     .dflt = "5",
     .help = "A key",
     .max = 9,
     .type = STK_OPT_INT},
    {.key = "bad_password", .help = "A secret", .type = STK_OPT_STR, .flags = STK_OPT_SECRET}};
static const stk_migration gap[] = {{.version = 2, .name = "002_x", .text = "", .sha256 = ""}};

static void options(const stk_option *list, uint32_t n)
{
    plugin.p.options = list;
    plugin.p.noptions = n;
    plugin.p.option_size = sizeof(stk_option);
}

static void spoil(const char *how)
{
    stk_plugin *p = &plugin.p;
    if (strcmp(how, "magic") == 0)
        p->magic = 7;
    else if (strcmp(how, "major") == 0)
        p->abi_major = 2;
    else if (strcmp(how, "need_minor") == 0)
        p->need_minor = STK_ABI_MINOR + 1;
    else if (strcmp(how, "newer") == 0)
        p->abi_minor = STK_ABI_MINOR + 5, p->size = sizeof(plugin);
    else if (strcmp(how, "short") == 0)
        p->size = offsetof(stk_plugin, verify);
    else if (strcmp(how, "exec") == 0)
        p->exec = NULL;
    else if (strcmp(how, "name") == 0)
        p->name = "Bad Name";
    else if (strcmp(how, "clash") == 0)
        p->name = "memory";
    else if (strcmp(how, "threads") == 0)
        p->thread_model = 9;
    else if (strcmp(how, "limits") == 0)
        p->max_in_list = 5;
    else if (strcmp(how, "load") == 0)
        p->load = load;
    else if (strcmp(how, "option") == 0)
        options(foreign_key, 1);
    else if (strcmp(how, "options") == 0)
        options(good_key, 2);
    else if (strcmp(how, "migration") == 0)
        p->migrations = gap, p->nmigrations = 1, p->migration_size = sizeof(stk_migration);
}

#ifdef BAD_SYMBOL
extern void stk_nobody_defines_this(void);
#endif
#ifdef BAD_MAJOR
#define ENTRY stk_plugin_v2
#else
#define ENTRY stk_plugin_v1
#endif

STK_EXPORT const stk_plugin *ENTRY(uint16_t major, uint16_t minor);
const stk_plugin *ENTRY(uint16_t major, uint16_t minor)
{
    (void)major;
    (void)minor;
#ifdef BAD_SYMBOL
    stk_nobody_defines_this();
#endif
    const char *how = getenv("STK_BAD");
    if (how && strcmp(how, "null") == 0)
        return NULL;
    if (how)
        spoil(how);
    return &plugin.p;
}
