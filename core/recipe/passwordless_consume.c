/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and using up codes; see passwordless.h.
 *
 * The address of the device never changes: it is remembered, or read first.  All
 * else is one transaction that holds the device: wrong tries are counted one after
 * the other, whoever makes them, and the one that deletes the device signs in.  Who
 * signs in holds all devices of the address, locked in one order.  A right code that
 * is only checked writes the device too, so that databases whose locks hold for one
 * node alone see the conflict at commit. */
#include "recipe/passwordless.h"

#include "base/clock.h"
#include "base/ids.h"
#include "base/log.h"
#include "config/settings.h"
#include "core.h"
#include "recipe/active.h"
#include "recipe/passwordless_internal.h"
#include "recipe/passwordless_known.h"
#include "recipe/users_internal.h"
#include "store/emailverification.h"
#include "store/multitenancy.h"

struct attempt {
    struct pl_place at;
    bool consume, verify; /* verify: who gets a code by email owns it */
    bool typed;           /* not a link */
    struct str device_hash, link_hash;
    struct str new_id;         /* of the user, if there is none yet */
    struct login_method *made; /* in any run: what may have been committed */
    struct passwordless_checked *checked;
    /* What one run of the transaction found out. */
    bool active; /* the tenant is not being deleted */
    int outcome;
    stk_call *devices, *logins, *others;
    struct login_method *created; /* NULL: signed in */
    struct str recipe_user_id, user_id;
    struct users_calls user;
    bool marked;
};

/* ---- the proof */

static bool expired(const struct ctx *c, const struct pl_code *code)
{
    return code->created_at < clock_ms() - passwordless_lifetime(c);
}

static int mismatch(struct ctx *c)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "preAuthSessionId and deviceId doesn't match");
}

static struct str without_padding(struct arena *a, struct str s)
{
    struct strbuf b;
    strbuf_init(&b, a);
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] != '=')
            strbuf_addc(&b, s.p[i]);
    return strbuf_str(&b);
}

/* The device as it is now; RESTART if there is none. */
static int read_device(struct ctx *c, struct attempt *x, struct batch *b)
{
    stk_call *device = batch_pl_device(b, x->at, x->device_hash, false);
    int rc = storage_read(c, c->tenant->storage, b);
    if (rc != RC_OK)
        return rc;
    if (call_rows(device) == 0)
        return PASSWORDLESS_RESTART;
    x->checked->device = pl_device_of_row(call_row(device, 0));
    pl_known_put(c->core->pl_known, &x->checked->device);
    return RC_OK;
}

static bool known(struct ctx *c, struct attempt *x)
{
    return pl_known_get(c->core->pl_known, c->arena, x->device_hash, &x->checked->device);
}

static int identify_link(struct ctx *c, const struct passwordless_proof *proof, struct str pre_auth,
                         struct attempt *x)
{
    struct str bytes;
    if (pl_decode(c, "linkCode", true, proof->link_code, &bytes) != RC_OK)
        return RC_FAIL;
    x->link_hash = pl_hash(c->arena, bytes);
    x->device_hash = pre_auth;
    if (known(c, x))
        return RC_OK;
    struct batch b;
    batch_init(&b, c);
    stk_call *codes = batch_pl_code_of_link(&b, x->at, x->link_hash);
    int rc = read_device(c, x, &b);
    if (rc < 0)
        return rc;
    struct pl_code code = {.id = STR_NULL};
    if (call_rows(codes))
        code = pl_code_of_row(call_row(codes, 0));
    if (!code.id.p || expired(c, &code))
        return PASSWORDLESS_RESTART;
    return str_eq(code.device_hash, pre_auth) ? rc : mismatch(c);
}

static int identify_typed(struct ctx *c, const struct passwordless_proof *proof,
                          struct str pre_auth, struct attempt *x)
{
    struct str id;
    struct batch b;
    if (pl_decode(c, "deviceId", false, proof->device_id, &id) != RC_OK)
        return RC_FAIL;
    x->typed = true;
    x->device_hash = pl_hash(c->arena, id);
    batch_init(&b, c);
    int rc = known(c, x) ? RC_OK : read_device(c, x, &b);
    if (rc != RC_OK)
        return rc;
    struct str salt = x->checked->device.salt;
    x->link_hash = pl_hash(c->arena, pl_link_code(c->arena, id, salt, proof->input_code));
    return str_eq(x->device_hash, pre_auth) ? RC_OK : mismatch(c);
}

/* ---- the code */

/* Locks the device, or all of its address, and finds the code, whatever its age. */
static int look(struct txn *t, struct attempt *x, bool *found, struct pl_code *code)
{
    const struct pl_device *d = &x->checked->device;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    if (x->consume) {
        batch_tenant_active(&b, x->at.app_id, x->at.tenant_id);
        x->devices = batch_pl_devices(&b, x->at, d->email, d->phone, true);
        x->logins = batch_pl_login(&b, x->at, d->email, d->phone);
    }
    stk_call *device = batch_pl_device(&b, x->at, x->device_hash, true);
    stk_call *codes = batch_pl_code_of_link(&b, x->at, x->link_hash);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    x->active = true;
    if (call_rows(device) == 0)
        return PASSWORDLESS_RESTART;
    x->checked->device = pl_device_of_row(call_row(device, 0));
    *found = call_rows(codes) > 0;
    if (*found)
        *code = pl_code_of_row(call_row(codes, 0));
    return RC_OK;
}

static int finish(struct txn *t, struct attempt *x, struct batch *b, int outcome)
{
    x->outcome = outcome;
    int rc = txn_commit(t, b);
    return rc == RC_OK ? outcome : rc;
}

static int refuse(struct txn *t, struct attempt *x, bool found)
{
    const struct pl_device *d = &x->checked->device;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    x->checked->failed = d->failed + 1;
    if (x->checked->failed >= x->checked->most) {
        batch_pl_device_delete(&b, x->at, d->hash, true);
        return finish(t, x, &b, PASSWORDLESS_RESTART);
    }
    batch_pl_device_fail(&b, x->at, d->hash, 1);
    return finish(t, x, &b, found ? PASSWORDLESS_EXPIRED : PASSWORDLESS_INCORRECT);
}

/* ---- signing in */

/* Every code of the email or phone number goes. */
static void use_up(struct attempt *x, struct batch *b)
{
    const struct pl_device *d = &x->checked->device;
    batch_pl_device_delete(b, x->at, d->hash, true);
    batch_pl_found_delete(b, x->at, x->devices);
    if (call_rows(x->devices) == PL_DEVICES_MAX)
        batch_pl_devices_delete(b, x->at.app_id, &x->at.tenant_id, 1, d->email, d->phone);
}

static int sign_up(struct txn *t, struct attempt *x)
{
    struct ctx *c = txn_ctx(t);
    const struct pl_device *d = &x->checked->device;
    struct login_method *m = ARENA_NEW(c->arena, struct login_method);
    m->recipe_user_id = m->user_id = x->new_id;
    m->recipe = MASK_PASSWORDLESS;
    m->time_joined = clock_ms();
    m->email = d->email;
    m->phone = d->phone;
    m->verified = x->verify || !d->email.p;
    m->tenants = &x->at.tenant_id;
    m->ntenants = 1;
    struct user_counts counts;
    struct batch b;
    user_counts_init(&counts, c->arena);
    batch_init(&b, c);
    use_up(x, &b);
    batch_user_create(&b, x->at.app_id, m, &counts);
    if (x->verify && d->email.p)
        batch_email_verified(&b, x->at.app_id, m->user_id, d->email);
    x->marked = active_add(c, c->tenant->storage, &b, m->user_id);
    batch_user_counts(&b, x->at.app_id, &counts);
    x->created = x->made = m;
    return finish(t, x, &b, RC_OK);
}

/* The email was not verified up to now. */
static int verify(struct txn *t, struct attempt *x, const struct login_method *login,
                  struct batch *last)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    struct users_calls calls;
    struct user u;
    batch_init(&b, c);
    batch_users(&b, x->at.app_id, &x->user_id, 1, true, &calls);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    users_calls_take(c->arena, &calls, &u);
    const struct login_method *m = user_method(&u, login->recipe_user_id);
    if (!m || !str_eq(m->email, login->email)) /* it was changed since it was read */
        return RC_RETRY;
    batch_email_verified(last, x->at.app_id, login_outer_id(m), m->email);
    batch_login_email(last, x->at.app_id, m, m->email, true, clock_ms());
    batch_user_touch(last, x->at.app_id, u.id);
    return RC_OK;
}

/* Codes that were sent to the other address of who has signed in: in a write of its
 * own, since devices of two addresses would be locked in any order. */
static void find_others(struct attempt *x, struct batch *b, const struct login_method *m)
{
    bool by_mail = x->checked->device.email.p;
    x->others = NULL;
    if (by_mail ? m->phone.p : m->email.p)
        x->others = batch_pl_devices(b, x->at, by_mail ? STR_NULL : m->email, m->phone, false);
}

static int sign_in(struct txn *t, struct attempt *x, const struct login_method *m)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    x->recipe_user_id = m->recipe_user_id;
    x->user_id = m->user_id;
    batch_init(&b, c);
    use_up(x, &b);
    int rc = RC_OK;
    if (x->verify && x->checked->device.email.p && !m->verified)
        rc = verify(t, x, m, &b);
    if (rc != RC_OK)
        return rc;
    x->marked = active_add(c, c->tenant->storage, &b, m->user_id);
    find_others(x, &b, m);
    batch_users(&b, x->at.app_id, &x->user_id, 1, false, &x->user);
    return finish(t, x, &b, RC_OK);
}

/* ---- the transaction */

static int attempt(struct txn *t, void *arg)
{
    struct attempt *x = arg;
    struct ctx *c = txn_ctx(t);
    struct pl_code code;
    struct batch b;
    bool found;
    x->active = !x->consume;
    x->created = NULL;
    x->outcome = PASSWORDLESS_RESTART;
    int rc = look(t, x, &found, &code);
    if (rc != RC_OK)
        return rc;
    x->checked->failed = x->checked->device.failed;
    batch_init(&b, c);
    if (x->checked->failed >= x->checked->most) { /* the limit was lowered */
        batch_pl_device_delete(&b, x->at, x->device_hash, true);
        return finish(t, x, &b, PASSWORDLESS_RESTART);
    }
    if (!found || expired(c, &code))
        return x->typed ? refuse(t, x, found) : PASSWORDLESS_RESTART;
    if (!str_eq(code.device_hash, x->device_hash)) /* the link of another device */
        return mismatch(c);
    if (!x->consume) {
        batch_pl_device_fail(&b, x->at, x->device_hash, 0);
        return finish(t, x, &b, RC_OK);
    }
    if (call_rows(x->logins) == 0)
        return sign_up(t, x);
    struct login_method m = pl_login_of_row(call_row(x->logins, 0));
    return sign_in(t, x, &m);
}

/* A device that is as it was: not applied.  One that has changed may have been
 * changed by others; only a new user and the end of the device are known. */
static int attempted(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    struct attempt *x = arg;
    if (x->made) {
        struct login_witness w = {.app_id = x->at.app_id, .recipe_user_id = x->new_id};
        int failed = login_witness(c, s, &w, applied);
        if (failed == RC_OK && *applied) {
            x->created = x->made;
            x->outcome = RC_OK;
        }
        if (failed != RC_OK || *applied)
            return failed;
    }
    struct batch b;
    batch_init(&b, c);
    stk_call *device = batch_pl_device(&b, x->at, x->device_hash, false);
    int rc = storage_read(c, s, &b);
    *applied = false;
    if (rc != RC_OK)
        return rc;
    bool there = call_rows(device) > 0;
    if (there && pl_device_of_row(call_row(device, 0)).failed == x->checked->device.failed)
        return RC_OK;
    *applied = !there && x->outcome == PASSWORDLESS_RESTART;
    if (*applied)
        return RC_OK;
    return ctx_fail(c, FAIL_UNAVAILABLE,
                    "The database was lost while the code was used. Ask for a new code");
}

static int use(struct ctx *c, struct attempt *x)
{
    const struct tenant *t = c->tenant;
    for (int i = 0; i < USERS_TRIES; i++) {
        x->new_id = uuid_v7_str(c->arena);
        x->made = NULL;
        int rc = storage_transact(c, t->storage, attempt, attempted, x);
        if (rc == RC_OK)
            return x->outcome;
        if (rc == RC_EXPECT && !x->active)
            return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
        /* A user with this account, or a change of the device, came in between. */
        if (rc != RC_DUPLICATE && rc != RC_EXPECT)
            return rc;
    }
    return PASSWORDLESS_RESTART;
}

static int run(struct ctx *c, const struct passwordless_proof *proof, struct attempt *x)
{
    struct str pre_auth = without_padding(c->arena, proof->pre_auth_id);
    x->at = place_of(c);
    x->checked->most = c->tenant->settings->passwordless_max_code_input_attempts;
    int rc = proof->link_code.p ? identify_link(c, proof, pre_auth, x)
                                : identify_typed(c, proof, pre_auth, x);
    if (rc == RC_OK)
        rc = use(c, x);
    if (rc == PASSWORDLESS_RESTART || (rc == RC_OK && x->consume))
        pl_known_forget(c->core->pl_known, x->device_hash);
    return rc;
}

int passwordless_check(struct ctx *c, const struct passwordless_proof *proof,
                       struct passwordless_checked *checked)
{
    struct attempt x = {.checked = checked};
    return run(c, proof, &x);
}

/* The user who has signed in, as read with the commit; anew if it was being linked
 * or unlinked, or if the answer to the commit was lost. */
static int signed_in(struct ctx *c, const struct attempt *x, struct user *user)
{
    struct user_ref ref;
    users_calls_take(c->arena, &x->user, user);
    if (user_method(user, x->recipe_user_id))
        return RC_OK;
    int rc = users_find(c, c->tenant->storage, x->at.app_id, x->recipe_user_id, &ref);
    *user = ref.user;
    if (rc == RC_OK && !user_method(user, x->recipe_user_id))
        return PASSWORDLESS_RESTART;
    return rc;
}

/* Best effort: the code has been used up, and the others expire. */
static void forget_others(struct ctx *c, const struct attempt *x)
{
    enum fail_kind fail = c->fail;
    struct str text = c->fail_text;
    struct batch b;
    if (!x->others || call_rows(x->others) == 0)
        return;
    batch_init(&b, c);
    batch_pl_found_delete(&b, x->at, x->others);
    if (storage_write(c, c->tenant->storage, &b, NULL, NULL) != RC_OK)
        log_debug("passwordless", "codes of the user's other address were not deleted: %.*s",
                  STR_ARG(c->fail_text));
    c->fail = fail;
    c->fail_text = text;
}

int passwordless_consume(struct ctx *c, const struct passwordless_proof *proof,
                         struct passwordless_checked *checked, struct passwordless_login *login)
{
    struct attempt x = {.consume = true, .verify = c->cdi >= CDI(4, 0), .checked = checked};
    int rc = run(c, proof, &x);
    if (rc != RC_OK)
        return rc;
    struct login_method *m = x.created;
    login->created = m != NULL;
    if (m) {
        login->user = (struct user){
            .id = m->user_id, .time_joined = m->time_joined, .methods = m, .nmethods = 1};
        m->tenants = ARENA_NEW(c->arena, struct str);
        m->tenants[0] = c->tenant->tenant_id;
    } else {
        forget_others(c, &x);
        rc = signed_in(c, &x, &login->user);
        if (rc != RC_OK)
            return rc;
    }
    login->recipe_user_id =
        m ? m->recipe_user_id : login_outer_id(user_method(&login->user, x.recipe_user_id));
    if (x.marked)
        active_noted(c, m ? m->user_id : x.user_id);
    users_last_active_mark(c, login->user.id);
    return RC_OK;
}
