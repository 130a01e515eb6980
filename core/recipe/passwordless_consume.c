/* SPDX-License-Identifier: Apache-2.0 */
/* Checking and using up codes; see passwordless.h.
 *
 * All of it is one transaction that holds the device: wrong tries are counted one
 * after the other, whoever makes them, and the one that deletes the device signs
 * in.  A right code that is only checked writes the device too, so that databases
 * whose locks hold for one node alone see the conflict at commit. */
#include "recipe/passwordless.h"

#include "base/clock.h"
#include "base/ids.h"
#include "config/settings.h"
#include "recipe/active.h"
#include "recipe/passwordless_internal.h"
#include "recipe/users_internal.h"
#include "store/emailverification.h"
#include "store/multitenancy.h"

struct attempt {
    struct pl_place at;
    bool consume, verify; /* verify: who gets a code by email owns it */
    struct str pre_auth_id;
    struct str device_id, input_code; /* bytes, and as typed; absent with a link code */
    struct str device_hash, link_hash;
    struct str new_id;         /* of the user, if there is none yet */
    struct login_method *made; /* in any run: what may have been committed */
    struct passwordless_checked *checked;
    /* What one run of the transaction found out. */
    bool active; /* the tenant is not being deleted */
    int outcome;
    struct login_method *created; /* NULL: signed in */
    struct str recipe_user_id, user_id;
    struct users_calls user;
    bool marked;
};

/* ---- the code */

struct found {
    bool device, code;
    struct pl_code row;
};

static void find_code(const stk_call *codes, struct str link_hash, struct found *f)
{
    for (uint32_t i = 0; !f->code && i < call_rows(codes); i++) {
        f->row = pl_code_of_row(call_row(codes, i));
        f->code = str_eq_secret(f->row.link_hash, link_hash);
    }
}

/* Locks the device and finds the code, whatever its age. */
static int look(struct txn *t, struct attempt *x, struct found *f)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    *f = (struct found){.device = false};
    batch_init(&b, c);
    if (x->consume)
        batch_tenant_active(&b, x->at.app_id, x->at.tenant_id);
    stk_call *device = batch_pl_device(&b, x->at, x->device_hash, true);
    stk_call *codes = x->device_id.p ? batch_pl_codes(&b, x->at, x->device_hash)
                                     : batch_pl_code_of_link(&b, x->at, x->link_hash);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    x->active = true;
    f->device = call_rows(device) > 0;
    if (f->device)
        x->checked->device = pl_device_of_row(call_row(device, 0));
    if (x->device_id.p && f->device) {
        struct str salt = x->checked->device.salt;
        x->link_hash = pl_hash(c->arena, pl_link_code(c->arena, x->device_id, salt, x->input_code));
    }
    if (x->link_hash.p)
        find_code(codes, x->link_hash, f);
    if (f->code || !f->device || call_rows(codes) < PL_CODES_MAX)
        return RC_OK;
    batch_init(&b, c);
    codes = batch_pl_code_of_link(&b, x->at, x->link_hash);
    rc = txn_exec(t, &b);
    if (rc == RC_OK)
        find_code(codes, x->link_hash, f);
    return rc;
}

static bool expired(const struct ctx *c, const struct pl_code *code)
{
    return code->created_at < clock_ms() - passwordless_lifetime(c);
}

static int mismatch(struct ctx *c)
{
    return ctx_fail(c, FAIL_BAD_REQUEST, "preAuthSessionId and deviceId doesn't match");
}

/* Whether the attempt goes on, before its tries are looked at. */
static int admit(struct ctx *c, const struct attempt *x, const struct found *f)
{
    if (x->device_id.p) {
        if (!f->device)
            return PASSWORDLESS_RESTART;
        return str_eq(x->device_hash, x->pre_auth_id) ? RC_OK : mismatch(c);
    }
    if (!f->code || expired(c, &f->row))
        return PASSWORDLESS_RESTART;
    if (!str_eq(f->row.device_hash, x->pre_auth_id))
        return mismatch(c);
    return f->device ? RC_OK : PASSWORDLESS_RESTART;
}

static int finish(struct txn *t, struct attempt *x, struct batch *b, int outcome)
{
    x->outcome = outcome;
    int rc = txn_commit(t, b);
    return rc == RC_OK ? outcome : rc;
}

static int refuse(struct txn *t, struct attempt *x, const struct found *f)
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
    return finish(t, x, &b, f->code ? PASSWORDLESS_EXPIRED : PASSWORDLESS_INCORRECT);
}

/* ---- signing in */

/* The codes of the email or phone number all go, and of whatever else its user
 * has. */
static void use_up(struct attempt *x, struct batch *b, const stk_call *devices, struct str email,
                   struct str phone)
{
    batch_pl_device_delete(b, x->at, x->checked->device.hash, true);
    batch_pl_devices_delete(b, x->at.app_id, &x->at.tenant_id, 1, email, phone);
    batch_pl_codes_delete(b, x->at, devices);
}

static int sign_up(struct txn *t, struct attempt *x, const stk_call *devices)
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
    use_up(x, &b, devices, d->email, d->phone);
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

static int sign_in(struct txn *t, struct attempt *x, const stk_call *devices,
                   const struct login_method *m)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    x->recipe_user_id = m->recipe_user_id;
    x->user_id = m->user_id;
    batch_init(&b, c);
    use_up(x, &b, devices, m->email, m->phone);
    int rc = RC_OK;
    if (x->verify && x->checked->device.email.p && !m->verified)
        rc = verify(t, x, m, &b);
    if (rc != RC_OK)
        return rc;
    x->marked = active_add(c, c->tenant->storage, &b, m->user_id);
    batch_users(&b, x->at.app_id, &x->user_id, 1, false, &x->user);
    return finish(t, x, &b, RC_OK);
}

static int enter(struct txn *t, struct attempt *x)
{
    struct ctx *c = txn_ctx(t);
    const struct pl_device *d = &x->checked->device;
    struct batch b;
    batch_init(&b, c);
    stk_call *devices = batch_pl_devices(&b, x->at, d->email, d->phone);
    stk_call *logins = batch_pl_login(&b, x->at, d->email, d->phone);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    if (call_rows(logins) == 0)
        return sign_up(t, x, devices);
    struct login_method m = pl_login_of_row(call_row(logins, 0));
    return sign_in(t, x, devices, &m);
}

/* ---- the transaction */

static int attempt(struct txn *t, void *arg)
{
    struct attempt *x = arg;
    struct ctx *c = txn_ctx(t);
    struct found f;
    struct batch b;
    x->active = !x->consume;
    x->created = NULL;
    x->outcome = PASSWORDLESS_RESTART;
    int rc = look(t, x, &f);
    if (rc == RC_OK)
        rc = admit(c, x, &f);
    if (rc != RC_OK)
        return rc;
    x->checked->failed = x->checked->device.failed;
    batch_init(&b, c);
    if (x->checked->failed >= x->checked->most) { /* the limit was lowered */
        batch_pl_device_delete(&b, x->at, x->device_hash, true);
        return finish(t, x, &b, PASSWORDLESS_RESTART);
    }
    if (!f.code || expired(c, &f.row))
        return x->device_id.p ? refuse(t, x, &f) : PASSWORDLESS_RESTART;
    if (x->consume)
        return enter(t, x);
    batch_pl_device_fail(&b, x->at, x->device_hash, 0);
    return finish(t, x, &b, RC_OK);
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

static int run(struct ctx *c, const struct passwordless_proof *proof, struct attempt *x)
{
    const struct tenant *t = c->tenant;
    struct str pre = proof->pre_auth_id, bytes;
    struct strbuf stripped;
    strbuf_init(&stripped, c->arena);
    for (size_t i = 0; i < pre.len; i++)
        if (pre.p[i] != '=')
            strbuf_addc(&stripped, pre.p[i]);
    x->pre_auth_id = strbuf_str(&stripped);
    if (proof->link_code.p) {
        if (pl_decode(c, "linkCode", true, proof->link_code, &bytes) != RC_OK)
            return RC_FAIL;
        x->link_hash = pl_hash(c->arena, bytes);
        x->device_hash = x->pre_auth_id;
    } else {
        if (pl_decode(c, "deviceId", false, proof->device_id, &x->device_id) != RC_OK)
            return RC_FAIL;
        x->input_code = proof->input_code;
        x->device_hash = pl_hash(c->arena, x->device_id);
    }
    x->at = place_of(c);
    x->checked->most = t->settings->passwordless_max_code_input_attempts;
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
    } else if ((rc = signed_in(c, &x, &login->user)) != RC_OK) {
        return rc;
    }
    login->recipe_user_id =
        m ? m->recipe_user_id : login_outer_id(user_method(&login->user, x.recipe_user_id));
    if (x.marked)
        active_noted(c, m ? m->user_id : x.user_id);
    users_last_active_mark(c, login->user.id);
    return RC_OK;
}
