/* SPDX-License-Identifier: Apache-2.0 */
/* Firebase's modified scrypt, for imported users only:
 *
 *     $f_scrypt$<hash>$<salt>$m=<memory cost>$r=<rounds>$s=<salt separator>
 *
 * hash, salt and separator in base64; the last three in any order.  The scrypt
 * digest of the password encrypts the project's signer key; that is the hash. */
#ifndef CORE_CRYPTO_FIREBASE_SCRYPT_H
#define CORE_CRYPTO_FIREBASE_SCRYPT_H

#include "base/str.h"

#include <stdbool.h>

bool firebase_scrypt_is(struct str hash);
/* signer_key in base64.  Slow: only on hashing threads. */
bool firebase_scrypt_verify(struct str password, struct str hash, struct str signer_key);

#endif
