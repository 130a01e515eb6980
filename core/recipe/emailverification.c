/* SPDX-License-Identifier: Apache-2.0 */
/* Email verification; see emailverification.h.  A token is 32 random bytes of
 * which only the hash is stored; deleting that row is what uses it up.
 *
 * Whoever changes what is verified locks the user that the id means, so that an
 * email cannot become the user's between the two. */
#include "recipe/emailverification.h"

#include "base/clock.h"
#include "base/ids.h"
#include "config/settings.h"
#include "crypto/base64.h"
#include "crypto/sha.h"
#include "recipe/users_internal.h"
#include "storage/tenant.h"
#include "store/emailverification.h"
#include "store/multitenancy.h"

#include <string.h>

enum { TOKEN_BYTES = 32, OWNERS = 2 };

/* ---- making a token */

static int token_made(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct verification_token *t = arg;
    struct verification_token unused;
    return verification_token_find(c, s, c->tenant->app_id, c->tenant->tenant_id, t->hash, &unused,
                                   applied);
}

static int read_verified(struct ctx *c, struct storage *s, struct str id, struct str email,
                         bool *verified)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *row = batch_email_verified_get(&b, c->tenant->app_id, id, email);
    int rc = storage_read(c, s, &b);
    *verified = rc == RC_OK && call_rows(row) > 0;
    return rc;
}

int emailverification_make_token(struct ctx *c, struct str id, struct str email, struct str *token)
{
    const struct tenant *t = c->tenant;
    bool verified;
    int rc = read_verified(c, t->storage, id, email, &verified);
    if (rc != RC_OK || verified)
        return rc != RC_OK ? rc : EMAILVERIFICATION_ALREADY;
    uint8_t bytes[TOKEN_BYTES];
    random_bytes(bytes, sizeof(bytes));
    *token = base64url_encode(c->arena, bytes, sizeof(bytes));
    explicit_bzero(bytes, sizeof(bytes));
    c->arena->wipe = true;
    struct verification_token row = {.hash = sha256_hex(c->arena, *token),
                                     .user_id = id,
                                     .email = email,
                                     .expires_at = clock_ms() +
                                                   t->settings->email_verification_token_lifetime};
    struct batch b;
    batch_init(&b, c);
    batch_tenant_active(&b, t->app_id, t->tenant_id);
    batch_verification_token(&b, t->app_id, t->tenant_id, &row);
    rc = storage_write(c, t->storage, &b, token_made, &row);
    return rc == RC_EXPECT ? tenant_unknown(c, t->cud, t->app_id, t->tenant_id) : rc;
}

/* ---- marking an email as verified, or not */

struct mark {
    struct str app_id, tenant_id, id, email;
    bool verified;
    const struct verification_token *token; /* to be used up, or NULL */
    /* Who has the id, as was seen before: the users of the login methods, of
     * which one may have it as its own and one as its external id. */
    struct str users[OWNERS];
    size_t nusers;
    struct str mapped; /* the SuperTokens id of the external one */
};

static void add_user(struct mark *x, struct str user_id)
{
    for (size_t i = 0; i < x->nusers; i++)
        if (str_eq(x->users[i], user_id))
            return;
    x->users[x->nusers++] = user_id;
}

/* Whether a row of a login method has this outer id. */
static bool is_outer(const stk_call *login, struct str id)
{
    if (call_rows(login) == 0)
        return false;
    struct login_method m = login_of_row(call_row(login, 0));
    return str_eq(login_outer_id(&m), id);
}

/* What is known of the id now. */
static int look(struct ctx *c, struct storage *s, struct mark *x)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *own = batch_login_row(&b, x->app_id, x->id);
    const stk_call *mapping = batch_mapping_of_external(&b, x->app_id, x->id);
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK)
        return rc;
    x->nusers = 0;
    x->mapped = STR_NULL;
    if (is_outer(own, x->id))
        add_user(x, login_of_row(call_row(own, 0)).user_id);
    if (call_rows(mapping) == 0)
        return RC_OK;
    x->mapped = mapped_user(mapping);
    batch_init(&b, c);
    const stk_call *other = batch_login_row(&b, x->app_id, x->mapped);
    rc = storage_read(c, s, &b);
    if (rc == RC_OK && call_rows(other))
        add_user(x, login_of_row(call_row(other, 0)).user_id);
    return rc;
}

/* The method of this row among the users that are locked; false: its user is
 * another than was seen. */
static bool locked_method(const struct user *users, size_t n, const stk_call *login,
                          const struct login_method **m)
{
    struct login_method row = login_of_row(call_row(login, 0));
    *m = NULL;
    for (size_t i = 0; !*m && i < n; i++)
        if (users[i].id.p)
            *m = user_method(&users[i], row.recipe_user_id);
    return *m != NULL;
}

/* Locks the users and finds the login methods with this id; USERS_MOVED if they
 * are not those that were seen. */
static int lock(struct txn *t, struct mark *x, struct user *users, const struct login_method **m,
                size_t *n)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    const stk_call *other = NULL;
    batch_init(&b, c);
    batch_users(&b, x->app_id, x->users, x->nusers, true, &calls);
    const stk_call *own = batch_login_row(&b, x->app_id, x->id);
    const stk_call *mapping = batch_mapping_of_external(&b, x->app_id, x->id);
    if (x->mapped.p)
        other = batch_login_row(&b, x->app_id, x->mapped);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, users);
    *n = 0;
    if (is_outer(own, x->id) && !locked_method(users, x->nusers, own, &m[(*n)++]))
        return USERS_MOVED;
    if (!str_eq(mapped_user(mapping), x->mapped))
        return USERS_MOVED;
    if (other && call_rows(other) && !locked_method(users, x->nusers, other, &m[(*n)++]))
        return USERS_MOVED;
    return RC_OK;
}

static int mark(struct txn *t, void *arg)
{
    struct mark *x = arg;
    struct user users[OWNERS];
    const struct login_method *methods[OWNERS];
    size_t n;
    int rc = lock(t, x, users, methods, &n);
    if (rc != RC_OK)
        return rc;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    if (x->token)
        batch_verification_token_consume(&b, x->app_id, x->tenant_id, x->token);
    if (x->verified)
        batch_email_verified(&b, x->app_id, x->id, x->email);
    else
        batch_email_unverified(&b, x->app_id, x->id, x->email);
    for (size_t i = 0; i < n; i++)
        if (methods[i]->email.p && str_eq(methods[i]->email, x->email) &&
            methods[i]->verified != x->verified)
            batch_login_verified(&b, x->app_id, methods[i], x->verified, clock_ms());
    for (size_t i = 0; i < x->nusers; i++)
        if (users[i].id.p)
            batch_user_touch(&b, x->app_id, users[i].id);
    return txn_commit(t, &b);
}

/* Tries first as if nobody were linked or mapped, which saves a look. */
static int set_verified(struct ctx *c, struct storage *s, witness_fn witness, struct mark *x)
{
    x->users[0] = x->id;
    x->nusers = 1;
    for (int i = 0; i <= USERS_TRIES; i++) {
        int rc = i ? look(c, s, x) : RC_OK;
        if (rc == RC_OK)
            rc = storage_transact(c, s, mark, witness, x);
        if (rc != USERS_MOVED && !(rc == RC_EXPECT && !x->token))
            return rc;
    }
    return users_given_up(c);
}

/* ---- using a token up */

/* A token that is gone may have been used by us or by somebody else. */
static int token_used(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct mark *x = arg;
    struct verification_token unused;
    bool found;
    int rc =
        verification_token_find(c, s, x->app_id, x->tenant_id, x->token->hash, &unused, &found);
    if (rc != RC_OK)
        return rc;
    *applied = false;
    if (found)
        return RC_OK;
    return ctx_fail(c, FAIL_UNAVAILABLE,
                    "The database was lost while the token was used. Ask for a new token");
}

/* An expired token takes the others of its email along, and is of no use. */
static int drop_expired(struct ctx *c, struct mark *x)
{
    struct batch b;
    batch_init(&b, c);
    batch_verification_token_consume(&b, x->app_id, x->tenant_id, x->token);
    int rc = storage_write(c, c->tenant->storage, &b, token_used, x);
    return rc == RC_OK || rc == RC_EXPECT ? EMAILVERIFICATION_INVALID_TOKEN : rc;
}

int emailverification_verify(struct ctx *c, struct str token, struct str *id, struct str *email)
{
    const struct tenant *t = c->tenant;
    struct str hash = sha256_hex(c->arena, token);
    for (int i = 0; i < USERS_TRIES; i++) {
        struct verification_token row;
        bool found;
        int rc =
            verification_token_find(c, t->storage, t->app_id, t->tenant_id, hash, &row, &found);
        if (rc != RC_OK)
            return rc;
        if (!found)
            return EMAILVERIFICATION_INVALID_TOKEN;
        struct mark x = {.app_id = t->app_id,
                         .tenant_id = t->tenant_id,
                         .id = row.user_id,
                         .email = row.email,
                         .verified = true,
                         .token = &row};
        if (row.expires_at < clock_ms())
            return drop_expired(c, &x);
        rc = set_verified(c, t->storage, token_used, &x);
        *id = row.user_id;
        *email = row.email;
        if (rc != RC_EXPECT) /* else used by another, or the user got an external id */
            return rc;
    }
    return users_given_up(c);
}

int emailverification_revoke(struct ctx *c, struct str id, struct str email)
{
    const struct tenant *t = c->tenant;
    struct batch b;
    batch_init(&b, c);
    batch_verification_tokens_delete(&b, t->app_id, t->tenant_id, id, email);
    return storage_write(c, t->storage, &b, NULL, NULL);
}

/* ---- over the app */

int emailverification_is_verified(struct ctx *c, struct str id, struct str email, bool *verified)
{
    struct storage *s;
    int rc = users_home(c, id, &s);
    return rc == RC_OK ? read_verified(c, s, id, email, verified) : rc;
}

static int unverified(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct mark *x = arg;
    bool verified;
    int rc = read_verified(c, s, x->id, x->email, &verified);
    *applied = !verified;
    return rc;
}

int emailverification_unverify(struct ctx *c, struct str id, struct str email)
{
    struct storage *s;
    struct mark x = {.app_id = c->tenant->app_id, .id = id, .email = email};
    int rc = users_home(c, id, &s);
    return rc == RC_OK ? set_verified(c, s, unverified, &x) : rc;
}
