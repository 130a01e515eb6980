/* SPDX-License-Identifier: Apache-2.0 */
/* Dashboard users; see dashboard.h.  They are read by primary key or by unique key
 * `email`, all of an app as a range of the primary key: they are the people who
 * run the application, not its users.  Sessions of a user are a range of key
 * `user`, expired ones of key `expires`.  A row of st_locks for each of these users
 * orders what changes it and what signs it in. */
#include "store/dashboard.h"

#include "store/query.h"

#include <stdlib.h>

enum { EXPIRE_ROWS = 1000 };

enum { U_ID, U_EMAIL, U_HASH, U_TIME };
#define USER_COLUMNS                                                                               \
    OUT(DASHBOARD_USERS_USER_ID, DASHBOARD_USERS_EMAIL, DASHBOARD_USERS_PASSWORD_HASH,             \
        DASHBOARD_USERS_TIME_JOINED)
QUERY(dashboard_user_by_email, SELECT(DASHBOARD_USERS), USER_COLUMNS,
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 0), EQ(DASHBOARD_USERS_EMAIL, 1)), PARAMS(2), NO_LIMIT);
QUERY(dashboard_user_by_id, SELECT(DASHBOARD_USERS), USER_COLUMNS,
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 0), EQ(DASHBOARD_USERS_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(dashboard_users, SELECT(DASHBOARD_USERS),
      OUT(DASHBOARD_USERS_USER_ID, DASHBOARD_USERS_EMAIL, DASHBOARD_USERS_TIME_JOINED),
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 0)), PARAMS(1), NO_LIMIT);
QUERY(dashboard_users_count, COUNT(DASHBOARD_USERS), WHERE(EQ(DASHBOARD_USERS_APP_ID, 0)),
      PARAMS(1), NO_LIMIT);
QUERY(dashboard_user_insert, INSERT(DASHBOARD_USERS),
      SETS(PUT(DASHBOARD_USERS_APP_ID, 0), PUT(DASHBOARD_USERS_USER_ID, 1),
           PUT(DASHBOARD_USERS_EMAIL, 2), PUT(DASHBOARD_USERS_PASSWORD_HASH, 3),
           PUT(DASHBOARD_USERS_TIME_JOINED, 4)),
      PARAMS(5));
QUERY(dashboard_user_email, UPDATE(DASHBOARD_USERS), SETS(PUT(DASHBOARD_USERS_EMAIL, 0)),
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 1), EQ(DASHBOARD_USERS_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_user_password, UPDATE(DASHBOARD_USERS), SETS(PUT(DASHBOARD_USERS_PASSWORD_HASH, 0)),
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 1), EQ(DASHBOARD_USERS_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_user_same, SELECT(DASHBOARD_USERS), OUT(DASHBOARD_USERS_TIME_JOINED),
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 0), EQ(DASHBOARD_USERS_USER_ID, 1),
            EQ(DASHBOARD_USERS_PASSWORD_HASH, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(dashboard_lock, UPSERT(LOCKS),
      SETS(PUT(LOCKS_APP_ID, 0), PUT(LOCKS_NAME, 1), INC(LOCKS_N, 2)), PARAMS(3),
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_lock_delete, DELETE(LOCKS), WHERE(EQ(LOCKS_APP_ID, 0), EQ(LOCKS_NAME, 1)),
      PARAMS(2), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_user_delete, DELETE(DASHBOARD_USERS),
      WHERE(EQ(DASHBOARD_USERS_APP_ID, 0), EQ(DASHBOARD_USERS_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

QUERY(dashboard_session_insert, INSERT(DASHBOARD_SESSIONS),
      SETS(PUT(DASHBOARD_SESSIONS_APP_ID, 0), PUT(DASHBOARD_SESSIONS_SESSION_ID, 1),
           PUT(DASHBOARD_SESSIONS_USER_ID, 2), PUT(DASHBOARD_SESSIONS_CREATED_AT, 3),
           PUT(DASHBOARD_SESSIONS_EXPIRES_AT, 4)),
      PARAMS(5));
enum { S_HASH, S_USER_ID, S_CREATED, S_EXPIRES };
#define SESSION_COLUMNS                                                                            \
    OUT(DASHBOARD_SESSIONS_SESSION_ID, DASHBOARD_SESSIONS_USER_ID, DASHBOARD_SESSIONS_CREATED_AT,  \
        DASHBOARD_SESSIONS_EXPIRES_AT)
QUERY(dashboard_session_get, SELECT(DASHBOARD_SESSIONS), SESSION_COLUMNS,
      WHERE(EQ(DASHBOARD_SESSIONS_APP_ID, 0), EQ(DASHBOARD_SESSIONS_SESSION_ID, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(dashboard_sessions, SELECT(DASHBOARD_SESSIONS), SESSION_COLUMNS,
      WHERE(EQ(DASHBOARD_SESSIONS_APP_ID, 0), EQ(DASHBOARD_SESSIONS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(dashboard_session_delete, DELETE(DASHBOARD_SESSIONS),
      WHERE(EQ(DASHBOARD_SESSIONS_APP_ID, 0), IN(DASHBOARD_SESSIONS_SESSION_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_sessions_delete, DELETE(DASHBOARD_SESSIONS),
      WHERE(EQ(DASHBOARD_SESSIONS_APP_ID, 0), EQ(DASHBOARD_SESSIONS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(dashboard_sessions_expire, DELETE(DASHBOARD_SESSIONS),
      WHERE(LT(DASHBOARD_SESSIONS_EXPIRES_AT, 0)), PARAMS(1), LIMIT(EXPIRE_ROWS),
      FLAGS(STK_QF_IDEMPOTENT));

/* ---- users */

int dashboard_user_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                        struct str email, struct dashboard_user *user)
{
    struct batch b;
    batch_init(&b, c);
    c->arena->wipe = true;
    stk_call *call = id.p ? BATCH(&b, q_dashboard_user_by_id, v_str(app_id), v_str(id))
                          : BATCH(&b, q_dashboard_user_by_email, v_str(app_id), v_str(email));
    int rc = storage_read(c, s, &b);
    *user = (struct dashboard_user){.id = STR_NULL};
    if (rc != RC_OK || call_rows(call) == 0)
        return rc;
    const stk_val *row = call_row(call, 0);
    *user = (struct dashboard_user){.id = cell_str(row, U_ID),
                                    .email = cell_str(row, U_EMAIL),
                                    .password_hash = cell_str(row, U_HASH),
                                    .time_joined = cell_i64(row, U_TIME)};
    return RC_OK;
}

static int by_time(const void *x, const void *y)
{
    const struct dashboard_user *a = x, *b = y;
    if (a->time_joined != b->time_joined)
        return a->time_joined < b->time_joined ? -1 : 1;
    return str_cmp(a->id, b->id);
}

int dashboard_users_list(struct ctx *c, struct storage *s, struct str app_id,
                         struct dashboard_user **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_dashboard_users, v_str(app_id));
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    *n = call_rows(call);
    *list = ARENA_ARRAY(c->arena, struct dashboard_user, *n + 1);
    for (uint32_t i = 0; i < *n; i++) {
        const stk_val *row = call_row(call, i);
        (*list)[i] = (struct dashboard_user){
            .id = cell_str(row, 0), .email = cell_str(row, 1), .time_joined = cell_i64(row, 2)};
    }
    qsort(*list, *n, sizeof(**list), by_time);
    return RC_OK;
}

stk_call *batch_dashboard_users_count(struct batch *b, struct str app_id)
{
    return BATCH(b, q_dashboard_users_count, v_str(app_id));
}

void batch_dashboard_user(struct batch *b, struct str app_id, const struct dashboard_user *user)
{
    BATCH(b, q_dashboard_user_insert, v_str(app_id), v_str(user->id), v_str(user->email),
          v_str(user->password_hash), v_i64(user->time_joined));
}

bool dashboard_email_taken(const struct ctx *c)
{
    return c->dup_table == T_DASHBOARD_USERS && c->dup_key == DASHBOARD_USERS_KEY_EMAIL;
}

void batch_dashboard_email(struct batch *b, struct str app_id, struct str id, struct str email)
{
    call_expect_affected(BATCH(b, q_dashboard_user_email, v_str(email), v_str(app_id), v_str(id)),
                         1);
}

void batch_dashboard_password(struct batch *b, struct str app_id, struct str id, struct str hash)
{
    call_expect_affected(BATCH(b, q_dashboard_user_password, v_str(hash), v_str(app_id), v_str(id)),
                         1);
}

static struct str lock_name(struct arena *a, struct str id)
{
    return str_printf(a, "dashboard/%.*s", STR_ARG(id));
}

void batch_dashboard_lock(struct batch *b, struct str app_id, struct str id)
{
    BATCH(b, q_dashboard_lock, v_str(app_id), v_str(lock_name(b->c->arena, id)), v_i64(1));
}

void batch_dashboard_same(struct batch *b, struct str app_id, const struct dashboard_user *user)
{
    call_expect_rows(
        BATCH(b, q_dashboard_user_same, v_str(app_id), v_str(user->id), v_str(user->password_hash)),
        1);
}

stk_call *batch_dashboard_delete(struct batch *b, struct str app_id, struct str id)
{
    batch_dashboard_lock(b, app_id, id);
    stk_call *call = BATCH(b, q_dashboard_user_delete, v_str(app_id), v_str(id));
    batch_dashboard_sessions_delete(b, app_id, id);
    BATCH(b, q_dashboard_lock_delete, v_str(app_id), v_str(lock_name(b->c->arena, id)));
    return call;
}

/* ---- sessions */

void batch_dashboard_session(struct batch *b, struct str app_id,
                             const struct dashboard_session *session)
{
    BATCH(b, q_dashboard_session_insert, v_str(app_id), v_str(session->hash),
          v_str(session->user_id), v_i64(session->created_at), v_i64(session->expires_at));
}

static struct dashboard_session session_of(const stk_val *row)
{
    return (struct dashboard_session){.hash = cell_str(row, S_HASH),
                                      .user_id = cell_str(row, S_USER_ID),
                                      .created_at = cell_i64(row, S_CREATED),
                                      .expires_at = cell_i64(row, S_EXPIRES)};
}

int dashboard_session_find(struct ctx *c, struct storage *s, struct str app_id, struct str hash,
                           struct dashboard_session *session)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_dashboard_session_get, v_str(app_id), v_str(hash));
    int rc = storage_read(c, s, &b);
    *session = rc == RC_OK && call_rows(call) ? session_of(call_row(call, 0))
                                              : (struct dashboard_session){.hash = STR_NULL};
    return rc;
}

int dashboard_sessions_list(struct ctx *c, struct storage *s, struct str app_id, struct str user_id,
                            struct dashboard_session **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_dashboard_sessions, v_str(app_id), v_str(user_id));
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    *n = call_rows(call);
    *list = ARENA_ARRAY(c->arena, struct dashboard_session, *n + 1);
    for (uint32_t i = 0; i < *n; i++)
        (*list)[i] = session_of(call_row(call, i));
    return RC_OK;
}

int dashboard_session_delete(struct ctx *c, struct storage *s, struct str app_id,
                             const struct str *hashes, size_t n)
{
    struct batch b;
    batch_init(&b, c);
    BATCH(&b, q_dashboard_session_delete, v_str(app_id), v_strs(c->arena, hashes, n));
    return storage_write(c, s, &b, NULL, NULL);
}

void batch_dashboard_sessions_delete(struct batch *b, struct str app_id, struct str user_id)
{
    BATCH(b, q_dashboard_sessions_delete, v_str(app_id), v_str(user_id));
}

int dashboard_sessions_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_dashboard_sessions_expire, v_i64(before));
    int rc = storage_write(c, s, &b, NULL, NULL);
    if (rc == RC_OK)
        *n = call_affected(call);
    return rc;
}
