/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 in both alphabets (RFC 4648). */
#ifndef CORE_CRYPTO_BASE64_H
#define CORE_CRYPTO_BASE64_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>

/* The standard alphabet, padded. */
struct str base64_encode(struct arena *a, const void *p, size_t n);
/* The URL alphabet, not padded. */
struct str base64url_encode(struct arena *a, const void *p, size_t n);
/* Either alphabet, mixed even, with or without padding; false if it is neither.
 * The bytes live in the arena, followed by a NUL. */
bool base64_decode(struct arena *a, struct str s, struct str *out);

#endif
