/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of email/password: the login method of an email, and
 * password reset tokens, which are stored hashed. */
#ifndef CORE_STORE_EMAILPASSWORD_H
#define CORE_STORE_EMAILPASSWORD_H

#include "store/users.h"

/* The user that signs in with this email in the tenant, with everything an
 * answer needs where its account is not linked (*whole), in one round trip.
 * Else user->methods holds that one method, without its tenants, and the user
 * called methods[0].user_id is still to be loaded.  user->id is absent if there is none. */
int signin_find(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                struct str email, struct user *user, bool *whole);

struct reset_token {
    struct str hash, user_id; /* the recipe user's id */
    struct str email;
    int64_t expires_at;
};
void batch_reset_token(struct batch *b, struct str app_id, const struct reset_token *t);
/* *found false: there is none. */
int reset_token_find(struct ctx *c, struct storage *s, struct str app_id, struct str hash,
                     struct reset_token *t, bool *found);
/* Appends: this token goes, or the batch fails with RC_EXPECT: whoever deletes
 * it has consumed it.  Then all others of its user go as well. */
void batch_reset_token_consume(struct batch *b, struct str app_id, const struct reset_token *t);
/* Deletes up to 1000 tokens that expired before the time; *n says how many. */
int reset_tokens_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n);

#endif
