/* SPDX-License-Identifier: Apache-2.0 */
/* Signing up and in, importing and changing; see emailpassword.h. */
#include "recipe/emailpassword.h"

#include "base/clock.h"
#include "recipe/account_info.h"
#include "recipe/active.h"
#include "recipe/multitenancy.h"
#include "storage/tenant.h"
#include "store/emailpassword.h"

static const struct settings *hashing(const struct ctx *c)
{
    return c->tenant->app->settings;
}

int emailpassword_allowed(struct ctx *c)
{
    if (tenant_allows(c, TENANT_EMAILPASSWORD))
        return RC_OK;
    return ctx_fail(c, FAIL_FORBIDDEN, "Email password login not enabled for tenant");
}

/* ---- signing up */

static int create(struct ctx *c, struct str email, struct str hash, bool seen, struct user *user)
{
    struct login_method *m = ARENA_NEW(c->arena, struct login_method);
    m->recipe = MASK_EMAILPASSWORD;
    m->time_joined = clock_ms();
    m->email = email;
    m->password_hash = hash;
    m->verified = seen && email_is_fake(email);
    return users_create(c, m, seen, user);
}

int emailpassword_sign_up(struct ctx *c, struct str email, struct str password, struct user *user)
{
    struct str hash;
    int rc = password_hash(c, hashing(c), password, &hash);
    if (rc != RC_OK)
        return rc;
    return create(c, email_normalise(c->arena, email), hash, true, user);
}

/* ---- signing in */

int emailpassword_sign_in(struct ctx *c, struct str email, struct str password, struct user *user,
                          const struct login_method **method)
{
    const struct tenant *t = c->tenant;
    bool whole, match;
    int rc = signin_find(c, t->storage, t->app_id, t->tenant_id, email_normalise(c->arena, email),
                         user, &whole);
    if (rc != RC_OK)
        return rc;
    if (!user->id.p) {
        /* The same work, so that the answer's delay does not tell who has an account. */
        struct str unused;
        rc = password_hash(c, hashing(c), password, &unused);
        return rc == RC_OK ? EMAILPASSWORD_WRONG_CREDENTIALS : rc;
    }
    const struct login_method *m = &user->methods[0];
    rc = password_verify(c, hashing(c), password, m->password_hash, &match);
    if (rc != RC_OK)
        return rc;
    if (!match)
        return EMAILPASSWORD_WRONG_CREDENTIALS;
    if (!whole)
        rc = users_load_and_mark(c, user);
    if (rc != RC_OK)
        return rc;
    *method = user_method(user, m->recipe_user_id);
    if (!*method) { /* linked, unlinked or deleted while the hash was computed */
        struct user_ref ref;
        rc = users_find(c, t->storage, t->app_id, m->recipe_user_id, &ref);
        if (rc != RC_OK)
            return rc;
        *user = ref.user;
        *method = user_method(user, m->recipe_user_id);
    }
    if (!*method)
        return EMAILPASSWORD_WRONG_CREDENTIALS;
    users_last_active_mark(c, user->id);
    return RC_OK;
}

/* ---- importing */

/* The user that signs in with this email, whole; USERS_UNKNOWN if there is none. */
static int by_email(struct ctx *c, struct str email, struct users_found *found)
{
    const struct tenant *t = c->tenant;
    struct user user;
    bool whole;
    int rc = signin_find(c, t->storage, t->app_id, t->tenant_id, email, &user, &whole);
    if (rc != RC_OK || !user.id.p)
        return rc != RC_OK ? rc : USERS_UNKNOWN;
    found->storage = t->storage;
    found->ref = (struct user_ref){
        .exists = true, .recipe_user_id = user.methods[0].recipe_user_id, .user = user};
    if (whole)
        return RC_OK;
    rc = users_load(c, t->storage, t->app_id, &user.id, 1, &found->ref.user);
    return rc == RC_OK && !found->ref.user.id.p ? USERS_UNKNOWN : rc;
}

int emailpassword_import(struct ctx *c, struct str email, struct str hash,
                         enum password_format format, struct user *user, bool *existed)
{
    struct users_found found;
    int rc = password_check_import(c, hashing(c), hash, format);
    email = email_normalise(c->arena, email);
    /* Again if the user with this email is deleted just when it is to be changed. */
    for (int i = 0; rc == RC_OK && i < 3; i++) {
        *existed = false;
        rc = create(c, email, hash, false, user);
        if (rc != USERS_EMAIL_EXISTS)
            return rc;
        *existed = true;
        rc = by_email(c, email, &found);
        if (rc == RC_OK) {
            const struct users_change change = {.recipe = MASK_EMAILPASSWORD,
                                                .password_hash = hash};
            *user = found.ref.user;
            rc = users_update(c, &found, &change);
        }
        if (rc != USERS_UNKNOWN)
            return rc;
        rc = RC_OK;
    }
    return rc != RC_OK ? rc : ctx_fail(c, FAIL_UNAVAILABLE, "The user is being changed by others");
}

/* ---- changing */

int emailpassword_update(struct ctx *c, struct str id, struct str email, struct str password)
{
    struct users_found found;
    struct users_change change = {.recipe = MASK_EMAILPASSWORD};
    int rc = users_find_in_app(c, id, &found);
    if (rc != RC_OK)
        return rc;
    const struct login_method *m = user_method(&found.ref.user, found.ref.recipe_user_id);
    if (!m || m->recipe != MASK_EMAILPASSWORD)
        return USERS_UNKNOWN;
    change.email = email_normalise(c->arena, email);
    if (password.p)
        rc = password_hash(c, hashing(c), password, &change.password_hash);
    return rc == RC_OK ? users_update(c, &found, &change) : rc;
}

/* ---- looking up, as before accounts could be linked */

int emailpassword_by_id(struct ctx *c, struct str id, struct user *user)
{
    return users_method_by_id(c, id, MASK_EMAILPASSWORD, user);
}

int emailpassword_by_email(struct ctx *c, struct str email, struct user *user)
{
    struct users_found found;
    int rc = by_email(c, email_normalise(c->arena, email), &found);
    if (rc == RC_OK)
        *user = found.ref.user;
    return rc;
}
