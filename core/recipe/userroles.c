/* SPDX-License-Identifier: Apache-2.0 */
/* Roles; see userroles.h.
 *
 * Who adds permissions writes the role's row first, so a deletion of the role
 * leaves none behind.  An assignment does not, or all of a popular role would
 * wait for each other: one that meets a deletion may leave a row.  So readers
 * ignore roles that do not exist, and such rows go when a role of this name is
 * made anew.  Where the tenant has a database of its own, that is no part of
 * making the role: there the assignment looks at the role once more, and the
 * deletion at the assignments. */
#include "recipe/userroles.h"

#include "base/clock.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"

#include <stdlib.h>

enum { PUT_TRIES = 5 };

static struct storage *roles_at(const struct ctx *c)
{
    return c->tenant->app->storage;
}

static bool one_storage(const struct ctx *c)
{
    return c->tenant->storage == roles_at(c);
}

static int has_role(struct ctx *c, struct str role, bool *exists)
{
    int64_t created_at;
    return role_exists(c, roles_at(c), c->tenant->app_id, role, exists, &created_at);
}

/* What may be done twice. */
static int never_applied(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    (void)c;
    (void)s;
    (void)arg;
    *applied = false;
    return RC_OK;
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void sort_unique(struct names *l)
{
    size_t n = 0;
    if (l->n)
        qsort(l->list, l->n, sizeof(*l->list), by_name);
    for (size_t i = 0; i < l->n; i++)
        if (i == 0 || !str_eq(l->list[i], l->list[n - 1]))
            l->list[n++] = l->list[i];
    l->n = n;
}

/* ---- making roles, and their permissions */

struct change {
    struct str app_id, role;
    const struct names *permissions;
    int64_t now;
    bool create, unsure, exists;
};

static int put(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    if (x->create) {
        batch_app_active(&b, x->app_id);
        batch_role_create(&b, x->app_id, x->role, x->now);
    } else {
        batch_role_hold(&b, x->app_id, x->role);
    }
    return role_permissions_commit(t, &b, x->app_id, x->role, x->permissions, true);
}

/* Another core may have made the role at the same millisecond, with other
 * permissions: then ours are still to be added. */
static int role_made(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct change *x = arg;
    int64_t created_at;
    int rc = role_exists(c, s, x->app_id, x->role, applied, &created_at);
    *applied = *applied && created_at == x->now;
    x->unsure = *applied;
    return rc;
}

static int add_permissions(struct ctx *c, struct change *x)
{
    x->create = false;
    return storage_transact(c, roles_at(c), put, never_applied, x);
}

static int create(struct ctx *c, struct change *x)
{
    const struct tenant *t = c->tenant;
    x->create = true;
    x->now = clock_ms();
    x->unsure = false;
    int rc = storage_transact(c, roles_at(c), put, role_made, x);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, PUBLIC_ID);
    return rc == RC_OK && x->unsure ? add_permissions(c, x) : rc;
}

int userroles_put(struct ctx *c, struct str role, struct names *permissions, bool *created)
{
    struct change x = {.app_id = c->tenant->app_id, .role = role, .permissions = permissions};
    sort_unique(permissions);
    for (int i = 0; i < PUT_TRIES; i++) {
        bool exists;
        int rc = has_role(c, role, &exists);
        if (rc != RC_OK)
            return rc;
        *created = !exists;
        if (!exists)
            rc = create(c, &x);
        else if (permissions->n)
            rc = add_permissions(c, &x);
        /* made or deleted meanwhile */
        if (rc != RC_DUPLICATE && rc != RC_EXPECT)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE, "The role is being changed by others. Try again");
}

static int take_permissions(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    stk_call *role = batch_role(&b, x->app_id, x->role);
    int rc = role_permissions_commit(t, &b, x->app_id, x->role, x->permissions, false);
    x->exists = rc == RC_OK && call_rows(role) > 0;
    return rc;
}

int userroles_permissions_remove(struct ctx *c, struct str role, struct names *permissions)
{
    struct change x = {.app_id = c->tenant->app_id, .role = role, .permissions = permissions};
    int rc;
    if (permissions) {
        sort_unique(permissions);
        rc = storage_transact(c, roles_at(c), take_permissions, never_applied, &x);
    } else {
        rc = role_permissions_clear(c, roles_at(c), x.app_id, role, &x.exists);
    }
    return rc == RC_OK && !x.exists ? USERROLES_UNKNOWN : rc;
}

int userroles_permissions(struct ctx *c, struct str role, struct names *permissions)
{
    bool exists;
    int rc = role_permissions(c, roles_at(c), c->tenant->app_id, role, &exists, permissions);
    return rc == RC_OK && !exists ? USERROLES_UNKNOWN : rc;
}

int userroles_with_permission(struct ctx *c, struct str permission, struct names *roles)
{
    return permission_roles(c, roles_at(c), c->tenant->app_id, permission, roles);
}

int userroles_all(struct ctx *c, struct names *roles)
{
    return roles_list(c, roles_at(c), c->tenant->app_id, roles);
}

/* ---- deleting roles */

static int delete_role(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct batch b;
    int rc = role_delete(t, x->app_id, x->role, &x->exists);
    if (rc != RC_OK)
        return rc;
    batch_init(&b, txn_ctx(t));
    batch_user_roles_of_role_delete(&b, x->app_id, x->role);
    return txn_commit(t, &b);
}

static int role_gone(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct change *x = arg;
    bool exists;
    int64_t created_at;
    int rc = role_exists(c, s, x->app_id, x->role, &exists, &created_at);
    *applied = rc == RC_OK && !exists;
    return rc;
}

int userroles_remove(struct ctx *c, struct str role, bool *existed)
{
    struct change x = {.app_id = c->tenant->app_id, .role = role};
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        rc = user_roles_of_role_delete(c, list[i], x.app_id, role);
    if (rc == RC_OK)
        rc = storage_transact(c, roles_at(c), delete_role, role_gone, &x);
    *existed = x.exists;
    for (size_t i = 1; rc == RC_OK && i < n; i++) {
        bool anew;
        rc = has_role(c, role, &anew);
        if (rc == RC_OK && !anew)
            rc = user_roles_of_role_delete(c, list[i], x.app_id, role);
    }
    return rc;
}

/* ---- who has them */

static struct user_role assignment(const struct ctx *c, struct str user_id, struct str role)
{
    const struct tenant *t = c->tenant;
    return (struct user_role){t->app_id, t->tenant_id, user_id, role};
}

static int assigned(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    return user_role_exists(c, s, arg, applied);
}

/* RC_EXPECT: the role (if with_role) or the tenant is gone. */
static int insert(struct ctx *c, struct user_role *r, bool with_role, bool *had)
{
    const struct tenant *t = c->tenant;
    struct batch b;
    batch_init(&b, c);
    batch_tenant_active(&b, t->app_id, t->tenant_id);
    if (with_role)
        call_expect_rows(batch_role(&b, r->app_id, r->role), 1);
    batch_user_role_insert(&b, r);
    int rc = storage_write(c, t->storage, &b, assigned, r);
    *had = rc == RC_DUPLICATE;
    return *had ? RC_OK : rc;
}

static int assign_here(struct ctx *c, struct user_role *r, bool *had)
{
    const struct tenant *t = c->tenant;
    bool exists;
    int rc = insert(c, r, true, had);
    if (rc != RC_EXPECT)
        return rc;
    rc = has_role(c, r->role, &exists);
    if (rc != RC_OK || !exists)
        return rc != RC_OK ? rc : USERROLES_UNKNOWN;
    return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
}

static int assign_elsewhere(struct ctx *c, struct user_role *r, bool *had)
{
    const struct tenant *t = c->tenant;
    bool exists;
    int rc = has_role(c, r->role, &exists);
    if (rc != RC_OK || !exists)
        return rc != RC_OK ? rc : USERROLES_UNKNOWN;
    rc = insert(c, r, false, had);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
    if (rc == RC_OK)
        rc = has_role(c, r->role, &exists);
    if (rc != RC_OK || exists)
        return rc;
    struct batch b;
    batch_init(&b, c);
    batch_user_role_delete(&b, r);
    rc = storage_write(c, t->storage, &b, NULL, NULL);
    return rc == RC_OK ? USERROLES_UNKNOWN : rc;
}

int userroles_assign(struct ctx *c, struct str user_id, struct str role, bool *had)
{
    struct user_role r = assignment(c, user_id, role);
    return one_storage(c) ? assign_here(c, &r, had) : assign_elsewhere(c, &r, had);
}

int userroles_unassign(struct ctx *c, struct str user_id, struct str role, bool *had)
{
    const struct tenant *t = c->tenant;
    struct user_role r = assignment(c, user_id, role);
    struct batch b;
    stk_call *known = NULL;
    bool exists = true;
    int rc = one_storage(c) ? RC_OK : has_role(c, role, &exists);
    if (rc != RC_OK || !exists)
        return rc != RC_OK ? rc : USERROLES_UNKNOWN;
    batch_init(&b, c);
    if (one_storage(c))
        known = batch_role(&b, t->app_id, role);
    stk_call *gone = batch_user_role_delete(&b, &r);
    rc = storage_write(c, t->storage, &b, NULL, NULL);
    if (rc != RC_OK)
        return rc;
    *had = call_affected(gone) > 0;
    return known && call_rows(known) == 0 ? USERROLES_UNKNOWN : RC_OK;
}

int userroles_of_user(struct ctx *c, struct str user_id, struct names *roles)
{
    const struct user_role of = assignment(c, user_id, STR_NULL);
    int rc = user_roles(c, c->tenant->storage, &of, roles);
    return rc == RC_OK ? roles_existing(c, roles_at(c), of.app_id, roles) : rc;
}

int userroles_users(struct ctx *c, struct str role, struct names *users)
{
    const struct user_role of = assignment(c, STR_NULL, role);
    bool exists = true;
    int rc = one_storage(c) ? RC_OK : has_role(c, role, &exists);
    if (rc == RC_OK && exists)
        rc = role_users(c, c->tenant->storage, &of, one_storage(c), &exists, users);
    return rc == RC_OK && !exists ? USERROLES_UNKNOWN : rc;
}
