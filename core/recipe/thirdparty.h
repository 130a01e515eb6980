/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of signing in with a provider.  Emails come in as they were sent and are
 * normalised here; all calls run in c->tenant. */
#ifndef CORE_RECIPE_THIRDPARTY_H
#define CORE_RECIPE_THIRDPARTY_H

#include "recipe/users.h"

/* Before CDI 5.1 a tenant may refuse this recipe: RC_FAIL, 403. */
int thirdparty_allowed(struct ctx *c);

struct thirdparty_account {
    struct str id, user_id; /* of the provider, and what it calls the user */
    struct str email;
    bool verified; /* the provider says so */
};
/* Signs up whoever is new, else takes over a new email of the provider.  *method
 * is the login method of the account.  USERS_CHANGE_NOT_ALLOWED. */
int thirdparty_sign_in_up(struct ctx *c, const struct thirdparty_account *account,
                          struct user *user, const struct login_method **method, bool *created);

/* The user with this account, whole; or with a login method of this id, as it was
 * known before accounts could be linked.  USERS_UNKNOWN. */
int thirdparty_by_account(struct ctx *c, struct str tp_id, struct str tp_user_id,
                          struct user *user);
int thirdparty_by_id(struct ctx *c, struct str id, struct user *user);
/* All users that have the email from a provider. */
int thirdparty_by_email(struct ctx *c, struct str email, struct users_listed *found);

#endif
