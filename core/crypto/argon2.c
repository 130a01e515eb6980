/* SPDX-License-Identifier: Apache-2.0 */
/* Argon2; see argon2.h.  Hashes carry their parameters in the usual encoding:
 * $argon2id$v=19$m=87795,t=1,p=2$salt$digest. */
#include "crypto/argon2.h"

#include "base/ids.h"

#include <argon2.h>

enum { SALT_BYTES = 16, DIGEST_BYTES = 32 };

bool argon2_is(struct str hash)
{
    return str_starts(hash, STR("$argon2i")) || str_starts(hash, STR("$argon2d"));
}

static uint32_t cost(int64_t v, int64_t least)
{
    return (uint32_t)(v < least ? least : v > UINT32_MAX ? UINT32_MAX : v);
}

int argon2_make(struct str password, int64_t iterations, int64_t memory_kb, int64_t parallelism,
                char out[ARGON2_HASH_MAX])
{
    char salt[SALT_BYTES];
    random_bytes(salt, sizeof(salt));
    uint32_t lanes = cost(parallelism, 1);
    int err = argon2id_hash_encoded(cost(iterations, 1), cost(memory_kb, 8 * (int64_t)lanes), lanes,
                                    password.p, password.len, salt, sizeof(salt), DIGEST_BYTES, out,
                                    ARGON2_HASH_MAX);
    return err == ARGON2_OK ? 0 : -1;
}

bool argon2_match(struct str password, struct str hash)
{
    argon2_type type = str_starts(hash, STR("$argon2id"))  ? Argon2_id
                       : str_starts(hash, STR("$argon2i")) ? Argon2_i
                                                           : Argon2_d;
    return argon2_is(hash) && argon2_verify(hash.p, password.p, password.len, type) == ARGON2_OK;
}
