/* SPDX-License-Identifier: Apache-2.0 */
/* bcrypt through libxcrypt.  $2a$, $2b$, $2x$ and $2y$ are all taken as the one
 * correct algorithm, as jBCrypt does: libxcrypt's own $2a$ and $2x$ are variants
 * that keep an old bug alive.  Slow by design: only on hashing threads. */
#ifndef CORE_CRYPTO_BCRYPT_H
#define CORE_CRYPTO_BCRYPT_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BCRYPT_LEN = 60 };

/* By its prefix only. */
bool bcrypt_is(struct str hash);
/* rounds is clamped to 4..31.  0, or -1 if libxcrypt refuses. */
int bcrypt_hash(struct str password, int64_t rounds, char out[BCRYPT_LEN + 1]);
/* A malformed hash matches nothing. */
bool bcrypt_verify(struct str password, struct str hash);

#endif
