/* SPDX-License-Identifier: Apache-2.0 */
/* Refresh tokens: base64(iv || AES-256-GCM(JSON)).nonce.V2, sealed with a key
 * derived from the app's master key and the iv.  Opaque to clients. */
#ifndef CORE_CRYPTO_REFRESH_TOKEN_H
#define CORE_CRYPTO_REFRESH_TOKEN_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>

struct refresh_token {
    struct str handle, user_id; /* of the session; the recipe user's id, as the session has it */
    struct str parent_hash1;    /* of the token it replaces; absent in a session's first */
    struct str anti_csrf;       /* absent if not enabled */
    struct str tenant_id;       /* absent: public */
    struct str supertokens_id;  /* the user's own id when user_id is an external one; a hint */
};

struct str refresh_token_make(struct arena *a, struct str master_key,
                              const struct refresh_token *t);
/* False if the master key did not make it. */
bool refresh_token_read(struct arena *a, struct str master_key, struct str token,
                        struct refresh_token *t);

/* What is stored of a token: the hash of its hash (hash1). */
struct str refresh_token_hash1(struct arena *a, struct str token);
struct str refresh_token_hash2(struct arena *a, struct str hash1);

/* A new master key; secret. */
struct str refresh_token_new_key(struct arena *a);

#endif
