/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids: an application may give a user an id of its own, by which the
 * user is then known in every answer, session and role.
 *
 * Other recipes need no call of this one: users_find_in_app() and
 * users_find_in_tenant() accept either id, user_outer_id() and login_outer_id()
 * give the one to show and to file data under. */
#ifndef CORE_RECIPE_USERIDMAPPING_H
#define CORE_RECIPE_USERIDMAPPING_H

#include "base/ctx.h"
#include "store/useridmapping.h"

/* Outcomes besides RC_OK and RC_FAIL. */
enum {
    USERIDMAPPING_UNKNOWN_USER = 1, /* no user has that SuperTokens id */
    USERIDMAPPING_EXISTS,
    USERIDMAPPING_NONE /* there is no such mapping */
};

/* Which of the two kinds an id is. */
enum user_id_type { USER_ID_ANY, USER_ID_SUPERTOKENS, USER_ID_EXTERNAL };

struct useridmapping_new {
    struct id_mapping mapping;
    bool force;                        /* even if one of the ids is in use */
    bool verified_follow;              /* what is verified does not count as in use: it follows */
    bool user_exists, external_exists; /* out, with USERIDMAPPING_EXISTS */
};
/* A 400 that names the recipe where an id is in use. */
int useridmapping_create(struct ctx *c, struct useridmapping_new *x);

/* An id that is both is the SuperTokens id, unless asked for otherwise. */
int useridmapping_get(struct ctx *c, struct str id, enum user_id_type type, struct id_mapping *m);
int useridmapping_remove(struct ctx *c, struct str id, enum user_id_type type, bool force);
/* info absent: it is removed. */
int useridmapping_set_info(struct ctx *c, struct str id, enum user_id_type type, struct str info);

#endif
