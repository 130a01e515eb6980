/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of TOTP: devices of a user, and codes that prove one is at hand.  Devices
 * belong to the app; wrong codes are counted, and right ones used up, in the
 * tenant they are tried in.
 *
 * Everything is filed under the id that is given, as sessions are. */
#ifndef CORE_RECIPE_TOTP_H
#define CORE_RECIPE_TOTP_H

#include "base/ctx.h"
#include "store/totp.h"

/* Outcomes besides RC_OK and RC_FAIL. */
enum {
    TOTP_UNKNOWN_USER = 201, /* without any device */
    TOTP_UNKNOWN_DEVICE,
    TOTP_DEVICE_EXISTS, /* of that name */
    TOTP_INVALID,       /* the code is wrong, or was used */
    TOTP_LIMIT          /* too many were wrong: nothing is looked at for a while */
};

/* Codes of this many periods before and after the present one may count. */
enum { TOTP_SKEW_MAX = 1000 };

/* A device that waits to be verified, with a new secret; in place of an
 * unverified one of that name.  A name that is absent is found here. */
int totp_device_create(struct ctx *c, struct str user_id, struct totp_device *d);
/* One that was verified elsewhere, with the secret given. */
int totp_device_import(struct ctx *c, struct str user_id, struct totp_device *d);
int totp_device_rename(struct ctx *c, struct str user_id, struct str name, struct str new_name);
/* With the last device goes the user, with what it tried.  TOTP_UNKNOWN_DEVICE. */
int totp_device_remove(struct ctx *c, struct str user_id, struct str name);
/* Oldest first. */
int totp_device_list(struct ctx *c, struct str user_id, struct totp_device **list, size_t *n);
/* out[i] of ids[i], over all storages of the app. */
int totp_device_status(struct ctx *c, const struct str *ids, size_t n, struct totp_status *out);

/* What is told of attempts with TOTP_INVALID and TOTP_LIMIT. */
struct totp_attempts {
    int64_t failed, most, retry_after_ms;
};
/* A code of the device; *was_verified: nothing was looked at, it is verified. */
int totp_device_verify(struct ctx *c, struct str user_id, struct str name, struct str code,
                       bool *was_verified, struct totp_attempts *attempts);
/* A code of any verified device. */
int totp_verify(struct ctx *c, struct str user_id, struct str code, struct totp_attempts *attempts);

#endif
