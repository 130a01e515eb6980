/* SPDX-License-Identifier: Apache-2.0 */
/* How queries are written down.  Each store file lists its queries in NAME.def
 * (one `Q(name)` a line: that gives the dense id) and defines each with QUERY();
 * catalog.c gathers them.  A query is static data, checked when a storage is
 * opened. */
#ifndef CORE_STORE_QUERY_H
#define CORE_STORE_QUERY_H

#include "storage/storage.h"
#include "store/schema.h"

#include <stk_plugin.h>

enum query_id {
#define Q(name) Q_##name,
#include "store/all.def"
#undef Q
    Q_COUNT
};

#define Q(name) extern const stk_query q_##name;
#include "store/all.def"
#undef Q

/* QUERY(user_by_id, SELECT(USERS), OUT(...), WHERE(EQ(...)), PARAMS(2), NO_LIMIT); */
#define QUERY(name_, ...)                                                                          \
    const stk_query q_##name_ = {.id = Q_##name_, .name = #name_, .since = 1, __VA_ARGS__}

#define SELECT(table_) .op = STK_OP_SELECT, .table = T_##table_
#define COUNT(table_) .op = STK_OP_COUNT, .table = T_##table_
#define INSERT(table_) .op = STK_OP_INSERT, .table = T_##table_, NO_LIMIT
#define UPSERT(table_) .op = STK_OP_UPSERT, .table = T_##table_, NO_LIMIT
#define UPDATE(table_) .op = STK_OP_UPDATE, .table = T_##table_
#define DELETE(table_) .op = STK_OP_DELETE, .table = T_##table_

#define Q_LEN(type, ...) (sizeof((const type[]){__VA_ARGS__}) / sizeof(type))
#define OUT(...)                                                                                   \
    .out = (const uint16_t[]){__VA_ARGS__}, .nout = (uint8_t)Q_LEN(uint16_t, __VA_ARGS__)
#define WHERE(...)                                                                                 \
    .where = (const stk_pred[]){__VA_ARGS__}, .nwhere = (uint8_t)Q_LEN(stk_pred, __VA_ARGS__)
#define SETS(...)                                                                                  \
    .set = (const stk_set[]){__VA_ARGS__}, .nset = (uint8_t)Q_LEN(stk_set, __VA_ARGS__)
#define ORDER(...)                                                                                 \
    .order = (const stk_order[]){__VA_ARGS__}, .norder = (uint8_t)Q_LEN(stk_order, __VA_ARGS__)
#define PARAMS(n) .nparams = (n)
#define FLAGS(f) .flags = (f)
/* Every query says one of these. */
#define NO_LIMIT .limit_param = STK_NONE
#define LIMIT(n) .limit = (n), .limit_param = STK_NONE
#define LIMIT_PARAM(param_) .limit_param = (param_)
#define KEYSET_AFTER(desc_, param_, ...)                                                           \
    .keyset = &(const stk_keyset)                                                                  \
    {                                                                                              \
        .cols = (const uint16_t[]){__VA_ARGS__}, .ncols = Q_LEN(uint16_t, __VA_ARGS__),            \
        .param = (param_), .desc = (desc_)                                                         \
    }
#define KEYSET_FROM(desc_, param_, ...)                                                            \
    .keyset = &(const stk_keyset)                                                                  \
    {                                                                                              \
        .cols = (const uint16_t[]){__VA_ARGS__}, .ncols = Q_LEN(uint16_t, __VA_ARGS__),            \
        .param = (param_), .desc = (desc_), .inclusive = 1                                         \
    }

/* Members of WHERE. */
#define EQ(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_EQ                                             \
    }
#define LT(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_LT                                             \
    }
#define LE(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_LE                                             \
    }
#define GT(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_GT                                             \
    }
#define GE(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_GE                                             \
    }
#define IN(col_, param_)                                                                           \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_IN                                             \
    }
#define IS_NULL(col_)                                                                              \
    {                                                                                              \
        .col = (col_), .param = STK_NONE, .op = STK_IS_NULL                                        \
    }
#define NOT_NULL(col_)                                                                             \
    {                                                                                              \
        .col = (col_), .param = STK_NONE, .op = STK_NOT_NULL                                       \
    }
#define PREFIX(col_, param_)                                                                       \
    {                                                                                              \
        .col = (col_), .param = (param_), .op = STK_PREFIX                                         \
    }
#define KEYSET                                                                                     \
    {                                                                                              \
        .col = STK_NONE, .param = STK_NONE, .op = STK_KEYSET                                       \
    }
/* Members of SETS. */
#define PUT(col_, param_)                                                                          \
    {                                                                                              \
        .col = (col_), .param = (param_), .how = STK_SET                                           \
    }
#define INC(col_, param_)                                                                          \
    {                                                                                              \
        .col = (col_), .param = (param_), .how = STK_INC                                           \
    }
#define KEEP(col_, param_)                                                                         \
    {                                                                                              \
        .col = (col_), .param = (param_), .how = STK_KEEP                                          \
    }
/* Members of ORDER. */
#define ASC(col_)                                                                                  \
    {                                                                                              \
        .col = (col_), .desc = 0                                                                   \
    }
#define DESC(col_)                                                                                 \
    {                                                                                              \
        .col = (col_), .desc = 1                                                                   \
    }

/* The catalogue handed to every storage that is opened. */
extern const stk_catalog store_catalog;

#endif
