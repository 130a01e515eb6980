/* SPDX-License-Identifier: Apache-2.0 */
/* The storage layer over the in-memory plugin with scripts, behind the plugin
 * that fails when told: a small catalogue, a context, and rules. */
#ifndef TESTS_UNIT_STORAGE_FIXTURE_H
#define TESTS_UNIT_STORAGE_FIXTURE_H

#include "scratch.h"

#include "base/clock.h"
#include "base/log.h"
#include "storage/migrate.h"
#include "storage/storage.h"
#include "storage/storages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---------------------------------------------------------------- catalogue */

enum { T_ONE, T_TWO, T_THREE, T_FOUR };
enum { ONE_ID, ONE_V, ONE_N, ONE_SECRET };
enum { TWO_ID, TWO_EMAIL };
enum { TWO_KEY_PRIMARY, TWO_KEY_EMAIL };
enum {
    Q_ONE_INSERT,
    Q_ONE_PUT,
    Q_ONE_GET,
    Q_ONE_IN,
    Q_ONE_INC,
    Q_ONE_DELETE,
    Q_ONE_SECRET,
    Q_TWO_INSERT,
    Q_COUNT_ONE,
    Q_MAX
};

#define FX_TEXT(n, len, f)                                                                         \
    {                                                                                              \
        .name = (n), .type = STK_T_TEXT, .max_len = (len), .flags = (f), .since = 1                \
    }
#define FX_ID FX_TEXT("id", 40, STK_COL_NOT_NULL)
#define FX_KEY(n, k, c)                                                                            \
    {                                                                                              \
        .name = (n), .kind = (k), .cols = (c), .ncols = sizeof(c) / sizeof((c)[0]), .since = 1     \
    }
static const uint16_t fx_first[] = {0}, fx_second[] = {1};
static const stk_col fx_one_cols[] = {FX_ID,
                                      FX_TEXT("v", 8, 0),
                                      {.name = "n", .type = STK_T_I64, .since = 1},
                                      FX_TEXT("secret", 8, STK_COL_SECRET)};
static const stk_col fx_two_cols[] = {FX_ID, FX_TEXT("email", 40, 0)};
static const stk_key fx_one_keys[] = {FX_KEY("primary", STK_KEY_PRIMARY, fx_first)};
static const stk_key fx_two_keys[] = {FX_KEY("primary", STK_KEY_PRIMARY, fx_first),
                                      FX_KEY("email", STK_KEY_UNIQUE, fx_second)};
#define FX_TABLE(n, c, nc, k, nk, s)                                                               \
    {                                                                                              \
        .name = (n), .cols = (c), .ncols = (nc), .keys = (k), .nkeys = (nk), .since = (s)          \
    }
static const stk_table fx_tables[] = {FX_TABLE("st_mem_one", fx_one_cols, 4, fx_one_keys, 1, 1),
                                      FX_TABLE("st_mem_two", fx_two_cols, 2, fx_two_keys, 2, 2),
                                      FX_TABLE("st_mem_three", fx_two_cols, 1, fx_one_keys, 1, 3),
                                      FX_TABLE("st_mem_four", fx_two_cols, 1, fx_one_keys, 1, 4)};

static const stk_set fx_put[] = {{.col = ONE_ID, .param = 0, .how = STK_SET},
                                 {.col = ONE_V, .param = 1, .how = STK_SET},
                                 {.col = ONE_N, .param = 2, .how = STK_SET},
                                 {.col = ONE_SECRET, .param = 3, .how = STK_SET}};
static const stk_set fx_inc[] = {{.col = ONE_N, .param = 0, .how = STK_INC}};
static const stk_pred fx_by_id[] = {{.col = ONE_ID, .param = 0, .op = STK_EQ}};
static const stk_pred fx_by_id1[] = {{.col = ONE_ID, .param = 1, .op = STK_EQ}};
static const stk_pred fx_in_id[] = {{.col = ONE_ID, .param = 0, .op = STK_IN}};
static const uint16_t fx_out[] = {ONE_V, ONE_N}, fx_out_secret[] = {ONE_SECRET};
static const stk_order fx_order[] = {{.col = ONE_ID}};

#define FX_QUERY(i, n, ...)                                                                        \
    {                                                                                              \
        .id = (i), .name = (n), .since = 1, .limit_param = STK_NONE, __VA_ARGS__                   \
    }
static const stk_query fx_queries[Q_MAX] = {
    FX_QUERY(Q_ONE_INSERT, "one_insert", .op = STK_OP_INSERT, .table = T_ONE, .set = fx_put,
             .nset = 4, .nparams = 4),
    FX_QUERY(Q_ONE_PUT, "one_put", .op = STK_OP_UPSERT, .table = T_ONE, .set = fx_put, .nset = 4,
             .nparams = 4, .flags = STK_QF_IDEMPOTENT),
    FX_QUERY(Q_ONE_GET, "one_get", .op = STK_OP_SELECT, .table = T_ONE, .out = fx_out, .nout = 2,
             .where = fx_by_id, .nwhere = 1, .nparams = 1),
    FX_QUERY(Q_ONE_IN, "one_in", .op = STK_OP_SELECT, .table = T_ONE, .out = fx_out, .nout = 2,
             .where = fx_in_id, .nwhere = 1, .order = fx_order, .norder = 1, .nparams = 1),
    FX_QUERY(Q_ONE_INC, "one_inc", .op = STK_OP_UPDATE, .table = T_ONE, .set = fx_inc, .nset = 1,
             .where = fx_by_id1, .nwhere = 1, .nparams = 2),
    FX_QUERY(Q_ONE_DELETE, "one_delete", .op = STK_OP_DELETE, .table = T_ONE, .where = fx_by_id,
             .nwhere = 1, .nparams = 1),
    FX_QUERY(Q_ONE_SECRET, "one_secret", .op = STK_OP_SELECT, .table = T_ONE, .out = fx_out_secret,
             .nout = 1, .where = fx_by_id, .nwhere = 1, .nparams = 1),
    FX_QUERY(Q_TWO_INSERT, "two_insert", .op = STK_OP_INSERT, .table = T_TWO, .set = fx_put,
             .nset = 2, .nparams = 2),
    FX_QUERY(Q_COUNT_ONE, "one_count", .op = STK_OP_COUNT, .table = T_ONE),
};
#define q_one_insert fx_queries[Q_ONE_INSERT]
#define q_one_put fx_queries[Q_ONE_PUT]
#define q_one_get fx_queries[Q_ONE_GET]
#define q_one_in fx_queries[Q_ONE_IN]
#define q_one_inc fx_queries[Q_ONE_INC]
#define q_one_delete fx_queries[Q_ONE_DELETE]
#define q_one_secret fx_queries[Q_ONE_SECRET]
#define q_two_insert fx_queries[Q_TWO_INSERT]
#define q_count_one fx_queries[Q_COUNT_ONE]

/* -------------------------------------------------------------------- fixture */

struct fix {
    char dir[256], rules[300], name[64];
    struct arena arena;
    struct ctx c;
    struct plugins *ps;
    const struct plugin *plugin;
    struct storages *ss;
    struct storage *s;
    struct str error;
    const stk_query *queries[Q_MAX];
    stk_catalog catalog;
};

/* The next calls that fail, as tests/plugins/inject says; NULL: none. */
static inline void rules(struct fix *f, const char *text)
{
    /* Renamed into place: other threads read it at every call. */
    scratch_write(f->dir, "rules.new", text ? text : "");
    char from[320];
    snprintf(from, sizeof(from), "%s/rules.new", f->dir);
    assert_int_equal(rename(from, f->rules), 0);
}

/* kv of a database of its own. */
static inline stk_status fx_open_as(struct fix *f, const char *name, const struct open_how *how,
                                    struct storage **s)
{
    stk_kv kv[] = {{"inject_name", name}};
    f->error = STR("");
    return storages_open(f->ss, &f->arena, f->plugin, kv, 1, how, s, &f->error);
}

static inline void fx_catalog(struct fix *f, uint32_t version)
{
    for (int i = 0; i < Q_MAX; i++)
        f->queries[i] = &fx_queries[i];
    f->catalog = (stk_catalog){.size = sizeof(stk_catalog),
                               .version = version,
                               .table_size = sizeof(stk_table),
                               .col_size = sizeof(stk_col),
                               .key_size = sizeof(stk_key),
                               .query_size = sizeof(stk_query),
                               .pred_size = sizeof(stk_pred),
                               .set_size = sizeof(stk_set),
                               .order_size = sizeof(stk_order),
                               .keyset_size = sizeof(stk_keyset),
                               .ntables = (uint16_t)version,
                               .nqueries = version < 2 ? 0 : Q_MAX,
                               .tables = fx_tables,
                               .queries = f->queries};
}

/* Without an opened storage. */
static inline struct fix *fx_new(uint32_t version)
{
    static unsigned serial;
    struct fix *f = calloc(1, sizeof(*f));
    scratch_make(f->dir, sizeof(f->dir));
    snprintf(f->rules, sizeof(f->rules), "%s/rules", f->dir);
    snprintf(f->name, sizeof(f->name), "db%u", serial++);
    char path[4096];
    snprintf(path, sizeof(path), "%s/tests/plugins/memorym.so", scratch_build());
    setenv("STK_INJECT_TARGET", path, 1);
    setenv("STK_INJECT_RULES", f->rules, 1);
    log_open("/dev/null", "/dev/null", LOG_ERROR, &(const char *){0});
    arena_init(&f->arena);
    f->c = (struct ctx){.arena = &f->arena, .deadline_us = clock_us() + 20000000};
    fx_catalog(f, version);
    snprintf(path, sizeof(path), "%s/tests/plugins", scratch_build());
    f->ps = plugins_new(path);
    if (plugins_load(f->ps, &f->arena, "inject", &f->plugin, &f->error) != PLUGIN_OK)
        fail_msg("%s", f->error.p);
    f->ss = storages_new(f->ps, &f->catalog);
    return f;
}

static inline int fx_setup(void **state)
{
    struct fix *f = fx_new(3);
    struct open_how how = {.auto_migrate = true};
    if (fx_open_as(f, f->name, &how, &f->s) != STK_OK)
        fail_msg("%s", f->error.p);
    *state = f;
    return 0;
}

static inline int fx_teardown(void **state)
{
    struct fix *f = *state;
    storage_unref(f->s);
    arena_free(&f->arena);
    storages_free(f->ss);
    plugins_free(f->ps);
    int rc = scratch_remove(f->dir);
    free(f);
    return rc;
}

/* A fresh request. */
static inline void fx_again(struct fix *f)
{
    arena_reset(&f->arena);
    f->c = (struct ctx){.arena = &f->arena, .deadline_us = clock_us() + 20000000};
}

/* n of a row, or -1 where there is none; past every rule. */
static inline int64_t fx_number(struct fix *f, const char *id)
{
    rules(f, NULL);
    struct batch b;
    batch_init(&b, &f->c);
    stk_call *get = BATCH(&b, q_one_get, v_str(str_z(id)));
    assert_int_equal(storage_read(&f->c, f->s, &b), RC_OK);
    return call_rows(get) ? cell_i64(call_row(get, 0), 1) : -1;
}

static inline void fx_put_row(struct fix *f, const char *id, int64_t n)
{
    rules(f, NULL);
    struct batch b;
    batch_init(&b, &f->c);
    BATCH(&b, q_one_put, v_str(str_z(id)), v_null(), v_i64(n), v_null());
    assert_int_equal(storage_write(&f->c, f->s, &b, NULL, NULL), RC_OK);
}

static inline bool str_has(struct str s, const char *part)
{
    return s.p && strstr(s.p, part);
}

#endif
