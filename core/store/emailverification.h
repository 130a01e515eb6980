/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of email verification. */
#ifndef CORE_STORE_EMAILVERIFICATION_H
#define CORE_STORE_EMAILVERIFICATION_H

#include "storage/storage.h"

/* Appends: this email is verified for the user with this outer id (the external
 * one if there is one); no harm when it was already.  login_method.verified is
 * the caller's to write. */
void batch_email_verified(struct batch *b, struct str app_id, struct str outer_id,
                          struct str email);

#endif
