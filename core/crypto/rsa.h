/* SPDX-License-Identifier: Apache-2.0 */
/* RSA-2048 keys that sign and verify with SHA-256 (RS256).  A key is immutable,
 * reference counted and used by any thread; it keeps the OpenSSL contexts it was
 * used with, since making one costs as much as a verification. */
#ifndef CORE_CRYPTO_RSA_H
#define CORE_CRYPTO_RSA_H

#include "base/arena.h"
#include "base/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { RSA_SIGNATURE_LEN = 256 };

struct rsa_key;

/* About 110 ms of CPU.  NULL only if *cancel (may be NULL) became true. */
struct rsa_key *rsa_generate(const atomic_bool *cancel);
/* From rsa_text(): both halves as base64 DER, joined by '|' or ';'.  NULL if it
 * is not an RSA-2048 key. */
struct rsa_key *rsa_parse(struct str text);
/* The text to store; secret. */
struct str rsa_text(struct arena *a, const struct rsa_key *key);

struct rsa_key *rsa_ref(struct rsa_key *key);
void rsa_unref(struct rsa_key *key);

/* Never the same for two keys of one process. */
uint64_t rsa_serial(const struct rsa_key *key);
/* Modulus and exponent in base64url, as a JWK has them; the public half as
 * base64 DER.  They live as long as the key. */
struct str rsa_modulus(const struct rsa_key *key);
struct str rsa_exponent(const struct rsa_key *key);
struct str rsa_public(const struct rsa_key *key);

/* Ends the process if OpenSSL cannot sign. */
void rsa_sign(struct rsa_key *key, struct str data, uint8_t signature[RSA_SIGNATURE_LEN]);
bool rsa_verify(struct rsa_key *key, struct str data, struct str signature);

#endif
