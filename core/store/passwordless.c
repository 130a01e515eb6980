/* SPDX-License-Identifier: Apache-2.0 */
/* Passwordless; see passwordless.h.
 *
 * Devices are read by primary key, or as a range of the keys `email`, `phone` and
 * `expires`; codes by primary key, by the unique key `link`, or as a range of the
 * keys `device` and `expires`.  Who signs in is read from st_user_tenants by its
 * unique keys `uk_email` and `uk_phone`. */
#include "store/passwordless.h"

#include "store/query.h"

#include <stdlib.h>

enum { CHUNK = 100, EXPIRE_ROWS = 1000 };

/* ---- devices */

QUERY(pl_device_insert, INSERT(PASSWORDLESS_DEVICES),
      SETS(PUT(PASSWORDLESS_DEVICES_APP_ID, 0), PUT(PASSWORDLESS_DEVICES_TENANT_ID, 1),
           PUT(PASSWORDLESS_DEVICES_DEVICE_ID_HASH, 2), PUT(PASSWORDLESS_DEVICES_EMAIL, 3),
           PUT(PASSWORDLESS_DEVICES_PHONE, 4), PUT(PASSWORDLESS_DEVICES_LINK_CODE_SALT, 5),
           PUT(PASSWORDLESS_DEVICES_FAILED_ATTEMPTS, 6), PUT(PASSWORDLESS_DEVICES_EXPIRES_AT, 7),
           PUT(PASSWORDLESS_DEVICES_ROW_VER, 8)),
      PARAMS(9));
enum { D_HASH, D_EMAIL, D_PHONE, D_SALT, D_FAILED, D_EXPIRES };
#define DEVICE_COLUMNS                                                                             \
    OUT(PASSWORDLESS_DEVICES_DEVICE_ID_HASH, PASSWORDLESS_DEVICES_EMAIL,                           \
        PASSWORDLESS_DEVICES_PHONE, PASSWORDLESS_DEVICES_LINK_CODE_SALT,                           \
        PASSWORDLESS_DEVICES_FAILED_ATTEMPTS, PASSWORDLESS_DEVICES_EXPIRES_AT)
#define DEVICE(first)                                                                              \
    EQ(PASSWORDLESS_DEVICES_APP_ID, first), EQ(PASSWORDLESS_DEVICES_TENANT_ID, (first) + 1),       \
        EQ(PASSWORDLESS_DEVICES_DEVICE_ID_HASH, (first) + 2)
QUERY(pl_device_get, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS, WHERE(DEVICE(0)), PARAMS(3),
      NO_LIMIT);
QUERY(pl_device_lock, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS, WHERE(DEVICE(0)), PARAMS(3),
      NO_LIMIT, FLAGS(STK_QF_LOCK));
QUERY(pl_devices_by_email, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), EQ(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_EMAIL, 2)),
      PARAMS(3), LIMIT(PL_DEVICES_MAX));
QUERY(pl_devices_by_phone, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), EQ(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_PHONE, 2)),
      PARAMS(3), LIMIT(PL_DEVICES_MAX));
/* In the order of the primary key, so that two who lock them do not wait for each
 * other in a circle. */
QUERY(pl_devices_lock_by_email, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), EQ(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_EMAIL, 2)),
      ORDER(ASC(PASSWORDLESS_DEVICES_DEVICE_ID_HASH)), PARAMS(3), LIMIT(PL_DEVICES_MAX),
      FLAGS(STK_QF_LOCK));
QUERY(pl_devices_lock_by_phone, SELECT(PASSWORDLESS_DEVICES), DEVICE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), EQ(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_PHONE, 2)),
      ORDER(ASC(PASSWORDLESS_DEVICES_DEVICE_ID_HASH)), PARAMS(3), LIMIT(PL_DEVICES_MAX),
      FLAGS(STK_QF_LOCK));
QUERY(pl_device_fail, UPDATE(PASSWORDLESS_DEVICES),
      SETS(INC(PASSWORDLESS_DEVICES_FAILED_ATTEMPTS, 0), INC(PASSWORDLESS_DEVICES_ROW_VER, 1)),
      WHERE(DEVICE(2)), PARAMS(5), NO_LIMIT);
QUERY(pl_device_extend, UPDATE(PASSWORDLESS_DEVICES),
      SETS(PUT(PASSWORDLESS_DEVICES_EXPIRES_AT, 0), INC(PASSWORDLESS_DEVICES_ROW_VER, 1)),
      WHERE(DEVICE(2)), PARAMS(5), NO_LIMIT);
QUERY(pl_devices_delete, DELETE(PASSWORDLESS_DEVICES),
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), EQ(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            IN(PASSWORDLESS_DEVICES_DEVICE_ID_HASH, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_devices_delete_by_email, DELETE(PASSWORDLESS_DEVICES),
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), IN(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_EMAIL, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_devices_delete_by_phone, DELETE(PASSWORDLESS_DEVICES),
      WHERE(EQ(PASSWORDLESS_DEVICES_APP_ID, 0), IN(PASSWORDLESS_DEVICES_TENANT_ID, 1),
            EQ(PASSWORDLESS_DEVICES_PHONE, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

/* ---- codes */

QUERY(pl_code_insert, INSERT(PASSWORDLESS_CODES),
      SETS(PUT(PASSWORDLESS_CODES_APP_ID, 0), PUT(PASSWORDLESS_CODES_TENANT_ID, 1),
           PUT(PASSWORDLESS_CODES_CODE_ID, 2), PUT(PASSWORDLESS_CODES_DEVICE_ID_HASH, 3),
           PUT(PASSWORDLESS_CODES_LINK_CODE_HASH, 4), PUT(PASSWORDLESS_CODES_CREATED_AT, 5),
           PUT(PASSWORDLESS_CODES_EXPIRES_AT, 6)),
      PARAMS(7));
enum { C_ID, C_DEVICE, C_LINK, C_CREATED, C_EXPIRES };
#define CODE_COLUMNS                                                                               \
    OUT(PASSWORDLESS_CODES_CODE_ID, PASSWORDLESS_CODES_DEVICE_ID_HASH,                             \
        PASSWORDLESS_CODES_LINK_CODE_HASH, PASSWORDLESS_CODES_CREATED_AT,                          \
        PASSWORDLESS_CODES_EXPIRES_AT)
QUERY(pl_code_get, SELECT(PASSWORDLESS_CODES), CODE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            EQ(PASSWORDLESS_CODES_CODE_ID, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(pl_code_of_link, SELECT(PASSWORDLESS_CODES), CODE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            EQ(PASSWORDLESS_CODES_LINK_CODE_HASH, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(pl_codes_of_device, SELECT(PASSWORDLESS_CODES), CODE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            EQ(PASSWORDLESS_CODES_DEVICE_ID_HASH, 2)),
      PARAMS(3), LIMIT(PL_CODES_MAX));
QUERY(pl_codes_of_devices, SELECT(PASSWORDLESS_CODES), CODE_COLUMNS,
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            IN(PASSWORDLESS_CODES_DEVICE_ID_HASH, 2)),
      PARAMS(3), NO_LIMIT);
QUERY(pl_code_delete, DELETE(PASSWORDLESS_CODES),
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            EQ(PASSWORDLESS_CODES_CODE_ID, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_codes_delete, DELETE(PASSWORDLESS_CODES),
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            IN(PASSWORDLESS_CODES_DEVICE_ID_HASH, 2)),
      PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

/* ---- who signs in */

enum { L_RECIPE_USER_ID, L_USER_ID, L_EMAIL, L_PHONE, L_VERIFIED };
#define LOGIN_COLUMNS                                                                              \
    OUT(USER_TENANTS_RECIPE_USER_ID, USER_TENANTS_USER_ID, USER_TENANTS_EMAIL, USER_TENANTS_PHONE, \
        USER_TENANTS_VERIFIED)
QUERY(pl_login_by_email, SELECT(USER_TENANTS), LOGIN_COLUMNS,
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1),
            EQ(USER_TENANTS_RECIPE_ID, 2), EQ(USER_TENANTS_UK_EMAIL, 3)),
      PARAMS(4), NO_LIMIT);
QUERY(pl_login_by_phone, SELECT(USER_TENANTS), LOGIN_COLUMNS,
      WHERE(EQ(USER_TENANTS_APP_ID, 0), EQ(USER_TENANTS_TENANT_ID, 1), EQ(USER_TENANTS_PHONE, 2)),
      PARAMS(3), NO_LIMIT);

/* ---- expiry */

enum { S_APP, S_TENANT, S_HASH, S_VERSION };
QUERY(pl_devices_stale, SELECT(PASSWORDLESS_DEVICES),
      OUT(PASSWORDLESS_DEVICES_APP_ID, PASSWORDLESS_DEVICES_TENANT_ID,
          PASSWORDLESS_DEVICES_DEVICE_ID_HASH, PASSWORDLESS_DEVICES_ROW_VER),
      WHERE(LT(PASSWORDLESS_DEVICES_EXPIRES_AT, 0)), PARAMS(1), LIMIT(PL_STALE_MAX));
QUERY(pl_device_expire, DELETE(PASSWORDLESS_DEVICES),
      WHERE(DEVICE(0), EQ(PASSWORDLESS_DEVICES_ROW_VER, 3)), PARAMS(4), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_device_postpone, UPDATE(PASSWORDLESS_DEVICES),
      SETS(PUT(PASSWORDLESS_DEVICES_EXPIRES_AT, 0)),
      WHERE(DEVICE(1), EQ(PASSWORDLESS_DEVICES_ROW_VER, 4)), PARAMS(5), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_codes_of_device_expire, DELETE(PASSWORDLESS_CODES),
      WHERE(EQ(PASSWORDLESS_CODES_APP_ID, 0), EQ(PASSWORDLESS_CODES_TENANT_ID, 1),
            EQ(PASSWORDLESS_CODES_DEVICE_ID_HASH, 2), LE(PASSWORDLESS_CODES_CREATED_AT, 3)),
      PARAMS(4), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(pl_codes_expire, DELETE(PASSWORDLESS_CODES), WHERE(LT(PASSWORDLESS_CODES_EXPIRES_AT, 0)),
      PARAMS(1), LIMIT(EXPIRE_ROWS), FLAGS(STK_QF_IDEMPOTENT));

/* ---- reading */

/* What is too long for the column is asked for as a text that no row has. */
static stk_val v_key(struct str s)
{
    return v_str(s.len > PL_HASH_MAX || !str_utf8(s) ? STR("-") : s);
}

stk_call *batch_pl_device(struct batch *b, struct pl_place at, struct str hash, bool lock)
{
    return lock ? BATCH(b, q_pl_device_lock, v_str(at.app_id), v_str(at.tenant_id), v_key(hash))
                : BATCH(b, q_pl_device_get, v_str(at.app_id), v_str(at.tenant_id), v_key(hash));
}

stk_call *batch_pl_devices(struct batch *b, struct pl_place at, struct str email, struct str phone,
                           bool lock)
{
    const stk_query *q = email.p ? &q_pl_devices_by_email : &q_pl_devices_by_phone;
    if (lock)
        q = email.p ? &q_pl_devices_lock_by_email : &q_pl_devices_lock_by_phone;
    return BATCH(b, *q, v_str(at.app_id), v_str(at.tenant_id), v_str(email.p ? email : phone));
}

struct pl_device pl_device_of_row(const stk_val *row)
{
    return (struct pl_device){
        .hash = cell_str(row, D_HASH),
        .email = cell_str(row, D_EMAIL),
        .phone = cell_str(row, D_PHONE),
        .salt = cell_str(row, D_SALT),
        .failed = cell_i64(row, D_FAILED),
        .expires_at = cell_i64(row, D_EXPIRES),
    };
}

stk_call *batch_pl_codes(struct batch *b, struct pl_place at, struct str device_hash)
{
    return BATCH(b, q_pl_codes_of_device, v_str(at.app_id), v_str(at.tenant_id),
                 v_key(device_hash));
}

stk_call *batch_pl_codes_of(struct batch *b, struct pl_place at, const struct str *hashes, size_t n)
{
    return BATCH(b, q_pl_codes_of_devices, v_str(at.app_id), v_str(at.tenant_id),
                 v_strs(b->c->arena, hashes, n));
}

stk_call *batch_pl_code(struct batch *b, struct pl_place at, struct str id)
{
    return BATCH(b, q_pl_code_get, v_str(at.app_id), v_str(at.tenant_id), v_key(id));
}

stk_call *batch_pl_code_of_link(struct batch *b, struct pl_place at, struct str link_hash)
{
    return BATCH(b, q_pl_code_of_link, v_str(at.app_id), v_str(at.tenant_id), v_str(link_hash));
}

struct pl_code pl_code_of_row(const stk_val *row)
{
    return (struct pl_code){
        .id = cell_str(row, C_ID),
        .device_hash = cell_str(row, C_DEVICE),
        .link_hash = cell_str(row, C_LINK),
        .created_at = cell_i64(row, C_CREATED),
        .expires_at = cell_i64(row, C_EXPIRES),
    };
}

stk_call *batch_pl_login(struct batch *b, struct pl_place at, struct str email, struct str phone)
{
    return email.p
               ? BATCH(b, q_pl_login_by_email, v_str(at.app_id), v_str(at.tenant_id),
                       v_str(recipe_name(MASK_PASSWORDLESS)), v_str(email))
               : BATCH(b, q_pl_login_by_phone, v_str(at.app_id), v_str(at.tenant_id), v_str(phone));
}

struct login_method pl_login_of_row(const stk_val *row)
{
    return (struct login_method){
        .recipe_user_id = cell_str(row, L_RECIPE_USER_ID),
        .user_id = cell_str(row, L_USER_ID),
        .recipe = MASK_PASSWORDLESS,
        .verified = cell_bool(row, L_VERIFIED),
        .email = cell_str(row, L_EMAIL),
        .phone = cell_str(row, L_PHONE),
    };
}

/* ---- writing */

void batch_pl_device_create(struct batch *b, struct pl_place at, const struct pl_device *d)
{
    BATCH(b, q_pl_device_insert, v_str(at.app_id), v_str(at.tenant_id), v_str(d->hash),
          v_str(d->email), v_str(d->phone), v_str(d->salt), v_i64(0), v_i64(d->expires_at),
          v_i64(1));
}

void batch_pl_code_create(struct batch *b, struct pl_place at, const struct pl_code *code)
{
    BATCH(b, q_pl_code_insert, v_str(at.app_id), v_str(at.tenant_id), v_str(code->id),
          v_str(code->device_hash), v_str(code->link_hash), v_i64(code->created_at),
          v_i64(code->expires_at));
}

void batch_pl_device_fail(struct batch *b, struct pl_place at, struct str hash, int64_t failed)
{
    call_expect_affected(BATCH(b, q_pl_device_fail, v_i64(failed), v_i64(1), v_str(at.app_id),
                               v_str(at.tenant_id), v_str(hash)),
                         1);
}

void batch_pl_device_extend(struct batch *b, struct pl_place at, struct str hash,
                            int64_t expires_at)
{
    call_expect_affected(BATCH(b, q_pl_device_extend, v_i64(expires_at), v_i64(1), v_str(at.app_id),
                               v_str(at.tenant_id), v_str(hash)),
                         1);
}

void batch_pl_device_delete(struct batch *b, struct pl_place at, struct str hash, bool must)
{
    stk_val *list = ARENA_NEW(b->c->arena, stk_val);
    *list = v_key(hash);
    stk_call *call =
        BATCH(b, q_pl_devices_delete, v_str(at.app_id), v_str(at.tenant_id), v_list(list, 1));
    if (must)
        call_expect_affected(call, 1);
    BATCH(b, q_pl_codes_delete, v_str(at.app_id), v_str(at.tenant_id), v_list(list, 1));
}

void batch_pl_code_delete(struct batch *b, struct pl_place at, struct str id)
{
    BATCH(b, q_pl_code_delete, v_str(at.app_id), v_str(at.tenant_id), v_key(id));
}

void batch_pl_found_delete(struct batch *b, struct pl_place at, const stk_call *devices)
{
    uint32_t n = call_rows(devices);
    struct str *hashes = ARENA_ARRAY(b->c->arena, struct str, n + 1);
    for (uint32_t i = 0; i < n; i++)
        hashes[i] = cell_str(call_row(devices, i), D_HASH);
    for (uint32_t from = 0; from < n; from += CHUNK) {
        stk_val some = v_strs(b->c->arena, hashes + from, n - from < CHUNK ? n - from : CHUNK);
        BATCH(b, q_pl_devices_delete, v_str(at.app_id), v_str(at.tenant_id), some);
        BATCH(b, q_pl_codes_delete, v_str(at.app_id), v_str(at.tenant_id), some);
    }
}

void batch_pl_devices_delete(struct batch *b, struct str app_id, const struct str *tenants,
                             size_t n, struct str email, struct str phone)
{
    for (size_t from = 0; from < n; from += CHUNK) {
        stk_val list = v_strs(b->c->arena, tenants + from, n - from < CHUNK ? n - from : CHUNK);
        if (email.p)
            BATCH(b, q_pl_devices_delete_by_email, v_str(app_id), list, v_str(email));
        if (phone.p)
            BATCH(b, q_pl_devices_delete_by_phone, v_str(app_id), list, v_str(phone));
    }
}

/* ---- expiry */

static int by_hash(const void *x, const void *y)
{
    const struct pl_stale *a = x, *b = y;
    return str_cmp(a->device.hash, b->device.hash);
}

int pl_stale(struct ctx *c, struct storage *s, int64_t before, struct pl_stale **list, size_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_pl_devices_stale, v_i64(before));
    *n = 0;
    int rc = storage_read(c, s, &b);
    if (rc != RC_OK || call_rows(call) == 0)
        return rc;
    *n = call_rows(call);
    *list = ARENA_ARRAY(c->arena, struct pl_stale, *n);
    stk_call *codes[PL_STALE_MAX];
    batch_init(&b, c);
    for (size_t i = 0; i < *n; i++) {
        const stk_val *row = call_row(call, (uint32_t)i);
        struct pl_device *d = &(*list)[i].device;
        *d = (struct pl_device){.app_id = cell_str(row, S_APP),
                                .tenant_id = cell_str(row, S_TENANT),
                                .hash = cell_str(row, S_HASH),
                                .version = cell_i64(row, S_VERSION)};
        codes[i] = batch_pl_codes_of(&b, (struct pl_place){d->app_id, d->tenant_id}, &d->hash, 1);
    }
    rc = storage_read(c, s, &b);
    for (size_t i = 0; rc == RC_OK && i < *n; i++)
        for (uint32_t k = 0; k < call_rows(codes[i]); k++) {
            int64_t at = cell_i64(call_row(codes[i], k), C_CREATED);
            if (at > (*list)[i].newest)
                (*list)[i].newest = at;
        }
    qsort(*list, *n, sizeof(**list), by_hash); /* the order in which others lock them */
    return rc;
}

/* A code added since then has changed the device, and is itself younger. */
void batch_pl_expire(struct batch *b, const struct pl_stale *x)
{
    const struct pl_device *d = &x->device;
    BATCH(b, q_pl_device_expire, v_str(d->app_id), v_str(d->tenant_id), v_str(d->hash),
          v_i64(d->version));
    BATCH(b, q_pl_codes_of_device_expire, v_str(d->app_id), v_str(d->tenant_id), v_str(d->hash),
          v_i64(x->newest));
}

void batch_pl_postpone(struct batch *b, const struct pl_stale *x, int64_t expires_at)
{
    const struct pl_device *d = &x->device;
    BATCH(b, q_pl_device_postpone, v_i64(expires_at), v_str(d->app_id), v_str(d->tenant_id),
          v_str(d->hash), v_i64(d->version));
}

int pl_codes_expire(struct ctx *c, struct storage *s, int64_t before, bool *more)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_pl_codes_expire, v_i64(before));
    int rc = storage_write(c, s, &b, NULL, NULL);
    *more = rc == RC_OK && call_affected(call) >= EXPIRE_ROWS;
    return rc;
}
