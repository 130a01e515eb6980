/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of email verification.  An id is what the outside calls a user, and need
 * not be anybody's; emails come in normalised. */
#ifndef CORE_RECIPE_EMAILVERIFICATION_H
#define CORE_RECIPE_EMAILVERIFICATION_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>

/* Outcomes besides RC_OK and RC_FAIL. */
enum { EMAILVERIFICATION_ALREADY = 1, EMAILVERIFICATION_INVALID_TOKEN };

/* In c->tenant: a new token for the email.  EMAILVERIFICATION_ALREADY. */
int emailverification_make_token(struct ctx *c, struct str id, struct str email, struct str *token);
/* Uses the token up and marks its email as verified; of several callers one
 * succeeds.  EMAILVERIFICATION_INVALID_TOKEN. */
int emailverification_verify(struct ctx *c, struct str token, struct str *id, struct str *email);
/* All tokens for the email are void. */
int emailverification_revoke(struct ctx *c, struct str id, struct str email);

/* Over the app: in the storage that knows the user. */
int emailverification_is_verified(struct ctx *c, struct str id, struct str email, bool *verified);
int emailverification_unverify(struct ctx *c, struct str id, struct str email);

#endif
