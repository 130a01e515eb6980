/* SPDX-License-Identifier: Apache-2.0 */
/* Users of passwordless: looking up, and changing their email and phone number;
 * see passwordless.h. */
#include "recipe/passwordless.h"

#include "base/clock.h"
#include "recipe/passwordless_internal.h"
#include "recipe/users_internal.h"
#include "store/emailverification.h"

/* ---- looking up, as before accounts could be linked */

int passwordless_by_id(struct ctx *c, struct str id, struct user *user)
{
    return users_method_by_id(c, id, MASK_PASSWORDLESS, user);
}

int passwordless_by_account(struct ctx *c, struct str email, struct str phone, struct user *user)
{
    const struct tenant *t = c->tenant;
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_pl_login(&b, place_of(c), email, phone);
    int rc = storage_read(c, t->storage, &b);
    if (rc != RC_OK || call_rows(call) == 0)
        return rc != RC_OK ? rc : USERS_UNKNOWN;
    struct str id = pl_login_of_row(call_row(call, 0)).user_id;
    rc = users_load(c, t->storage, t->app_id, &id, 1, user);
    return rc == RC_OK && user->nmethods == 0 ? USERS_UNKNOWN : rc;
}

/* ---- changing */

struct update {
    struct str app_id, user_id, recipe_user_id;
    const struct passwordless_change *change;
    const struct login_method *seen; /* before it was locked */
};

/* Takes what the primary user is to hold. */
static void reserve(struct batch *b, struct str app_id, const struct user *after,
                    struct reserve_calls *calls)
{
    struct reservations want;
    reservations_of(&want, b->c->arena, after);
    *calls = batch_reserve(b, app_id, &want, after->id);
}

/* Moves the reservations of a primary user, whose login method m becomes now. */
static int move_reservations(struct txn *t, const struct update *x, const struct user *u,
                             const struct login_method *m, const struct login_method *now,
                             struct batch *last)
{
    struct arena *a = txn_ctx(t)->arena;
    struct user with_email = users_without(a, u, NULL), after = users_without(a, u, NULL);
    user_method(&with_email, m->recipe_user_id)->email = now->email;
    *user_method(&after, m->recipe_user_id) = *now;
    struct reservations have, want;
    reservations_of(&have, a, u);
    reservations_of(&want, a, &after);
    struct batch b;
    struct reserve_calls email, phone;
    enum account_kind kind;
    batch_init(&b, txn_ctx(t));
    reserve(&b, x->app_id, &with_email, &email);
    reserve(&b, x->app_id, &after, &phone);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    if (reserve_conflict(&email, u->id, &kind).p)
        return USERS_CHANGE_NOT_ALLOWED;
    if (reserve_conflict(&phone, u->id, &kind).p)
        return PASSWORDLESS_PHONE_NOT_ALLOWED;
    batch_unreserve(last, x->app_id, &have, &want, u->id);
    return RC_OK;
}

static int clear_both(struct ctx *c)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "You cannot clear both email and phone number of a user");
}

/* An empty text is not an absent one. */
static bool same(struct str a, struct str b)
{
    return !a.p == !b.p && str_eq(a, b);
}

/* What the login method is to be. */
static struct login_method changed(const struct login_method *m,
                                   const struct passwordless_change *change)
{
    struct login_method now = *m;
    if (change->email_given)
        now.email = change->email;
    if (change->phone_given)
        now.phone = change->phone;
    return now;
}

/* What was sent to the old addresses and to the new ones is of no use any more.
 * Smaller addresses first, as everybody who deletes the devices of two. */
static void forget_codes(struct batch *b, const struct update *x)
{
    const struct login_method *m = x->seen;
    struct login_method now = changed(m, x->change);
    bool down = str_cmp(m->email, now.email) > 0;
    struct str emails[] = {down ? now.email : m->email, down ? m->email : now.email};
    bool back = str_cmp(m->phone, now.phone) > 0;
    struct str phones[] = {back ? now.phone : m->phone, back ? m->phone : now.phone};
    for (int i = 0; i < 2 && !same(m->email, now.email); i++)
        batch_pl_devices_delete(b, x->app_id, m->tenants, m->ntenants, emails[i], STR_NULL);
    for (int i = 0; i < 2 && !same(m->phone, now.phone); i++)
        batch_pl_devices_delete(b, x->app_id, m->tenants, m->ntenants, STR_NULL, phones[i]);
}

/* Whether the method is what it was when the codes were chosen. */
static bool as_seen(const struct login_method *m, const struct login_method *seen)
{
    if (!same(m->email, seen->email) || !same(m->phone, seen->phone) ||
        m->ntenants != seen->ntenants || !str_eq(login_outer_id(m), login_outer_id(seen)))
        return false;
    for (size_t i = 0; i < m->ntenants; i++)
        if (!str_eq(m->tenants[i], seen->tenants[i]))
            return false;
    return true;
}

static int update(struct txn *t, void *arg)
{
    const struct update *x = arg;
    struct ctx *c = txn_ctx(t);
    int64_t time = clock_ms();
    struct batch b;
    struct users_calls calls;
    struct user u;
    batch_init(&b, c);
    forget_codes(&b, x);
    const stk_call *known = NULL; /* the new email, as verified before */
    if (x->change->email_given && x->change->email.p)
        known = batch_email_verified_get(&b, x->app_id, login_outer_id(x->seen), x->change->email);
    batch_users(&b, x->app_id, &x->user_id, 1, true, &calls);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, &u);
    const struct login_method *m = user_method(&u, x->recipe_user_id);
    if (!u.id.p || !m || !as_seen(m, x->seen))
        return USERS_MOVED;
    struct login_method now = changed(m, x->change);
    if (!now.email.p && !now.phone.p)
        return clear_both(c);
    bool email = !same(m->email, now.email), phone = !same(m->phone, now.phone);
    if (!email && !phone)
        return RC_OK;
    batch_init(&b, c);
    if (u.is_primary && (rc = move_reservations(t, x, &u, m, &now, &b)) != RC_OK)
        return rc;
    if (email)
        batch_login_email(&b, x->app_id, m, now.email,
                          !now.email.p || (known && call_rows(known) > 0), time);
    if (phone)
        batch_login_phone(&b, x->app_id, m, now.phone, time);
    batch_user_touch(&b, x->app_id, u.id);
    return txn_commit(t, &b);
}

static int updated(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct update *x = arg;
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_login_row(&b, x->app_id, x->recipe_user_id);
    int rc = storage_read(c, s, &b);
    *applied = false;
    if (rc != RC_OK || call_rows(call) == 0)
        return rc;
    struct login_method m = login_of_row(call_row(call, 0)), now = changed(&m, x->change);
    *applied = same(m.email, now.email) && same(m.phone, now.phone);
    return RC_OK;
}

int passwordless_update(struct ctx *c, struct str id, const struct passwordless_change *change)
{
    struct users_found f;
    struct str app_id = c->tenant->app_id;
    int rc = users_find_in_app(c, id, &f);
    for (int i = 0; rc == RC_OK && i < USERS_TRIES; i++) {
        const struct login_method *m = user_method(&f.ref.user, f.ref.recipe_user_id);
        if (!m || m->recipe != MASK_PASSWORDLESS)
            return USERS_UNKNOWN;
        struct update x = {.app_id = app_id,
                           .user_id = f.ref.user.id,
                           .recipe_user_id = f.ref.recipe_user_id,
                           .change = change,
                           .seen = m};
        rc = storage_transact(c, f.storage, update, updated, &x);
        if (rc == RC_DUPLICATE)
            return users_taken(c);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
        rc = users_find(c, f.storage, app_id, x.recipe_user_id, &f.ref);
        if (rc == RC_OK && !f.ref.user.id.p)
            return USERS_UNKNOWN;
    }
    return rc != RC_OK ? rc : users_given_up(c);
}
