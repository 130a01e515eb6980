/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of roles, their permissions, and who has which.  Roles belong to the app;
 * a user (of any id, known or not) has them in one tenant, c->tenant. */
#ifndef CORE_RECIPE_USERROLES_H
#define CORE_RECIPE_USERROLES_H

#include "base/ctx.h"
#include "store/userroles.h"

/* Outcomes besides RC_OK and RC_FAIL. */
enum { USERROLES_UNKNOWN = 1 /* no such role */ };

/* Makes the role if there is none, and gives it these permissions (may be empty)
 * besides those it has. */
int userroles_put(struct ctx *c, struct str role, struct names *permissions, bool *created);
/* permissions NULL: all. */
int userroles_permissions_remove(struct ctx *c, struct str role, struct names *permissions);
int userroles_remove(struct ctx *c, struct str role, bool *existed);

int userroles_permissions(struct ctx *c, struct str role, struct names *permissions);
int userroles_with_permission(struct ctx *c, struct str permission, struct names *roles);
int userroles_all(struct ctx *c, struct names *roles);

int userroles_assign(struct ctx *c, struct str user_id, struct str role, bool *had);
int userroles_unassign(struct ctx *c, struct str user_id, struct str role, bool *had);
int userroles_of_user(struct ctx *c, struct str user_id, struct names *roles);
int userroles_users(struct ctx *c, struct str role, struct names *users);

#endif
