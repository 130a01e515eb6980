/* SPDX-License-Identifier: Apache-2.0 */
/* Argon2 through libargon2: argon2id for new hashes, all three types verified.
 * Slow and memory-hard by design: only on hashing threads. */
#ifndef CORE_CRYPTO_ARGON2_H
#define CORE_CRYPTO_ARGON2_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { ARGON2_HASH_MAX = 160 };

/* By its prefix only. */
bool argon2_is(struct str hash);
/* Costs are raised to the least that is legal.  0, or -1 (no memory). */
int argon2_make(struct str password, int64_t iterations, int64_t memory_kb, int64_t parallelism,
                char out[ARGON2_HASH_MAX]);
/* hash is followed by a NUL.  A malformed hash matches nothing. */
bool argon2_match(struct str password, struct str hash);

#endif
