/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of users, whatever recipe they sign in with: finding, listing and
 * counting them, deleting them, and which tenants they belong to.
 *
 * An id from outside may be a SuperTokens id or an external one.  Calls for an
 * app look into every storage of the app, calls for a tenant into the tenant's. */
#ifndef CORE_RECIPE_USERS_H
#define CORE_RECIPE_USERS_H

#include "base/ctx.h"
#include "store/users.h"

/* Outcomes besides RC_OK and RC_FAIL. */
enum {
    USERS_UNKNOWN = 1,        /* no such user */
    USERS_EMAIL_EXISTS,       /* of another user of the recipe in the tenant */
    USERS_PHONE_EXISTS,       /* likewise */
    USERS_THIRD_PARTY_EXISTS, /* likewise */
    USERS_CHANGE_NOT_ALLOWED, /* another primary user has the new account */
    USERS_TENANT_NOT_ALLOWED, /* likewise in the tenant; a reason is given */
    USERS_BAD_TOKEN           /* of a page */
};

/* Where an id was found. */
struct users_found {
    struct storage *storage;
    struct user_ref ref;
};
/* Over all storages of the app of c->tenant.  USERS_UNKNOWN: nobody. */
int users_find_in_app(struct ctx *c, struct str id, struct users_found *found);
/* In the storage of c->tenant. */
int users_find_in_tenant(struct ctx *c, struct str id, struct users_found *found);
/* The storage in which a call for the app keeps what is filed under the id: the
 * one that knows the user, else the app's own.  Without a read where the app has
 * just one. */
int users_home(struct ctx *c, struct str id, struct storage **s);

/* Over the app: the user as it was known before accounts could be linked, with
 * just this login method, which must be of the recipe.  USERS_UNKNOWN. */
int users_method_by_id(struct ctx *c, struct str id, enum recipe_mask recipe, struct user *user);
/* The storage in which a call for the app keeps what is filed under the id: the
 * one that knows the user, else the app's own.  Without a read where the app has
 * just one. */
int users_home(struct ctx *c, struct str id, struct storage **s);

/* ---- lists, in c->tenant */

enum { USERS_PAGE_MAX = 1000 };
struct users_list {
    int64_t limit; /* 1 to USERS_PAGE_MAX */
    bool desc;
    int64_t recipes;  /* 0: all */
    bool no_recipe;   /* only recipes that no one signs in with were asked for */
    struct str token; /* absent: from the start */
    struct users_terms emails, phones, providers; /* lower-cased; any makes it a search */
};
struct users_listed {
    struct user *users;
    size_t n;
    struct str next_token; /* absent at the end */
};
/* USERS_BAD_TOKEN for a page token that is none. */
int users_list(struct ctx *c, const struct users_list *q, struct users_listed *out);
int users_by_account_info(struct ctx *c, const struct account_info *info, bool any,
                          bool webauthn_asked, struct users_listed *out);
/* Of the tenant, or of the whole app over all its storages. */
int users_count_all(struct ctx *c, bool app, int64_t recipes, bool no_recipe, int64_t *count);

/* ---- changes */

/* A new user with one login method in c->tenant: recipe, time_joined, and the
 * account are set; ids and tenant are filled in here.  Where `verified` is set the
 * email counts as verified from then on.  seen: the user is marked active, in the
 * same round trip where that is possible.  USERS_EMAIL_EXISTS and so on. */
int users_create(struct ctx *c, struct login_method *m, bool seen, struct user *user);

/* The whole of a user who signs in in c->tenant, of which the id is known,
 * together with its last-active mark: one round trip. */
int users_load_and_mark(struct ctx *c, struct user *user);

/* Sets email and password hash (each if present) of a login method of the
 * recipe.  A new email is verified if it was verified for this id before.
 * USERS_UNKNOWN, USERS_EMAIL_EXISTS, USERS_CHANGE_NOT_ALLOWED. */
struct users_change {
    enum recipe_mask recipe;
    struct str email, password_hash;
    bool verified;      /* the email, which must be given, counts as verified */
    struct user *after; /* out: the user as it is then; may be NULL */
};
int users_update(struct ctx *c, const struct users_found *found, const struct users_change *change);

/* Deletes the user or one login method of it.  An unknown id is no error. */
int users_delete(struct ctx *c, struct str id, bool all_linked);

/* The login method joins or leaves c->tenant, within the tenant's storage; it
 * cannot be shared with tenants in another one, where it is unknown.  reason is
 * set with USERS_TENANT_NOT_ALLOWED. */
int users_add_tenant(struct ctx *c, struct str id, bool *was_associated, struct str *reason);
int users_remove_tenant(struct ctx *c, struct str id, bool *was_associated);

#endif
