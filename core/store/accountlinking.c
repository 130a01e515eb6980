/* SPDX-License-Identifier: Apache-2.0 */
/* Account linking; see accountlinking.h.  Users and login methods are written by
 * primary key, a method's rows in tenants are a range of st_user_tenants' key
 * `recipe_user`. */
#include "store/accountlinking.h"

#include "store/query.h"

QUERY(login_move, UPDATE(LOGIN_METHODS), SETS(PUT(LOGIN_METHODS_USER_ID, 0)),
      WHERE(EQ(LOGIN_METHODS_APP_ID, 1), EQ(LOGIN_METHODS_RECIPE_USER_ID, 2)), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_tenants_move, UPDATE(USER_TENANTS),
      SETS(PUT(USER_TENANTS_USER_ID, 0), PUT(USER_TENANTS_IS_PRIMARY, 1)),
      WHERE(EQ(USER_TENANTS_APP_ID, 2), EQ(USER_TENANTS_RECIPE_USER_ID, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(user_set_primary, UPDATE(USERS), SETS(PUT(USERS_IS_PRIMARY, 0), INC(USERS_ROW_VER, 1)),
      WHERE(EQ(USERS_APP_ID, 2), EQ(USERS_USER_ID, 3)), PARAMS(4), NO_LIMIT);

void batch_login_move(struct batch *b, struct str app_id, const struct login_method *m,
                      struct str user_id, bool is_primary)
{
    stk_call *call =
        BATCH(b, q_login_move, v_str(user_id), v_str(app_id), v_str(m->recipe_user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenants_move, v_str(user_id), v_bool(is_primary), v_str(app_id),
          v_str(m->recipe_user_id));
}

void batch_user_set_primary(struct batch *b, struct str app_id, const struct login_method *m,
                            bool is_primary)
{
    stk_call *call = BATCH(b, q_user_set_primary, v_bool(is_primary), v_i64(1), v_str(app_id),
                           v_str(m->user_id));
    call_expect_affected(call, 1);
    BATCH(b, q_user_tenants_move, v_str(m->user_id), v_bool(is_primary), v_str(app_id),
          v_str(m->recipe_user_id));
}

int login_owner(struct ctx *c, struct storage *s, struct str app_id, struct str recipe_user_id,
                struct str *user_id)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *login = batch_login_row(&b, app_id, recipe_user_id);
    int rc = storage_read(c, s, &b);
    *user_id = STR_NULL;
    if (rc == RC_OK && call_rows(login))
        *user_id = login_of_row(call_row(login, 0)).user_id;
    return rc;
}
