/* SPDX-License-Identifier: Apache-2.0 */
/* Email/password; see emailpassword.h.
 *
 * Sign-in reads st_user_tenants by its unique key `uk_email`, and the tenants of
 * the same login method by its email.  Tokens are read by their primary key; a
 * user's are a range of key `user`, expired ones of key `expires`. */
#include "store/emailpassword.h"

#include "store/query.h"

enum { EXPIRE_ROWS = 1000 };

enum { S_RECIPE_USER_ID, S_USER_ID, S_PRIMARY, S_TIME, S_HASH, S_EXTERNAL, S_VERIFIED };
QUERY(signin_login, SELECT(USER_TENANTS),
      OUT(USER_TENANTS_RECIPE_USER_ID, USER_TENANTS_USER_ID, USER_TENANTS_IS_PRIMARY,
          USER_TENANTS_TIME_JOINED, USER_TENANTS_PASSWORD_HASH, USER_TENANTS_EXTERNAL_USER_ID,
          USER_TENANTS_VERIFIED),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1),
            EQ(USER_TENANTS_RECIPE_ID, 2), EQ(USER_TENANTS_UK_EMAIL, 3)),
      PARAMS(4), NO_LIMIT);

QUERY(reset_token_insert, INSERT(PASSWORD_RESET_TOKENS),
      SETS(PUT(PASSWORD_RESET_TOKENS_APP_ID, 0), PUT(PASSWORD_RESET_TOKENS_TOKEN, 1),
           PUT(PASSWORD_RESET_TOKENS_USER_ID, 2), PUT(PASSWORD_RESET_TOKENS_EMAIL, 3),
           PUT(PASSWORD_RESET_TOKENS_EXPIRES_AT, 4)),
      PARAMS(5));
enum { K_USER_ID, K_EMAIL, K_EXPIRES };
QUERY(reset_token_get, SELECT(PASSWORD_RESET_TOKENS),
      OUT(PASSWORD_RESET_TOKENS_USER_ID, PASSWORD_RESET_TOKENS_EMAIL,
          PASSWORD_RESET_TOKENS_EXPIRES_AT),
      WHERE(EQ(PASSWORD_RESET_TOKENS_APP_ID, 0), EQ(PASSWORD_RESET_TOKENS_TOKEN, 1)), PARAMS(2),
      NO_LIMIT);
QUERY(reset_token_delete, DELETE(PASSWORD_RESET_TOKENS),
      WHERE(EQ(PASSWORD_RESET_TOKENS_APP_ID, 0), EQ(PASSWORD_RESET_TOKENS_TOKEN, 1)), PARAMS(2),
      NO_LIMIT);
/* Changes nothing: it locks a user's tokens in one order, whichever is to be used. */
QUERY(reset_tokens_hold, UPDATE(PASSWORD_RESET_TOKENS),
      SETS(INC(PASSWORD_RESET_TOKENS_EXPIRES_AT, 0)),
      WHERE(EQ(PASSWORD_RESET_TOKENS_APP_ID, 1), EQ(PASSWORD_RESET_TOKENS_USER_ID, 2)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(reset_tokens_expire, DELETE(PASSWORD_RESET_TOKENS),
      WHERE(LT(PASSWORD_RESET_TOKENS_EXPIRES_AT, 0)), PARAMS(1), LIMIT(EXPIRE_ROWS),
      FLAGS(STK_QF_IDEMPOTENT));

int signin_find(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                struct str email, struct user *user, bool *whole)
{
    struct str recipe = recipe_name(MASK_EMAILPASSWORD);
    struct batch b;
    batch_init(&b, c);
    stk_call *login =
        BATCH(&b, q_signin_login, v_str(app_id), v_str(tenant_id), v_str(recipe), v_str(email));
    struct email_tenants tenants = batch_email_tenants(&b, app_id, email, MASK_EMAILPASSWORD);
    *user = (struct user){.id = STR_NULL};
    *whole = false;
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK || call_rows(login) == 0)
        return rc;
    const stk_val *row = call_row(login, 0);
    struct login_method *m = ARENA_NEW(c->arena, struct login_method);
    m->recipe_user_id = cell_str(row, S_RECIPE_USER_ID);
    m->user_id = cell_str(row, S_USER_ID);
    m->external_id = cell_str(row, S_EXTERNAL);
    m->recipe = MASK_EMAILPASSWORD;
    m->time_joined = cell_i64(row, S_TIME);
    m->verified = cell_bool(row, S_VERIFIED);
    m->email = email;
    m->password_hash = cell_str(row, S_HASH);
    *user = (struct user){.id = m->user_id,
                          .external_id = m->external_id,
                          .is_primary = cell_bool(row, S_PRIMARY),
                          .time_joined = m->time_joined,
                          .methods = m,
                          .nmethods = 1};
    *whole = !user->is_primary && str_eq(m->user_id, m->recipe_user_id) &&
             email_tenants_take(c->arena, &tenants, m);
    return RC_OK;
}

void batch_reset_token(struct batch *b, struct str app_id, const struct reset_token *t)
{
    BATCH(b, q_reset_token_insert, v_str(app_id), v_str(t->hash), v_str(t->user_id),
          v_str(t->email), v_i64(t->expires_at));
}

int reset_token_find(struct ctx *c, struct storage *s, struct str app_id, struct str hash,
                     struct reset_token *t, bool *found)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_reset_token_get, v_str(app_id), v_str(hash));
    int rc = storage_read(c, s, &b);
    *found = rc == RC_OK && call_rows(call) > 0;
    if (!*found)
        return rc;
    const stk_val *row = call_row(call, 0);
    *t = (struct reset_token){.hash = hash,
                              .user_id = cell_str(row, K_USER_ID),
                              .email = cell_str(row, K_EMAIL),
                              .expires_at = cell_i64(row, K_EXPIRES)};
    return RC_OK;
}

void batch_reset_token_consume(struct batch *b, struct str app_id, const struct reset_token *t)
{
    BATCH(b, q_reset_tokens_hold, v_i64(0), v_str(app_id), v_str(t->user_id));
    stk_call *call = BATCH(b, q_reset_token_delete, v_str(app_id), v_str(t->hash));
    call_expect_affected(call, 1);
    BATCH(b, q_reset_tokens_of_user_delete, v_str(app_id), v_str(t->user_id));
}

int reset_tokens_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_reset_tokens_expire, v_i64(before));
    int rc = storage_write(c, s, &b, NULL, NULL);
    if (rc == RC_OK)
        *n = call_affected(call);
    return rc;
}
