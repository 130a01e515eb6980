/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of TOTP devices and of the codes that were tried.
 *
 * A user is whoever has a row in st_totp_users; every transaction begins by
 * writing that row, so those of one user run one after the other, on all cores.
 * user_id is the id as callers say it. */
#ifndef CORE_STORE_TOTP_H
#define CORE_STORE_TOTP_H

#include "storage/storage.h"

struct totp_user {
    struct str app_id, user_id;
};

struct totp_device {
    struct str name;
    struct str secret; /* base32; secret */
    int64_t period, skew, created_at;
    bool verified;
};

/* First in a batch.  The one that makes a user where there is none, and the one
 * whose affected rows tell whether there is one. */
void batch_totp_user(struct batch *b, const struct totp_user *u);
stk_call *batch_totp_hold(struct batch *b, const struct totp_user *u);

stk_call *batch_totp_devices(struct batch *b, const struct totp_user *u);
/* Its rows, oldest first. */
size_t totp_devices_of(struct arena *a, const stk_call *call, struct totp_device **list);
/* Writes the device, in place of one of this name. */
void batch_totp_device_put(struct batch *b, const struct totp_user *u, const struct totp_device *d);
void batch_totp_device_delete(struct batch *b, const struct totp_user *u, struct str name);
void batch_totp_device_verified(struct batch *b, const struct totp_user *u, struct str name);

/* For each id: how many devices it has and whether one is verified. */
struct totp_status {
    bool any, verified;
};
/* Adds what this storage knows to out[i] of ids[i]. */
int totp_statuses(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids,
                  size_t n, struct totp_status *out);

/* ---- codes, of a user in a tenant */

struct totp_code {
    struct str nonce; /* at most 16 characters, makes the row unique */
    struct str code;  /* at most 16 characters; secret while it is valid */
    bool valid;
    int64_t created_at, expires_at;
};
/* The newest `limit` codes, newest first: valid and created_at of each. */
stk_call *batch_totp_codes(struct batch *b, const struct totp_user *u, struct str tenant_id,
                           int64_t limit);
size_t totp_codes_of(struct arena *a, const stk_call *call, struct totp_code **list);
/* Has a row if this code was accepted before and has not expired. */
stk_call *batch_totp_code_used(struct batch *b, const struct totp_user *u, struct str tenant_id,
                               struct str code, int64_t now);
void batch_totp_code_put(struct batch *b, const struct totp_user *u, struct str tenant_id,
                         const struct totp_code *code);
/* Whether the row is there, for witnesses. */
int totp_code_exists(struct ctx *c, struct storage *s, const struct totp_user *u,
                     struct str tenant_id, const struct totp_code *code, bool *exists);
/* Deletes up to 1000 codes that expired before the time; *n says how many. */
int totp_codes_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n);

/* The user, its devices and its codes; what it tried in one tenant. */
void batch_totp_delete(struct batch *b, const struct totp_user *u);
stk_call *batch_totp_leave(struct batch *b, const struct totp_user *u, struct str tenant_id);

#endif
