/* SPDX-License-Identifier: Apache-2.0 */
/* Email verification; see emailverification.h.
 *
 * A verified email is a row read and written by its primary key, all of a user's
 * are a range of it.  A token is read by its primary key; those of one email are
 * a range of key `email`, those of a user in one tenant too, those of a user a
 * range of key `user`, expired ones of key `expires`. */
#include "store/emailverification.h"

#include "store/query.h"
#include "store/users.h"

enum { EXPIRE_ROWS = 1000 };

QUERY(email_verified_put, INSERT(EMAIL_VERIFIED),
      SETS(PUT(EMAIL_VERIFIED_APP_ID, 0), PUT(EMAIL_VERIFIED_USER_ID, 1),
           PUT(EMAIL_VERIFIED_EMAIL, 2)),
      PARAMS(3), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));
QUERY(email_verified_get, SELECT(EMAIL_VERIFIED), OUT(EMAIL_VERIFIED_EMAIL),
      WHERE(EQ(EMAIL_VERIFIED_APP_ID, 0), EQ(EMAIL_VERIFIED_USER_ID, 1),
            EQ(EMAIL_VERIFIED_EMAIL, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(email_verified_delete, DELETE(EMAIL_VERIFIED),
      WHERE(EQ(EMAIL_VERIFIED_APP_ID, 0), EQ(EMAIL_VERIFIED_USER_ID, 1),
            EQ(EMAIL_VERIFIED_EMAIL, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(emails_verified_of_user_delete, DELETE(EMAIL_VERIFIED),
      WHERE(EQ(EMAIL_VERIFIED_APP_ID, 0), EQ(EMAIL_VERIFIED_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

QUERY(login_verified, UPDATE(LOGIN_METHODS),
      SETS(PUT(LOGIN_METHODS_VERIFIED, 0), PUT(LOGIN_METHODS_UPDATED_AT, 1)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 2), EQ(LOGIN_METHODS_RECIPE_USER_ID, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenant_verified, UPDATE(USER_TENANTS), SETS(PUT(USER_TENANTS_VERIFIED, 0)),
      WHERE(EQ(USER_TENANTS_APP_ID, 1), EQ(USER_TENANTS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

QUERY(verification_token_insert, INSERT(EMAIL_VERIFICATION_TOKENS),
      SETS(PUT(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), PUT(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 1),
           PUT(EMAIL_VERIFICATION_TOKENS_TOKEN, 2), PUT(EMAIL_VERIFICATION_TOKENS_USER_ID, 3),
           PUT(EMAIL_VERIFICATION_TOKENS_EMAIL, 4), PUT(EMAIL_VERIFICATION_TOKENS_EXPIRES_AT, 5)),
      PARAMS(6));
enum { K_USER_ID, K_EMAIL, K_EXPIRES };
QUERY(verification_token_get, SELECT(EMAIL_VERIFICATION_TOKENS),
      OUT(EMAIL_VERIFICATION_TOKENS_USER_ID, EMAIL_VERIFICATION_TOKENS_EMAIL,
          EMAIL_VERIFICATION_TOKENS_EXPIRES_AT),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), EQ(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 1),
            EQ(EMAIL_VERIFICATION_TOKENS_TOKEN, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(verification_token_delete, DELETE(EMAIL_VERIFICATION_TOKENS),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), EQ(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 1),
            EQ(EMAIL_VERIFICATION_TOKENS_TOKEN, 2), EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 3)),
      PARAMS(4), NO_LIMIT);
/* Changes nothing: it locks the tokens of an email in one order, whichever is to be used. */
QUERY(verification_tokens_hold, UPDATE(EMAIL_VERIFICATION_TOKENS),
      SETS(INC(EMAIL_VERIFICATION_TOKENS_EXPIRES_AT, 0)),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 1), EQ(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 2),
            EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 3), EQ(EMAIL_VERIFICATION_TOKENS_EMAIL, 4)),
      PARAMS(5), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(verification_tokens_of_email_delete, DELETE(EMAIL_VERIFICATION_TOKENS),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), EQ(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 1),
            EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 2), EQ(EMAIL_VERIFICATION_TOKENS_EMAIL, 3)),
      PARAMS(4), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(verification_tokens_in_tenant_delete, DELETE(EMAIL_VERIFICATION_TOKENS),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), EQ(EMAIL_VERIFICATION_TOKENS_TENANT_ID, 1),
            EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(verification_tokens_of_user_delete, DELETE(EMAIL_VERIFICATION_TOKENS),
      WHERE(EQ(EMAIL_VERIFICATION_TOKENS_APP_ID, 0), EQ(EMAIL_VERIFICATION_TOKENS_USER_ID, 1)),
      PARAMS(2), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(verification_tokens_expire, DELETE(EMAIL_VERIFICATION_TOKENS),
      WHERE(LT(EMAIL_VERIFICATION_TOKENS_EXPIRES_AT, 0)), PARAMS(1), LIMIT(EXPIRE_ROWS),
      FLAGS(STK_QF_IDEMPOTENT));

/* ---- verified emails */

void batch_email_verified(struct batch *b, struct str app_id, struct str outer_id, struct str email)
{
    BATCH(b, q_email_verified_put, v_str(app_id), v_str(outer_id), v_str(email));
}

void batch_email_unverified(struct batch *b, struct str app_id, struct str outer_id,
                            struct str email)
{
    BATCH(b, q_email_verified_delete, v_str(app_id), v_str(outer_id), v_str(email));
}

stk_call *batch_email_verified_get(struct batch *b, struct str app_id, struct str outer_id,
                                   struct str email)
{
    return BATCH(b, q_email_verified_get, v_str(app_id), v_str(outer_id), v_str(email));
}

void batch_login_verified(struct batch *b, struct str app_id, const struct login_method *m,
                          bool verified, int64_t now)
{
    stk_call *call = BATCH(b, q_login_verified, v_bool(verified), v_i64(now), v_str(app_id),
                           v_str(m->recipe_user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenant_verified, v_bool(verified), v_str(app_id), v_str(m->recipe_user_id));
}

/* ---- tokens */

void batch_verification_token(struct batch *b, struct str app_id, struct str tenant_id,
                              const struct verification_token *t)
{
    BATCH(b, q_verification_token_insert, v_str(app_id), v_str(tenant_id), v_str(t->hash),
          v_str(t->user_id), v_str(t->email), v_i64(t->expires_at));
}

int verification_token_find(struct ctx *c, struct storage *s, struct str app_id,
                            struct str tenant_id, struct str hash, struct verification_token *t,
                            bool *found)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call =
        BATCH(&b, q_verification_token_get, v_str(app_id), v_str(tenant_id), v_str(hash));
    int rc = storage_read(c, s, &b);
    *found = rc == RC_OK && call_rows(call) > 0;
    if (!*found)
        return rc;
    const stk_val *row = call_row(call, 0);
    *t = (struct verification_token){.hash = hash,
                                     .user_id = cell_str(row, K_USER_ID),
                                     .email = cell_str(row, K_EMAIL),
                                     .expires_at = cell_i64(row, K_EXPIRES)};
    return RC_OK;
}

void batch_verification_token_consume(struct batch *b, struct str app_id, struct str tenant_id,
                                      const struct verification_token *t)
{
    BATCH(b, q_verification_tokens_hold, v_i64(0), v_str(app_id), v_str(tenant_id),
          v_str(t->user_id), v_str(t->email));
    stk_call *call = BATCH(b, q_verification_token_delete, v_str(app_id), v_str(tenant_id),
                           v_str(t->hash), v_str(t->user_id));
    call_expect_affected(call, 1);
    batch_verification_tokens_delete(b, app_id, tenant_id, t->user_id, t->email);
}

void batch_verification_tokens_delete(struct batch *b, struct str app_id, struct str tenant_id,
                                      struct str outer_id, struct str email)
{
    BATCH(b, q_verification_tokens_of_email_delete, v_str(app_id), v_str(tenant_id),
          v_str(outer_id), v_str(email));
}

int verification_tokens_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_verification_tokens_expire, v_i64(before));
    int rc = storage_write(c, s, &b, NULL, NULL);
    if (rc == RC_OK)
        *n = call_affected(call);
    return rc;
}

/* ---- removing users */

void batch_email_verification_delete(struct batch *b, struct str app_id, struct str outer_id)
{
    BATCH(b, q_emails_verified_of_user_delete, v_str(app_id), v_str(outer_id));
    BATCH(b, q_verification_tokens_of_user_delete, v_str(app_id), v_str(outer_id));
}

void batch_email_verification_leave(struct batch *b, struct str app_id, struct str tenant_id,
                                    struct str outer_id)
{
    BATCH(b, q_verification_tokens_in_tenant_delete, v_str(app_id), v_str(tenant_id),
          v_str(outer_id));
}
