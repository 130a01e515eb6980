/* SPDX-License-Identifier: Apache-2.0 */
/* Password reset tokens; see emailpassword.h.  A token is 32 random bytes of
 * which only the hash is stored; deleting that row is what uses it up. */
#include "base/clock.h"
#include "base/ids.h"
#include "config/settings.h"
#include "crypto/base64.h"
#include "crypto/sha.h"
#include "recipe/emailpassword.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/emailpassword.h"
#include "store/multitenancy.h"
#include "store/useridmapping.h"

#include <string.h>

enum { TOKEN_BYTES = 32 };

/* ---- making one */

static int token_made(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct reset_token unused;
    const struct reset_token *t = arg;
    return reset_token_find(c, s, c->tenant->app_id, t->hash, &unused, applied);
}

/* Before CDI 4.0 only a user with this one login method could have a token. */
static int old_email(struct ctx *c, const struct user *u, struct str *email)
{
    if (u->nmethods > 1)
        return ctx_fail(c, FAIL_BAD_REQUEST, "Please use CDI version >= 4.0");
    if (u->nmethods == 0 || u->methods[0].recipe != MASK_EMAILPASSWORD)
        return USERS_UNKNOWN;
    *email = u->methods[0].email;
    return RC_OK;
}

int emailpassword_make_token(struct ctx *c, const struct users_found *found, struct str email,
                             struct str *token)
{
    const struct tenant *t = c->tenant;
    if (!email.p) {
        int rc = old_email(c, &found->ref.user, &email);
        if (rc != RC_OK)
            return rc;
    }
    uint8_t bytes[TOKEN_BYTES];
    random_bytes(bytes, sizeof(bytes));
    *token = base64url_encode(c->arena, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    c->arena->wipe = true;
    struct reset_token row = {.hash = sha256_hex(c->arena, *token),
                              .user_id = found->ref.recipe_user_id,
                              .email = email,
                              .expires_at =
                                  clock_ms() + t->settings->password_reset_token_lifetime};
    struct batch b;
    batch_init(&b, c);
    batch_tenant_active(&b, t->app_id, t->tenant_id);
    batch_reset_token(&b, t->app_id, &row);
    int rc = storage_write(c, t->storage, &b, token_made, &row);
    if (rc == RC_EXPECT)
        return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
    return rc;
}

/* ---- using it up */

/* A token that is gone may have been used by us or by somebody else. */
static int token_used(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct reset_token *t = arg;
    struct reset_token unused;
    bool found;
    int rc = reset_token_find(c, s, c->tenant->app_id, t->hash, &unused, &found);
    if (rc != RC_OK)
        return rc;
    *applied = false;
    if (found)
        return RC_OK;
    return ctx_fail(c, FAIL_UNAVAILABLE,
                    "The database was lost while the token was used. Ask for a new token");
}

/* Expired tokens go too, but are of no use. */
static int find_token(struct ctx *c, struct str token, struct reset_token *row)
{
    const struct tenant *t = c->tenant;
    bool found;
    int rc = reset_token_find(c, t->storage, t->app_id, sha256_hex(c->arena, token), row, &found);
    if (rc != RC_OK)
        return rc;
    if (!found)
        return EMAILPASSWORD_INVALID_TOKEN;
    if (row->expires_at >= clock_ms())
        return RC_OK;
    struct batch b;
    batch_init(&b, c);
    batch_reset_token_consume(&b, t->app_id, row);
    rc = storage_write(c, t->storage, &b, token_used, row);
    return rc == RC_OK || rc == RC_EXPECT ? EMAILPASSWORD_INVALID_TOKEN : rc;
}

int emailpassword_consume_token(struct ctx *c, struct str token, struct str *user_id,
                                struct str *email)
{
    const struct tenant *t = c->tenant;
    struct reset_token row;
    int rc = find_token(c, token, &row);
    if (rc != RC_OK)
        return rc;
    struct batch b;
    batch_init(&b, c);
    batch_reset_token_consume(&b, t->app_id, &row);
    stk_call *mapping = batch_mapping_of_user(&b, t->app_id, row.user_id);
    rc = storage_write(c, t->storage, &b, token_used, &row);
    if (rc == RC_EXPECT)
        return EMAILPASSWORD_INVALID_TOKEN;
    if (rc != RC_OK)
        return rc;
    *user_id = mapped_outer_id(mapping, row.user_id);
    *email = row.email;
    return RC_OK;
}

/* ---- using it up for a new password at once */

struct reset {
    struct str app_id, user_id, password_hash;
    const struct reset_token *token;
    struct str outer_id;
};

static int reset(struct txn *t, void *arg)
{
    struct reset *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    struct user u;
    batch_init(&b, c);
    batch_users(&b, x->app_id, &x->user_id, 1, true, &calls);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, &u);
    const struct login_method *m = user_method(&u, x->token->user_id);
    if (!u.id.p || !m)
        return USERS_MOVED;
    x->outer_id = login_outer_id(m);
    batch_init(&b, c);
    batch_reset_token_consume(&b, x->app_id, x->token);
    if (m->recipe == MASK_EMAILPASSWORD)
        batch_login_password(&b, x->app_id, m, x->password_hash, clock_ms());
    batch_user_touch(&b, x->app_id, u.id);
    return txn_commit(t, &b);
}

static int was_reset(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct reset *x = arg;
    struct login_witness w = {.app_id = x->app_id,
                              .recipe_user_id = x->token->user_id,
                              .password_hash = x->password_hash};
    return login_witness(c, s, &w, applied);
}

int emailpassword_reset(struct ctx *c, struct str token, struct str password, struct str *user_id)
{
    const struct tenant *t = c->tenant;
    struct reset_token row;
    struct reset x = {.app_id = t->app_id, .token = &row};
    int rc = find_token(c, token, &row);
    if (rc != RC_OK)
        return rc;
    rc = password_hash(c, t->app->settings, password, &x.password_hash);
    for (int i = 0; rc == RC_OK && i < USERS_TRIES; i++) {
        struct user_ref ref;
        rc = users_find(c, t->storage, t->app_id, row.user_id, &ref);
        if (rc != RC_OK)
            return rc;
        if (!user_method(&ref.user, row.user_id)) /* the user is gone, its tokens too */
            return EMAILPASSWORD_INVALID_TOKEN;
        x.user_id = ref.user.id;
        rc = storage_transact(c, t->storage, reset, was_reset, &x);
        *user_id = x.outer_id;
        if (rc == RC_EXPECT)
            return EMAILPASSWORD_INVALID_TOKEN;
        if (rc != USERS_MOVED)
            return rc;
        rc = RC_OK;
    }
    return rc != RC_OK ? rc : ctx_fail(c, FAIL_UNAVAILABLE, "The user is being changed by others");
}
