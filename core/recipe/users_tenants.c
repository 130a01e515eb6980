/* SPDX-License-Identifier: Apache-2.0 */
/* Login methods joining and leaving tenants; see users.h. */
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"

struct membership {
    const struct tenant *tenant;
    struct str user_id, recipe_user_id;
    bool was_associated;
    struct str *reason;
    bool locked; /* the first batch went through */
    struct login_witness witness;
};

/* The user with the login method in one more tenant, or one less. */
static struct user with_tenant(struct arena *a, const struct user *u, struct str recipe_user_id,
                               struct str tenant_id, bool in)
{
    struct user out = users_without(a, u, NULL);
    struct login_method *m = user_method(&out, recipe_user_id);
    struct str *tenants = ARENA_ARRAY(a, struct str, m->ntenants + 1);
    size_t n = 0;
    for (size_t i = 0; i < m->ntenants; i++)
        if (!str_eq(m->tenants[i], tenant_id))
            tenants[n++] = m->tenants[i];
    if (in)
        tenants[n++] = tenant_id;
    m->tenants = tenants;
    m->ntenants = n;
    return out;
}

/* Locks and reads the user; USERS_MOVED if the method is no longer its. */
static int lock(struct txn *t, struct membership *x, struct user *u, struct login_method **m)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    batch_init(&b, c);
    x->locked = false;
    batch_tenant_active(&b, x->tenant->app_id, x->tenant->tenant_id);
    batch_users(&b, x->tenant->app_id, &x->user_id, 1, true, &calls);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    x->locked = true;
    users_calls_take(c->arena, &calls, u);
    *m = user_method(u, x->recipe_user_id);
    return u->id.p && *m ? RC_OK : USERS_MOVED;
}

static int reserve_in_tenant(struct txn *t, struct membership *x, const struct user *after)
{
    static const char *const names[] = {
        [ACCOUNT_EMAIL] = "email",
        [ACCOUNT_PHONE] = "phone number",
        [ACCOUNT_THIRD_PARTY] = "third party info",
    };
    struct ctx *c = txn_ctx(t);
    struct reservations want;
    reservations_in(&want, c->arena, after, x->tenant->tenant_id);
    struct batch b;
    batch_init(&b, c);
    struct reserve_calls calls = batch_reserve(&b, x->tenant->app_id, &want, after->id);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    enum account_kind kind;
    struct str owner = reserve_conflict(&calls, after->id, &kind);
    if (!owner.p)
        return RC_OK;
    *x->reason = str_printf(c->arena, "Another primary user with %s already exists: %.*s",
                            names[kind], STR_ARG(owner));
    return USERS_TENANT_NOT_ALLOWED;
}

static int join(struct txn *t, void *arg)
{
    struct membership *x = arg;
    struct ctx *c = txn_ctx(t);
    struct str app_id = x->tenant->app_id, tenant_id = x->tenant->tenant_id;
    struct user u;
    struct login_method *m;
    int rc = lock(t, x, &u, &m);
    if (rc != RC_OK)
        return rc;
    x->was_associated = login_in_tenant(m, tenant_id);
    if (x->was_associated)
        return RC_OK;
    struct user after = with_tenant(c->arena, &u, x->recipe_user_id, tenant_id, true);
    if (u.is_primary && (rc = reserve_in_tenant(t, x, &after)) != RC_OK)
        return rc;
    struct user_counts counts;
    struct batch b;
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    batch_user_tenant(&b, app_id, tenant_id, m, u.is_primary);
    batch_user_summary(&b, app_id, &u, &after, &counts);
    batch_user_counts(&b, app_id, &counts);
    return txn_commit(t, &b);
}

static int joined(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    return login_witness(c, s, &((struct membership *)arg)->witness, applied);
}

static int leave(struct txn *t, void *arg)
{
    struct membership *x = arg;
    struct ctx *c = txn_ctx(t);
    struct str app_id = x->tenant->app_id, tenant_id = x->tenant->tenant_id;
    struct user u;
    struct login_method *m;
    int rc = lock(t, x, &u, &m);
    if (rc != RC_OK)
        return rc;
    bool member = login_in_tenant(m, tenant_id);
    struct user_counts counts;
    struct batch b;
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    struct user_data_calls data = batch_user_data_leave(&b, app_id, tenant_id, login_outer_id(m));
    if (member) {
        struct user after = with_tenant(c->arena, &u, x->recipe_user_id, tenant_id, false);
        struct reservations have, keep;
        reservations_init(&have, c->arena);
        reservations_init(&keep, c->arena);
        if (u.is_primary) {
            reservations_of(&have, c->arena, &u);
            reservations_of(&keep, c->arena, &after);
        }
        batch_login_leave(&b, app_id, tenant_id, m->recipe_user_id);
        batch_unreserve(&b, app_id, &have, &keep, u.id);
        batch_user_summary(&b, app_id, &u, &after, &counts);
    } else {
        batch_user_touch(&b, app_id, u.id);
    }
    batch_user_counts(&b, app_id, &counts);
    rc = txn_commit(t, &b);
    x->was_associated = member || (rc == RC_OK && user_data_left(&data));
    return rc;
}

static int left(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct membership *x = arg;
    bool in;
    int rc = login_witness(c, s, &x->witness, &in);
    *applied = rc == RC_OK && !in;
    x->was_associated = true;
    return rc;
}

static int change_tenant(struct ctx *c, struct str id, bool in, bool *was_associated,
                         struct str *reason)
{
    const struct tenant *t = c->tenant;
    for (int i = 0; i < USERS_TRIES; i++) {
        struct users_found f;
        int rc = users_find_in_tenant(c, id, &f);
        if (rc != RC_OK)
            return rc;
        const struct login_method *m = user_method(&f.ref.user, f.ref.recipe_user_id);
        if (!m)
            return USERS_UNKNOWN;
        struct membership x = {.tenant = t,
                               .user_id = f.ref.user.id,
                               .recipe_user_id = m->recipe_user_id,
                               .reason = reason,
                               .witness = {.app_id = t->app_id,
                                           .recipe_user_id = m->recipe_user_id,
                                           .tenant_id = t->tenant_id}};
        rc = in ? storage_transact(c, t->storage, join, joined, &x)
                : storage_transact(c, t->storage, leave, left, &x);
        *was_associated = x.was_associated;
        if (rc == RC_DUPLICATE && (rc = users_taken(c)) == RC_DUPLICATE)
            continue;
        if (rc == RC_EXPECT && !x.locked)
            return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}

int users_add_tenant(struct ctx *c, struct str id, bool *was_associated, struct str *reason)
{
    *reason = STR_NULL;
    return change_tenant(c, id, true, was_associated, reason);
}

/* An id that no login recipe knows may still own sessions and the like. */
static int leave_unknown(struct ctx *c, struct str id, bool *was_associated)
{
    const struct tenant *t = c->tenant;
    struct batch b;
    batch_init(&b, c);
    struct user_data_calls data = batch_user_data_leave(&b, t->app_id, t->tenant_id, id);
    int rc = storage_write(c, t->storage, &b, NULL, NULL);
    *was_associated = rc == RC_OK && user_data_left(&data);
    return rc == RC_OK && !*was_associated ? USERS_UNKNOWN : rc;
}

int users_remove_tenant(struct ctx *c, struct str id, bool *was_associated)
{
    struct str reason;
    *was_associated = false;
    int rc = change_tenant(c, id, false, was_associated, &reason);
    return rc == USERS_UNKNOWN ? leave_unknown(c, id, was_associated) : rc;
}
