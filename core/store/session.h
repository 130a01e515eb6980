/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of sessions, in the storage of their tenant. */
#ifndef CORE_STORE_SESSION_H
#define CORE_STORE_SESSION_H

#include "storage/storage.h"

struct session_row {
    struct str handle, user_id; /* user_id: the recipe user's external id if it has one */
    struct str hash2;           /* hash of the hash of the current refresh token */
    struct str prev_hash2;      /* of the one before, absent before the first rotation */
    struct str data, payload;   /* JSON objects: userDataInDatabase, userDataInJWT */
    int64_t rotated_at;         /* meaningful with prev_hash2 */
    int64_t expires_at, created_at;
    bool use_static_key;
};

struct session_key {
    struct str app_id, tenant_id, handle;
};

void batch_session_insert(struct batch *b, const struct session_key *key,
                          const struct session_row *row);
stk_call *batch_session_get(struct batch *b, const struct session_key *key);
/* From the result of the former; false if there is no such session. */
bool session_row_of(const stk_call *call, struct session_row *row);
/* Compare and set: writes hash2, prev_hash2, rotated_at, expires_at and
 * use_static_key if the stored hash2 is `seen`; affected tells. */
stk_call *batch_session_swap(struct batch *b, const struct session_key *key, struct str seen,
                             const struct session_row *row);
/* The same with prev_hash2 as what was seen; use_static_key stays. */
stk_call *batch_session_promote(struct batch *b, const struct session_key *key,
                                const struct session_row *row);
/* Of a session just made: another user id, another first token. */
void batch_session_set_user(struct batch *b, const struct session_key *key, struct str user_id,
                            struct str hash2);
/* Only of a session that expires after now; affected tells. */
stk_call *batch_session_set_data(struct batch *b, const struct session_key *key, struct str data,
                                 int64_t now);
stk_call *batch_session_set_payload(struct batch *b, const struct session_key *key,
                                    struct str payload, int64_t now);

/* The session exists; a witness for a batch that inserts it.  arg: its key. */
int session_witness(struct ctx *c, struct storage *s, void *arg, bool *applied);

struct session_handle {
    struct str tenant_id, handle;
};
/* Sessions of these users, in all tenants whose rows are in s, that have not
 * expired by now. */
int sessions_of_users(struct ctx *c, struct storage *s, struct str app_id, const struct str *users,
                      size_t nusers, int64_t now, struct session_handle **list, size_t *n);
/* Deletes the sessions of one tenant; *deleted holds those that were there. */
int sessions_delete(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id,
                    const struct str *handles, size_t n, struct str **deleted, size_t *ndeleted);
/* Deletes up to a thousand expired sessions of any app; *more: perhaps not all. */
int sessions_expire(struct ctx *c, struct storage *s, int64_t now, bool *more);

#endif
