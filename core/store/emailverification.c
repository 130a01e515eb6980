/* SPDX-License-Identifier: Apache-2.0 */
/* Email verification; see emailverification.h. */
#include "store/emailverification.h"

#include "store/query.h"

QUERY(email_verified_put, INSERT(EMAIL_VERIFIED),
      SETS(PUT(EMAIL_VERIFIED_APP_ID, 0), PUT(EMAIL_VERIFIED_USER_ID, 1),
           PUT(EMAIL_VERIFIED_EMAIL, 2)),
      PARAMS(3), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));

void batch_email_verified(struct batch *b, struct str app_id, struct str outer_id, struct str email)
{
    BATCH(b, q_email_verified_put, v_str(app_id), v_str(outer_id), v_str(email));
}
