/* SPDX-License-Identifier: Apache-2.0 */
/* Removing users, and witnesses.  There are no cascades: what hangs on a user is
 * listed here.  A login method's rows in all tenants are a range of key
 * `recipe_user`; everything else of one user a range of a key led by its id. */
#include "store/users.h"

#include "store/emailverification.h"
#include "store/query.h"
#include "store/totp.h"
#include "store/usermetadata.h"
#include "store/userroles.h"

QUERY(user_delete, DELETE(USERS), WHERE(EQ(USERS_APP_ID, 0), EQ(USERS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(login_delete, DELETE(LOGIN_METHODS),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 0), EQ(LOGIN_METHODS_RECIPE_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenants_delete, DELETE(USER_TENANTS),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_RECIPE_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_delete, DELETE(USER_TENANTS),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1),
            EQ(USER_TENANTS_RECIPE_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(tenant_user_delete, DELETE(TENANT_USERS),
      WHERE(EQ(TENANT_USERS_APP_ID, 0), IN(TENANT_USERS_TENANT_ID, 1), EQ(TENANT_USERS_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(reservations_of_user_delete, DELETE(ACCOUNT_RESERVATIONS),
      WHERE(EQ(ACCOUNT_RESERVATIONS_APP_ID, 0), EQ(ACCOUNT_RESERVATIONS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(mapping_delete, DELETE(USER_ID_MAPPING),
      WHERE(EQ(USER_ID_MAPPING_APP_ID, 0), EQ(USER_ID_MAPPING_SUPERTOKENS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(reset_tokens_of_user_delete, DELETE(PASSWORD_RESET_TOKENS),
      WHERE(EQ(PASSWORD_RESET_TOKENS_APP_ID, 0), EQ(PASSWORD_RESET_TOKENS_USER_ID, 1)), PARAMS(2),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(sessions_of_id_delete, DELETE(SESSIONS),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(sessions_of_id_in_tenant_delete, DELETE(SESSIONS),
      WHERE(EQ(SESSIONS_APP_ID, 0), EQ(SESSIONS_TENANT_ID, 1), EQ(SESSIONS_USER_ID, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

QUERY(last_active_put, UPSERT(USER_LAST_ACTIVE),
      SETS(PUT(USER_LAST_ACTIVE_APP_ID, 0), PUT(USER_LAST_ACTIVE_USER_ID, 1),
           PUT(USER_LAST_ACTIVE_LAST_ACTIVE, 2)),
      PARAMS(3), FLAGS(STK_QF_IDEMPOTENT));
QUERY(last_active_delete, DELETE(USER_LAST_ACTIVE),
      WHERE(EQ(USER_LAST_ACTIVE_APP_ID, 0), EQ(USER_LAST_ACTIVE_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
/* A range of key `last_active`: O(users active since then). */
QUERY(last_active_count, COUNT(USER_LAST_ACTIVE),
      WHERE(EQ(USER_LAST_ACTIVE_APP_ID, 0), GE(USER_LAST_ACTIVE_LAST_ACTIVE, 1)), PARAMS(2),
      NO_LIMIT);

void batch_login_delete(struct batch *b, struct str app_id, struct str recipe_user_id)
{
    BATCH(b, q_login_delete, v_str(app_id), v_str(recipe_user_id));
    BATCH(b, q_user_tenants_delete, v_str(app_id), v_str(recipe_user_id));
    BATCH(b, q_reset_tokens_of_user_delete, v_str(app_id), v_str(recipe_user_id));
}

void batch_login_leave(struct batch *b, struct str app_id, struct str tenant_id,
                       struct str recipe_user_id)
{
    BATCH(b, q_user_tenant_delete, v_str(app_id), v_str(tenant_id), v_str(recipe_user_id));
}

void batch_user_delete(struct batch *b, struct str app_id, struct str user_id)
{
    BATCH(b, q_user_delete, v_str(app_id), v_str(user_id));
    BATCH(b, q_reservations_of_user_delete, v_str(app_id), v_str(user_id));
}

void batch_mapping_delete(struct batch *b, struct str app_id, struct str user_id)
{
    BATCH(b, q_mapping_delete, v_str(app_id), v_str(user_id));
}

void batch_login_sessions_end(struct batch *b, struct str app_id, const struct login_method *m)
{
    BATCH(b, q_sessions_of_id_delete, v_str(app_id), v_str(m->recipe_user_id));
    if (m->external_id.p)
        BATCH(b, q_sessions_of_id_delete, v_str(app_id), v_str(m->external_id));
}

void batch_user_data_delete(struct batch *b, struct str app_id, struct str outer_id)
{
    BATCH(b, q_sessions_of_id_delete, v_str(app_id), v_str(outer_id));
    batch_email_verification_delete(b, app_id, outer_id);
    batch_totp_delete(b, &(struct totp_user){app_id, outer_id});
    batch_metadata_delete(b, app_id, outer_id);
    batch_user_roles_delete(b, app_id, outer_id);
}

struct user_data_calls batch_user_data_leave(struct batch *b, struct str app_id,
                                             struct str tenant_id, struct str outer_id)
{
    struct user_data_calls calls = {.batch = b, .from = b->n};
    BATCH(b, q_sessions_of_id_in_tenant_delete, v_str(app_id), v_str(tenant_id), v_str(outer_id));
    batch_email_verification_leave(b, app_id, tenant_id, outer_id);
    batch_user_roles_leave(b, app_id, tenant_id, outer_id);
    calls.to = b->n;
    batch_totp_leave(b, &(struct totp_user){app_id, outer_id}, tenant_id);
    return calls;
}

bool user_data_left(const struct user_data_calls *calls)
{
    for (uint32_t i = calls->from; i < calls->to; i++)
        if (call_affected(calls->batch->calls[i]) > 0)
            return true;
    return false;
}

/* ---- last active */

void batch_last_active(struct batch *b, struct str app_id, struct str user_id, int64_t now)
{
    BATCH(b, q_last_active_put, v_str(app_id), v_str(user_id), v_i64(now));
}

void batch_last_active_delete(struct batch *b, struct str app_id, struct str id)
{
    BATCH(b, q_last_active_delete, v_str(app_id), v_str(id));
}

int last_active_count(struct ctx *c, struct storage *s, struct str app_id, int64_t since,
                      int64_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_last_active_count, v_str(app_id), v_i64(since));
    int rc = storage_read(c, s, &b);
    if (rc == RC_OK)
        *n = (int64_t)call_affected(call);
    return rc;
}

/* ---- witnesses */

int login_witness(struct ctx *c, struct storage *s, const struct login_witness *w, bool *applied)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_login_row(&b, w->app_id, w->recipe_user_id);
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    *applied = call_rows(call) > 0;
    if (!*applied)
        return RC_OK;
    struct login_method m = login_of_row(call_row(call, 0));
    if ((w->email.p && !str_eq(w->email, m.email)) ||
        (w->password_hash.p && !str_eq(w->password_hash, m.password_hash)))
        *applied = false;
    if (w->verified && !m.verified)
        *applied = false;
    if (!*applied || !w->tenant_id.p)
        return RC_OK;
    struct user u;
    rc = users_load(c, s, w->app_id, &m.user_id, 1, &u);
    if (rc != RC_OK)
        return rc;
    const struct login_method *now = user_method(&u, w->recipe_user_id);
    *applied = now && login_in_tenant(now, w->tenant_id);
    return RC_OK;
}
