/* SPDX-License-Identifier: Apache-2.0 */
/* TOTP; see totp.h.
 *
 * Devices of a user, and the codes it tried in a tenant, are ranges of primary
 * keys; the newest codes are the end of such a range, read backwards.  All codes
 * of a user are a range of key `user`, expired ones of key `expires`. */
#include "store/totp.h"

#include "store/query.h"

#include <stdlib.h>

enum { EXPIRE_ROWS = 1000 };

QUERY(totp_user_put, UPSERT(TOTP_USERS),
      SETS(PUT(TOTP_USERS_APP_ID, 0), PUT(TOTP_USERS_USER_ID, 1), INC(TOTP_USERS_ROW_VER, 2)),
      PARAMS(3));
QUERY(totp_user_hold, UPDATE(TOTP_USERS), SETS(INC(TOTP_USERS_ROW_VER, 0)),
      WHERE(EQ(TOTP_USERS_APP_ID, 1), EQ(TOTP_USERS_USER_ID, 2)), PARAMS(3), NO_LIMIT);
QUERY(totp_user_delete, DELETE(TOTP_USERS),
      WHERE(EQ(TOTP_USERS_APP_ID, 0), EQ(TOTP_USERS_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

enum { D_NAME, D_SECRET, D_PERIOD, D_SKEW, D_VERIFIED, D_CREATED };
QUERY(totp_devices, SELECT(TOTP_DEVICES),
      OUT(TOTP_DEVICES_DEVICE_NAME, TOTP_DEVICES_SECRET_KEY, TOTP_DEVICES_PERIOD, TOTP_DEVICES_SKEW,
          TOTP_DEVICES_VERIFIED, TOTP_DEVICES_CREATED_AT),
      WHERE(EQ(TOTP_DEVICES_APP_ID, 0), EQ(TOTP_DEVICES_USER_ID, 1)), PARAMS(2), NO_LIMIT);
enum { M_USER_ID, M_VERIFIED };
QUERY(totp_devices_of_users, SELECT(TOTP_DEVICES), OUT(TOTP_DEVICES_USER_ID, TOTP_DEVICES_VERIFIED),
      WHERE(EQ(TOTP_DEVICES_APP_ID, 0), IN(TOTP_DEVICES_USER_ID, 1)), PARAMS(2), NO_LIMIT);
QUERY(totp_device_put, UPSERT(TOTP_DEVICES),
      SETS(PUT(TOTP_DEVICES_APP_ID, 0), PUT(TOTP_DEVICES_USER_ID, 1),
           PUT(TOTP_DEVICES_DEVICE_NAME, 2), PUT(TOTP_DEVICES_SECRET_KEY, 3),
           PUT(TOTP_DEVICES_PERIOD, 4), PUT(TOTP_DEVICES_SKEW, 5), PUT(TOTP_DEVICES_VERIFIED, 6),
           PUT(TOTP_DEVICES_CREATED_AT, 7)),
      PARAMS(8), FLAGS(STK_QF_IDEMPOTENT));
#define ONE_DEVICE(first_)                                                                         \
    WHERE(EQ(TOTP_DEVICES_APP_ID, first_), EQ(TOTP_DEVICES_USER_ID, (first_) + 1),                 \
          EQ(TOTP_DEVICES_DEVICE_NAME, (first_) + 2))
QUERY(totp_device_delete, DELETE(TOTP_DEVICES), ONE_DEVICE(0), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(totp_device_verified, UPDATE(TOTP_DEVICES), SETS(PUT(TOTP_DEVICES_VERIFIED, 0)),
      ONE_DEVICE(1), PARAMS(4), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(totp_devices_delete, DELETE(TOTP_DEVICES),
      WHERE(EQ(TOTP_DEVICES_APP_ID, 0), EQ(TOTP_DEVICES_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));

#define CODES_OF_USER                                                                              \
    EQ(TOTP_USED_CODES_APP_ID, 0), EQ(TOTP_USED_CODES_TENANT_ID, 1), EQ(TOTP_USED_CODES_USER_ID, 2)
enum { C_VALID, C_CREATED };
QUERY(totp_codes, SELECT(TOTP_USED_CODES),
      OUT(TOTP_USED_CODES_IS_VALID, TOTP_USED_CODES_CREATED_AT), WHERE(CODES_OF_USER),
      ORDER(DESC(TOTP_USED_CODES_CREATED_AT), DESC(TOTP_USED_CODES_NONCE)), PARAMS(4),
      LIMIT_PARAM(3));
QUERY(totp_code_used, SELECT(TOTP_USED_CODES), OUT(TOTP_USED_CODES_CREATED_AT),
      WHERE(CODES_OF_USER, EQ(TOTP_USED_CODES_CODE, 3), EQ(TOTP_USED_CODES_IS_VALID, 4),
            GT(TOTP_USED_CODES_EXPIRES_AT, 5)),
      PARAMS(6), LIMIT(1));
QUERY(totp_code_put, INSERT(TOTP_USED_CODES),
      SETS(PUT(TOTP_USED_CODES_APP_ID, 0), PUT(TOTP_USED_CODES_TENANT_ID, 1),
           PUT(TOTP_USED_CODES_USER_ID, 2), PUT(TOTP_USED_CODES_CREATED_AT, 3),
           PUT(TOTP_USED_CODES_NONCE, 4), PUT(TOTP_USED_CODES_CODE, 5),
           PUT(TOTP_USED_CODES_IS_VALID, 6), PUT(TOTP_USED_CODES_EXPIRES_AT, 7)),
      PARAMS(8));
QUERY(totp_code_get, SELECT(TOTP_USED_CODES), OUT(TOTP_USED_CODES_IS_VALID),
      WHERE(CODES_OF_USER, EQ(TOTP_USED_CODES_CREATED_AT, 3), EQ(TOTP_USED_CODES_NONCE, 4)),
      PARAMS(5), NO_LIMIT);
QUERY(totp_codes_delete, DELETE(TOTP_USED_CODES),
      WHERE(EQ(TOTP_USED_CODES_APP_ID, 0), EQ(TOTP_USED_CODES_USER_ID, 1)), PARAMS(2), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(totp_codes_leave, DELETE(TOTP_USED_CODES), WHERE(CODES_OF_USER), PARAMS(3), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(totp_codes_expire, DELETE(TOTP_USED_CODES), WHERE(LT(TOTP_USED_CODES_EXPIRES_AT, 0)),
      PARAMS(1), LIMIT(EXPIRE_ROWS), FLAGS(STK_QF_IDEMPOTENT));

#define USER_VALUES(u) v_str((u)->app_id), v_str((u)->user_id)

void batch_totp_user(struct batch *b, const struct totp_user *u)
{
    BATCH(b, q_totp_user_put, USER_VALUES(u), v_i64(1));
}

stk_call *batch_totp_hold(struct batch *b, const struct totp_user *u)
{
    return BATCH(b, q_totp_user_hold, v_i64(1), USER_VALUES(u));
}

/* ---- devices */

stk_call *batch_totp_devices(struct batch *b, const struct totp_user *u)
{
    b->c->arena->wipe = true;
    return BATCH(b, q_totp_devices, USER_VALUES(u));
}

static int by_age(const void *x, const void *y)
{
    const struct totp_device *a = x, *b = y;
    if (a->created_at != b->created_at)
        return a->created_at < b->created_at ? -1 : 1;
    return str_cmp(a->name, b->name);
}

size_t totp_devices_of(struct arena *a, const stk_call *call, struct totp_device **list)
{
    size_t n = call_rows(call);
    *list = ARENA_ARRAY(a, struct totp_device, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const stk_val *row = call_row(call, i);
        (*list)[i] = (struct totp_device){.name = cell_str(row, D_NAME),
                                          .secret = cell_str(row, D_SECRET),
                                          .period = cell_i64(row, D_PERIOD),
                                          .skew = cell_i64(row, D_SKEW),
                                          .created_at = cell_i64(row, D_CREATED),
                                          .verified = cell_bool(row, D_VERIFIED)};
    }
    qsort(*list, n, sizeof(**list), by_age);
    return n;
}

void batch_totp_device_put(struct batch *b, const struct totp_user *u, const struct totp_device *d)
{
    BATCH(b, q_totp_device_put, USER_VALUES(u), v_str(d->name), v_str(d->secret), v_i64(d->period),
          v_i64(d->skew), v_bool(d->verified), v_i64(d->created_at));
}

void batch_totp_device_delete(struct batch *b, const struct totp_user *u, struct str name)
{
    BATCH(b, q_totp_device_delete, USER_VALUES(u), v_str(name));
}

void batch_totp_device_verified(struct batch *b, const struct totp_user *u, struct str name)
{
    BATCH(b, q_totp_device_verified, v_bool(true), USER_VALUES(u), v_str(name));
}

int totp_statuses(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids,
                  size_t n, struct totp_status *out)
{
    struct batch b;
    size_t most = storage_max_in(s);
    batch_init(&b, c);
    for (size_t i = 0; i < n; i += most)
        BATCH(&b, q_totp_devices_of_users, v_str(app_id),
              v_strs(c->arena, ids + i, n - i < most ? n - i : most));
    int rc = storage_read(c, s, &b);
    for (uint32_t k = 0; rc == RC_OK && k < b.n; k++)
        for (uint32_t r = 0; r < call_rows(b.calls[k]); r++) {
            const stk_val *row = call_row(b.calls[k], r);
            for (size_t i = 0; i < n; i++)
                if (str_eq(ids[i], cell_str(row, M_USER_ID))) {
                    out[i].any = true;
                    out[i].verified = out[i].verified || cell_bool(row, M_VERIFIED);
                }
        }
    return rc;
}

/* ---- codes */

stk_call *batch_totp_codes(struct batch *b, const struct totp_user *u, struct str tenant_id,
                           int64_t limit)
{
    return BATCH(b, q_totp_codes, v_str(u->app_id), v_str(tenant_id), v_str(u->user_id),
                 v_i64(limit));
}

size_t totp_codes_of(struct arena *a, const stk_call *call, struct totp_code **list)
{
    size_t n = call_rows(call);
    *list = ARENA_ARRAY(a, struct totp_code, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const stk_val *row = call_row(call, i);
        (*list)[i] = (struct totp_code){.valid = cell_bool(row, C_VALID),
                                        .created_at = cell_i64(row, C_CREATED)};
    }
    return n;
}

stk_call *batch_totp_code_used(struct batch *b, const struct totp_user *u, struct str tenant_id,
                               struct str code, int64_t now)
{
    return BATCH(b, q_totp_code_used, v_str(u->app_id), v_str(tenant_id), v_str(u->user_id),
                 v_str(code), v_bool(true), v_i64(now));
}

void batch_totp_code_put(struct batch *b, const struct totp_user *u, struct str tenant_id,
                         const struct totp_code *code)
{
    BATCH(b, q_totp_code_put, v_str(u->app_id), v_str(tenant_id), v_str(u->user_id),
          v_i64(code->created_at), v_str(code->nonce), v_str(code->code), v_bool(code->valid),
          v_i64(code->expires_at));
}

int totp_code_exists(struct ctx *c, struct storage *s, const struct totp_user *u,
                     struct str tenant_id, const struct totp_code *code, bool *exists)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_totp_code_get, v_str(u->app_id), v_str(tenant_id),
                           v_str(u->user_id), v_i64(code->created_at), v_str(code->nonce));
    int rc = storage_read(c, s, &b);
    *exists = rc == RC_OK && call_rows(call) > 0;
    return rc;
}

int totp_codes_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n)
{
    struct batch b;
    batch_init(&b, c);
    stk_call *call = BATCH(&b, q_totp_codes_expire, v_i64(before));
    int rc = storage_write(c, s, &b, NULL, NULL);
    if (rc == RC_OK)
        *n = call_affected(call);
    return rc;
}

/* ---- deleting */

void batch_totp_delete(struct batch *b, const struct totp_user *u)
{
    BATCH(b, q_totp_user_delete, USER_VALUES(u));
    BATCH(b, q_totp_devices_delete, USER_VALUES(u));
    BATCH(b, q_totp_codes_delete, USER_VALUES(u));
}

stk_call *batch_totp_leave(struct batch *b, const struct totp_user *u, struct str tenant_id)
{
    return BATCH(b, q_totp_codes_leave, v_str(u->app_id), v_str(tenant_id), v_str(u->user_id));
}
