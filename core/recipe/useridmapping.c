/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids; see useridmapping.h.
 *
 * The storage of the user is looked for, if the app has several; then one transaction
 * holds the user's row, reads what decides, and writes.  It takes the id for that of a
 * user who is not linked, and where that is wrong looks whose row it is.  Two users of one storage never get the
 * same external id: a unique key sees to it.  Users in different databases of an
 * app could, in the same moment, as with the incumbent. */
#include "recipe/useridmapping.h"

#include "base/clock.h"
#include "recipe/account_info.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/emailverification.h"

/* Where a mapping is. */
struct found {
    struct storage *storage;
    struct id_mapping mapping;
    bool own; /* the id that was asked for is a user's own */
};

/* What the id means in one storage.  An id that is one user's own and another's
 * external one means the first, unless only the second has a mapping. */
static struct found choose(const struct id_calls *calls, enum user_id_type type)
{
    struct found f = {.own = type != USER_ID_EXTERNAL && id_is_user(calls)};
    if (f.own)
        f.mapping = id_mapping_of_user(calls);
    if (!f.mapping.user_id.p && type != USER_ID_SUPERTOKENS)
        f.mapping = id_mapping_by_external(calls);
    return f;
}

/* Over all storages of the app: the one where the id is a user's own goes before
 * one where somebody is mapped to it.  USERIDMAPPING_NONE. */
static int find(struct ctx *c, struct str id, enum user_id_type type, struct found *f)
{
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    *f = (struct found){.storage = NULL};
    for (size_t i = 0; rc == RC_OK && i < n && !f->own; i++) {
        struct id_calls calls;
        struct batch b;
        batch_init(&b, c);
        batch_id(&b, c->tenant->app_id, id, &calls);
        rc = storage_read(c, list[i], &b);
        if (rc != RC_OK)
            break;
        struct found here = choose(&calls, type);
        here.storage = list[i];
        if (here.own || (here.mapping.user_id.p && !f->storage))
            *f = here;
    }
    return rc != RC_OK || f->mapping.user_id.p ? rc : USERIDMAPPING_NONE;
}

int useridmapping_get(struct ctx *c, struct str id, enum user_id_type type, struct id_mapping *m)
{
    struct found f;
    int rc = find(c, id, type, &f);
    *m = f.mapping;
    return rc;
}

int useridmapping_set_info(struct ctx *c, struct str id, enum user_id_type type, struct str info)
{
    struct found f;
    int rc = find(c, id, type, &f);
    if (rc != RC_OK)
        return rc;
    if (f.own && !str_eq(f.mapping.user_id, id)) /* this call never looks further */
        return USERIDMAPPING_NONE;
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_mapping_info(&b, c->tenant->app_id, f.mapping.user_id, info);
    rc = storage_write(c, f.storage, &b, NULL, NULL);
    return rc == RC_OK && call_affected(call) == 0 ? USERIDMAPPING_NONE : rc;
}

/* ---- what both changes do */

struct change {
    struct str app_id;
    struct id_mapping mapping;
    struct str root; /* the user's row that is locked */
    bool force;
    struct useridmapping_new *asked; /* creating */
    /* What a run has read. */
    struct id_calls user, external;
    struct id_use_calls use_user, use_external;
};

static int used(struct ctx *c, const struct id_use_calls *use, bool follow)
{
    const char *recipe = id_used_in(use, follow);
    if (!recipe)
        return RC_OK;
    return ctx_fail(c, FAIL_BAD_REQUEST, "UserId is already in use in %s recipe", recipe);
}

/* Locks the user and reads all that decides; USERS_MOVED if the row of another
 * would have to be locked.  *m: the login method whose id it is, NULL where that is
 * gone, as it is where id_is_user(&x->user) is false. */
static int look(struct txn *t, struct change *x, const struct login_method **m)
{
    struct ctx *c = txn_ctx(t);
    int64_t now = clock_ms();
    struct users_calls calls;
    struct batch b;
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->root, 1, true, &calls);
    batch_id(&b, x->app_id, x->mapping.user_id, &x->user);
    batch_id(&b, x->app_id, x->mapping.external_id, &x->external);
    batch_id_use(&b, x->app_id, x->mapping.user_id, now, &x->use_user);
    batch_id_use(&b, x->app_id, x->mapping.external_id, now, &x->use_external);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    *m = NULL;
    if (!id_is_user(&x->user))
        return RC_OK;
    struct user *u = ARENA_NEW(c->arena, struct user);
    users_calls_take(c->arena, &calls, u);
    if (!u->id.p || !str_eq(id_root(&x->user, x->mapping.user_id), u->id))
        return USERS_MOVED;
    *m = user_method(u, x->mapping.user_id);
    return RC_OK;
}

/* The copy in the login method of whether its email is verified for the outer id.
 * One that was made up is always. */
static void set_verified(const struct change *x, struct batch *b, const struct login_method *m,
                         bool verified)
{
    if (m && m->email.p && !email_is_fake(m->email) && verified != m->verified)
        batch_login_verified(b, x->app_id, m, verified, clock_ms());
}

/* ---- creating */

/* Whether a mapping by the external id is in the way, and which ids it has. */
static bool taken(struct useridmapping_new *x, const struct id_mapping *by_external)
{
    x->external_exists = by_external->user_id.p != NULL;
    x->user_exists = x->external_exists && str_eq(by_external->user_id, x->mapping.user_id);
    return x->external_exists;
}

/* Whether there may be such a mapping, in the order in which it is refused. */
static int allowed(struct ctx *c, struct change *x)
{
    struct id_mapping by_external = id_mapping_by_external(&x->external);
    if (taken(x->asked, &by_external))
        return USERIDMAPPING_EXISTS;
    if (!id_is_user(&x->user))
        return USERIDMAPPING_UNKNOWN_USER;
    if (!x->force && id_is_user(&x->external))
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "Cannot create a userId mapping where the externalId "
                        "is also a SuperTokens userID");
    if (!x->force && used(c, &x->use_user, x->asked->verified_follow) != RC_OK)
        return RC_FAIL;
    x->asked->user_exists = id_mapping_of_user(&x->user).user_id.p != NULL;
    return x->asked->user_exists ? USERIDMAPPING_EXISTS : RC_OK;
}

static int create(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct ctx *c = txn_ctx(t);
    const struct login_method *m;
    int rc = look(t, x, &m);
    if (rc == RC_OK)
        rc = allowed(c, x);
    if (rc != RC_OK)
        return rc;
    struct batch b;
    batch_init(&b, c);
    bool verified = m && id_verified(&x->use_external, m->email);
    if (!x->force) {
        batch_verification_rekey(&b, x->app_id, &x->use_user, x->mapping.user_id,
                                 x->mapping.external_id);
        verified = verified || (m && id_verified(&x->use_user, m->email));
    }
    batch_mapping_create(&b, x->app_id, &x->mapping);
    set_verified(x, &b, m, verified);
    batch_user_touch(&b, x->app_id, x->root);
    return txn_commit(t, &b);
}

static int created(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct change *x = arg;
    struct id_calls calls;
    struct batch b;
    batch_init(&b, c);
    batch_id(&b, x->app_id, x->mapping.user_id, &calls);
    int rc = storage_read(c, s, &b);
    *applied =
        rc == RC_OK && str_eq(id_mapping_of_user(&calls).external_id, x->mapping.external_id);
    return rc;
}

/* Whom the ids belong to at the moment, over all storages: which one has the user,
 * and the user's row there. */
static int examine(struct ctx *c, struct useridmapping_new *x, struct storage **list, size_t n,
                   struct storage **home, struct str *root)
{
    *home = NULL;
    for (size_t i = 0; i < n; i++) {
        struct id_calls user, external;
        struct batch b;
        batch_init(&b, c);
        batch_id(&b, c->tenant->app_id, x->mapping.user_id, &user);
        batch_id(&b, c->tenant->app_id, x->mapping.external_id, &external);
        int rc = storage_read(c, list[i], &b);
        if (rc != RC_OK)
            return rc;
        struct id_mapping by_external = id_mapping_by_external(&external);
        if (taken(x, &by_external))
            return USERIDMAPPING_EXISTS;
        if (!*home && id_is_user(&user)) {
            *home = list[i];
            *root = id_root(&user, x->mapping.user_id);
        }
    }
    return *home ? RC_OK : USERIDMAPPING_UNKNOWN_USER;
}

int useridmapping_create(struct ctx *c, struct useridmapping_new *x)
{
    struct storage **list;
    size_t n;
    struct change change = {.app_id = c->tenant->app_id,
                            .mapping = x->mapping,
                            .root = x->mapping.user_id,
                            .asked = x,
                            .force = x->force};
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    if (rc != RC_OK)
        return rc;
    struct storage *s = list[0];
    /* With one storage a user who is not linked is found by the transaction itself. */
    for (int i = 0; i <= USERS_TRIES; i++) {
        if (i || n > 1)
            rc = examine(c, x, list, n, &s, &change.root);
        if (rc == RC_OK)
            rc = storage_transact(c, s, create, created, &change);
        /* Linked, unlinked, or somebody was quicker: look again. */
        if (rc != RC_DUPLICATE && rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}

/* ---- removing */

static int take_away(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct ctx *c = txn_ctx(t);
    const struct login_method *m;
    int rc = look(t, x, &m);
    if (rc != RC_OK)
        return rc;
    if (!str_eq(id_mapping_of_user(&x->user).external_id, x->mapping.external_id))
        return USERIDMAPPING_NONE;
    /* Data under an id that is also a user's own may be that user's. */
    if (!x->force && !id_is_user(&x->external) && used(c, &x->use_external, false) != RC_OK)
        return RC_FAIL;
    struct batch b;
    batch_init(&b, c);
    batch_mapping_remove(&b, x->app_id, x->mapping.user_id);
    set_verified(x, &b, m, m && id_verified(&x->use_user, m->email));
    batch_user_touch(&b, x->app_id, x->root);
    return txn_commit(t, &b);
}

static int removed(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    int rc = created(c, s, arg, applied);
    *applied = !*applied;
    return rc;
}

/* The user's row as it is now, for a login method that is linked. */
static int root_of(struct ctx *c, const struct found *f, struct str *root)
{
    struct id_calls calls;
    struct batch b;
    batch_init(&b, c);
    batch_id(&b, c->tenant->app_id, f->mapping.user_id, &calls);
    int rc = storage_read(c, f->storage, &b);
    *root = id_root(&calls, f->mapping.user_id);
    return rc;
}

int useridmapping_remove(struct ctx *c, struct str id, enum user_id_type type, bool force)
{
    for (int i = 0; i <= USERS_TRIES; i++) {
        struct found f;
        int rc = find(c, id, type, &f);
        if (rc != RC_OK)
            return rc;
        struct change x = {.app_id = c->tenant->app_id,
                           .mapping = f.mapping,
                           .root = f.mapping.user_id,
                           .force = force};
        if (i)
            rc = root_of(c, &f, &x.root);
        if (rc == RC_OK)
            rc = storage_transact(c, f.storage, take_away, removed, &x);
        if (rc != USERS_MOVED && rc != RC_EXPECT)
            return rc;
    }
    return users_given_up(c);
}
