/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of who may sign in to the dashboard, in the storage of
 * the app.  Session ids are stored hashed. */
#ifndef CORE_STORE_DASHBOARD_H
#define CORE_STORE_DASHBOARD_H

#include "storage/storage.h"

struct dashboard_user {
    struct str id; /* absent: there is none */
    struct str email;
    struct str password_hash; /* secret */
    int64_t time_joined;
};
struct dashboard_session {
    struct str hash; /* absent: there is none */
    struct str user_id;
    int64_t created_at, expires_at;
};

/* By id, or by email where id is absent. */
int dashboard_user_find(struct ctx *c, struct storage *s, struct str app_id, struct str id,
                        struct str email, struct dashboard_user *user);
/* All of the app, who joined first first. */
int dashboard_users_list(struct ctx *c, struct storage *s, struct str app_id,
                         struct dashboard_user **list, size_t *n);
stk_call *batch_dashboard_users_count(struct batch *b, struct str app_id);

void batch_dashboard_user(struct batch *b, struct str app_id, const struct dashboard_user *user);
/* After RC_DUPLICATE: of the email; false: of the id. */
bool dashboard_email_taken(const struct ctx *c);
/* Each of these fails the batch with RC_EXPECT if there is no such user. */
void batch_dashboard_email(struct batch *b, struct str app_id, struct str id, struct str email);
void batch_dashboard_password(struct batch *b, struct str app_id, struct str id, struct str hash);
/* Likewise if its password is another by now. */
void batch_dashboard_same(struct batch *b, struct str app_id, const struct dashboard_user *user);
/* First in a batch: of those with this call for one user, one runs at a time. */
void batch_dashboard_lock(struct batch *b, struct str app_id, struct str id);
/* The user and its sessions; the call tells whether there was one. */
stk_call *batch_dashboard_delete(struct batch *b, struct str app_id, struct str id);

void batch_dashboard_session(struct batch *b, struct str app_id,
                             const struct dashboard_session *session);
int dashboard_session_find(struct ctx *c, struct storage *s, struct str app_id, struct str hash,
                           struct dashboard_session *session);
int dashboard_sessions_list(struct ctx *c, struct storage *s, struct str app_id, struct str user_id,
                            struct dashboard_session **list, size_t *n);
int dashboard_session_delete(struct ctx *c, struct storage *s, struct str app_id,
                             const struct str *hashes, size_t n);
void batch_dashboard_sessions_delete(struct batch *b, struct str app_id, struct str user_id);
/* Deletes up to 1000 that expired before the time; *n says how many. */
int dashboard_sessions_expire(struct ctx *c, struct storage *s, int64_t before, uint64_t *n);

#endif
