/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and deleting users; see users.h.
 *
 * A change finds the user, then locks its row, reads it again and writes.  Who
 * was linked or unlinked in between is found anew. */
#include "base/clock.h"
#include "recipe/active.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/emailverification.h"
#include "store/passwordless.h"

struct user users_without(struct arena *a, const struct user *u, const struct login_method *gone)
{
    struct user out = *u;
    out.methods = ARENA_ARRAY(a, struct login_method, u->nmethods + 1);
    out.nmethods = 0;
    for (size_t i = 0; i < u->nmethods; i++)
        if (&u->methods[i] != gone)
            out.methods[out.nmethods++] = u->methods[i];
    if (out.nmethods)
        out.time_joined = out.methods[0].time_joined;
    return out;
}

/* The same login methods, of the same external ids. */
static bool same_methods(const struct user *a, const struct user *b)
{
    if (a->nmethods != b->nmethods || !str_eq(a->id, b->id) ||
        !str_eq(a->external_id, b->external_id))
        return false;
    for (size_t i = 0; i < a->nmethods; i++) {
        const struct login_method *m = user_method(b, a->methods[i].recipe_user_id);
        if (!m || !str_eq(m->external_id, a->methods[i].external_id))
            return false;
    }
    return true;
}

/* ---- email and password of a login method */

struct update {
    struct str app_id, user_id, recipe_user_id;
    struct str outer_id; /* under which it is kept what is verified */
    const struct users_change *change;
    struct login_witness witness;
};

static int updated(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    return login_witness(c, s, &((struct update *)arg)->witness, applied);
}

/* Moves the reservations of a primary user to its new email. */
static int reserve_email(struct txn *t, const struct update *x, const struct user *u,
                         const struct login_method *m, struct batch *last)
{
    struct arena *a = txn_ctx(t)->arena;
    struct user after = users_without(a, u, NULL);
    user_method(&after, m->recipe_user_id)->email = x->change->email;
    struct reservations have, want;
    reservations_of(&have, a, u);
    reservations_of(&want, a, &after);
    struct batch b;
    batch_init(&b, txn_ctx(t));
    struct reserve_calls calls = batch_reserve(&b, x->app_id, &want, u->id);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    enum account_kind kind;
    if (reserve_conflict(&calls, u->id, &kind).p)
        return USERS_CHANGE_NOT_ALLOWED;
    batch_unreserve(last, x->app_id, &have, &want, u->id);
    return RC_OK;
}

/* Locks and reads the user; *verified: the email that it is to have is. */
static int lock(struct txn *t, const struct update *x, struct user *u, struct login_method **m,
                bool *verified)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    const stk_call *row = NULL;
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->user_id, 1, true, &calls);
    if (x->change->email.p)
        row = batch_email_verified_get(&b, x->app_id, x->outer_id, x->change->email);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, u);
    *m = user_method(u, x->recipe_user_id);
    *verified = row && call_rows(row) > 0;
    return u->id.p && *m && str_eq(login_outer_id(*m), x->outer_id) ? RC_OK : USERS_MOVED;
}

static void write_email(const struct update *x, struct batch *b, const struct login_method *m,
                        bool verified)
{
    struct str email = x->change->email;
    if (x->change->verified && !verified)
        batch_email_verified(b, x->app_id, x->outer_id, email);
    verified = verified || x->change->verified;
    if (!m->email.p || !str_eq(email, m->email))
        batch_login_email(b, x->app_id, m, email, verified, clock_ms());
    else if (verified != m->verified)
        batch_login_verified(b, x->app_id, m, verified, clock_ms());
}

static int update(struct txn *t, void *arg)
{
    struct update *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct user u;
    struct login_method *m;
    bool verified;
    int rc = lock(t, x, &u, &m, &verified);
    if (rc != RC_OK)
        return rc;
    batch_init(&b, c);
    if (x->change->email.p && !str_eq(x->change->email, m->email) && u.is_primary)
        rc = reserve_email(t, x, &u, m, &b);
    if (rc != RC_OK)
        return rc;
    if (x->change->email.p)
        write_email(x, &b, m, verified);
    if (x->change->password_hash.p)
        batch_login_password(&b, x->app_id, m, x->change->password_hash, clock_ms());
    batch_user_touch(&b, x->app_id, u.id);
    if (x->change->email.p) {
        m->email = x->change->email;
        m->verified = verified || x->change->verified;
    }
    if (x->change->after)
        *x->change->after = u;
    return txn_commit(t, &b);
}

int users_update(struct ctx *c, const struct users_found *found, const struct users_change *change)
{
    struct users_found f = *found;
    struct str app_id = c->tenant->app_id;
    for (int i = 0; i < USERS_TRIES; i++) {
        const struct login_method *m = user_method(&f.ref.user, f.ref.recipe_user_id);
        if (!m || m->recipe != change->recipe)
            return USERS_UNKNOWN;
        struct update x = {.app_id = app_id,
                           .user_id = f.ref.user.id,
                           .recipe_user_id = f.ref.recipe_user_id,
                           .outer_id = login_outer_id(m),
                           .change = change,
                           .witness = {.app_id = app_id,
                                       .recipe_user_id = f.ref.recipe_user_id,
                                       .email = change->email,
                                       .password_hash = change->password_hash,
                                       .verified = change->verified}};
        int rc = storage_transact(c, f.storage, update, updated, &x);
        if (rc == RC_DUPLICATE)
            return users_taken(c);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
        rc = users_find(c, f.storage, app_id, x.recipe_user_id, &f.ref);
        if (rc != RC_OK)
            return rc;
        if (!f.ref.user.id.p)
            return USERS_UNKNOWN;
    }
    return users_given_up(c);
}

/* ---- deleting */

struct removal {
    struct str app_id, recipe_user_id;
    const struct user *seen;
    bool all, same_storage, unlinking;
    bool whole;      /* the user itself goes; set under the lock */
    struct str *ids; /* of the marks that go too */
    size_t nids;
};

/* What the other recipes keep is filed under the id the outside knows.  It
 * stays where that id means somebody else: an external id that is also another
 * user's own, an own id that is another's external one. */
struct data_check {
    struct str outer_id;
    stk_call *login, *mapping;
    struct users_calls user;
    bool mapped;
};

static struct data_check check_data(struct batch *b, struct str app_id, struct str own,
                                    struct str external)
{
    struct data_check k = {.outer_id = external.p ? external : own, .mapped = external.p};
    if (k.mapped) {
        struct str *id = ARENA_NEW(b->c->arena, struct str);
        *id = external;
        k.login = batch_login_row(b, app_id, external);
        batch_users(b, app_id, id, 1, false, &k.user);
    } else {
        k.mapping = batch_mapping_of_external(b, app_id, own);
    }
    return k;
}

static bool data_goes(struct ctx *c, const struct data_check *k)
{
    if (!k->mapped)
        return call_rows(k->mapping) == 0;
    struct user other;
    users_calls_take(c->arena, &k->user, &other);
    return call_rows(k->login) == 0 && !other.id.p;
}

static bool goes(const struct removal *x, const struct user *u, const struct login_method *m)
{
    return x->all || u->nmethods <= 1 || str_eq(m->recipe_user_id, x->recipe_user_id);
}

/* Whether the user itself goes, with its last login method. */
static bool user_goes(const struct removal *x, const struct user *u)
{
    return x->all || u->nmethods <= 1;
}

static void remove_data(struct removal *x, struct batch *b, struct str own,
                        const struct data_check *k)
{
    if (data_goes(b->c, k)) {
        batch_user_data_delete(b, x->app_id, k->outer_id);
        x->ids[x->nids++] = k->outer_id;
    }
    if (k->mapped)
        x->ids[x->nids++] = own;
}

static void write_removal(struct removal *x, struct batch *b, const struct user *u,
                          const struct data_check *checks, const struct data_check *user_check)
{
    struct arena *a = b->c->arena;
    struct user_counts counts;
    user_counts_init(&counts, a);
    const struct login_method *last = NULL;
    x->ids = ARENA_ARRAY(a, struct str, u->nmethods * 2 + 2);
    x->nids = 0;
    for (size_t i = 0; i < u->nmethods; i++) {
        const struct login_method *m = &u->methods[i];
        if (!goes(x, u, m))
            continue;
        last = m;
        batch_login_delete(b, x->app_id, m->recipe_user_id);
        /* the primary user's id outlives its login method */
        if (!user_goes(x, u) && str_eq(m->recipe_user_id, u->id)) {
            if (x->unlinking)
                batch_login_sessions_end(b, x->app_id, m);
            continue;
        }
        batch_mapping_delete(b, x->app_id, m->recipe_user_id);
        remove_data(x, b, m->recipe_user_id, &checks[i]);
    }
    struct user after = users_without(a, u, last);
    if (user_goes(x, u)) {
        after.nmethods = 0;
        batch_user_delete(b, x->app_id, u->id);
        if (!user_method(u, u->id)) { /* else done above */
            batch_login_delete(b, x->app_id, u->id);
            batch_mapping_delete(b, x->app_id, u->id);
            remove_data(x, b, u->id, user_check);
        }
    } else if (u->is_primary) {
        struct reservations have, keep;
        reservations_of(&have, a, u);
        reservations_of(&keep, a, &after);
        batch_unreserve(b, x->app_id, &have, &keep, u->id);
    }
    batch_user_summary(b, x->app_id, u, &after, &counts);
    if (x->same_storage)
        for (size_t i = 0; i < x->nids; i++)
            batch_last_active_delete(b, x->app_id, x->ids[i]);
    batch_user_counts(b, x->app_id, &counts);
}

/* Codes sent to who signs in without a password. */
static void remove_codes(const struct removal *x, struct batch *b)
{
    for (size_t i = 0; i < x->seen->nmethods; i++) {
        const struct login_method *m = &x->seen->methods[i];
        if (m->recipe == MASK_PASSWORDLESS && goes(x, x->seen, m))
            batch_pl_devices_delete(b, x->app_id, m->tenants, m->ntenants, m->email, m->phone);
    }
}

struct data_checks {
    struct data_check *methods, user;
};

static struct data_checks add_checks(struct batch *b, struct str app_id, const struct user *u)
{
    struct data_checks k = {.methods =
                                ARENA_ARRAY(b->c->arena, struct data_check, u->nmethods + 1)};
    for (size_t i = 0; i < u->nmethods; i++)
        k.methods[i] =
            check_data(b, app_id, u->methods[i].recipe_user_id, u->methods[i].external_id);
    k.user = check_data(b, app_id, u->id, u->external_id);
    return k;
}

static int removal(struct txn *t, void *arg)
{
    struct removal *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    struct user u;
    batch_init(&b, c);
    remove_codes(x, &b);
    batch_users(&b, x->app_id, &x->seen->id, 1, true, &calls);
    struct data_checks checks = add_checks(&b, x->app_id, x->seen);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, &u);
    bool method = user_method(&u, x->recipe_user_id);
    if (!u.id.p || (!method && !str_eq(u.id, x->recipe_user_id)))
        return USERS_MOVED;
    x->whole = user_goes(x, &u);
    if (x->unlinking && x->whole)
        return USERS_MOVED;
    /* A primary user without a login method of its own, asked to lose just that. */
    if (!x->whole && !method)
        return RC_OK;
    bool same = same_methods(&u, x->seen);
    if (!same && (user_mask(&u) & MASK_PASSWORDLESS)) /* codes come before users */
        return USERS_MOVED;
    batch_init(&b, c);
    if (!same) { /* others were linked or unlinked in between */
        checks = add_checks(&b, x->app_id, &u);
        rc = txn_exec(t, &b);
        batch_init(&b, c);
    }
    if (rc != RC_OK)
        return rc;
    write_removal(x, &b, &u, checks.methods, &checks.user);
    return txn_commit(t, &b);
}

static int removed(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct removal *x = arg;
    struct user u;
    int rc = users_load(c, s, x->app_id, &x->seen->id, 1, &u);
    if (rc == RC_OK)
        *applied = x->whole ? !u.id.p : !user_method(&u, x->recipe_user_id);
    return rc;
}

/* After the commit: marks in the storage of the app, best effort. */
static void forget(struct ctx *c, const struct removal *x)
{
    const struct app *app = c->tenant->app;
    for (size_t i = 0; i < x->nids; i++)
        active_forget(c, x->ids[i]);
    if (x->same_storage || x->nids == 0)
        return;
    enum fail_kind fail = c->fail;
    struct batch b;
    batch_init(&b, c);
    for (size_t i = 0; i < x->nids; i++)
        batch_last_active_delete(&b, app->app_id, x->ids[i]);
    if (storage_write(c, app->storage, &b, NULL, NULL) != RC_OK)
        c->fail = fail;
}

int users_delete_found(struct ctx *c, const struct users_found *f, bool all_linked, bool unlinking)
{
    struct removal x = {.app_id = c->tenant->app_id,
                        .recipe_user_id = f->ref.recipe_user_id,
                        .seen = &f->ref.user,
                        .all = all_linked,
                        .unlinking = unlinking,
                        .same_storage = f->storage == c->tenant->app->storage};
    int rc = storage_transact(c, f->storage, removal, removed, &x);
    if (rc == RC_OK)
        forget(c, &x);
    return rc == RC_EXPECT ? USERS_MOVED : rc;
}

int users_delete(struct ctx *c, struct str id, bool all_linked)
{
    for (int i = 0; i < USERS_TRIES; i++) {
        struct users_found f;
        int rc = users_find_in_app(c, id, &f);
        if (rc != RC_OK)
            return rc == USERS_UNKNOWN ? RC_OK : rc;
        rc = users_delete_found(c, &f, all_linked, false);
        if (rc != USERS_MOVED)
            return rc;
    }
    return users_given_up(c);
}
