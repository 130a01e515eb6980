/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of passwordless sign-in.  A device is what one browser
 * was given when it asked for a code; it has one code or, after asking again,
 * several.  Only hashes of device ids and of link codes are stored. */
#ifndef CORE_STORE_PASSWORDLESS_H
#define CORE_STORE_PASSWORDLESS_H

#include "store/users.h"

enum {
    PL_CODES_MAX = 100,    /* codes of a device that one read returns */
    PL_DEVICES_MAX = 1000, /* devices of an email or phone number, likewise */
    PL_HASH_MAX = 64,      /* characters of a hash, and of the id of a code */
    PL_STALE_MAX = 30
};

struct pl_device {
    struct str app_id, tenant_id; /* these and version only from pl_stale() */
    struct str hash, email, phone;
    struct str salt; /* secret */
    int64_t failed, expires_at, version;
};

struct pl_code {
    struct str id, device_hash, link_hash;
    int64_t created_at, expires_at;
};

/* Where all of this happens. */
struct pl_place {
    struct str app_id, tenant_id;
};

/* ---- reading.  A hash or id from outside that no column can hold finds nothing. */
stk_call *batch_pl_device(struct batch *b, struct pl_place at, struct str hash, bool lock);
/* Of an email or, if that is absent, a phone number: at most PL_DEVICES_MAX. */
stk_call *batch_pl_devices(struct batch *b, struct pl_place at, struct str email, struct str phone,
                           bool lock);
struct pl_device pl_device_of_row(const stk_val *row);
/* At most PL_CODES_MAX. */
stk_call *batch_pl_codes(struct batch *b, struct pl_place at, struct str device_hash);
/* All codes of these devices, which are at most 100. */
stk_call *batch_pl_codes_of(struct batch *b, struct pl_place at, const struct str *hashes,
                            size_t n);
stk_call *batch_pl_code(struct batch *b, struct pl_place at, struct str id);
stk_call *batch_pl_code_of_link(struct batch *b, struct pl_place at, struct str link_hash);
struct pl_code pl_code_of_row(const stk_val *row);
/* The login method that signs in with the email, or the phone number, in the
 * tenant. */
stk_call *batch_pl_login(struct batch *b, struct pl_place at, struct str email, struct str phone);
struct login_method pl_login_of_row(const stk_val *row);

/* ---- writing */
void batch_pl_device_create(struct batch *b, struct pl_place at, const struct pl_device *d);
void batch_pl_code_create(struct batch *b, struct pl_place at, const struct pl_code *code);
/* Whoever locked the device and does not delete it writes one of these. */
void batch_pl_device_fail(struct batch *b, struct pl_place at, struct str hash, int64_t failed);
void batch_pl_device_extend(struct batch *b, struct pl_place at, struct str hash,
                            int64_t expires_at);
/* The device with its codes.  must: it is locked, so it is there. */
void batch_pl_device_delete(struct batch *b, struct pl_place at, struct str hash, bool must);
void batch_pl_code_delete(struct batch *b, struct pl_place at, struct str id);
/* The devices that batch_pl_devices() found, with their codes. */
void batch_pl_found_delete(struct batch *b, struct pl_place at, const stk_call *devices);
/* All devices of the email and of the phone number (each if present) in some
 * tenants.  Their codes are of no use without them and expire.  Before any user is
 * locked: who signs in locks first the device and then the user. */
void batch_pl_devices_delete(struct batch *b, struct str app_id, const struct str *tenants,
                             size_t n, struct str email, struct str phone);

/* ---- expiry */

/* Some devices whose expires_at is before `before`, at most PL_STALE_MAX, each
 * with the time its newest code was made (0: it has none). */
struct pl_stale {
    struct pl_device device;
    int64_t newest;
};
int pl_stale(struct ctx *c, struct storage *s, int64_t before, struct pl_stale **list, size_t *n);
/* Deletes the device and the codes that pl_stale() saw, unless it got another. */
void batch_pl_expire(struct batch *b, const struct pl_stale *x);
/* It lives on until then. */
void batch_pl_postpone(struct batch *b, const struct pl_stale *x, int64_t expires_at);
/* Up to a thousand codes whose expires_at is before `before`. */
int pl_codes_expire(struct ctx *c, struct storage *s, int64_t before, bool *more);

#endif
