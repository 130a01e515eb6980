/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of users: the seven tables that all login recipes
 * share.  A user is what an application sees under one id; it has one login
 * method, or several when accounts are linked.  Each login method has an id of
 * its own (the recipe user id), and belongs to any number of tenants.
 *
 * Texts that come back live in the arena of the call. */
#ifndef CORE_STORE_USERS_H
#define CORE_STORE_USERS_H

#include "storage/storage.h"

enum recipe_mask {
    MASK_EMAILPASSWORD = 1,
    MASK_THIRDPARTY = 2,
    MASK_PASSWORDLESS = 4,
    MASK_WEBAUTHN = 8,
    MASK_ALL = 15
};

struct login_method {
    struct str recipe_user_id, user_id;
    struct str external_id; /* of the recipe user id; absent if it has none */
    enum recipe_mask recipe;
    int64_t time_joined;
    bool verified;
    struct str email, phone, tp_id, tp_user_id, rp_id;
    struct str password_hash; /* secret */
    struct str *tenants;
    size_t ntenants;
};

struct user {
    struct str id;          /* absent: there is no such user */
    struct str external_id; /* absent if it has none */
    bool is_primary;
    int64_t time_joined;
    struct login_method *methods; /* oldest first */
    size_t nmethods;              /* may be 0: a primary user whose methods are gone */
};

struct str recipe_name(enum recipe_mask recipe);
/* 0 for a name that is not a login recipe. */
int64_t recipe_of_name(struct str name);
/* The id that the outside knows. */
static inline struct str user_outer_id(const struct user *u)
{
    return u->external_id.p ? u->external_id : u->id;
}
static inline struct str login_outer_id(const struct login_method *m)
{
    return m->external_id.p ? m->external_id : m->recipe_user_id;
}
/* The method with this recipe user id, or NULL. */
struct login_method *user_method(const struct user *u, struct str recipe_user_id);
bool login_in_tenant(const struct login_method *m, struct str tenant_id);
/* Masks and numbers of methods, of the whole user and of one tenant. */
int64_t user_mask(const struct user *u);
int64_t user_tenant_mask(const struct user *u, struct str tenant_id, int64_t *count);

/* ---- reading whole users */

/* The calls that read some users, in a batch still to be run. */
struct users_calls {
    struct str app_id;
    const struct str *ids;
    size_t n, nchunks;
    stk_call **calls; /* three a chunk */
};
/* Appends the reads; lock takes the rows of st_users for update. */
void batch_users(struct batch *b, struct str app_id, const struct str *ids, size_t n, bool lock,
                 struct users_calls *calls);
/* After the batch has run: out[i] is the user of ids[i]. */
void users_calls_take(struct arena *a, const struct users_calls *calls, struct user *out);
/* Both at once, outside a transaction. */
int users_load(struct ctx *c, struct storage *s, struct str app_id, const struct str *ids, size_t n,
               struct user *out);

/* What an id from outside names in one storage. */
struct user_ref {
    bool exists;               /* it is a SuperTokens id of this storage */
    bool mapped;               /* it is an external id of this storage */
    struct str recipe_user_id; /* the SuperTokens id meant; absent: unknown */
    struct user user;          /* the user that has it as its own or a method's id */
};
/* One round trip, two or three for linked or external ids. */
int users_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
               struct user_ref *ref);
/* Appends the read of an external id's owner (first column: the id itself), and
 * of a login method. */
stk_call *batch_mapping_of_external(struct batch *b, struct str app_id, struct str external_id);
/* Who that is; absent: nobody. */
struct str mapped_user(const stk_call *mapping);
stk_call *batch_login_row(struct batch *b, struct str app_id, struct str recipe_user_id);
/* A row of the latter, without tenants. */
struct login_method login_of_row(const stk_val *row);

/* The tenants of a login method that is still to be found, read by its email in
 * the same batch. */
struct email_tenants {
    stk_call *call;
};
struct email_tenants batch_email_tenants(struct batch *b, struct str app_id, struct str email,
                                         enum recipe_mask recipe);
/* Sets m->tenants; false: so many have this email that a read of its own is due. */
bool email_tenants_take(struct arena *a, const struct email_tenants *t, struct login_method *m);

/* ---- lists, counts, search: all in one tenant */

struct user_key {
    struct str user_id;
    int64_t time_joined;
};
struct users_page {
    struct str app_id, tenant_id;
    bool desc;
    int64_t recipes; /* users with one of these; 0: all users */
    bool has_from;
    struct user_key from; /* the first of the page */
    int64_t limit;
};
int users_page(struct ctx *c, struct storage *s, const struct users_page *p, struct user_key **keys,
               size_t *n);
/* tenant_id "" is the whole app in this storage; recipes 0: all users. */
int users_count(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                int64_t recipes, int64_t *count);

struct users_terms {
    struct str *list;
    size_t n;
};
enum { SEARCH_LIMIT = 1000 };
/* Ids of users that have a login method matching a term of every kind that has
 * terms; unordered, each once.  At most SEARCH_LIMIT rows a term are looked at. */
int users_search(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                 const struct users_terms *emails, const struct users_terms *phones,
                 const struct users_terms *providers, struct str **ids, size_t *n);

struct account_info {
    struct str email, phone, tp_id, tp_user_id; /* absent: not asked for */
};
/* Ids of users that have any of these, each once. */
int users_by_account(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                     const struct account_info *info, struct str **ids, size_t *n);

/* ---- writing: each appends to a batch of a transaction */

/* Changes of st_user_counters, collected and written by the last calls of the
 * last batch, in the order of their keys: so two writers never wait for each
 * other in a circle. */
struct user_counts {
    struct arena *arena;
    struct user_count {
        struct str tenant_id;
        int64_t mask, shard, n;
    } * list;
    size_t n, cap;
};
void user_counts_init(struct user_counts *k, struct arena *a);
void user_counts_add(struct user_counts *k, struct str tenant_id, int64_t mask, struct str user_id,
                     int64_t n);
void batch_user_counts(struct batch *b, struct str app_id, struct user_counts *k);

/* A new user with this one login method, which names its tenants. */
void batch_user_create(struct batch *b, struct str app_id, const struct login_method *m,
                       struct user_counts *counts);
/* The login method in one more tenant. */
void batch_user_tenant(struct batch *b, struct str app_id, struct str tenant_id,
                       const struct login_method *m, bool is_primary);
/* Writes what st_users and st_tenant_users say of the user, from `before` to
 * `after` (same id; after->nmethods may be 0).  Touches row_ver. */
void batch_user_summary(struct batch *b, struct str app_id, const struct user *before,
                        const struct user *after, struct user_counts *counts);
/* Every transaction that locked the user writes this, or the summary. */
void batch_user_touch(struct batch *b, struct str app_id, struct str user_id);
/* An absent email or phone number is cleared. */
void batch_login_email(struct batch *b, struct str app_id, const struct login_method *m,
                       struct str email, bool verified, int64_t now);
void batch_login_phone(struct batch *b, struct str app_id, const struct login_method *m,
                       struct str phone, int64_t now);
void batch_login_password(struct batch *b, struct str app_id, const struct login_method *m,
                          struct str password_hash, int64_t now);

/* After RC_DUPLICATE: whether an account was taken already, and of which kind;
 * false: an id was. */
enum account_kind { ACCOUNT_EMAIL, ACCOUNT_PHONE, ACCOUNT_THIRD_PARTY };
bool account_duplicate(const struct ctx *c, enum account_kind *kind);

/* Reservations: which primary user owns an account in a tenant. */
struct reservation {
    struct str key, tenant_id;
    enum account_kind kind;
};
struct reservations {
    struct arena *arena;
    struct reservation *list;
    size_t n, cap;
};
/* None yet. */
void reservations_init(struct reservations *r, struct arena *a);
/* All that the user's login methods hold, in all of its tenants or in one; each
 * once. */
void reservations_of(struct reservations *r, struct arena *a, const struct user *u);
void reservations_in(struct reservations *r, struct arena *a, const struct user *u,
                     struct str tenant_id);
/* Takes them for the user where free, then reads the owners. */
struct reserve_calls {
    stk_call **calls;
    size_t n;
};
struct reserve_calls batch_reserve(struct batch *b, struct str app_id, const struct reservations *r,
                                   struct str user_id);
/* After that batch: the first owner that is another user (one of a third-party
 * account before others), absent if none; then the transaction must not commit. */
struct str reserve_conflict(const struct reserve_calls *calls, struct str user_id,
                            enum account_kind *kind);
/* Only reads the owners. */
struct reserve_calls batch_reservation_owners(struct batch *b, struct str app_id,
                                              const struct reservations *r);
/* Takes those of `want` that `have` lacks, in a batch that commits: RC_EXPECT if
 * another user holds one. */
void batch_reserve_more(struct batch *b, struct str app_id, const struct reservations *want,
                        const struct reservations *have, struct str user_id);
/* Frees what `have` holds and `keep` does not. */
void batch_unreserve(struct batch *b, struct str app_id, const struct reservations *have,
                     const struct reservations *keep, struct str user_id);

/* Deletes.  First a login method: everywhere, or in one tenant. */
void batch_login_delete(struct batch *b, struct str app_id, struct str recipe_user_id);
void batch_login_leave(struct batch *b, struct str app_id, struct str tenant_id,
                       struct str recipe_user_id);
/* The user's own row and reservations when its last login method goes; its rows
 * in tenants and the counters are in batch_user_summary(). */
void batch_user_delete(struct batch *b, struct str app_id, struct str user_id);
void batch_mapping_delete(struct batch *b, struct str app_id, struct str user_id);
/* The sessions of a login method, under whichever id they were made. */
void batch_login_sessions_end(struct batch *b, struct str app_id, const struct login_method *m);
/* What other recipes keep under the id the outside knows: everywhere, or in one
 * tenant; after that batch user_data_left() tells whether there was any. */
struct user_data_calls {
    const struct batch *batch;
    uint32_t from, to;
};
void batch_user_data_delete(struct batch *b, struct str app_id, struct str outer_id);
struct user_data_calls batch_user_data_leave(struct batch *b, struct str app_id,
                                             struct str tenant_id, struct str outer_id);
bool user_data_left(const struct user_data_calls *calls);

/* ---- last active: in the storage of the app */
void batch_last_active(struct batch *b, struct str app_id, struct str user_id, int64_t now);
void batch_last_active_delete(struct batch *b, struct str app_id, struct str id);
int last_active_count(struct ctx *c, struct storage *s, struct str app_id, int64_t since,
                      int64_t *n);

/* ---- for witnesses of uncertain transactions */

/* What a login method must be like for the transaction to have been applied. */
struct login_witness {
    struct str app_id, recipe_user_id;
    struct str email, password_hash, tenant_id; /* each only if present */
    bool verified;                              /* only if set */
};
int login_witness(struct ctx *c, struct storage *s, const struct login_witness *w, bool *applied);

#endif
