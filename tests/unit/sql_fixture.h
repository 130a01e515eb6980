/* SPDX-License-Identifier: Apache-2.0 */
/* A small catalogue with every operation and predicate, an arena and a host, for
 * the tests of the SQL kit and of the SQLite plugin. */
#ifndef TESTS_UNIT_SQL_FIXTURE_H
#define TESTS_UNIT_SQL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <stk_sql.h>

/* ------------------------------------------------------------------ schema */

enum { F_ITEM, F_COUNT, F_NTABLES };
enum { I_A, I_ID, I_N, I_FLAG, I_NOTE, I_BLOB, I_BODY, I_NCOLS };
enum { C_K, C_S, C_N, C_V, C_NCOLS };

#define NN STK_COL_NOT_NULL
static const stk_col item_cols[] = {
    {"a", 16, 1, STK_T_TEXT, NN, {0}},     {"id", 36, 1, STK_T_TEXT, NN, {0}},
    {"n", 0, 1, STK_T_I64, NN, {0}},       {"flag", 0, 1, STK_T_BOOL, NN, {0}},
    {"note", 20, 1, STK_T_TEXT, 0, {0}},   {"blob", 64, 1, STK_T_BYTES, 0, {0}},
    {"body", 5000, 1, STK_T_TEXT, 0, {0}},
};
static const stk_col count_cols[] = {
    {"k", 16, 1, STK_T_TEXT, NN, {0}},
    {"s", 0, 1, STK_T_I64, NN, {0}},
    {"n", 0, 1, STK_T_I64, NN, {0}},
    {"v", 64, 1, STK_T_TEXT, 0, {0}},
};

static const uint16_t item_pk[] = {I_A, I_ID}, item_uk[] = {I_A, I_NOTE},
                      item_byn[] = {I_A, I_N, I_ID}, count_pk[] = {C_K, C_S};
static const stk_key item_keys[] = {
    {"primary", item_pk, 1, 2, STK_KEY_PRIMARY, {0}},
    {"note", item_uk, 1, 2, STK_KEY_UNIQUE, {0}},
    {"byn", item_byn, 1, 3, STK_KEY_INDEX, {0}},
};
static const stk_key count_keys[] = {{"primary", count_pk, 1, 2, STK_KEY_PRIMARY, {0}}};

static const stk_table fix_tables[] = {
    {"st_t_item", item_cols, item_keys, I_NCOLS, 3, 1},
    {"st_t_count", count_cols, count_keys, C_NCOLS, 1, 1},
};

/* ----------------------------------------------------------------- queries */

enum {
    Q_ITEM_INSERT,
    Q_ITEM_GET,
    Q_ITEM_LOCK,
    Q_ITEM_PAGE,
    Q_ITEM_PAGE_ASC,
    Q_ITEM_PREFIX,
    Q_ITEM_UPDATE,
    Q_ITEM_DELETE,
    Q_ITEM_SWEEP,
    Q_ITEM_CLAIM,
    Q_ITEM_COUNT,
    Q_ITEM_COUNT_CAP,
    Q_COUNT_UPSERT,
    Q_COUNT_ABSENT,
    Q_COUNT_GET,
    Q_ITEM_NULLS,
    Q_ITEM_RANGE,
    Q_COUNT_PAGE,
    Q_COUNT_KEEP,
    Q_NQUERIES
};

#define LEN(a) ((uint8_t)(sizeof(a) / sizeof((a)[0])))
#define PRED(c, p, o)                                                                              \
    {                                                                                              \
        (c), (p), (o),                                                                             \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define PUT(c, p, h)                                                                               \
    {                                                                                              \
        (c), (p), (h),                                                                             \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }
#define BY(c, d)                                                                                   \
    {                                                                                              \
        (c), (d),                                                                                  \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

static const uint16_t item_out[] = {I_A, I_ID, I_N, I_FLAG, I_NOTE, I_BLOB, I_BODY};
static const uint16_t page_out[] = {I_ID, I_N}, count_out[] = {C_K, C_S, C_N, C_V};
static const stk_set item_all[] = {PUT(I_A, 0, STK_SET),    PUT(I_ID, 1, STK_SET),
                                   PUT(I_N, 2, STK_SET),    PUT(I_FLAG, 3, STK_SET),
                                   PUT(I_NOTE, 4, STK_SET), PUT(I_BLOB, 5, STK_SET),
                                   PUT(I_BODY, 6, STK_SET)};
static const stk_set item_change[] = {PUT(I_NOTE, 2, STK_SET), PUT(I_N, 3, STK_INC)};
static const stk_set item_flag[] = {PUT(I_FLAG, 3, STK_SET)};
static const stk_set count_all[] = {PUT(C_K, 0, STK_SET), PUT(C_S, 1, STK_SET),
                                    PUT(C_N, 2, STK_INC), PUT(C_V, 3, STK_SET)};
static const stk_set count_keep[] = {PUT(C_K, 0, STK_KEEP), PUT(C_S, 1, STK_KEEP),
                                     PUT(C_N, 2, STK_KEEP), PUT(C_V, 3, STK_KEEP)};
static const stk_pred by_pk[] = {PRED(I_A, 0, STK_EQ), PRED(I_ID, 1, STK_EQ)};
static const stk_pred by_in[] = {PRED(I_A, 0, STK_EQ), PRED(I_ID, 1, STK_IN)};
static const stk_pred by_keyset[] = {PRED(I_A, 0, STK_EQ), PRED(STK_NONE, STK_NONE, STK_KEYSET)};
static const stk_pred by_prefix[] = {PRED(I_A, 0, STK_EQ), PRED(I_NOTE, 1, STK_PREFIX)};
static const stk_pred by_old[] = {PRED(I_A, 0, STK_EQ), PRED(I_N, 1, STK_LT)};
static const stk_pred by_flag[] = {PRED(I_A, 0, STK_EQ), PRED(I_FLAG, 1, STK_EQ)};
static const stk_pred by_a[] = {PRED(I_A, 0, STK_EQ)};
static const stk_pred by_null[] = {PRED(I_A, 0, STK_EQ), PRED(I_NOTE, STK_NONE, STK_IS_NULL)};
static const stk_pred by_range[] = {PRED(I_A, 0, STK_EQ), PRED(I_N, 1, STK_GE),
                                    PRED(I_N, 2, STK_LE), PRED(I_ID, 3, STK_GT),
                                    PRED(I_NOTE, STK_NONE, STK_NOT_NULL)};
static const stk_pred by_count[] = {PRED(C_K, 0, STK_EQ), PRED(C_S, 1, STK_EQ)};
static const stk_pred by_k[] = {PRED(C_K, 0, STK_EQ), PRED(STK_NONE, STK_NONE, STK_KEYSET)};
static const stk_order n_desc[] = {BY(I_N, 1), BY(I_ID, 1)}, n_asc[] = {BY(I_N, 0), BY(I_ID, 0)},
                       note_asc[] = {BY(I_NOTE, 0)}, s_asc[] = {BY(C_S, 0)};
static const uint16_t n_id[] = {I_N, I_ID}, just_s[] = {C_S};
static const stk_keyset after_desc = {n_id, 2, 1, 1, 0, {0}}, from_asc = {n_id, 2, 1, 0, 1, {0}},
                        after_s = {just_s, 1, 1, 0, 0, {0}};

#define QUERY(i, t, o, np, nm, ...)                                                                \
    {                                                                                              \
        .id = (i), .table = (t), .op = (o), .nparams = (np), .name = (nm), .since = 1, __VA_ARGS__ \
    }
#define OUT(x) .out = (x), .nout = LEN(x)
#define SETS(x) .set = (x), .nset = LEN(x)
#define WHERE(x) .where = (x), .nwhere = LEN(x)
#define ORDER(x) .order = (x), .norder = LEN(x)
#define ALL .limit_param = STK_NONE
#define LIMIT(n) .limit_param = STK_NONE, .limit = (n)

static const stk_query fix_query_table[Q_NQUERIES] = {
    QUERY(Q_ITEM_INSERT, F_ITEM, STK_OP_INSERT, 7, "item_insert", SETS(item_all), ALL),
    QUERY(Q_ITEM_GET, F_ITEM, STK_OP_SELECT, 2, "item_get", OUT(item_out), WHERE(by_pk), ALL),
    QUERY(Q_ITEM_LOCK, F_ITEM, STK_OP_SELECT, 2, "item_lock", .flags = STK_QF_LOCK, OUT(page_out),
          WHERE(by_in), ALL),
    QUERY(Q_ITEM_PAGE, F_ITEM, STK_OP_SELECT, 4, "item_page", OUT(page_out), WHERE(by_keyset),
          ORDER(n_desc), .keyset = &after_desc, .limit_param = 3),
    QUERY(Q_ITEM_PAGE_ASC, F_ITEM, STK_OP_SELECT, 4, "item_page_asc", OUT(page_out),
          WHERE(by_keyset), ORDER(n_asc), .keyset = &from_asc, .limit_param = 3),
    QUERY(Q_ITEM_PREFIX, F_ITEM, STK_OP_SELECT, 2, "item_prefix", OUT(page_out), WHERE(by_prefix),
          ORDER(note_asc), LIMIT(100)),
    QUERY(Q_ITEM_UPDATE, F_ITEM, STK_OP_UPDATE, 4, "item_update", SETS(item_change), WHERE(by_pk),
          ALL),
    QUERY(Q_ITEM_DELETE, F_ITEM, STK_OP_DELETE, 2, "item_delete", WHERE(by_pk), ALL),
    QUERY(Q_ITEM_SWEEP, F_ITEM, STK_OP_DELETE, 2, "item_sweep", WHERE(by_old), ORDER(n_asc),
          LIMIT(2)),
    QUERY(Q_ITEM_CLAIM, F_ITEM, STK_OP_UPDATE, 4, "item_claim", SETS(item_flag), WHERE(by_flag),
          ORDER(n_asc), .limit_param = 2),
    QUERY(Q_ITEM_COUNT, F_ITEM, STK_OP_COUNT, 1, "item_count", WHERE(by_a), ALL),
    QUERY(Q_ITEM_COUNT_CAP, F_ITEM, STK_OP_COUNT, 2, "item_count_cap", WHERE(by_a),
          .limit_param = 1),
    QUERY(Q_COUNT_UPSERT, F_COUNT, STK_OP_UPSERT, 4, "count_upsert", SETS(count_all), ALL),
    QUERY(Q_COUNT_ABSENT, F_COUNT, STK_OP_INSERT, 4, "count_absent", .flags = STK_QF_IF_ABSENT,
          SETS(count_all), ALL),
    QUERY(Q_COUNT_GET, F_COUNT, STK_OP_SELECT, 2, "count_get", OUT(count_out), WHERE(by_count),
          ALL),
    QUERY(Q_ITEM_NULLS, F_ITEM, STK_OP_SELECT, 1, "item_nulls", OUT(page_out), WHERE(by_null), ALL),
    QUERY(Q_ITEM_RANGE, F_ITEM, STK_OP_SELECT, 4, "item_range", OUT(page_out), WHERE(by_range),
          ORDER(n_asc), ALL),
    QUERY(Q_COUNT_PAGE, F_COUNT, STK_OP_SELECT, 2, "count_page", OUT(count_out), WHERE(by_k),
          ORDER(s_asc), .keyset = &after_s, LIMIT(3)),
    QUERY(Q_COUNT_KEEP, F_COUNT, STK_OP_UPSERT, 4, "count_keep", SETS(count_keep), ALL),
};

static const stk_query *fix_queries[Q_NQUERIES];
static stk_catalog fix_catalog = {.size = sizeof(stk_catalog),
                                  .version = 1,
                                  .table_size = sizeof(stk_table),
                                  .col_size = sizeof(stk_col),
                                  .key_size = sizeof(stk_key),
                                  .query_size = sizeof(stk_query),
                                  .pred_size = sizeof(stk_pred),
                                  .set_size = sizeof(stk_set),
                                  .order_size = sizeof(stk_order),
                                  .keyset_size = sizeof(stk_keyset),
                                  .ntables = F_NTABLES,
                                  .nqueries = Q_NQUERIES,
                                  .tables = fix_tables,
                                  .queries = fix_queries};

static inline const stk_catalog *fixture(void)
{
    for (int i = 0; i < Q_NQUERIES; i++)
        fix_queries[i] = &fix_query_table[i];
    return &fix_catalog;
}

/* ---------------------------------------------------------- host and arena */

static inline uint64_t fix_now_us(void *ctx)
{
    struct timespec ts;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static inline int64_t fix_time_ms(void *ctx)
{
    (void)ctx;
    return (int64_t)time(NULL) * 1000;
}

static inline void fix_log(void *ctx, int32_t level, const char *plugin, const char *msg, size_t n)
{
    (void)ctx;
    if (level <= STK_LOG_WARN)
        print_message("%s: %.*s\n", plugin, (int)n, msg);
}

static const stk_host fix_host = {.size = sizeof(stk_host),
                                  .abi_major = STK_ABI_MAJOR,
                                  .abi_minor = STK_ABI_MINOR,
                                  .log = fix_log,
                                  .now_us = fix_now_us,
                                  .time_ms = fix_time_ms};

/* Blocks are freed by fix_arena_free(), so that sanitizers see each result. */
struct fix_arena {
    stk_arena a;
    void **blocks;
    size_t n;
};

static inline void *fix_grow(stk_arena *a, size_t n)
{
    struct fix_arena *f = (struct fix_arena *)a;
    f->blocks = realloc(f->blocks, (f->n + 1) * sizeof *f->blocks);
    void *p = aligned_alloc(16, n ? n : 16);
    assert_true(f->blocks && p);
    return f->blocks[f->n++] = p;
}

static inline void fix_defer(stk_arena *a, void (*fn)(void *), void *arg)
{
    (void)a;
    (void)fn;
    (void)arg;
}

static inline struct fix_arena fix_arena_new(void)
{
    struct fix_arena f = {.a = {.grow = fix_grow, .defer = fix_defer}};
    return f;
}

static inline void fix_arena_free(struct fix_arena *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->blocks[i]);
    free(f->blocks);
    memset(f, 0, sizeof *f);
}

#define VALS(...) ((const stk_val[]){__VA_ARGS__})

#endif
