/* SPDX-License-Identifier: Apache-2.0 */
/* External user ids; see useridmapping.h.
 *
 * Ids are looked for in every storage of the app first; then one transaction holds
 * the user's row, looks again, and writes.  Two users of one storage never get the
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
};

static struct id_mapping choose(const struct id_calls *calls, enum user_id_type type, bool *user)
{
    *user = type != USER_ID_EXTERNAL && id_is_user(calls);
    if (*user)
        return id_mapping_of_user(calls);
    if (type == USER_ID_SUPERTOKENS)
        return (struct id_mapping){.user_id = STR_NULL};
    return id_mapping_by_external(calls);
}

/* Over all storages of the app: who has the id as its own goes before who is mapped
 * to it.  USERIDMAPPING_NONE. */
static int find(struct ctx *c, struct str id, enum user_id_type type, struct found *f)
{
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    *f = (struct found){.storage = NULL};
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        struct id_calls calls;
        struct batch b;
        bool user;
        batch_init(&b, c);
        batch_id(&b, c->tenant->app_id, id, &calls);
        rc = storage_read(c, list[i], &b);
        if (rc != RC_OK)
            break;
        struct id_mapping m = choose(&calls, type, &user);
        if (user || (m.user_id.p && !f->storage))
            *f = (struct found){list[i], m};
        if (user)
            break;
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
    bool force, verified_follow;
    /* What a run has read. */
    struct id_calls user, external;
    struct id_use_calls use_user, use_external;
};

static int used(struct ctx *c, const struct id_use_calls *use, bool but_verification)
{
    const char *recipe = id_used_in(use, but_verification);
    if (!recipe)
        return RC_OK;
    return ctx_fail(c, FAIL_BAD_REQUEST, "UserId is already in use in %s recipe", recipe);
}

/* Locks the user and reads all that decides.  *m: the login method whose id it is,
 * NULL where that is gone. */
static int look(struct txn *t, struct change *x, const struct login_method **m)
{
    struct ctx *c = txn_ctx(t);
    struct users_calls calls;
    struct batch b;
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->root, 1, true, &calls);
    batch_id(&b, x->app_id, x->mapping.user_id, &x->user);
    batch_id(&b, x->app_id, x->mapping.external_id, &x->external);
    batch_id_use(&b, x->app_id, x->mapping.user_id, &x->use_user);
    batch_id_use(&b, x->app_id, x->mapping.external_id, &x->use_external);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    struct user *u = ARENA_NEW(c->arena, struct user);
    users_calls_take(c->arena, &calls, u);
    if (!u->id.p || !str_eq(id_root(&x->user, x->mapping.user_id), u->id))
        return USERS_MOVED; /* linked, unlinked or deleted since it was found */
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

static int create(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct ctx *c = txn_ctx(t);
    const struct login_method *m;
    int rc = look(t, x, &m);
    if (rc != RC_OK)
        return rc;
    if (id_mapping_of_user(&x->user).user_id.p || id_mapping_by_external(&x->external).user_id.p)
        return USERIDMAPPING_EXISTS;
    if (!x->force && id_is_user(&x->external))
        return ctx_fail(c, FAIL_BAD_REQUEST,
                        "Cannot create a userId mapping where the externalId "
                        "is also a SuperTokens userID");
    if (!x->force && used(c, &x->use_user, x->verified_follow) != RC_OK)
        return RC_FAIL;
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

/* Whom the ids belong to at the moment, over all storages. */
static int examine(struct ctx *c, struct useridmapping_new *x, struct storage **home,
                   struct str *root)
{
    struct storage **list;
    size_t n;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &n);
    struct id_mapping by_external = {.user_id = STR_NULL}, of_user = by_external;
    *home = NULL;
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        struct id_calls user, external;
        struct batch b;
        batch_init(&b, c);
        batch_id(&b, c->tenant->app_id, x->mapping.user_id, &user);
        batch_id(&b, c->tenant->app_id, x->mapping.external_id, &external);
        rc = storage_read(c, list[i], &b);
        if (rc != RC_OK)
            break;
        if (!by_external.user_id.p)
            by_external = id_mapping_by_external(&external);
        if (!*home && id_is_user(&user)) {
            *home = list[i];
            *root = id_root(&user, x->mapping.user_id);
            of_user = id_mapping_of_user(&user);
        }
    }
    if (rc != RC_OK)
        return rc;
    if (!by_external.user_id.p && !*home)
        return USERIDMAPPING_UNKNOWN_USER;
    x->external_exists = by_external.user_id.p != NULL;
    x->user_exists = x->external_exists ? str_eq(by_external.user_id, x->mapping.user_id)
                                        : of_user.user_id.p != NULL;
    return x->external_exists || x->user_exists ? USERIDMAPPING_EXISTS : RC_OK;
}

int useridmapping_create(struct ctx *c, struct useridmapping_new *x)
{
    struct storage *s;
    struct change change = {.app_id = c->tenant->app_id,
                            .mapping = x->mapping,
                            .force = x->force,
                            .verified_follow = x->verified_follow};
    for (int i = 0; i < USERS_TRIES; i++) {
        int rc = examine(c, x, &s, &change.root);
        if (rc != RC_OK)
            return rc;
        rc = storage_transact(c, s, create, created, &change);
        /* Somebody was quicker: look again who. */
        if (rc != RC_DUPLICATE && rc != USERIDMAPPING_EXISTS && rc != USERS_MOVED)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE, "The user is being changed by others. Try again");
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

/* The user of a mapping whose user is gone: the mapping goes with its user, so this
 * is somebody who is being deleted. */
static int root_of(struct ctx *c, const struct found *f, struct str *root)
{
    struct id_calls calls;
    struct batch b;
    batch_init(&b, c);
    batch_id(&b, c->tenant->app_id, f->mapping.user_id, &calls);
    int rc = storage_read(c, f->storage, &b);
    *root = id_root(&calls, f->mapping.user_id);
    return rc != RC_OK || id_is_user(&calls) ? rc : USERIDMAPPING_NONE;
}

int useridmapping_remove(struct ctx *c, struct str id, enum user_id_type type, bool force)
{
    for (int i = 0; i < USERS_TRIES; i++) {
        struct found f;
        int rc = find(c, id, type, &f);
        if (rc != RC_OK)
            return rc;
        struct change x = {.app_id = c->tenant->app_id, .mapping = f.mapping, .force = force};
        rc = root_of(c, &f, &x.root);
        if (rc != RC_OK)
            return rc;
        rc = storage_transact(c, f.storage, take_away, removed, &x);
        if (rc != USERS_MOVED)
            return rc;
    }
    return ctx_fail(c, FAIL_UNAVAILABLE, "The user is being changed by others. Try again");
}
