/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of email/password.  Emails come in as they were sent and are normalised
 * here; all calls run in c->tenant. */
#ifndef CORE_RECIPE_EMAILPASSWORD_H
#define CORE_RECIPE_EMAILPASSWORD_H

#include "crypto/password.h"
#include "recipe/users.h"

/* Outcomes besides those of users.h. */
enum {
    EMAILPASSWORD_WRONG_CREDENTIALS = 101,
    EMAILPASSWORD_INVALID_TOKEN = 102 /* unknown, used or expired */
};

/* RC_FAIL (403) where the tenant's configuration, as the CDI version of the call
 * sees it, has email/password switched off. */
int emailpassword_allowed(struct ctx *c);

/* USERS_EMAIL_EXISTS. */
int emailpassword_sign_up(struct ctx *c, struct str email, struct str password, struct user *user);
/* *method is the login method that was used. */
int emailpassword_sign_in(struct ctx *c, struct str email, struct str password, struct user *user,
                          const struct login_method **method);
/* Creates the user with a hash made elsewhere, or gives the existing one this
 * hash. */
int emailpassword_import(struct ctx *c, struct str email, struct str hash,
                         enum password_format format, struct user *user, bool *existed);

/* Each absent: as it is.  USERS_UNKNOWN, USERS_EMAIL_EXISTS,
 * USERS_CHANGE_NOT_ALLOWED. */
int emailpassword_update(struct ctx *c, struct str id, struct str email, struct str password);

/* The user as email/password knew it before accounts could be linked; by id,
 * over the app: its one login method.  By email, in the tenant: the whole user.
 * USERS_UNKNOWN. */
int emailpassword_by_id(struct ctx *c, struct str id, struct user *user);
int emailpassword_by_email(struct ctx *c, struct str email, struct user *user);

/* A new token to set a password of a user found with users_find_in_tenant().
 * email: where it will be sent; absent before CDI 4.0: the user's. */
int emailpassword_make_token(struct ctx *c, const struct users_found *found, struct str email,
                             struct str *token);
/* Uses the token up.  Of several callers one succeeds. */
int emailpassword_consume_token(struct ctx *c, struct str token, struct str *user_id,
                                struct str *email);
/* The same, and sets the password. */
int emailpassword_reset(struct ctx *c, struct str token, struct str password, struct str *user_id);

#endif
