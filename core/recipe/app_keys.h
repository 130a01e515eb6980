/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of an app: those that sign and verify its tokens, and the one that
 * seals its refresh tokens.  They are read from the app's storage once and kept
 * in memory; a dynamic key is followed by the next in time, a static one stays.
 *
 * A dynamic key signs for access_token_dynamic_signing_key_update_interval.  Its
 * successor is made a minute earlier, so that verifiers have seen it before it
 * signs, and it goes on verifying for twice the validity of a token.
 *
 * Thread-safe.  Call these while no connection is held: they may read and write
 * the app's storage. */
#ifndef CORE_RECIPE_APP_KEYS_H
#define CORE_RECIPE_APP_KEYS_H

#include "base/ctx.h"
#include "base/str.h"
#include "crypto/rsa.h"
#include "storage/tenant.h"

#include <stdbool.h>
#include <stdint.h>

struct app_keys;
struct batch;

/* One per app, kept by the registry (registry_hooks.keys_new, keys_free). */
struct app_keys *app_keys_new(struct core *core);
void app_keys_free(struct app_keys *keys);

struct signing_key {
    struct str id; /* "d-<created at>" or "s-<uuid>": the kid of tokens */
    bool dynamic;
    int64_t created_at;
    struct rsa_key *rsa;
};

/* An immutable snapshot: dynamic keys first, newest first, then static ones. */
struct key_set {
    const struct signing_key *keys;
    size_t n, ndynamic;
    struct str refresh_key;
};

/* All of these give what lives until the arena is reset. */
int app_keys_get(struct ctx *c, const struct app *app, const struct key_set **set);
/* With a static key as well, made if there is none. */
int app_keys_get_all(struct ctx *c, const struct app *app, const struct key_set **set);
/* The key that signs now. */
int app_keys_signer(struct ctx *c, const struct app *app, bool use_static,
                    const struct signing_key **key);
/* The key a token names; NULL if there is none, also after a look at the storage
 * (at most one a second). */
int app_keys_find(struct ctx *c, const struct app *app, struct str id,
                  const struct signing_key **key);

/* Whether a key of the set may still verify. */
bool app_key_valid(const struct app *app, const struct signing_key *key, int64_t now);
/* When the newest dynamic key stops signing. */
int64_t app_key_signs_until(const struct app *app, const struct signing_key *key);
/* Until when a dynamic key verifies. */
int64_t app_key_verifies_until(const struct app *app, const struct signing_key *key);
/* For how many seconds the set stays as it is, at least 1. */
int64_t app_keys_fresh_for(struct ctx *c, const struct app *app, const struct key_set *set);

/* The first keys of a new app, as many as are in stock: the rest is made when it
 * is needed.  Made before the transaction that creates the app, lives until the
 * arena is reset. */
struct app_key_seed;
struct app_key_seed *app_keys_seed(struct ctx *c);
/* Adds their inserts; a duplicate means that another core created the app. */
void app_keys_seed_batch(struct batch *b, struct str app_id, struct app_key_seed *seed);
/* Once that has committed: the app's first session needs no read of its keys. */
void app_keys_seed_done(const struct app *app, const struct app_key_seed *seed);

/* Deletes dynamic keys that verify nothing any more. */
int app_keys_expire(struct ctx *c, const struct app *app);

#endif
