/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 and HMAC over it.  The algorithm is fetched once: asking OpenSSL for it by name costs
 * more than hashing a token. */
#include "crypto/sha.h"

#include "crypto/hex.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm; /* set once, never freed: it lives as long as the process */

static void fetch(void)
{
    algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void sha256(const void *p, size_t n, uint8_t out[SHA256_LEN])
{
    pthread_once(&once, fetch);
    if (!algorithm || EVP_Digest(p, n, out, NULL, algorithm, NULL) != 1) {
        fputs("no SHA-256: OpenSSL's default provider is not usable\n", stderr);
        abort();
    }
}

void hmac_sha256(struct str key, struct str text, uint8_t out[SHA256_LEN])
{
    unsigned n = SHA256_LEN;
    pthread_once(&once, fetch);
    if (!algorithm ||
        !HMAC(algorithm, key.p, (int)key.len, (const unsigned char *)text.p, text.len, out, &n)) {
        fputs("no HMAC: OpenSSL's default provider is not usable\n", stderr);
        abort();
    }
}

struct str sha256_hex(struct arena *a, struct str s)
{
    uint8_t digest[SHA256_LEN];
    sha256(s.p, s.len, digest);
    return hex_encode(a, digest, sizeof(digest));
}
