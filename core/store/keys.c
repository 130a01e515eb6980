/* SPDX-License-Identifier: Apache-2.0 */
/* Signing keys, read by their key `kind`: a handful of rows per app.  Values are
 * read by primary key. */
#include "store/keys.h"

#include "store/query.h"

/* Far more than hourly rotation leaves within the lifetime of a key. */
enum { MOST_KEYS = 1000, EXPIRE_ROWS = 1000 };

QUERY(keys_list, SELECT(SIGNING_KEYS),
      OUT(SIGNING_KEYS_KEY_ID, SIGNING_KEYS_KEY_DATA, SIGNING_KEYS_CREATED_AT),
      WHERE(EQ(SIGNING_KEYS_APP_ID, 0), EQ(SIGNING_KEYS_KIND, 1)),
      ORDER(DESC(SIGNING_KEYS_CREATED_AT)), PARAMS(2), LIMIT(MOST_KEYS));
enum { L_ID, L_DATA, L_CREATED };

/* A second run is RC_DUPLICATE, which its callers answer by reading the winner. */
QUERY(keys_insert, INSERT(SIGNING_KEYS),
      SETS(PUT(SIGNING_KEYS_APP_ID, 0), PUT(SIGNING_KEYS_KEY_ID, 1), PUT(SIGNING_KEYS_KIND, 2),
           PUT(SIGNING_KEYS_ALGORITHM, 3), PUT(SIGNING_KEYS_KEY_DATA, 4),
           PUT(SIGNING_KEYS_CREATED_AT, 5), PUT(SIGNING_KEYS_SLOT, 6)),
      PARAMS(7), FLAGS(STK_QF_IDEMPOTENT));

QUERY(keys_newest, SELECT(SIGNING_KEYS), OUT(SIGNING_KEYS_CREATED_AT),
      WHERE(EQ(SIGNING_KEYS_APP_ID, 0), EQ(SIGNING_KEYS_KIND, 1)),
      ORDER(DESC(SIGNING_KEYS_CREATED_AT)), PARAMS(2), LIMIT(1));
QUERY(keys_expire, DELETE(SIGNING_KEYS),
      WHERE(EQ(SIGNING_KEYS_APP_ID, 0), EQ(SIGNING_KEYS_KIND, 1), LT(SIGNING_KEYS_CREATED_AT, 2)),
      PARAMS(3), LIMIT(EXPIRE_ROWS), FLAGS(STK_QF_IDEMPOTENT));

QUERY(key_value_get, SELECT(KEY_VALUE), OUT(KEY_VALUE_VALUE),
      WHERE(EQ(KEY_VALUE_APP_ID, 0), EQ(KEY_VALUE_TENANT_ID, 1), EQ(KEY_VALUE_NAME, 2)), PARAMS(3),
      NO_LIMIT);
QUERY(key_value_if_absent, INSERT(KEY_VALUE),
      SETS(PUT(KEY_VALUE_APP_ID, 0), PUT(KEY_VALUE_TENANT_ID, 1), PUT(KEY_VALUE_NAME, 2),
           PUT(KEY_VALUE_VALUE, 3), PUT(KEY_VALUE_CREATED_AT, 4)),
      PARAMS(5), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));

/* Values of the whole app carry no tenant. */
#define WHOLE_APP v_str(STR(""))

static void rows_of(const stk_call *call, struct str kind, struct key_row *rows, size_t *n)
{
    for (uint32_t i = 0; i < call_rows(call); i++) {
        const stk_val *cells = call_row(call, i);
        rows[(*n)++] = (struct key_row){
            .key_id = cell_str(cells, L_ID),
            .kind = kind,
            .data = cell_str(cells, L_DATA),
            .created_at = cell_i64(cells, L_CREATED),
        };
    }
}

stk_call *batch_value_get(struct batch *b, struct str app_id, struct str name)
{
    b->c->arena->wipe = true;
    return BATCH(b, q_key_value_get, v_str(app_id), WHOLE_APP, v_str(name));
}

int keys_read(struct ctx *c, struct storage *s, struct str app_id, struct str name,
              struct key_row **rows, size_t *n, struct str *value)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *dynamic = BATCH(&b, q_keys_list, v_str(app_id), v_str(KEY_DYNAMIC));
    stk_call *fixed = BATCH(&b, q_keys_list, v_str(app_id), v_str(KEY_STATIC));
    stk_call *named = batch_value_get(&b, app_id, name);
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    c->arena->wipe = true;
    *n = 0;
    *rows = ARENA_ARRAY(c->arena, struct key_row, call_rows(dynamic) + call_rows(fixed));
    rows_of(dynamic, KEY_DYNAMIC, *rows, n);
    rows_of(fixed, KEY_STATIC, *rows, n);
    *value = call_rows(named) ? cell_str(call_row(named, 0), 0) : STR_NULL;
    return RC_OK;
}

void batch_key_insert(struct batch *b, struct str app_id, const struct key_row *row)
{
    BATCH(b, q_keys_insert, v_str(app_id), v_str(row->key_id), v_str(row->kind),
          v_str(STR("RS256")), v_str(row->data), v_i64(row->created_at), v_str(row->slot));
}

void batch_value_if_absent(struct batch *b, struct str app_id, struct str name, struct str value,
                           int64_t now)
{
    BATCH(b, q_key_value_if_absent, v_str(app_id), WHOLE_APP, v_str(name), v_str(value),
          v_i64(now));
}

int keys_expire(struct ctx *c, struct storage *s, struct str app_id, int64_t before)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *newest = BATCH(&b, q_keys_newest, v_str(app_id), v_str(KEY_DYNAMIC));
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK || call_rows(newest) == 0)
        return rc;
    int64_t last = cell_i64(call_row(newest, 0), 0);
    struct batch w;
    batch_init(&w, c);
    BATCH(&w, q_keys_expire, v_str(app_id), v_str(KEY_DYNAMIC),
          v_i64(before < last ? before : last));
    return storage_write(c, s, &w, NULL, NULL);
}
