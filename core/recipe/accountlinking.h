/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of account linking.  A primary user may have several login methods, all
 * seen as one user under its id; every account of theirs (email, phone number,
 * third-party login) is reserved for it in every tenant it is in, so that no
 * other primary user of the tenant has the same.
 *
 * Ids from outside are own or external ones of users or of login methods; all
 * calls are for the app of c->tenant, over its storages. */
#ifndef CORE_RECIPE_ACCOUNTLINKING_H
#define CORE_RECIPE_ACCOUNTLINKING_H

#include "recipe/users.h"

/* Outcomes besides USERS_UNKNOWN. */
enum {
    LINKING_NOT_PRIMARY = 201,  /* whom to link to is no primary user */
    LINKING_OTHER_USER = 202,   /* the login method belongs to another primary user: `user` */
    LINKING_ACCOUNT_TAKEN = 203 /* `owner` has an account of the kind */
};

struct linking {
    bool already;     /* nothing was to be done */
    struct user user; /* as it is after the call */
    struct str owner; /* as the outside knows it */
    enum account_kind kind;
};
/* With `check` nothing is written: only whether it could be done. */
int accountlinking_make_primary(struct ctx *c, struct str id, bool check, struct linking *out);
/* A login method joins the primary user; its sessions end, since its user id
 * changes. */
int accountlinking_link(struct ctx *c, struct str recipe_user_id, struct str primary_user_id,
                        bool check, struct linking *out);

/* A login method becomes a user of its own again, and its sessions end.  The one
 * that gave the primary user its id is deleted if others are left, since two
 * users cannot have one id; alone, it stops being a primary user. */
int accountlinking_unlink(struct ctx *c, struct str id, bool *was_linked, bool *was_deleted);

#endif
