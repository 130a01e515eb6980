/* SPDX-License-Identifier: Apache-2.0 */
/* Typed writes of account linking: to which user a login method belongs, and
 * whether the user is a primary one.  What follows from that for its rows in
 * tenants, the counters and the reservations is in users.h. */
#ifndef CORE_STORE_ACCOUNTLINKING_H
#define CORE_STORE_ACCOUNTLINKING_H

#include "store/users.h"

/* The login method belongs to another user from now on; the batch fails with
 * RC_EXPECT if it is gone. */
void batch_login_move(struct batch *b, struct str app_id, const struct login_method *m,
                      struct str user_id, bool is_primary);
/* Of a user with this one login method.  Touches row_ver. */
void batch_user_set_primary(struct batch *b, struct str app_id, const struct login_method *m,
                            bool is_primary);
/* To which user the login method belongs; absent if there is no such method. */
int login_owner(struct ctx *c, struct storage *s, struct str app_id, struct str recipe_user_id,
                struct str *user_id);

#endif
