/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of the dashboard: who may sign in to it, and what it is shown of the
 * configuration.  All in the app of c->tenant; any number of users. */
#ifndef CORE_RECIPE_DASHBOARD_H
#define CORE_RECIPE_DASHBOARD_H

#include "base/ctx.h"
#include "store/dashboard.h"

#include <jansson.h>
#include <stdbool.h>

/* Outcomes besides RC_OK and RC_FAIL. */
enum {
    DASHBOARD_UNKNOWN_USER = 301,
    DASHBOARD_EMAIL_EXISTS,
    DASHBOARD_WRONG_CREDENTIALS,
    DASHBOARD_INVALID_SESSION /* unknown, expired, or of a deleted user */
};

/* What the CDI takes for an email address. */
bool dashboard_email_ok(struct str email);
/* Why the password is too weak; NULL: it is not. */
const char *dashboard_password_weakness(struct str password);

/* Emails come normalised. */
int dashboard_sign_up(struct ctx *c, struct str email, struct str password,
                      struct dashboard_user *user);
/* The user of this id, or of this email where id is absent; each new value only
 * if present.  Ends its sessions. */
int dashboard_update(struct ctx *c, struct str id, struct str email, struct str new_email,
                     struct str new_password, struct dashboard_user *user);
int dashboard_remove(struct ctx *c, struct str id, struct str email, bool *existed);
int dashboard_list(struct ctx *c, struct dashboard_user **list, size_t *n);

int dashboard_sign_in(struct ctx *c, struct str email, struct str password, struct str *session_id);
/* Whose session it is. */
int dashboard_verify(struct ctx *c, struct str session_id, struct str *email);
/* Takes a session id, or what dashboard_sessions() calls it. */
int dashboard_revoke(struct ctx *c, struct str session_id);
int dashboard_sessions(struct ctx *c, struct str user_id, struct dashboard_session **list,
                       size_t *n);

/* The settings of c->tenant and of the plugin of its storage, as the CDI
 * describes them; the caller owns the array.  protect: without those that only
 * the hoster sees. */
int dashboard_core_config(struct ctx *c, bool protect, json_t **list);

#endif
