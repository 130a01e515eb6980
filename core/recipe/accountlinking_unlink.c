/* SPDX-License-Identifier: Apache-2.0 */
/* Unlinking; see accountlinking.h. */
#include "recipe/accountlinking.h"
#include "recipe/active.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/accountlinking.h"

struct parting {
    struct str app_id, recipe_user_id;
    const struct user *seen;
    bool same_storage; /* as the app's: of the last-active marks */
};

/* Locks and reads the user; USERS_MOVED if the method is no longer its. */
static int lock(struct txn *t, const struct parting *x, struct user *u)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->seen->id, 1, true, &calls);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, u);
    bool linked = u->id.p && u->is_primary && user_method(u, x->recipe_user_id);
    return linked ? RC_OK : USERS_MOVED;
}

/* ---- a primary user with its own login method alone is one no longer */

static int step_down(struct txn *t, void *arg)
{
    const struct parting *x = arg;
    struct ctx *c = txn_ctx(t);
    struct user u;
    int rc = lock(t, x, &u);
    if (rc != RC_OK || u.nmethods > 1)
        return rc != RC_OK ? rc : USERS_MOVED;
    struct reservations have, none;
    struct batch b;
    reservations_of(&have, c->arena, &u);
    reservations_init(&none, c->arena);
    batch_init(&b, c);
    batch_unreserve(&b, x->app_id, &have, &none, u.id);
    batch_user_set_primary(&b, x->app_id, &u.methods[0], false);
    batch_login_sessions_end(&b, x->app_id, &u.methods[0]);
    return txn_commit(t, &b);
}

static int stepped_down(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct parting *x = arg;
    struct user u;
    int rc = users_load(c, s, x->app_id, &x->seen->id, 1, &u);
    *applied = rc == RC_OK && u.id.p && !u.is_primary;
    return rc;
}

/* ---- a login method leaves the primary user */

static int part(struct txn *t, void *arg)
{
    const struct parting *x = arg;
    struct ctx *c = txn_ctx(t);
    struct user u, nobody = {.id = STR_NULL};
    int rc = lock(t, x, &u);
    if (rc != RC_OK)
        return rc;
    struct login_method *m = user_method(&u, x->recipe_user_id);
    struct user rest = users_without(c->arena, &u, m);
    struct user alone = {.id = m->recipe_user_id,
                         .external_id = m->external_id,
                         .time_joined = m->time_joined,
                         .methods = m,
                         .nmethods = 1};
    struct reservations have, keep;
    struct user_counts counts;
    struct batch b;
    reservations_of(&have, c->arena, &u);
    reservations_of(&keep, c->arena, &rest);
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    batch_login_move(&b, x->app_id, m, alone.id, false);
    batch_login_sessions_end(&b, x->app_id, m);
    batch_unreserve(&b, x->app_id, &have, &keep, u.id);
    if (rest.nmethods == 0) { /* its own login method was deleted before: nobody is left */
        batch_login_delete(&b, x->app_id, u.id);
        batch_user_delete(&b, x->app_id, u.id);
        batch_mapping_delete(&b, x->app_id, u.id);
        if (x->same_storage)
            batch_last_active_delete(&b, x->app_id, u.id);
    }
    batch_user_summary(&b, x->app_id, &nobody, &alone, &counts);
    batch_user_summary(&b, x->app_id, &u, &rest, &counts);
    batch_user_counts(&b, x->app_id, &counts);
    return txn_commit(t, &b);
}

static int parted(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct parting *x = arg;
    struct str owner;
    int rc = login_owner(c, s, x->app_id, x->recipe_user_id, &owner);
    *applied = rc == RC_OK && str_eq(owner, x->recipe_user_id);
    return rc;
}

/* ---- either */

/* The id of a primary user whose own login method was deleted before: done. */
static int end_sessions(struct ctx *c, struct storage *s, const struct user *u)
{
    const struct login_method m = {.recipe_user_id = u->id, .external_id = u->external_id};
    struct batch b;
    batch_init(&b, c);
    batch_login_sessions_end(&b, c->tenant->app_id, &m);
    return storage_write(c, s, &b, NULL, NULL);
}

static int unlink_found(struct ctx *c, const struct users_found *f, bool *was_deleted)
{
    const struct user *u = &f->ref.user;
    struct parting x = {.app_id = c->tenant->app_id,
                        .recipe_user_id = f->ref.recipe_user_id,
                        .seen = u,
                        .same_storage = f->storage == c->tenant->app->storage};
    bool own = str_eq(u->id, x.recipe_user_id), has = user_method(u, x.recipe_user_id);
    *was_deleted = own && (u->nmethods > 1 || !has);
    if (!own)
        return storage_transact(c, f->storage, part, parted, &x);
    if (!has)
        return end_sessions(c, f->storage, u);
    if (u->nmethods > 1)
        return users_delete_found(c, f, false, true);
    return storage_transact(c, f->storage, step_down, stepped_down, &x);
}

int accountlinking_unlink(struct ctx *c, struct str id, bool *was_linked, bool *was_deleted)
{
    for (int i = 0; i < USERS_TRIES; i++) {
        struct users_found f;
        *was_linked = *was_deleted = false;
        int rc = users_find_in_app(c, id, &f);
        if (rc != RC_OK || !f.ref.user.is_primary)
            return rc;
        *was_linked = true;
        rc = unlink_found(c, &f, was_deleted);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}
