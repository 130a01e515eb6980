/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids: an application may give a user an id of its own, by which the
 * user is then known in every answer, session and role.
 *
 * Other recipes need no call of this one, and no read more than they do anyway:
 *  - which user an id from outside means, be it own or external:
 *    users_find_in_app() or users_find_in_tenant();
 *  - what to show, and to file data of a user under: user_outer_id() of the user
 *    they found, login_outer_id() of a login method;
 *  - an id of sessions, which need not be a user's: store/session_users.h, in steps
 *    that ride in batches with other work;
 *  - data filed under an id as it was said (metadata, roles, TOTP, verified emails):
 *    it is not translated, users_home() gives the storage.
 * Who writes under an outer id holds the user's row and compares the outer id read
 * with it, as users_update() does: mapping a user holds that row too.  A recipe that
 * files rows under outer ids is added to batch_id_use() and batch_user_data_delete(). */
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
