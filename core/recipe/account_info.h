/* SPDX-License-Identifier: Apache-2.0 */
/* Emails and phone numbers in the form in which they are stored and compared.
 * Absent stays absent. */
#ifndef CORE_RECIPE_ACCOUNT_INFO_H
#define CORE_RECIPE_ACCOUNT_INFO_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>

/* Without white space and control characters around it, in lower case. */
struct str email_normalise(struct arena *a, struct str email);
/* Whether it was made up for a user without one, and so counts as verified. */
bool email_is_fake(struct str email);
/* "+1 (650) 253-0000" becomes "+16502530000"; what is no international number
 * is only trimmed. */
struct str phone_normalise(struct arena *a, struct str phone);
/* Lower case and trimmed as emails are: for search terms. */
struct str text_fold(struct arena *a, struct str text);

#endif
