/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in with a provider; see thirdparty.h.  It looks first: most who come
 * have been here before, and a sign-up that meets a duplicate looks again. */
#include "recipe/thirdparty.h"

#include "base/clock.h"
#include "recipe/account_info.h"
#include "recipe/active.h"
#include "recipe/multitenancy.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/thirdparty.h"

int thirdparty_allowed(struct ctx *c)
{
    if (tenant_allows(c, TENANT_THIRDPARTY))
        return RC_OK;
    return ctx_fail(c, FAIL_FORBIDDEN, "ThirdParty login not enabled for tenant");
}

static int sign_up(struct ctx *c, const struct thirdparty_account *account, struct user *user)
{
    struct login_method *m = ARENA_NEW(c->arena, struct login_method);
    m->recipe = MASK_THIRDPARTY;
    m->time_joined = clock_ms();
    m->email = account->email;
    m->tp_id = account->id;
    m->tp_user_id = account->user_id;
    m->verified = account->verified;
    return users_create(c, m, true, user);
}

/* user: as third_party_find() found it. */
static int sign_in(struct ctx *c, const struct thirdparty_account *account, struct user *user,
                   bool whole)
{
    const struct login_method *m = &user->methods[0];
    bool same = m->email.p && str_eq(m->email, account->email);
    if (same && (m->verified || !account->verified)) {
        int rc = whole ? RC_OK : users_load_and_mark(c, user);
        return rc == RC_OK && !user->id.p ? USERS_UNKNOWN : rc;
    }
    const struct users_found found = {
        c->tenant->storage, {.exists = true, .recipe_user_id = m->recipe_user_id, .user = *user}};
    const struct users_change change = {.recipe = MASK_THIRDPARTY,
                                        .email = account->email,
                                        .verified = account->verified,
                                        .after = user};
    return users_update(c, &found, &change);
}

static const struct login_method *method_of(const struct user *u, struct str recipe_user_id)
{
    const struct login_method *m = user_method(u, recipe_user_id);
    return m && m->recipe == MASK_THIRDPARTY ? m : NULL;
}

static int once(struct ctx *c, const struct thirdparty_account *account, struct user *user,
                const struct login_method **method, bool *created)
{
    const struct tenant *t = c->tenant;
    bool whole;
    int rc = third_party_find(c, t->storage, t->app_id, t->tenant_id, account->id, account->user_id,
                              account->email, user, &whole);
    if (rc != RC_OK)
        return rc;
    *created = !user->id.p;
    if (*created) {
        rc = sign_up(c, account, user);
        *method = user->methods;
        return rc;
    }
    struct str recipe_user_id = user->methods[0].recipe_user_id;
    rc = sign_in(c, account, user, whole);
    if (rc != RC_OK)
        return rc;
    *method = method_of(user, recipe_user_id);
    if (!*method) /* deleted or unlinked meanwhile */
        return USERS_UNKNOWN;
    users_last_active_mark(c, user->id);
    return RC_OK;
}

int thirdparty_sign_in_up(struct ctx *c, const struct thirdparty_account *account,
                          struct user *user, const struct login_method **method, bool *created)
{
    struct thirdparty_account normal = *account;
    normal.email = email_normalise(c->arena, account->email);
    for (int i = 0; i < USERS_TRIES; i++) {
        int rc = once(c, &normal, user, method, created);
        if (rc != USERS_THIRD_PARTY_EXISTS && rc != USERS_UNKNOWN)
            return rc;
    }
    return users_given_up(c);
}

int thirdparty_by_account(struct ctx *c, struct str tp_id, struct str tp_user_id, struct user *user)
{
    const struct account_info info = {.tp_id = tp_id, .tp_user_id = tp_user_id};
    struct users_listed found;
    int rc = users_by_account_info(c, &info, true, false, &found);
    if (rc != RC_OK)
        return rc;
    if (found.n == 0)
        return USERS_UNKNOWN;
    *user = found.users[0];
    return RC_OK;
}

int thirdparty_by_id(struct ctx *c, struct str id, struct user *user)
{
    return users_method_by_id(c, id, MASK_THIRDPARTY, user);
}

/* A user stands there once for each login method with the email, as before
 * accounts could be linked. */
int thirdparty_by_email(struct ctx *c, struct str email, struct users_listed *found)
{
    const struct account_info info = {.email = email_normalise(c->arena, email)};
    struct users_listed all;
    int rc = users_by_account_info(c, &info, true, false, &all);
    *found = (struct users_listed){.next_token = STR_NULL};
    if (rc != RC_OK)
        return rc;
    size_t methods = 1;
    for (size_t i = 0; i < all.n; i++)
        methods += all.users[i].nmethods;
    found->users = ARENA_ARRAY(c->arena, struct user, methods);
    for (size_t i = 0; i < all.n; i++)
        for (size_t k = 0; k < all.users[i].nmethods; k++) {
            const struct login_method *m = &all.users[i].methods[k];
            if (m->recipe == MASK_THIRDPARTY && m->email.p && str_eq(m->email, info.email))
                found->users[found->n++] = all.users[i];
        }
    return RC_OK;
}
