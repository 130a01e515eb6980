/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of external user ids.
 *
 * st_user_id_mapping is what decides; the external id is copied to st_users,
 * st_login_methods and st_user_tenants, so that whoever reads a user needs no read
 * more.  Both are written in one transaction that holds the user's row. */
#ifndef CORE_STORE_USERIDMAPPING_H
#define CORE_STORE_USERIDMAPPING_H

#include "store/users.h"

struct id_mapping {
    struct str user_id; /* the SuperTokens id; absent: there is no mapping */
    struct str external_id;
    struct str info; /* absent: none */
};

/* What an id is in one storage: read by four unique keys. */
struct id_calls {
    stk_call *of_user, *by_external, *login, *user;
};
void batch_id(struct batch *b, struct str app_id, struct str id, struct id_calls *calls);
/* After the batch has run. */
bool id_is_user(const struct id_calls *calls); /* a SuperTokens id */
/* The user whose row is locked to change the mapping of the id. */
struct str id_root(const struct id_calls *calls, struct str id);
struct id_mapping id_mapping_of_user(const struct id_calls *calls);
/* Appends the read of the mapping of a SuperTokens id alone; then the id that the
 * outside knows. */
stk_call *batch_mapping_of_user(struct batch *b, struct str app_id, struct str user_id);
struct str mapped_outer_id(const stk_call *mapping, struct str user_id);
struct id_mapping id_mapping_by_external(const struct id_calls *calls);

/* Appends: the mapping and its copies; RC_DUPLICATE where one of the two ids has
 * one already. */
void batch_mapping_create(struct batch *b, struct str app_id, const struct id_mapping *m);
/* Appends: the mapping of this SuperTokens id goes. */
void batch_mapping_remove(struct batch *b, struct str app_id, struct str user_id);
/* Appends: its info, which may be absent; the call's affected rows tell whether
 * there is a mapping. */
stk_call *batch_mapping_info(struct batch *b, struct str app_id, struct str user_id,
                             struct str info);

/* Whether an outer id is in use by recipes that keep data of users, as long as the
 * id stays what it is.  A recipe that files rows under an outer id is added here. */
struct id_use_calls {
    stk_call *sessions, *metadata, *roles, *verified, *tokens, *totp;
};
void batch_id_use(struct batch *b, struct str app_id, struct str outer_id, int64_t now,
                  struct id_use_calls *calls);
/* The incumbent's name of the first recipe that uses it; NULL: none does.  follow:
 * what is verified would be filed under another id, so by itself it is no use. */
const char *id_used_in(const struct id_use_calls *calls, bool follow);
/* Appends: what is verified, as read with batch_id_use(), is filed under another
 * id from now on, and so are tokens. */
void batch_verification_rekey(struct batch *b, struct str app_id, const struct id_use_calls *use,
                              struct str from, struct str to);
bool id_verified(const struct id_use_calls *use, struct str email);

#endif
