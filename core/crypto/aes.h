/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM, and keys from a pass phrase by PBKDF2-HMAC-SHA512. */
#ifndef CORE_CRYPTO_AES_H
#define CORE_CRYPTO_AES_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { AES_KEY_LEN = 32, AES_IV_LEN = 12, AES_TAG_LEN = 16 };

void pbkdf2_sha512(struct str phrase, const uint8_t *salt, size_t salt_len, int rounds,
                   uint8_t *out, size_t out_len);
/* Writes plain.len + AES_TAG_LEN bytes. */
void aes_seal(const uint8_t key[AES_KEY_LEN], const uint8_t iv[AES_IV_LEN], struct str plain,
              uint8_t *out);
/* sealed is what aes_seal() wrote; writes sealed.len - AES_TAG_LEN bytes.  False
 * if it was made with another key or changed. */
bool aes_open(const uint8_t key[AES_KEY_LEN], const uint8_t iv[AES_IV_LEN], struct str sealed,
              uint8_t *out);

#endif
