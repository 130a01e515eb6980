/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of passwordless sign-in.  Emails and phone numbers come in normalised;
 * all calls run in c->tenant.
 *
 * A device id is 32 random bytes, its hash the id of the attempt to sign in that
 * browsers see.  The link code is an HMAC of the code that a user types, keyed by
 * the device id and a salt that only the database knows: who has the device id
 * cannot try codes without asking here, where the tries are counted. */
#ifndef CORE_RECIPE_PASSWORDLESS_H
#define CORE_RECIPE_PASSWORDLESS_H

#include "recipe/users.h"
#include "store/passwordless.h"

/* Outcomes besides those of users.h. */
enum {
    PASSWORDLESS_RESTART = 201, /* unknown or expired, or tried too often */
    PASSWORDLESS_INCORRECT,     /* the tries are in passwordless_checked */
    PASSWORDLESS_EXPIRED,       /* likewise */
    PASSWORDLESS_CODE_USED      /* the device has this code already */
};

/* RC_FAIL (403) where the tenant's configuration, as the CDI version of the call
 * sees it, has passwordless switched off. */
int passwordless_allowed(struct ctx *c);

/* ---- codes */

/* How long a code is good after its creation, in ms. */
int64_t passwordless_lifetime(const struct ctx *c);

struct passwordless_new {
    struct str email, phone, device_id; /* exactly one; the last: of an earlier code */
    struct str input_code;              /* absent: six random digits */
};
struct passwordless_code {
    struct str pre_auth_id, code_id, device_id, input_code, link_code;
    int64_t created_at, lifetime;
};
/* PASSWORDLESS_RESTART, PASSWORDLESS_CODE_USED. */
int passwordless_create(struct ctx *c, const struct passwordless_new *what,
                        struct passwordless_code *code);

/* What a user presents: a link code, or a device id and the code typed. */
struct passwordless_proof {
    struct str pre_auth_id, link_code, device_id, input_code;
};
struct passwordless_checked {
    struct pl_device device; /* as it was before */
    int64_t failed, most;    /* wrong tries so far, and how many end it */
};
/* Wrong codes count; a right one stays good.  PASSWORDLESS_RESTART,
 * PASSWORDLESS_INCORRECT, PASSWORDLESS_EXPIRED. */
int passwordless_check(struct ctx *c, const struct passwordless_proof *proof,
                       struct passwordless_checked *checked);
/* Uses up every code of the email or phone number, and signs in or up.  Of
 * several callers one succeeds. */
struct passwordless_login {
    struct user user;
    struct str recipe_user_id; /* as the outside knows it */
    bool created;
};
int passwordless_consume(struct ctx *c, const struct passwordless_proof *proof,
                         struct passwordless_checked *checked, struct passwordless_login *login);

/* Unknown ones are no error. */
int passwordless_remove_code(struct ctx *c, struct str code_id);
int passwordless_remove_device(struct ctx *c, struct str pre_auth_id);
/* One of both. */
int passwordless_remove_codes(struct ctx *c, struct str email, struct str phone);

struct passwordless_device {
    struct pl_device device;
    struct pl_code *codes; /* oldest first */
    size_t ncodes;
};
/* Devices of exactly one of these. */
struct passwordless_of {
    struct str email, phone, device_id, pre_auth_id;
};
int passwordless_list(struct ctx *c, const struct passwordless_of *of,
                      struct passwordless_device **list, size_t *n);

/* The tenants with their lifetimes, good until the arena is reset. */
struct passwordless_expiry {
    const struct tenant **tenants;
    size_t ntenants;
    int64_t longest;
};
void passwordless_expiry(struct ctx *c, struct passwordless_expiry *x);
/* Deletes a batch of what has expired in a storage. */
int passwordless_expire(struct ctx *c, struct storage *s, const struct passwordless_expiry *x,
                        bool *more);

/* ---- users */

/* The user as passwordless knew it before accounts could be linked; by id, over
 * the app: its one login method.  By email or phone number, in the tenant: the
 * whole user.  USERS_UNKNOWN. */
int passwordless_by_id(struct ctx *c, struct str id, struct user *user);
int passwordless_by_account(struct ctx *c, struct str email, struct str phone, struct user *user);

struct passwordless_change {
    bool email_given, phone_given;
    struct str email, phone; /* absent although given: cleared */
};
/* USERS_UNKNOWN, USERS_EMAIL_EXISTS, USERS_PHONE_EXISTS, USERS_CHANGE_NOT_ALLOWED
 * (of the email), PASSWORDLESS_PHONE_NOT_ALLOWED. */
enum { PASSWORDLESS_PHONE_NOT_ALLOWED = 210 };
int passwordless_update(struct ctx *c, struct str id, const struct passwordless_change *change);

#endif
