/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of email verification: which emails of which user are
 * verified, and the tokens that verify them, which are stored hashed.
 *
 * Both are filed under the outer id: the external one of a user that has one.
 * It need not be the id of any user.  What users show, login_method.verified, is
 * a copy: whoever writes an email of a login method, or whether one is verified,
 * locks its user, reads the row of the two and writes the copy. */
#ifndef CORE_STORE_EMAILVERIFICATION_H
#define CORE_STORE_EMAILVERIFICATION_H

#include "storage/storage.h"

struct login_method;

/* Appends: this email is verified for the user with this outer id (the external
 * one if there is one); no harm when it was already.  login_method.verified is
 * the caller's to write. */
void batch_email_verified(struct batch *b, struct str app_id, struct str outer_id,
                          struct str email);
/* Appends: it is not. */
void batch_email_unverified(struct batch *b, struct str app_id, struct str outer_id,
                            struct str email);
/* Appends the read: a row if it is. */
stk_call *batch_email_verified_get(struct batch *b, struct str app_id, struct str outer_id,
                                   struct str email);
/* The copy in the login method, and in its tenants. */
void batch_login_verified(struct batch *b, struct str app_id, const struct login_method *m,
                          bool verified, int64_t now);

struct verification_token {
    struct str hash, user_id; /* the outer id */
    struct str email;
    int64_t expires_at;
};
void batch_verification_token(struct batch *b, struct str app_id, struct str tenant_id,
                              const struct verification_token *t);
/* *found false: there is none. */
int verification_token_find(struct ctx *c, struct storage *s, struct str app_id,
                            struct str tenant_id, struct str hash, struct verification_token *t,
                            bool *found);
/* Appends: this token goes, or the batch fails with RC_EXPECT: whoever deletes
 * it has used it, or it has been filed under another id.  Then all others of its user and email go as well. */
void batch_verification_token_consume(struct batch *b, struct str app_id, struct str tenant_id,
                                      const struct verification_token *t);
void batch_verification_tokens_delete(struct batch *b, struct str app_id, struct str tenant_id,
                                      struct str outer_id, struct str email);
/* Deletes up to 1000 tokens that expired before the time; *n says how many. */
int verification_tokens_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n);

/* Appends: all of a user goes; or what belongs to one tenant. */
void batch_email_verification_delete(struct batch *b, struct str app_id, struct str outer_id);
void batch_email_verification_leave(struct batch *b, struct str app_id, struct str tenant_id,
                                    struct str outer_id);

#endif
