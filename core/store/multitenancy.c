/* SPDX-License-Identifier: Apache-2.0 */
/* Apps, tenants and their configuration.  All reads are by primary key but the
 * change feed, which is a range of tenant_configs' key `seq`. */
#include "store/multitenancy.h"

#include "base/clock.h"
#include "core.h"
#include "store/query.h"

#define ACTIVE STR("active")
#define DELETED STR("deleted")
#define SEQ_LOCK STR("tenant_configs")

enum { FEED_PAGE = 1000 };

QUERY(tenant_active, SELECT(TENANTS), OUT(TENANTS_STATE),
      WHERE(EQ(TENANTS_APP_ID, 0), EQ(TENANTS_TENANT_ID, 1), EQ(TENANTS_STATE, 2)), PARAMS(3),
      NO_LIMIT);
QUERY(app_active, SELECT(APPS), OUT(APPS_STATE), WHERE(EQ(APPS_APP_ID, 0), EQ(APPS_STATE, 1)),
      PARAMS(2), NO_LIMIT);
QUERY(tenant_put, UPSERT(TENANTS),
      SETS(PUT(TENANTS_APP_ID, 0), PUT(TENANTS_TENANT_ID, 1), PUT(TENANTS_STATE, 2),
           KEEP(TENANTS_CREATED_AT, 3), INC(TENANTS_ROW_VER, 4)),
      PARAMS(5), FLAGS(STK_QF_IDEMPOTENT));
QUERY(app_put, UPSERT(APPS),
      SETS(PUT(APPS_APP_ID, 0), PUT(APPS_STATE, 1), KEEP(APPS_CREATED_AT, 2)), PARAMS(3),
      FLAGS(STK_QF_IDEMPOTENT));

QUERY(tenant_seq, SELECT(LOCKS), OUT(LOCKS_N), WHERE(EQ(LOCKS_APP_ID, 0), EQ(LOCKS_NAME, 1)),
      PARAMS(2), NO_LIMIT);
QUERY(tenant_seq_next, UPSERT(LOCKS),
      SETS(PUT(LOCKS_APP_ID, 0), PUT(LOCKS_NAME, 1), INC(LOCKS_N, 2)), PARAMS(3));

#define CONFIG_COLUMNS                                                                             \
    OUT(TENANT_CONFIGS_CUD, TENANT_CONFIGS_APP_ID, TENANT_CONFIGS_TENANT_ID,                       \
        TENANT_CONFIGS_CORE_CONFIG, TENANT_CONFIGS_RECIPE_CONFIG, TENANT_CONFIGS_STATE,            \
        TENANT_CONFIGS_SEQ, TENANT_CONFIGS_CREATED_AT)
enum { C_CUD, C_APP, C_TENANT, C_CORE, C_RECIPE, C_STATE, C_SEQ, C_CREATED };

QUERY(tenant_configs_since, SELECT(TENANT_CONFIGS), CONFIG_COLUMNS,
      WHERE(GT(TENANT_CONFIGS_SEQ, 0)), ORDER(ASC(TENANT_CONFIGS_SEQ)), PARAMS(2), LIMIT_PARAM(1));
QUERY(tenant_config_get, SELECT(TENANT_CONFIGS), CONFIG_COLUMNS,
      WHERE(EQ(TENANT_CONFIGS_CUD, 0), EQ(TENANT_CONFIGS_APP_ID, 1),
            EQ(TENANT_CONFIGS_TENANT_ID, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(tenant_config_put, UPSERT(TENANT_CONFIGS),
      SETS(PUT(TENANT_CONFIGS_CUD, 0), PUT(TENANT_CONFIGS_APP_ID, 1),
           PUT(TENANT_CONFIGS_TENANT_ID, 2), PUT(TENANT_CONFIGS_CORE_CONFIG, 3),
           PUT(TENANT_CONFIGS_RECIPE_CONFIG, 4), PUT(TENANT_CONFIGS_STATE, 5),
           PUT(TENANT_CONFIGS_SEQ, 6), PUT(TENANT_CONFIGS_CREATED_AT, 7),
           PUT(TENANT_CONFIGS_UPDATED_AT, 8)),
      PARAMS(9), FLAGS(STK_QF_IDEMPOTENT));

stk_call *batch_tenant_active(struct batch *b, struct str app_id, struct str tenant_id)
{
    stk_call *call = BATCH(b, q_tenant_active, v_str(app_id), v_str(tenant_id), v_str(ACTIVE));
    call_expect_rows(call, 1);
    return call;
}

stk_call *batch_app_active(struct batch *b, struct str app_id)
{
    stk_call *call = BATCH(b, q_app_active, v_str(app_id), v_str(ACTIVE));
    call_expect_rows(call, 1);
    return call;
}

static void row_of(const stk_val *cells, struct tenant_row *row)
{
    *row = (struct tenant_row){
        .cud = cell_str(cells, C_CUD),
        .app_id = cell_str(cells, C_APP),
        .tenant_id = cell_str(cells, C_TENANT),
        .core_config = cell_str(cells, C_CORE),
        .recipe_config = cell_str(cells, C_RECIPE),
        .active = str_eq(cell_str(cells, C_STATE), ACTIVE),
        .seq = cell_i64(cells, C_SEQ),
        .created_at = cell_i64(cells, C_CREATED),
    };
}

/* Rows above `since`, page by page; the feed's end is what it has read, so a
 * row that commits meanwhile is found by the next look. */
static int read_feed(struct ctx *c, int64_t since, struct tenant_row **rows, size_t *n)
{
    size_t cap = 0;
    for (;;) {
        struct batch b;
        batch_init(&b, c);
        stk_call *page = BATCH(&b, q_tenant_configs_since, v_i64(since), v_i64(FEED_PAGE));
        int rc = storage_read(c, c->core->base_storage, &b);
        if (rc != RC_OK)
            return rc;
        uint32_t got = call_rows(page);
        struct tenant_row *grown = ARENA_ARRAY(c->arena, struct tenant_row, cap + got);
        for (size_t i = 0; i < *n; i++)
            grown[i] = (*rows)[i];
        for (uint32_t i = 0; i < got; i++)
            row_of(call_row(page, i), &grown[*n + i]);
        *rows = grown;
        *n += got;
        cap = *n;
        if (got < FEED_PAGE)
            return RC_OK;
        since = grown[*n - 1].seq;
    }
}

int multitenancy_changes(struct ctx *c, int64_t since, struct tenant_row **rows, size_t *n,
                         int64_t *seq)
{
    *rows = NULL;
    *n = 0;
    *seq = since;
    struct batch b;
    batch_init(&b, c);
    stk_call *newest = BATCH(&b, q_tenant_seq, v_str(STR("")), v_str(SEQ_LOCK));
    int rc = storage_read(c, c->core->base_storage, &b);
    if (rc != RC_OK)
        return rc;
    if (call_rows(newest) == 0 || cell_i64(call_row(newest, 0), 0) <= since)
        return RC_OK;
    rc = read_feed(c, since, rows, n);
    if (rc == RC_OK && *n)
        *seq = (*rows)[*n - 1].seq;
    return rc;
}

static stk_call *add_get(struct batch *b, const struct tenant_row *key)
{
    return BATCH(b, q_tenant_config_get, v_str(key->cud), v_str(key->app_id),
                 v_str(key->tenant_id));
}

static void found_row(const stk_call *call, bool *found, struct tenant_row *row)
{
    *found = call_rows(call) > 0;
    if (*found)
        row_of(call_row(call, 0), row);
}

int multitenancy_lock_row(struct txn *t, const struct tenant_row *key, int64_t *seq, bool *found,
                          struct tenant_row *row)
{
    struct batch b;
    batch_init(&b, txn_ctx(t));
    BATCH(&b, q_tenant_seq_next, v_str(STR("")), v_str(SEQ_LOCK), v_i64(1));
    stk_call *number = BATCH(&b, q_tenant_seq, v_str(STR("")), v_str(SEQ_LOCK));
    stk_call *get = add_get(&b, key);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    *seq = cell_i64(call_row(number, 0), 0);
    found_row(get, found, row);
    return RC_OK;
}

int multitenancy_read_row(struct ctx *c, const struct tenant_row *key, bool *found,
                          struct tenant_row *row)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = add_get(&b, key);
    int rc = storage_read(c, c->core->base_storage, &b);
    if (rc == RC_OK)
        found_row(get, found, row);
    return rc;
}

void batch_tenant_config(struct batch *b, const struct tenant_row *row)
{
    BATCH(b, q_tenant_config_put, v_str(row->cud), v_str(row->app_id), v_str(row->tenant_id),
          v_str(row->core_config), v_str(row->recipe_config), v_str(row->active ? ACTIVE : DELETED),
          v_i64(row->seq), v_i64(row->created_at), v_i64(clock_ms()));
}

void batch_tenant_create(struct batch *b, struct str app_id, struct str tenant_id, int64_t now)
{
    BATCH(b, q_app_put, v_str(app_id), v_str(ACTIVE), v_i64(now));
    BATCH(b, q_tenant_put, v_str(app_id), v_str(tenant_id), v_str(ACTIVE), v_i64(now), v_i64(1));
}
