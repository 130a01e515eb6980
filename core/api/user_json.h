/* SPDX-License-Identifier: Apache-2.0 */
/* Users as JSON, in the shape each CDI version knows; shared by all recipes that
 * answer with one.  The caller owns what is returned. */
#ifndef CORE_API_USER_JSON_H
#define CORE_API_USER_JSON_H

#include "store/users.h"

#include <jansson.h>

/* With all its login methods: from CDI 4.0, and always in calls that are newer
 * than account linking. */
json_t *user_json(const struct user *u, int cdi);
/* The oldest login method alone, as before CDI 4.0. */
json_t *user_json_old(const struct user *u, int cdi);
/* Whichever the version has. */
json_t *user_json_of(const struct user *u, int cdi);

#endif
