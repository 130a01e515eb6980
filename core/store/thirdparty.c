/* SPDX-License-Identifier: Apache-2.0 */
/* Third-party users; see thirdparty.h.
 *
 * Sign-in reads st_user_tenants by its unique key `uk_tp`, and in the same batch
 * the tenants of login methods with the email at hand: mostly that is the one the
 * login method has. */
#include "store/thirdparty.h"

#include "store/query.h"

enum { P_RECIPE_USER_ID, P_USER_ID, P_PRIMARY, P_TIME, P_EMAIL, P_EXTERNAL, P_VERIFIED };
QUERY(third_party_login, SELECT(USER_TENANTS),
      OUT(USER_TENANTS_RECIPE_USER_ID, USER_TENANTS_USER_ID, USER_TENANTS_IS_PRIMARY,
          USER_TENANTS_TIME_JOINED, USER_TENANTS_EMAIL, USER_TENANTS_EXTERNAL_USER_ID,
          USER_TENANTS_VERIFIED),
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_TP_ID, 2),
            EQ(USER_TENANTS_TP_USER_ID, 3)),
      PARAMS(4), NO_LIMIT);

int third_party_find(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                     struct str tp_id, struct str tp_user_id, struct str email, struct user *user,
                     bool *whole)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *login = BATCH(&b, q_third_party_login, v_str(app_id), v_str(tenant_id), v_str(tp_id),
                            v_str(tp_user_id));
    struct email_tenants tenants = batch_email_tenants(&b, app_id, email, MASK_THIRDPARTY);
    *user = (struct user){.id = STR_NULL};
    *whole = false;
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK || call_rows(login) == 0)
        return rc;
    const stk_val *row = call_row(login, 0);
    struct login_method *m = ARENA_NEW(c->arena, struct login_method);
    m->recipe_user_id = cell_str(row, P_RECIPE_USER_ID);
    m->user_id = cell_str(row, P_USER_ID);
    m->external_id = cell_str(row, P_EXTERNAL);
    m->recipe = MASK_THIRDPARTY;
    m->time_joined = cell_i64(row, P_TIME);
    m->verified = cell_bool(row, P_VERIFIED);
    m->email = cell_str(row, P_EMAIL);
    m->tp_id = tp_id;
    m->tp_user_id = tp_user_id;
    *user = (struct user){.id = m->user_id,
                          .external_id = m->external_id,
                          .is_primary = cell_bool(row, P_PRIMARY),
                          .time_joined = m->time_joined,
                          .methods = m,
                          .nmethods = 1};
    *whole = !user->is_primary && str_eq(m->user_id, m->recipe_user_id) &&
             str_eq(m->email, email) && email_tenants_take(c->arena, &tenants, m);
    return RC_OK;
}
