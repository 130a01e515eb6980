/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of short texts. */
#ifndef CORE_CRYPTO_SHA_H
#define CORE_CRYPTO_SHA_H

#include "base/arena.h"
#include "base/str.h"

#include <stdint.h>

enum { SHA256_LEN = 32 };

void sha256(const void *p, size_t n, uint8_t out[SHA256_LEN]);
/* A key of at most INT_MAX bytes. */
void hmac_sha256(struct str key, struct str text, uint8_t out[SHA256_LEN]);
/* 64 lower-case hex digits of the digest. */
struct str sha256_hex(struct arena *a, struct str s);

#endif
