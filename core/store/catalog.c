/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers the schema and every query into the catalogue of the ABI. */
#include "store/query.h"

static const stk_query *const queries[Q_COUNT + 1] = {
#define Q(name) [Q_##name] = &q_##name,
#include "store/all.def"
#undef Q
};

const stk_catalog store_catalog = {
    .size = sizeof(stk_catalog),
    .version = SCHEMA_VERSION,
    .table_size = sizeof(stk_table),
    .col_size = sizeof(stk_col),
    .key_size = sizeof(stk_key),
    .query_size = sizeof(stk_query),
    .pred_size = sizeof(stk_pred),
    .set_size = sizeof(stk_set),
    .order_size = sizeof(stk_order),
    .keyset_size = sizeof(stk_keyset),
    .ntables = T_COUNT,
    .nqueries = Q_COUNT,
    .tables = schema_tables,
    .queries = queries,
};
