/* SPDX-License-Identifier: Apache-2.0 */
/* TOTP devices; see totp.h.  Each change holds the user's row, reads its devices,
 * and writes: two round trips. */
#include "recipe/totp.h"

#include "base/clock.h"
#include "base/ids.h"
#include "crypto/totp.h"
#include "recipe/users.h"
#include "storage/tenant.h"
#include "store/multitenancy.h"

#include <string.h>

enum { SECRET_BYTES = 20 };

struct change {
    struct totp_user user;
    struct totp_device *device; /* creating: to be written; else the one found */
    struct str name, new_name;
    int64_t created_at; /* of the one found */
    bool held;          /* the first batch went through */
};

/* The first batch of a change: the user's row is held, its devices are read.
 * *n is 0 where there is no user. */
static int hold(struct txn *t, struct change *x, bool create, struct totp_device **list, size_t *n)
{
    struct ctx *c = txn_ctx(t);
    struct batch b;
    batch_init(&b, c);
    x->held = false;
    if (create) {
        batch_app_active(&b, x->user.app_id);
        batch_totp_user(&b, &x->user);
    } else {
        batch_totp_hold(&b, &x->user);
    }
    stk_call *devices = batch_totp_devices(&b, &x->user);
    int rc = txn_exec(t, &b);
    if (rc != RC_OK)
        return rc;
    x->held = true;
    *n = totp_devices_of(c->arena, devices, list);
    return RC_OK;
}

static const struct totp_device *named(const struct totp_device *list, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(list[i].name, name))
            return &list[i];
    return NULL;
}

static int devices_now(struct ctx *c, struct storage *s, const struct change *x,
                       struct totp_device **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *devices = batch_totp_devices(&b, &x->user);
    int rc = storage_read(c, s, &b);
    if (rc == RC_OK)
        *n = totp_devices_of(c->arena, devices, list);
    return rc;
}

static int run(struct ctx *c, struct change *x, txn_fn fn, witness_fn witness)
{
    struct storage *s;
    x->user.app_id = c->tenant->app_id;
    int rc = users_home(c, x->user.user_id, &s);
    if (rc != RC_OK)
        return rc;
    rc = storage_transact(c, s, fn, witness, x);
    if (rc == RC_EXPECT && !x->held)
        return tenant_unknown(c, c->tenant->cud, c->tenant->app_id, PUBLIC_ID);
    return rc;
}

/* ---- creating */

/* "TOTP Device N", counting from the number of verified devices. */
static struct str free_name(struct arena *a, const struct totp_device *list, size_t n)
{
    size_t number = 0;
    for (size_t i = 0; i < n; i++)
        number += list[i].verified;
    for (;; number++) {
        struct str name = str_printf(a, "TOTP Device %zu", number);
        const struct totp_device *d = named(list, n, name);
        if (!d || !d->verified)
            return name;
    }
}

static int create(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct ctx *c = txn_ctx(t);
    struct totp_device *list;
    size_t n;
    int rc = hold(t, x, true, &list, &n);
    if (rc != RC_OK)
        return rc;
    x->device->name = x->name.p ? x->name : free_name(c->arena, list, n);
    const struct totp_device *old = named(list, n, x->device->name);
    if (old && old->verified)
        return TOTP_DEVICE_EXISTS;
    x->device->created_at = clock_ms();
    if (n && list[n - 1].created_at >= x->device->created_at) /* they are listed in this order */
        x->device->created_at = list[n - 1].created_at + 1;
    struct batch b;
    batch_init(&b, c);
    batch_totp_device_put(&b, &x->user, x->device);
    return txn_commit(t, &b);
}

static int created(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct change *x = arg;
    struct totp_device *list;
    size_t n;
    int rc = devices_now(c, s, x, &list, &n);
    if (rc != RC_OK)
        return rc;
    const struct totp_device *d = named(list, n, x->device->name);
    *applied =
        d && str_eq_secret(d->secret, x->device->secret) && d->created_at == x->device->created_at;
    return RC_OK;
}

int totp_device_import(struct ctx *c, struct str user_id, struct totp_device *d)
{
    struct change x = {.user = {.user_id = user_id}, .device = d, .name = d->name};
    d->verified = true;
    return run(c, &x, create, created);
}

int totp_device_create(struct ctx *c, struct str user_id, struct totp_device *d)
{
    uint8_t secret[SECRET_BYTES];
    struct change x = {.user = {.user_id = user_id}, .device = d, .name = d->name};
    random_bytes(secret, sizeof(secret));
    d->secret = base32_encode(c->arena, secret, sizeof(secret));
    explicit_bzero(secret, sizeof(secret));
    c->arena->wipe = true;
    d->verified = false;
    return run(c, &x, create, created);
}

/* ---- renaming: the name is part of the primary key, so the row is made anew */

static int rename_device(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct totp_device *list;
    size_t n;
    int rc = hold(t, x, false, &list, &n);
    if (rc != RC_OK)
        return rc;
    const struct totp_device *old = named(list, n, x->name);
    if (!old)
        return TOTP_UNKNOWN_DEVICE;
    x->created_at = old->created_at;
    if (str_eq(x->name, x->new_name))
        return RC_OK;
    if (named(list, n, x->new_name))
        return TOTP_DEVICE_EXISTS;
    struct totp_device d = *old;
    d.name = x->new_name;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    batch_totp_device_delete(&b, &x->user, x->name);
    batch_totp_device_put(&b, &x->user, &d);
    return txn_commit(t, &b);
}

static int renamed(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct change *x = arg;
    struct totp_device *list;
    size_t n;
    int rc = devices_now(c, s, x, &list, &n);
    if (rc != RC_OK)
        return rc;
    const struct totp_device *d = named(list, n, x->new_name);
    *applied = d && d->created_at == x->created_at && !named(list, n, x->name);
    return RC_OK;
}

int totp_device_rename(struct ctx *c, struct str user_id, struct str name, struct str new_name)
{
    struct change x = {.user = {.user_id = user_id}, .name = name, .new_name = new_name};
    return run(c, &x, rename_device, renamed);
}

/* ---- removing */

static int remove_device(struct txn *t, void *arg)
{
    struct change *x = arg;
    struct totp_device *list;
    size_t n;
    int rc = hold(t, x, false, &list, &n);
    if (rc != RC_OK)
        return rc;
    const struct totp_device *d = named(list, n, x->name);
    if (!d)
        return TOTP_UNKNOWN_DEVICE;
    x->created_at = d->created_at;
    struct batch b;
    batch_init(&b, txn_ctx(t));
    if (n == 1)
        batch_totp_delete(&b, &x->user);
    else
        batch_totp_device_delete(&b, &x->user, x->name);
    return txn_commit(t, &b);
}

static int removed(struct ctx *c, struct storage *s, void *arg, bool *applied)
{
    const struct change *x = arg;
    struct totp_device *list;
    size_t n;
    int rc = devices_now(c, s, x, &list, &n);
    if (rc != RC_OK)
        return rc;
    const struct totp_device *d = named(list, n, x->name);
    *applied = !d || d->created_at != x->created_at;
    return RC_OK;
}

int totp_device_remove(struct ctx *c, struct str user_id, struct str name)
{
    struct change x = {.user = {.user_id = user_id}, .name = name};
    return run(c, &x, remove_device, removed);
}

/* ---- reading */

int totp_device_list(struct ctx *c, struct str user_id, struct totp_device **list, size_t *n)
{
    struct change x = {.user = {c->tenant->app_id, user_id}};
    struct storage *s;
    int rc = users_home(c, user_id, &s);
    return rc == RC_OK ? devices_now(c, s, &x, list, n) : rc;
}

int totp_device_status(struct ctx *c, const struct str *ids, size_t n, struct totp_status *out)
{
    struct storage **list;
    size_t storages;
    int rc = tenant_app_storages(c, c->tenant->app, &list, &storages);
    for (size_t i = 0; rc == RC_OK && i < storages; i++)
        rc = totp_statuses(c, list[i], c->tenant->app_id, ids, n, out);
    return rc;
}
