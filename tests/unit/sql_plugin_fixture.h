/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the built SQLite plugin, or another, and runs calls of sql_fixture.h on it. */
#ifndef TESTS_UNIT_SQL_PLUGIN_FIXTURE_H
#define TESTS_UNIT_SQL_PLUGIN_FIXTURE_H

#include "sql_fixture.h"

#include <dlfcn.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static const stk_plugin *plugin;
static char fix_dir[64];

static inline void fix_load(const char *name)
{
    char path[4096];
    const char *build = getenv("STK_BUILD");
    snprintf(path, sizeof path, "%s/plugins/%s.so", build ? build : "build", name);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!so)
        fail_msg("%s", dlerror());
    stk_entry_fn entry;
    void *sym = dlsym(so, STK_ENTRY_SYMBOL);
    memcpy(&entry, &sym, sizeof entry);
    plugin = entry(STK_ABI_MAJOR, STK_ABI_MINOR);
    stk_err err = {.size = sizeof err};
    assert_int_equal(plugin->load(&fix_host, &err), STK_OK);
}

static int fix_remove(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/* A folder of its own for each test. */
static inline int fix_setup(void **state)
{
    (void)state;
    if (!plugin)
        fix_load("sqlite");
    snprintf(fix_dir, sizeof fix_dir, "/tmp/stk-sqlite-XXXXXX");
    return mkdtemp(fix_dir) ? 0 : -1;
}

static inline int fix_teardown(void **state)
{
    (void)state;
    return nftw(fix_dir, fix_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *fix_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", fix_dir, name);
    return path;
}

static inline stk_db *fix_open_as(const char *name, const stk_catalog *catalog, uint32_t flags)
{
    const stk_kv kv[] = {{"sqlite_path", fix_path(name)}, {"sqlite_connection_pool_size", "4"}};
    stk_db *db = NULL;
    stk_err err = {.size = sizeof err};
    if (plugin->open(kv, 2, catalog, flags, &db, &err))
        fail_msg("open: %s", err.msg);
    return db;
}

/* The small catalogue, its tables made. */
static inline stk_db *fix_open(void)
{
    stk_db *db = fix_open_as("t.db", fixture(), STK_OPEN_SCRATCH);
    stk_err err = {.size = sizeof err};
    if (plugin->ensure(db, fixture(), &err))
        fail_msg("ensure: %s", err.msg);
    return db;
}

/* One batch under construction. */
struct run {
    stk_call calls[16];
    stk_result results[16];
    struct fix_arena arena;
    stk_err err;
    stk_batch batch;
};

static inline void run_add(struct run *r, int query, const stk_val *params, uint32_t nrows)
{
    stk_call *c = &r->calls[r->batch.ncalls];
    memset(c, 0, sizeof *c);
    c->query = &fix_query_table[query];
    c->params = params;
    c->nrows = nrows;
    c->result = &r->results[r->batch.ncalls++];
}

static inline void run_init(struct run *r)
{
    memset(r, 0, sizeof *r);
    r->arena = fix_arena_new();
}

static inline stk_status run_exec(struct run *r, stk_db *db, stk_txn *txn, uint32_t flags)
{
    memset(r->results, 0, sizeof r->results);
    r->err = (stk_err){.size = sizeof r->err};
    r->batch.size = sizeof r->batch;
    r->batch.flags = flags;
    r->batch.call_size = sizeof(stk_call);
    r->batch.calls = r->calls;
    r->batch.arena = &r->arena.a;
    return plugin->exec(db, txn, &r->batch, &r->err);
}

static inline void run_done(struct run *r)
{
    fix_arena_free(&r->arena);
}

/* One call of its own; the result's memory is freed by the next call here. */
static struct run fix_last;

static inline stk_status call1(stk_db *db, stk_txn *txn, int query, const stk_val *params,
                               uint32_t nrows)
{
    run_done(&fix_last);
    run_init(&fix_last);
    run_add(&fix_last, query, params, nrows);
    return run_exec(&fix_last, db, txn, 0);
}

#define RES (fix_last.results[0])
#define CELL(row, col) (RES.cells[(row)*RES.ncols + (col)])

static inline void must(stk_status rc)
{
    if (rc)
        fail_msg("%d: %s", rc, fix_last.err.msg);
}

static inline void put_item(stk_db *db, const char *id, int64_t n, const char *note)
{
    must(call1(db, NULL, Q_ITEM_INSERT,
               VALS(stk_text("a"), stk_text(id), stk_i64(n), stk_bool(0), stk_text(note),
                    stk_null(), stk_null()),
               1));
}

#endif
