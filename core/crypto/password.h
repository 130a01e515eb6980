/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes: made with the algorithm of the settings, verified by what
 * their text says they are.  The work is done by core->hash_pool; who waits here
 * holds neither a work permit nor a database connection. */
#ifndef CORE_CRYPTO_PASSWORD_H
#define CORE_CRYPTO_PASSWORD_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>

struct settings;
struct hash_pool;

/* The pool with the sizes the settings give. */
struct hash_pool *password_pool(const struct settings *s);

/* The hash, in the arena.  RC_FAIL: 503 when too many hashes are waited for. */
int password_hash(struct ctx *c, const struct settings *s, struct str password, struct str *hash);
/* RC_FAIL as above, and 500 when the hash is Firebase's and the settings hold
 * no signer key. */
int password_verify(struct ctx *c, const struct settings *s, struct str password, struct str hash,
                    bool *match);

enum password_format { PASSWORD_ANY, PASSWORD_ARGON2, PASSWORD_BCRYPT, PASSWORD_FIREBASE_SCRYPT };
/* "ARGON2", "BCRYPT", "FIREBASE_SCRYPT" in any case; false if it is none of them. */
bool password_format_parse(struct str name, enum password_format *format);
/* Whether a hash made elsewhere may be stored: RC_OK, or RC_FAIL with the text
 * of the CDI. */
int password_check_import(struct ctx *c, const struct settings *s, struct str hash,
                          enum password_format format);

#endif
