/* SPDX-License-Identifier: Apache-2.0 */
/* Time-based one-time passwords (RFC 6238: HMAC-SHA1, six digits) and the base32
 * text of their secrets (RFC 4648). */
#ifndef CORE_CRYPTO_TOTP_H
#define CORE_CRYPTO_TOTP_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { TOTP_DIGITS = 6 };

/* Upper case, padded with '=' where needed. */
struct str base32_encode(struct arena *a, const void *p, size_t n);
/* As lenient as authenticator apps are: either case; white space and whatever
 * else is no digit is skipped; '=' ends it.  May be empty.  The text is secret:
 * have the arena wiped. */
struct str base32_decode(struct arena *a, struct str text);

/* The digits of one counter, and a NUL. */
void totp_digits(struct str key, uint64_t counter, char out[TOTP_DIGITS + 1]);
/* Whether the code is that of the period the time is in, or of one of up to
 * `skew` periods before or after it. */
bool totp_matches(struct str key, int64_t period_s, int64_t skew, int64_t now_ms, struct str code);

#endif
