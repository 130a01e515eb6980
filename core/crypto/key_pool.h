/* SPDX-License-Identifier: Apache-2.0 */
/* Ready-made RSA keys.  Generating one costs about 110 ms, so a thread of low
 * priority keeps a few in stock: a new app then costs milliseconds. */
#ifndef CORE_CRYPTO_KEY_POOL_H
#define CORE_CRYPTO_KEY_POOL_H

#include "crypto/rsa.h"

struct key_pool;

/* Starts the thread.  It keeps 4 keys, and more, up to 32, once the stock has
 * been found empty. */
struct key_pool *key_pool_new(void);
/* Ends the thread at once, even amid a key. */
void key_pool_free(struct key_pool *pool);
/* A key of the caller's own, made on the spot if the stock is empty. */
struct rsa_key *key_pool_take(struct key_pool *pool);
/* n ready keys, or none at all and false; never waits. */
bool key_pool_try(struct key_pool *pool, struct rsa_key **keys, unsigned n);

#endif
