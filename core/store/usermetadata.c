/* SPDX-License-Identifier: Apache-2.0 */
/* User metadata; see usermetadata.h.  Everything is by primary key. */
#include "store/usermetadata.h"

#include "store/query.h"

#define KEY_IS(first) EQ(USER_METADATA_APP_ID, first), EQ(USER_METADATA_USER_ID, (first) + 1)
#define COLUMNS OUT(USER_METADATA_USER_ID, USER_METADATA_METADATA, USER_METADATA_ROW_VER)
enum { C_USER_ID, C_TEXT, C_ROW_VER };

QUERY(metadata_get, SELECT(USER_METADATA), COLUMNS, WHERE(KEY_IS(0)), PARAMS(2), NO_LIMIT);
QUERY(metadata_lock, SELECT(USER_METADATA), COLUMNS, WHERE(KEY_IS(0)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_LOCK));
QUERY(metadata_of_users, SELECT(USER_METADATA), COLUMNS,
      WHERE(EQ(USER_METADATA_APP_ID, 0), IN(USER_METADATA_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(metadata_insert, INSERT(USER_METADATA),
      SETS(PUT(USER_METADATA_APP_ID, 0), PUT(USER_METADATA_USER_ID, 1),
           PUT(USER_METADATA_METADATA, 2), PUT(USER_METADATA_ROW_VER, 3)),
      PARAMS(4));
QUERY(metadata_update, UPDATE(USER_METADATA),
      SETS(PUT(USER_METADATA_METADATA, 0), INC(USER_METADATA_ROW_VER, 1)), WHERE(KEY_IS(2)),
      PARAMS(4), NO_LIMIT);
QUERY(metadata_delete, DELETE(USER_METADATA), WHERE(KEY_IS(0)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

static struct metadata_row row_of(const stk_val *cells)
{
    return (struct metadata_row){.found = true,
                                 .user_id = cell_str(cells, C_USER_ID),
                                 .text = cell_str(cells, C_TEXT),
                                 .row_ver = cell_i64(cells, C_ROW_VER)};
}

struct metadata_row metadata_of(const stk_call *call)
{
    return call_rows(call) ? row_of(call_row(call, 0)) : (struct metadata_row){.found = false};
}

int metadata_read(struct ctx *c, struct storage *s, struct str app_id, struct str user_id,
                  struct metadata_row *row)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = BATCH(&b, q_metadata_get, v_str(app_id), v_str(user_id));
    int rc = storage_read(c, s, &b);
    if (rc == RC_OK)
        *row = metadata_of(get);
    return rc;
}

int metadata_read_many(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids,
                       size_t n, struct metadata_row **rows, size_t *nrows)
{
    struct batch b;
    batch_init(&b, c);
    size_t step = storage_max_in(s);
    for (size_t i = 0; i < n; i += step)
        BATCH(&b, q_metadata_of_users, v_str(app_id),
              v_strs(c->arena, ids + i, n - i < step ? n - i : step));
    int rc = storage_read(c, s, &b);
    *rows = ARENA_ARRAY(c->arena, struct metadata_row, n + 1);
    *nrows = 0;
    for (uint32_t i = 0; rc == RC_OK && i < b.n; i++)
        for (uint32_t r = 0; r < call_rows(b.calls[i]); r++)
            (*rows)[(*nrows)++] = row_of(call_row(b.calls[i], r));
    return rc;
}

stk_call *batch_metadata_lock(struct batch *b, struct str app_id, struct str user_id)
{
    return BATCH(b, q_metadata_lock, v_str(app_id), v_str(user_id));
}

void batch_metadata_write(struct batch *b, struct str app_id, struct str user_id,
                          const struct metadata_row *locked, struct str text)
{
    if (locked->found)
        BATCH(b, q_metadata_update, v_str(text), v_i64(1), v_str(app_id), v_str(user_id));
    else
        BATCH(b, q_metadata_insert, v_str(app_id), v_str(user_id), v_str(text), v_i64(1));
}

void batch_metadata_delete(struct batch *b, struct str app_id, struct str user_id)
{
    BATCH(b, q_metadata_delete, v_str(app_id), v_str(user_id));
}
