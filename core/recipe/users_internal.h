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
enum { USERS_TRIES = 10, USERS_MOVED = 1000 };
/* The failure of whoever has started over that often. */
int users_given_up(struct ctx *c);

/* The user without one method (NULL: as it is), in memory of its own, with its
 * time joined counted anew. */
struct user users_without(struct arena *a, const struct user *u, const struct login_method *gone);

/* Deletes the user, or the login method that was found; USERS_MOVED if it is no
 * longer where it was found.  unlinking: USERS_MOVED as well if no other method
 * would be left; the sessions of the method end, though the rest of what is kept
 * under its id stays for the others. */
int users_delete_found(struct ctx *c, const struct users_found *f, bool all_linked, bool unlinking);

#endif
