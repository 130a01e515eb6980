/* SPDX-License-Identifier: Apache-2.0 */
/* The form of JSON Web Tokens signed with RS256, and the memory of those whose
 * signature was found good.  What a payload means is the recipe's business. */
#ifndef CORE_CRYPTO_JWT_H
#define CORE_CRYPTO_JWT_H

#include "crypto/rsa.h"

/* JWT_OLD is the form of access tokens up to version 2: standard base64 with
 * padding.  JWT_URL is RFC 7515's. */
enum jwt_form { JWT_URL, JWT_OLD };

struct str jwt_sign(struct arena *a, struct rsa_key *key, enum jwt_form form, struct str header,
                    struct str payload);

/* A token in three parts, not decoded. */
struct jwt_parts {
    struct str token, header, payload, signature;
};
bool jwt_split(struct str token, struct jwt_parts *parts);

/* ---- memory of verified signatures: bounded, by SHA-256 of the token.  An
 * entry counts only together with the key that verified it. */
struct verify_cache;
struct verify_cache *verify_cache_new(void);
void verify_cache_free(struct verify_cache *cache);

/* Whether the key made the signature; cache may be NULL. */
bool jwt_verify(struct verify_cache *cache, struct rsa_key *key, const struct jwt_parts *parts,
                struct arena *a);

#endif
