/* SPDX-License-Identifier: Apache-2.0 */
/* Whom the user id of a session means: ids of the recipe user and of the primary
 * user, both as clients know them (external ids where there are some). */
#ifndef CORE_STORE_SESSION_USERS_H
#define CORE_STORE_SESSION_USERS_H

#include "storage/storage.h"

struct session_user {
    struct str own_id;      /* the recipe user's own id; the given one if it is unknown */
    struct str shown_id;    /* its external id, else own_id */
    struct str primary_own; /* the primary user's own id */
    struct str primary_shown;
};

/* A lookup in steps, so that each rides in a batch with other work:
 *   session_user_start(&l, &b, ...); run b;
 *   while (session_user_step(&l, &b2)) run b2;
 * One batch is enough for a user without external id and links, two with
 * either, or with both if `hint` is the own id behind an external one; else three. */
struct session_user_lookup {
    struct str app_id, id, hint;
    stk_call *mapping, *login, *primary;
    struct session_user user; /* set once step() is false */
};
void session_user_start(struct session_user_lookup *l, struct batch *b, struct str app_id,
                        struct str id, struct str hint);
/* Adds what is still to be read; false: nothing is, l->user is set. */
bool session_user_step(struct session_user_lookup *l, struct batch *b);
/* All steps, in batches of their own. */
int session_user_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                      struct session_user *user);

/* The user, and every id under which its sessions may be stored, own and
 * external; of all recipe users linked to it if asked so.  The id itself is the
 * first, and the only one if the storage does not know the user. */
int session_user_ids(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                     bool linked, struct session_user *user, struct str **ids, size_t *n);

#endif
