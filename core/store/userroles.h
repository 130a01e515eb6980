/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of roles.  Roles and their permissions are rows of the
 * app's storage; who has which role, of the tenant's.  Lists come whole, read in
 * pages of a bounded size. */
#ifndef CORE_STORE_USERROLES_H
#define CORE_STORE_USERROLES_H

#include "storage/storage.h"

struct names {
    struct str *list;
    size_t n, cap;
};

struct user_role {
    struct str app_id, tenant_id, user_id, role;
};

/* ---- roles */

/* The call finds a row if the role exists. */
stk_call *batch_role(struct batch *b, struct str app_id, struct str role);
int role_exists(struct ctx *c, struct storage *s, struct str app_id, struct str role, bool *exists,
                int64_t *created_at);
/* Those of the list that exist, in their order. */
int roles_existing(struct ctx *c, struct storage *s, struct str app_id, struct names *list);
int roles_list(struct ctx *c, struct storage *s, struct str app_id, struct names *out);

/* A new role: RC_DUPLICATE if it exists.  What an assignment left behind that met
 * the deletion of an earlier role of this name goes. */
void batch_role_create(struct batch *b, struct str app_id, struct str role, int64_t now);
/* Keeps the role from being deleted until the commit: RC_EXPECT if there is none. */
void batch_role_hold(struct batch *b, struct str app_id, struct str role);
/* Adds permissions of the role to those it has, or takes them from it, any number
 * of them: appends to the batch, runs what is too much for one, and commits. */
int role_permissions_commit(struct txn *t, struct batch *b, struct str app_id, struct str role,
                            const struct names *permissions, bool add);
/* In a transaction: deletes the role's own row, then all of its permissions. */
int role_delete(struct txn *t, struct str app_id, struct str role, bool *existed);
/* Takes all permissions from a role, in batches; *exists: the role does. */
int role_permissions_clear(struct ctx *c, struct storage *s, struct str app_id, struct str role,
                           bool *exists);

int role_permissions(struct ctx *c, struct storage *s, struct str app_id, struct str role,
                     bool *exists, struct names *out);
int permission_roles(struct ctx *c, struct storage *s, struct str app_id, struct str permission,
                     struct names *out);

/* ---- who has them */

void batch_user_role_insert(struct batch *b, const struct user_role *r);
stk_call *batch_user_role_delete(struct batch *b, const struct user_role *r);
int user_role_exists(struct ctx *c, struct storage *s, const struct user_role *r, bool *exists);
/* Also those of roles that do not exist. */
int user_roles(struct ctx *c, struct storage *s, const struct user_role *of, struct names *out);
/* with_role: the role is of the same storage, and *exists tells whether it is there. */
int role_users(struct ctx *c, struct storage *s, const struct user_role *of, bool with_role,
               bool *exists, struct names *out);
/* In all tenants of the storage: some of them; all, in batches. */
stk_call *batch_user_roles_of_role_delete(struct batch *b, struct str app_id, struct str role);
int user_roles_of_role_delete(struct ctx *c, struct storage *s, struct str app_id, struct str role);

/* A user's, everywhere in the storage or in one tenant. */
void batch_user_roles_delete(struct batch *b, struct str app_id, struct str user_id);
void batch_user_roles_leave(struct batch *b, struct str app_id, struct str tenant_id,
                            struct str user_id);

#endif
