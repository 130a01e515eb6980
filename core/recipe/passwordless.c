/* SPDX-License-Identifier: Apache-2.0 */
/* Making, listing, removing and expiring codes; see passwordless.h. */
#include "recipe/passwordless.h"

#include "base/clock.h"
#include "base/ids.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/base64.h"
#include "crypto/sha.h"
#include "recipe/multitenancy.h"
#include "recipe/passwordless_internal.h"
#include "recipe/passwordless_known.h"
#include "store/multitenancy.h"

#include <stdlib.h>
#include <string.h>

enum { SECRET_BYTES = 32, DIGITS = 6, CHUNK = 100, DAY_MS = 24 * 3600 * 1000 };

int passwordless_allowed(struct ctx *c)
{
    static const char *const factors[] = {"otp-phone", "otp-email", "link-phone", "link-email"};
    if (c->cdi >= CDI(5, 1))
        return RC_OK;
    struct tenant_recipes r;
    tenant_recipes_parse(c->arena, c->tenant->recipe_config, &r);
    bool factor = !r.first_factors || (c->cdi >= CDI(5, 0) && json_array_size(r.first_factors) > 0);
    for (size_t i = 0; !factor && c->cdi < CDI(5, 0) && i < 4; i++)
        factor = tenant_has_factor(r.first_factors, factors[i]);
    if (r.passwordless && factor)
        return RC_OK;
    return ctx_fail(c, FAIL_FORBIDDEN, "Passwordless login not enabled for tenant");
}

int64_t passwordless_lifetime(const struct ctx *c)
{
    return c->tenant->settings->passwordless_code_lifetime;
}

/* ---- the texts of ids and codes */

int pl_decode(struct ctx *c, const char *field, bool url, struct str text, struct str *bytes)
{
    const char *foreign = url ? "+/" : "-_"; /* base64_decode() takes either alphabet */
    *bytes = STR("");
    if (str_find(text, foreign[0]) < 0 && str_find(text, foreign[1]) < 0 &&
        base64_decode(c->arena, text, bytes))
        return RC_OK;
    return ctx_fail(c, FAIL_BAD_REQUEST, "Input encoding error in %s", field);
}

struct str pl_hash(struct arena *a, struct str bytes)
{
    uint8_t digest[SHA256_LEN];
    sha256(bytes.p, bytes.len, digest);
    return base64url_encode(a, digest, sizeof(digest));
}

struct str pl_link_code(struct arena *a, struct str device_id, struct str salt,
                        struct str input_code)
{
    struct str raw = STR("");
    struct strbuf key;
    a->wipe = true;
    base64_decode(a, salt, &raw); /* we made it */
    strbuf_init(&key, a);
    strbuf_add(&key, device_id);
    strbuf_add(&key, raw);
    uint8_t *mac = arena_alloc(a, SHA256_LEN);
    hmac_sha256(strbuf_str(&key), input_code, mac);
    return str_make((const char *)mac, SHA256_LEN);
}

static struct str random_secret(struct arena *a)
{
    uint8_t *bytes = arena_alloc(a, SECRET_BYTES);
    a->wipe = true;
    random_bytes(bytes, SECRET_BYTES);
    return str_make((const char *)bytes, SECRET_BYTES);
}

static struct str random_digits(struct arena *a)
{
    char digits[DIGITS];
    for (int i = 0; i < DIGITS; i++)
        digits[i] = (char)('0' + random_below(10));
    return str_dup(a, str_make(digits, DIGITS));
}

/* ---- making a code */

struct creation {
    const struct passwordless_new *what;
    struct passwordless_code *out;
    struct pl_place at;
    struct str device_id; /* bytes */
    struct pl_device device;
    struct pl_code code;
    bool found; /* the device, and it is locked */
};

static void make_code(struct arena *a, struct creation *x)
{
    struct str given = x->what->input_code;
    x->out->input_code = given.p ? given : random_digits(a);
    struct str link = pl_link_code(a, x->device_id, x->device.salt, x->out->input_code);
    x->out->link_code = base64url_encode(a, link.p, link.len);
    x->code.link_hash = pl_hash(a, link);
}

static int code_made(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct creation *x = arg;
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_pl_code(&b, x->at, x->code.id);
    int rc = storage_read(c, s, &b);
    *applied = rc == RC_OK && call_rows(call) > 0;
    return rc;
}

/* For a device that has no code yet: one write. */
static int create_device(struct ctx *c, struct creation *x)
{
    struct arena *a = c->arena;
    struct str salt = random_secret(a);
    x->device_id = random_secret(a);
    x->device = (struct pl_device){.hash = pl_hash(a, x->device_id),
                                   .email = x->what->email,
                                   .phone = x->what->phone,
                                   .salt = base64_encode(a, salt.p, salt.len),
                                   .expires_at = x->code.expires_at};
    x->code.device_hash = x->device.hash;
    make_code(a, x);
    struct batch b;
    batch_init(&b, c);
    batch_tenant_active(&b, x->at.app_id, x->at.tenant_id);
    batch_pl_device_create(&b, x->at, &x->device);
    batch_pl_code_create(&b, x->at, &x->code);
    return storage_write(c, c->tenant->storage, &b, code_made, x);
}

static bool has_link(const stk_call *codes, struct str link_hash)
{
    for (uint32_t i = 0; i < call_rows(codes); i++)
        if (str_eq_secret(pl_code_of_row(call_row(codes, i)).link_hash, link_hash))
            return true;
    return false;
}

/* One more code of a device; the lock keeps it there. */
static int add_code(struct txn *t, void *arg)
{
    struct creation *x = arg;
    struct ctx *c = txn_ctx(t);
    struct batch b;
    batch_init(&b, c);
    x->found = false;
    stk_call *device = batch_pl_device(&b, x->at, x->code.device_hash, true);
    stk_call *codes = batch_pl_codes(&b, x->at, x->code.device_hash);
    batch_tenant_active(&b, x->at.app_id, x->at.tenant_id);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    if (call_rows(device) == 0)
        return PASSWORDLESS_RESTART;
    x->found = true;
    x->device = pl_device_of_row(call_row(device, 0));
    make_code(c->arena, x);
    while (has_link(codes, x->code.link_hash)) {
        if (x->what->input_code.p)
            return PASSWORDLESS_CODE_USED;
        make_code(c->arena, x);
    }
    batch_init(&b, c);
    batch_pl_code_create(&b, x->at, &x->code);
    batch_pl_device_extend(&b, x->at, x->device.hash,
                           x->code.expires_at > x->device.expires_at ? x->code.expires_at
                                                                     : x->device.expires_at);
    return txn_commit(t, &b);
}

static int create_once(struct ctx *c, struct creation *x)
{
    x->code.id = uuid_v4_str(c->arena);
    x->code.created_at = clock_ms();
    x->code.expires_at = x->code.created_at + x->out->lifetime;
    if (!x->what->device_id.p)
        return create_device(c, x);
    x->code.device_hash = pl_hash(c->arena, x->device_id);
    return storage_transact(c, c->tenant->storage, add_code, code_made, x);
}

int passwordless_create(struct ctx *c, const struct passwordless_new *what,
                        struct passwordless_code *code)
{
    const struct tenant *t = c->tenant;
    struct creation x = {.what = what, .out = code, .at = place_of(c)};
    *code = (struct passwordless_code){.lifetime = passwordless_lifetime(c)};
    if (what->device_id.p && pl_decode(c, "deviceId", false, what->device_id, &x.device_id))
        return RC_FAIL;
    int rc;
    do
        rc = create_once(c, &x);
    while (rc == RC_DUPLICATE && !(what->device_id.p && what->input_code.p));
    if (rc == RC_DUPLICATE) /* among more codes than were looked at */
        return PASSWORDLESS_CODE_USED;
    if (rc == RC_EXPECT && !x.found)
        return tenant_unknown(c, t->cud, t->app_id, t->tenant_id);
    if (rc == RC_EXPECT)
        return PASSWORDLESS_RESTART;
    if (rc == RC_OK)
        pl_known_put(c->core->pl_known, &x.device);
    code->pre_auth_id = x.code.device_hash;
    code->code_id = x.code.id;
    code->device_id = base64_encode(c->arena, x.device_id.p, x.device_id.len);
    code->created_at = x.code.created_at;
    return rc;
}

/* ---- removing */

struct code_removal {
    struct pl_place at;
    struct pl_code code;
};

static int remove_code(struct txn *t, void *arg)
{
    const struct code_removal *x = arg;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    stk_call *device = batch_pl_device(&b, x->at, x->code.device_hash, true);
    stk_call *codes = batch_pl_codes(&b, x->at, x->code.device_hash);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    bool there = call_rows(device) > 0, last = true;
    for (uint32_t i = 0; i < call_rows(codes); i++)
        last = last && str_eq(pl_code_of_row(call_row(codes, i)).id, x->code.id);
    batch_init(&b, txn_ctx(t));
    batch_pl_code_delete(&b, x->at, x->code.id);
    if (there && last)
        batch_pl_device_delete(&b, x->at, x->code.device_hash, true);
    else if (there)
        batch_pl_device_fail(&b, x->at, x->code.device_hash, 0);
    return txn_commit(t, &b);
}

static int code_removed(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct code_removal *x = arg;
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_pl_code(&b, x->at, x->code.id);
    int rc = storage_read(c, s, &b);
    *applied = rc == RC_OK && call_rows(call) == 0;
    return rc;
}

int passwordless_remove_code(struct ctx *c, struct str code_id)
{
    struct code_removal x = {.at = place_of(c)};
    struct batch b;
    batch_init(&b, c);
    stk_call *call = batch_pl_code(&b, x.at, code_id);
    int rc = storage_read(c, c->tenant->storage, &b);
    if (rc != RC_OK || call_rows(call) == 0)
        return rc;
    x.code = pl_code_of_row(call_row(call, 0));
    return storage_transact(c, c->tenant->storage, remove_code, code_removed, &x);
}

int passwordless_remove_device(struct ctx *c, struct str pre_auth_id)
{
    struct batch b;
    batch_init(&b, c);
    batch_pl_device_delete(&b, place_of(c), pre_auth_id, false);
    return storage_write(c, c->tenant->storage, &b, NULL, NULL);
}

int passwordless_remove_codes(struct ctx *c, struct str email, struct str phone)
{
    struct pl_place at = place_of(c);
    for (;;) {
        struct batch b;
        batch_init(&b, c);
        stk_call *devices = batch_pl_devices(&b, at, email, phone, false);
        int rc = storage_read(c, c->tenant->storage, &b);
        if (rc != RC_OK || call_rows(devices) == 0)
            return rc;
        batch_init(&b, c);
        batch_pl_found_delete(&b, at, devices);
        rc = storage_write(c, c->tenant->storage, &b, NULL, NULL);
        if (rc != RC_OK || call_rows(devices) < PL_DEVICES_MAX)
            return rc;
    }
}

/* ---- listing */

static int by_age(const void *x, const void *y)
{
    const struct pl_code *a = x, *b = y;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    return str_cmp(a->id, b->id);
}

static void take_codes(struct arena *a, const stk_call *codes, struct passwordless_device *d)
{
    d->codes = ARENA_ARRAY(a, struct pl_code, call_rows(codes) + 1);
    for (uint32_t i = 0; i < call_rows(codes); i++) {
        struct pl_code code = pl_code_of_row(call_row(codes, i));
        if (str_eq(code.device_hash, d->device.hash))
            d->codes[d->ncodes++] = code;
    }
    qsort(d->codes, d->ncodes, sizeof(*d->codes), by_age);
}

static int list_one(struct ctx *c, struct str hash, struct passwordless_device **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *device = batch_pl_device(&b, place_of(c), hash, false);
    stk_call *codes = batch_pl_codes(&b, place_of(c), hash);
    int rc = storage_read(c, c->tenant->storage, &b);
    if (rc != RC_OK || call_rows(device) == 0)
        return rc;
    *list = ARENA_NEW(c->arena, struct passwordless_device);
    *n = 1;
    (*list)->device = pl_device_of_row(call_row(device, 0));
    take_codes(c->arena, codes, *list);
    return RC_OK;
}

static int list_many(struct ctx *c, const stk_call *devices, struct passwordless_device **list,
                     size_t *n)
{
    struct arena *a = c->arena;
    stk_call *codes[PL_DEVICES_MAX / CHUNK];
    struct batch b;
    *n = call_rows(devices);
    *list = ARENA_ARRAY(a, struct passwordless_device, *n + 1);
    struct str *hashes = ARENA_ARRAY(a, struct str, *n + 1);
    for (size_t i = 0; i < *n; i++) {
        (*list)[i].device = pl_device_of_row(call_row(devices, (uint32_t)i));
        hashes[i] = (*list)[i].device.hash;
    }
    batch_init(&b, c);
    for (size_t at = 0; at < *n; at += CHUNK)
        codes[at / CHUNK] =
            batch_pl_codes_of(&b, place_of(c), hashes + at, *n - at < CHUNK ? *n - at : CHUNK);
    int rc = storage_read(c, c->tenant->storage, &b);
    for (size_t i = 0; rc == RC_OK && i < *n; i++)
        take_codes(a, codes[i / CHUNK], &(*list)[i]);
    return rc;
}

int passwordless_list(struct ctx *c, const struct passwordless_of *of,
                      struct passwordless_device **list, size_t *n)
{
    struct str bytes;
    struct batch b;
    *n = 0;
    if (of->pre_auth_id.p)
        return list_one(c, of->pre_auth_id, list, n);
    if (of->device_id.p) {
        int rc = pl_decode(c, "deviceId", false, of->device_id, &bytes);
        return rc == RC_OK ? list_one(c, pl_hash(c->arena, bytes), list, n) : rc;
    }
    batch_init(&b, c);
    stk_call *devices = batch_pl_devices(&b, place_of(c), of->email, of->phone, false);
    int rc = storage_read(c, c->tenant->storage, &b);
    return rc == RC_OK ? list_many(c, devices, list, n) : rc;
}

/* ---- expiry */

void passwordless_expiry(struct ctx *c, struct passwordless_expiry *x)
{
    x->ntenants = tenant_list(c, STR_NULL, STR_NULL, &x->tenants);
    x->longest = 0;
    for (size_t i = 0; i < x->ntenants; i++)
        if (x->tenants[i]->settings->passwordless_code_lifetime > x->longest)
            x->longest = x->tenants[i]->settings->passwordless_code_lifetime;
}

/* A tenant that is not known is gone. */
static int64_t lifetime_of(const struct passwordless_expiry *x, const struct pl_device *d)
{
    int64_t longest = 0;
    for (size_t i = 0; i < x->ntenants; i++) {
        const struct tenant *t = x->tenants[i];
        if (str_eq(t->app_id, d->app_id) && str_eq(t->tenant_id, d->tenant_id) &&
            t->settings->passwordless_code_lifetime > longest)
            longest = t->settings->passwordless_code_lifetime;
    }
    return longest;
}

int passwordless_expire(struct ctx *c, struct storage *s, const struct passwordless_expiry *x,
                        bool *more)
{
    int64_t now = clock_ms();
    struct pl_stale *list;
    size_t n;
    int rc = pl_stale(c, s, now, &list, &n);
    if (rc != RC_OK)
        return rc;
    *more = true;
    if (n == 0) /* codes without a device: long past their time under any configuration */
        return pl_codes_expire(c, s, now - x->longest - DAY_MS, more);
    struct batch b;
    batch_init(&b, c);
    for (size_t i = 0; i < n; i++) {
        /* Expired codes stay as long as the device has a good one: what is typed is then
         * known to be expired, not wrong. */
        int64_t until = list[i].newest + lifetime_of(x, &list[i].device);
        if (until < now)
            batch_pl_expire(&b, &list[i]);
        else
            batch_pl_postpone(&b, &list[i], until + 1);
    }
    return storage_write(c, s, &b, NULL, NULL);
}
