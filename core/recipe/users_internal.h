/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the users recipe share. */
#ifndef CORE_RECIPE_USERS_INTERNAL_H
#define CORE_RECIPE_USERS_INTERNAL_H

#include "recipe/users.h"

/* What RC_DUPLICATE means: an outcome of users.h, or RC_DUPLICATE itself when an
 * id was taken, not an account. */
int users_taken(const struct ctx *c);

/* How often a change starts over because the user was linked or unlinked between
 * being found and being locked. */
enum { USERS_TRIES = 3, USERS_MOVED = 1000 };

/* The user without one method (NULL: as it is), in memory of its own, with its
 * time joined counted anew. */
struct user users_without(struct arena *a, const struct user *u, const struct login_method *gone);
/* Whether both have the same login methods, of the same external ids. */
bool users_same_methods(const struct user *a, const struct user *b);

#endif
