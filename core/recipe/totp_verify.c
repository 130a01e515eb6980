/* SPDX-License-Identifier: Apache-2.0 */
/* Trying codes; see totp.h.  An attempt holds the user's row from before it
 * counts the wrong codes until its own is written: of codes tried at the same
 * moment on several cores each sees all that came before it, so no more than
 * totp_max_attempts are ever looked at, and a right one counts once. */
#include "recipe/totp.h"

#include "base/clock.h"
#include "base/ids.h"
#include "config/settings.h"
#include "crypto/hex.h"
#include "crypto/totp.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"

enum {
    CODE_MAX = 8,         /* UTF-16 units; a longer code is wrong and is not kept */
    ATTEMPTS_MAX = 10000, /* what is read of a user's attempts, whatever the setting says */
    NONCE_BYTES = 8
};

struct attempt {
    struct totp_user user;
    struct str name; /* of the device to be verified; absent: any verified one */
    struct str code;
    struct str nonce;
    int64_t most, cooldown_ms;
    struct totp_attempts *told;
    struct totp_code row;
    bool was_verified, held;
    int outcome;
};

struct reads {
    stk_call *hold, *devices, *codes, *used;
};

static int read_all(struct txn *t, struct attempt *x, int64_t now, struct reads *r)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    batch_init(&b, c);
    x->held = false;
    batch_tenant_active(&b, c->tenant->app_id, c->tenant->tenant_id);
    r->hold = batch_totp_hold(&b, &x->user);
    r->devices = batch_totp_devices(&b, &x->user);
    r->codes = batch_totp_codes(&b, &x->user, c->tenant->tenant_id, x->most);
    r->used = NULL;
    if (str_utf16_len(x->code) <= CODE_MAX) /* else it was not kept either */
        r->used = batch_totp_code_used(&b, &x->user, c->tenant->tenant_id, x->code, now);
    int rc = txn_exec(t, &b);
    x->held = rc == RC_OK;
    return rc;
}

/* Wrong codes in a row, newest first, within a cooldown of the newest. */
static int64_t failures(const struct attempt *x, const struct totp_code *codes, size_t n)
{
    int64_t failed = 0;
    for (size_t i = 0; i < n && !codes[i].valid; i++, failed++)
        if (codes[i].created_at <= codes[0].created_at - x->cooldown_ms)
            break;
    return failed;
}

/* Whether the user has to wait; else *failed says how often it has failed. */
static bool limited(struct attempt *x, const struct totp_code *codes, size_t n, int64_t now,
                    int64_t *failed)
{
    *failed = failures(x, codes, n);
    if (*failed < x->most)
        return false;
    int64_t passed = now - codes[0].created_at;
    if (passed < 0) /* by another core's clock, or written in the same millisecond */
        passed = 0;
    if (passed < x->cooldown_ms) {
        *x->told = (struct totp_attempts){*failed, x->most, x->cooldown_ms - passed};
        return true;
    }
    *failed = 0;
    return false;
}

/* For how long a code that is accepted now could be accepted again. */
static int64_t lifetime_ms(const struct totp_device *d)
{
    return 1000 * d->period * (2 * d->skew + 1);
}

static bool asked_for(const struct attempt *x, const struct totp_device *d)
{
    return x->name.p ? str_eq(d->name, x->name) : d->verified;
}

static void judge(struct ctx *c, struct attempt *x, const struct totp_device *list, size_t n,
                  bool used, int64_t now)
{
    const struct totp_device *match = NULL;
    int64_t lifetime = 0;
    for (size_t i = 0; i < n; i++) {
        if (!asked_for(x, &list[i]))
            continue;
        struct str key = base32_decode(c->arena, list[i].secret);
        if (!match && totp_matches(key, list[i].period, list[i].skew, now, x->code))
            match = &list[i];
        if (lifetime_ms(&list[i]) > lifetime)
            lifetime = lifetime_ms(&list[i]);
    }
    x->row.valid = match && !used;
    x->row.expires_at = now + (match ? lifetime_ms(match) : lifetime);
}

/* RC_OK: the code is to be judged; else why not. */
static int check_devices(struct attempt *x, const struct reads *r, const struct totp_device *list,
                         size_t n)
{
    if (n == 0 || call_affected(r->hold) == 0)
        return x->name.p ? TOTP_UNKNOWN_DEVICE : TOTP_UNKNOWN_USER;
    if (!x->name.p)
        return RC_OK;
    for (size_t i = 0; i < n; i++)
        if (asked_for(x, &list[i])) {
            x->was_verified = list[i].verified;
            return RC_OK;
        }
    return TOTP_UNKNOWN_DEVICE;
}

static int attempt(struct txn *t, void *arg)
{
    struct attempt *x = arg;
    struct ctx *c = txn_ctx(t);
    int64_t now = clock_ms(), failed;
    struct reads r;
    struct totp_device *list;
    struct totp_code *codes;
    x->was_verified = false;
    int rc = read_all(t, x, now, &r);
    if (rc != RC_OK)
        return rc;
    size_t n = totp_devices_of(c->arena, r.devices, &list);
    rc = check_devices(x, &r, list, n);
    if (rc != RC_OK || x->was_verified)
        return rc;
    now = clock_ms(); /* others may have held the row for a while */
    size_t ncodes = totp_codes_of(c->arena, r.codes, &codes);
    if (limited(x, codes, ncodes, now, &failed))
        return TOTP_LIMIT;
    *x->told = (struct totp_attempts){failed + 1, x->most, 0};
    if (str_utf16_len(x->code) > CODE_MAX)
        return TOTP_INVALID;
    judge(c, x, list, n, r.used && call_rows(r.used) > 0, now);
    /* Later than all before it, whatever clock they were written by. */
    x->row.created_at = ncodes && codes[0].created_at >= now ? codes[0].created_at + 1 : now;
    x->outcome = x->row.valid ? RC_OK : TOTP_INVALID;
    struct batch b;
    batch_init(&b, c);
    batch_totp_code_put(&b, &x->user, c->tenant->tenant_id, &x->row);
    if (x->row.valid && x->name.p)
        batch_totp_device_verified(&b, &x->user, x->name);
    return txn_commit(t, &b);
}

static int attempted(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct attempt *x = arg;
    return totp_code_exists(c, s, &x->user, c->tenant->tenant_id, &x->row, applied);
}

static int run(struct ctx *c, struct attempt *x)
{
    const struct tenant *t = c->tenant;
    uint8_t nonce[NONCE_BYTES];
    random_bytes(nonce, sizeof(nonce));
    x->user.app_id = t->app_id;
    x->most = t->settings->totp_max_attempts;
    if (x->most > ATTEMPTS_MAX)
        x->most = ATTEMPTS_MAX;
    x->cooldown_ms = t->settings->totp_rate_limit_cooldown_sec;
    x->cooldown_ms = x->cooldown_ms > INT32_MAX ? INT32_MAX * 1000LL : x->cooldown_ms * 1000;
    x->row =
        (struct totp_code){.nonce = hex_encode(c->arena, nonce, sizeof(nonce)), .code = x->code};
    c->arena->wipe = true;
    int rc = storage_transact(c, t->storage, attempt, attempted, x);
    if (rc == RC_EXPECT && !x->held)
        return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
    return rc == RC_OK ? x->outcome : rc;
}

int totp_device_verify(struct ctx *c, struct str user_id, struct str name, struct str code,
                       bool *was_verified, struct totp_attempts *attempts)
{
    struct attempt x = {.user = {.user_id = user_id}, .name = name, .code = code, .told = attempts};
    int rc = run(c, &x);
    *was_verified = x.was_verified;
    return rc;
}

int totp_verify(struct ctx *c, struct str user_id, struct str code, struct totp_attempts *attempts)
{
    struct attempt x = {.user = {.user_id = user_id}, .code = code, .told = attempts};
    return run(c, &x);
}
