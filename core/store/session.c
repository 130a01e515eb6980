/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions.  One session is read and written by primary key; a user's sessions
 * by the key `user` (app, user, expiry); expired ones by the key `expires`. */
#include "store/session.h"

#include "store/query.h"

enum { EXPIRE_ROWS = 1000 };

#define KEY_IS(first)                                                                              \
    EQ(SESSIONS_APP_ID, first), EQ(SESSIONS_TENANT_ID, (first) + 1),                               \
        EQ(SESSIONS_HANDLE, (first) + 2)

QUERY(session_insert, INSERT(SESSIONS),
      SETS(PUT(SESSIONS_APP_ID, 0), PUT(SESSIONS_TENANT_ID, 1), PUT(SESSIONS_HANDLE, 2),
           PUT(SESSIONS_USER_ID, 3), PUT(SESSIONS_REFRESH_HASH2, 4), PUT(SESSIONS_SESSION_DATA, 5),
           PUT(SESSIONS_JWT_PAYLOAD, 6), PUT(SESSIONS_EXPIRES_AT, 7), PUT(SESSIONS_CREATED_AT, 8),
           PUT(SESSIONS_USE_STATIC_KEY, 9)),
      PARAMS(10));

QUERY(session_get, SELECT(SESSIONS),
      OUT(SESSIONS_HANDLE, SESSIONS_USER_ID, SESSIONS_REFRESH_HASH2, SESSIONS_PREV_REFRESH_HASH2,
          SESSIONS_ROTATED_AT, SESSIONS_SESSION_DATA, SESSIONS_JWT_PAYLOAD, SESSIONS_EXPIRES_AT,
          SESSIONS_CREATED_AT, SESSIONS_USE_STATIC_KEY),
      WHERE(KEY_IS(0)), PARAMS(3), NO_LIMIT);
enum {
    G_HANDLE,
    G_USER,
    G_HASH2,
    G_PREV,
    G_ROTATED,
    G_DATA,
    G_PAYLOAD,
    G_EXPIRES,
    G_CREATED,
    G_STATIC
};

/* A second run finds another hash and changes nothing. */
QUERY(session_swap, UPDATE(SESSIONS),
      SETS(PUT(SESSIONS_REFRESH_HASH2, 0), PUT(SESSIONS_PREV_REFRESH_HASH2, 1),
           PUT(SESSIONS_ROTATED_AT, 2), PUT(SESSIONS_EXPIRES_AT, 3),
           PUT(SESSIONS_USE_STATIC_KEY, 4)),
      WHERE(KEY_IS(5), EQ(SESSIONS_REFRESH_HASH2, 8)), PARAMS(9), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(session_promote, UPDATE(SESSIONS),
      SETS(PUT(SESSIONS_REFRESH_HASH2, 0), PUT(SESSIONS_PREV_REFRESH_HASH2, 1),
           PUT(SESSIONS_ROTATED_AT, 2), PUT(SESSIONS_EXPIRES_AT, 3)),
      WHERE(KEY_IS(4), EQ(SESSIONS_REFRESH_HASH2, 7)), PARAMS(8), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(session_set_user, UPDATE(SESSIONS),
      SETS(PUT(SESSIONS_USER_ID, 0), PUT(SESSIONS_REFRESH_HASH2, 1)), WHERE(KEY_IS(2)), PARAMS(5),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(session_set_data, UPDATE(SESSIONS), SETS(PUT(SESSIONS_SESSION_DATA, 0)),
      WHERE(KEY_IS(1), GT(SESSIONS_EXPIRES_AT, 4)), PARAMS(5), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(session_set_payload, UPDATE(SESSIONS), SETS(PUT(SESSIONS_JWT_PAYLOAD, 0)),
      WHERE(KEY_IS(1), GT(SESSIONS_EXPIRES_AT, 4)), PARAMS(5), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

QUERY(session_existing, SELECT(SESSIONS), OUT(SESSIONS_HANDLE),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_TENANT_ID, 1), IN(SESSIONS_HANDLE, 2)), PARAMS(3),
      NO_LIMIT);
QUERY(session_delete, DELETE(SESSIONS),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_TENANT_ID, 1), IN(SESSIONS_HANDLE, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(sessions_of_users, SELECT(SESSIONS), OUT(SESSIONS_TENANT_ID, SESSIONS_HANDLE),
      WHERE(EQ(SESSIONS_APP_ID, 0), IN(SESSIONS_USER_ID, 1), GE(SESSIONS_EXPIRES_AT, 2)), PARAMS(3),
      NO_LIMIT);
QUERY(sessions_expire, DELETE(SESSIONS), WHERE(LE(SESSIONS_EXPIRES_AT, 0)), PARAMS(1),
      LIMIT(EXPIRE_ROWS), FLAGS(STK_QF_IDEMPOTENT));

#define KEY_VALUES(key) v_str((key)->app_id), v_str((key)->tenant_id), v_str((key)->handle)

void batch_session_insert(struct batch *b, const struct session_key *key,
                          const struct session_row *row)
{
    BATCH(b, q_session_insert, KEY_VALUES(key), v_str(row->user_id), v_str(row->hash2),
          v_str(row->data), v_str(row->payload), v_i64(row->expires_at), v_i64(row->created_at),
          v_bool(row->use_static_key));
}

stk_call *batch_session_get(struct batch *b, const struct session_key *key)
{
    return BATCH(b, q_session_get, KEY_VALUES(key));
}

bool session_row_of(const stk_call *call, struct session_row *row)
{
    if (call_rows(call) == 0)
        return false;
    const stk_val *cells = call_row(call, 0);
    *row = (struct session_row){
        .handle = cell_str(cells, G_HANDLE),
        .user_id = cell_str(cells, G_USER),
        .hash2 = cell_str(cells, G_HASH2),
        .prev_hash2 = cell_str(cells, G_PREV),
        .data = cell_str(cells, G_DATA),
        .payload = cell_str(cells, G_PAYLOAD),
        .rotated_at = cell_i64(cells, G_ROTATED),
        .expires_at = cell_i64(cells, G_EXPIRES),
        .created_at = cell_i64(cells, G_CREATED),
        .use_static_key = cell_bool(cells, G_STATIC),
    };
    return true;
}

stk_call *batch_session_swap(struct batch *b, const struct session_key *key, struct str seen,
                             const struct session_row *row)
{
    return BATCH(b, q_session_swap, v_str(row->hash2), v_str(row->prev_hash2),
                 row->prev_hash2.p ? v_i64(row->rotated_at) : v_null(), v_i64(row->expires_at),
                 v_bool(row->use_static_key), KEY_VALUES(key), v_str(seen));
}

stk_call *batch_session_promote(struct batch *b, const struct session_key *key,
                                const struct session_row *row)
{
    return BATCH(b, q_session_promote, v_str(row->hash2), v_str(row->prev_hash2),
                 v_i64(row->rotated_at), v_i64(row->expires_at), KEY_VALUES(key),
                 v_str(row->prev_hash2));
}

void batch_session_set_user(struct batch *b, const struct session_key *key, struct str user_id,
                            struct str hash2)
{
    BATCH(b, q_session_set_user, v_str(user_id), v_str(hash2), KEY_VALUES(key));
}

stk_call *batch_session_set_data(struct batch *b, const struct session_key *key, struct str data,
                                 int64_t now)
{
    return BATCH(b, q_session_set_data, v_str(data), KEY_VALUES(key), v_i64(now));
}

stk_call *batch_session_set_payload(struct batch *b, const struct session_key *key,
                                    struct str payload, int64_t now)
{
    return BATCH(b, q_session_set_payload, v_str(payload), KEY_VALUES(key), v_i64(now));
}

int session_witness(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *get = batch_session_get(&b, arg);
    int rc = storage_read(c, s, &b);
    *applied = rc == RC_OK && call_rows(get) > 0;
    return rc;
}

int sessions_of_users(struct ctx *c, struct storage *s, struct str app_id, const struct str *users,
                      size_t nusers, int64_t now, struct session_handle **list, size_t *n)
{
    size_t step = storage_max_in(s), ncalls = (nusers + step - 1) / step;
    stk_call **calls = ARENA_ARRAY(c->arena, stk_call *, ncalls + 1);
    size_t total = 0;
    for (size_t i = 0; i < ncalls; i++) {
        struct batch b;
        batch_init(&b, c);
        size_t from = i * step, len = nusers - from < step ? nusers - from : step;
        calls[i] = BATCH(&b, q_sessions_of_users, v_str(app_id),
                         v_strs(c->arena, users + from, len), v_i64(now));
        int rc = storage_read(c, s, &b);
        if (rc != RC_OK)
            return rc;
        total += call_rows(calls[i]);
    }
    *list = ARENA_ARRAY(c->arena, struct session_handle, total + 1);
    *n = 0;
    for (size_t i = 0; i < ncalls; i++)
        for (uint32_t r = 0; r < call_rows(calls[i]); r++) {
            const stk_val *cells = call_row(calls[i], r);
            (*list)[(*n)++] = (struct session_handle){cell_str(cells, 0), cell_str(cells, 1)};
        }
    return RC_OK;
}

/* Up to one list of handles: what is there is read and deleted in one batch.
 * One that another caller deletes in between is told as deleted by both. */
static int delete_some(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                       const struct str *handles, size_t n, struct str *deleted, size_t *ndeleted)
{
    struct batch b;
    batch_init(&b, c);
    stk_val list = v_strs(c->arena, handles, n);
    stk_call *existing =
        n == 1 ? NULL : BATCH(&b, q_session_existing, v_str(app_id), v_str(tenant_id), list);
    stk_call *gone = BATCH(&b, q_session_delete, v_str(app_id), v_str(tenant_id), list);
    int rc = storage_write(c, s, &b, NULL, NULL);
    if (rc != RC_OK)
        return rc;
    if (!existing && call_affected(gone))
        deleted[(*ndeleted)++] = handles[0];
    for (uint32_t i = 0; existing && i < call_rows(existing); i++)
        deleted[(*ndeleted)++] = cell_str(call_row(existing, i), 0);
    return RC_OK;
}

int sessions_delete(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                    const struct str *handles, size_t n, struct str **deleted, size_t *ndeleted)
{
    size_t step = storage_max_in(s);
    *deleted = ARENA_ARRAY(c->arena, struct str, n + 1);
    *ndeleted = 0;
    int rc = RC_OK;
    for (size_t i = 0; rc == RC_OK && i < n; i += step)
        rc = delete_some(c, s, app_id, tenant_id, handles + i, n - i < step ? n - i : step,
                         *deleted, ndeleted);
    return rc;
}

int sessions_expire(struct ctx *c, struct storage *s, int64_t now, bool *more)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *gone = BATCH(&b, q_sessions_expire, v_i64(now));
    int rc = storage_write(c, s, &b, NULL, NULL);
    *more = rc == RC_OK && call_affected(gone) >= EXPIRE_ROWS;
    return rc;
}
