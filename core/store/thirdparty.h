/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads of third-party users; they are written as all users are. */
#ifndef CORE_STORE_THIRDPARTY_H
#define CORE_STORE_THIRDPARTY_H

#include "store/users.h"

/* The user that signs in with this account of a provider in the tenant, with
 * everything an answer needs where it is not linked and still has this email
 * (*whole), in one round trip.  Else user->methods holds that one method, without
 * its tenants, and the user called methods[0].user_id is still to be loaded.
 * user->id is absent if there is none. */
int third_party_find(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                     struct str tp_id, struct str tp_user_id, struct str email, struct user *user,
                     bool *whole);

#endif
