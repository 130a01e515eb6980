/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming a primary user and linking; see accountlinking.h.
 *
 * Who is meant is found first.  Then the rows of the users are locked and read
 * again together with the owners of all accounts the primary user is going to
 * have, and the last batch takes these or fails.  Whoever changed in between is
 * found anew. */
#include "recipe/accountlinking.h"

#include "base/clock.h"
#include "recipe/active.h"
#include "recipe/users_internal.h"
#include "storage/storages.h"
#include "storage/tenant.h"
#include "store/accountlinking.h"

static int taken(const struct reserve_calls *owners, struct str user_id, struct linking *out)
{
    out->owner = reserve_conflict(owners, user_id, &out->kind);
    return out->owner.p ? LINKING_ACCOUNT_TAKEN : RC_OK;
}

/* Outside a transaction. */
static int check_owners(struct ctx *c, struct storage *s, const struct reservations *want,
                        struct str user_id, struct linking *out)
{
    struct batch b;
    batch_init(&b, c);
    struct reserve_calls owners = batch_reservation_owners(&b, c->tenant->app_id, want);
    int rc = storage_read(c, s, &b);
    return rc == RC_OK ? taken(&owners, user_id, out) : rc;
}

/* The owner's id as the outside knows it. */
static int show_owner(struct ctx *c, struct storage *s, struct linking *out)
{
    struct user owner;
    int rc = users_load(c, s, c->tenant->app_id, &out->owner, 1, &owner);
    if (rc != RC_OK)
        return rc;
    if (owner.id.p)
        out->owner = user_outer_id(&owner);
    return LINKING_ACCOUNT_TAKEN;
}

/* ---- becoming a primary user */

struct becoming {
    struct str app_id;
    const struct user *seen;
    struct linking *out;
};

static int become(struct txn *t, void *arg)
{
    struct becoming *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    struct reservations want, none;
    struct user u;
    reservations_of(&want, c->arena, x->seen);
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->seen->id, 1, true, &calls);
    struct reserve_calls owners = batch_reservation_owners(&b, x->app_id, &want);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, &u);
    if (!u.id.p || u.is_primary || u.nmethods != 1)
        return USERS_MOVED;
    rc = taken(&owners, u.id, x->out);
    if (rc != RC_OK)
        return rc;
    reservations_of(&want, c->arena, &u);
    reservations_init(&none, c->arena);
    batch_init(&b, c);
    batch_reserve_more(&b, x->app_id, &want, &none, u.id);
    batch_user_set_primary(&b, x->app_id, &u.methods[0], true);
    x->out->user = u;
    x->out->user.is_primary = true;
    return txn_commit(t, &b);
}

static int became(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct becoming *x = arg;
    struct user u;
    int rc = users_load(c, s, x->app_id, &x->seen->id, 1, &u);
    *applied = rc == RC_OK && u.id.p && u.is_primary;
    return rc;
}

int accountlinking_make_primary(struct ctx *c, struct str id, bool check, struct linking *out)
{
    struct str app_id = c->tenant->app_id;
    for (int i = 0; i < USERS_TRIES; i++) {
        struct users_found f;
        int rc = users_find_in_app(c, id, &f);
        if (rc != RC_OK)
            return rc;
        const struct user *u = &f.ref.user;
        *out = (struct linking){.already = u->is_primary, .user = *u};
        if (u->is_primary)
            return str_eq(u->id, f.ref.recipe_user_id) ? RC_OK : LINKING_OTHER_USER;
        if (check) {
            struct reservations want;
            reservations_of(&want, c->arena, u);
            rc = check_owners(c, f.storage, &want, u->id, out);
        } else {
            struct becoming x = {app_id, u, out};
            rc = storage_transact(c, f.storage, become, became, &x);
        }
        if (rc == LINKING_ACCOUNT_TAKEN)
            return show_owner(c, f.storage, out);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}

/* ---- linking */

struct joining {
    struct str app_id;
    const struct user *recipe, *primary; /* as they were found */
    bool same_storage;                   /* as the app's: of the last-active marks */
    struct linking *out;
};

/* The user with one more login method. */
static struct user with_method(struct arena *a, const struct user *u, const struct login_method *m)
{
    struct user out = *u;
    out.methods = ARENA_ARRAY(a, struct login_method, u->nmethods + 1);
    out.nmethods = 0;
    bool placed = false;
    for (size_t i = 0; i < u->nmethods; i++) {
        const struct login_method *x = &u->methods[i];
        bool older =
            m->time_joined < x->time_joined ||
            (m->time_joined == x->time_joined && str_cmp(m->recipe_user_id, x->recipe_user_id) < 0);
        if (older && !placed) {
            out.methods[out.nmethods++] = *m;
            placed = true;
        }
        out.methods[out.nmethods++] = *x;
    }
    if (!placed)
        out.methods[out.nmethods++] = *m;
    for (size_t i = 0; i < out.nmethods; i++)
        out.methods[i].user_id = u->id;
    out.time_joined = out.methods[0].time_joined;
    return out;
}

/* Locks and reads both, in the order of their ids; USERS_MOVED if they are no
 * longer what can be linked. */
static int lock_both(struct txn *t, struct joining *x, struct user *recipe, struct user *primary)
{
    struct ctx *c = txn_ctx(t);
    const struct user *one = x->recipe, *two = x->primary;
    bool swap = str_cmp(one->id, two->id) > 0;
    struct str ids[2] = {swap ? two->id : one->id, swap ? one->id : two->id};
    struct user after = with_method(c->arena, two, &one->methods[0]), users[2];
    struct reservations want;
    struct batch b;
    struct users_calls calls;
    reservations_of(&want, c->arena, &after);
    batch_init(&b, c);
    batch_users(&b, x->app_id, ids, 2, true, &calls);
    struct reserve_calls owners = batch_reservation_owners(&b, x->app_id, &want);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, users);
    *recipe = users[swap];
    *primary = users[!swap];
    if (!recipe->id.p || recipe->is_primary || recipe->nmethods != 1 || !primary->id.p ||
        !primary->is_primary)
        return USERS_MOVED;
    return taken(&owners, primary->id, x->out);
}

static int join(struct txn *t, void *arg)
{
    struct joining *x = arg;
    struct ctx *c = txn_ctx(t);
    struct user recipe, primary;
    int rc = lock_both(t, x, &recipe, &primary);
    if (rc != RC_OK)
        return rc;
    const struct login_method *m = &recipe.methods[0];
    struct user after = with_method(c->arena, &primary, m);
    struct user none = users_without(c->arena, &recipe, m);
    struct reservations have, want;
    struct user_counts counts;
    struct batch b;
    reservations_of(&have, c->arena, &primary);
    reservations_of(&want, c->arena, &after);
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    batch_reserve_more(&b, x->app_id, &want, &have, primary.id);
    batch_login_move(&b, x->app_id, m, primary.id, true);
    batch_user_delete(&b, x->app_id, recipe.id);
    batch_login_sessions_end(&b, x->app_id, m);
    batch_user_summary(&b, x->app_id, &recipe, &none, &counts);
    batch_user_summary(&b, x->app_id, &primary, &after, &counts);
    if (x->same_storage) {
        batch_last_active_delete(&b, x->app_id, recipe.id);
        batch_last_active(&b, x->app_id, primary.id, clock_ms());
    }
    batch_user_counts(&b, x->app_id, &counts);
    x->out->user = after;
    return txn_commit(t, &b);
}

static int joined(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct joining *x = arg;
    struct str owner;
    int rc = login_owner(c, s, x->app_id, x->recipe->id, &owner);
    *applied = rc == RC_OK && str_eq(owner, x->primary->id);
    return rc;
}

/* Whoever was seen under two ids is seen under one now; best effort where the
 * marks are in another storage. */
static void one_active(struct ctx *c, const struct joining *x)
{
    active_forget(c, x->recipe->id);
    if (x->same_storage) {
        active_noted(c, x->primary->id);
        return;
    }
    enum fail_kind fail = c->fail;
    struct str text = c->fail_text;
    struct batch b;
    batch_init(&b, c);
    batch_last_active_delete(&b, x->app_id, x->recipe->id);
    batch_last_active(&b, x->app_id, x->primary->id, clock_ms());
    if (storage_write(c, c->tenant->app->storage, &b, NULL, NULL) == RC_OK)
        active_noted(c, x->primary->id);
    c->fail = fail;
    c->fail_text = text;
}

static int link_found(struct ctx *c, const struct users_found *recipe,
                      const struct users_found *primary, bool check, struct linking *out)
{
    struct storage *s = primary->storage;
    const struct user *r = &recipe->ref.user, *p = &primary->ref.user;
    if (!p->is_primary)
        return LINKING_NOT_PRIMARY;
    out->user = *r;
    if (r->is_primary) {
        out->already = str_eq(r->id, p->id);
        return out->already ? RC_OK : LINKING_OTHER_USER;
    }
    if (check) {
        struct user after = with_method(c->arena, p, &r->methods[0]);
        struct reservations want;
        reservations_of(&want, c->arena, &after);
        return check_owners(c, s, &want, p->id, out);
    }
    struct joining x = {.app_id = c->tenant->app_id,
                        .recipe = r,
                        .primary = p,
                        .same_storage = s == c->tenant->app->storage,
                        .out = out};
    int rc = storage_transact(c, s, join, joined, &x);
    if (rc == RC_OK)
        one_active(c, &x);
    return rc;
}

int accountlinking_link(struct ctx *c, struct str recipe_user_id, struct str primary_user_id,
                        bool check, struct linking *out)
{
    for (int i = 0; i < USERS_TRIES; i++) {
        struct users_found recipe, primary;
        *out = (struct linking){.already = false};
        int rc = users_find_in_app(c, recipe_user_id, &recipe);
        if (rc == RC_OK)
            rc = users_find_in_app(c, primary_user_id, &primary);
        if (rc != RC_OK)
            return rc;
        const char *one = storage_data_id(primary.storage), *two = storage_data_id(recipe.storage);
        if (!str_eqz(str_z(one), two))
            return ctx_fail(c, FAIL_BAD_REQUEST,
                            "Cannot link users that are parts of different databases. Different "
                            "pool IDs: %s AND %s",
                            one, two);
        rc = link_found(c, &recipe, &primary, check, out);
        if (rc == LINKING_ACCOUNT_TAKEN)
            return show_owner(c, primary.storage, out);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}
