/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens that anybody may send: none is taken for one of ours. */
#include "base/mem.h"
#include "crypto/jwt.h"
#include "crypto/refresh_token.h"
#include "crypto/rsa.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rsa_key *key;

static struct rsa_key *the_key(void)
{
    if (!key)
        key = rsa_generate(NULL);
    return key;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a);
    char *text = mem_dup(data, size);
    struct str token = str_make(text, size);
    struct jwt_parts parts;
    struct refresh_token t;
    if (jwt_split(token, &parts) && jwt_verify(NULL, the_key(), &parts, &a))
        abort();
    if (refresh_token_read(&a, STR("00112233445566778899"), token, &t))
        abort();
    mem_free(text);
    arena_free(&a);
    return 0;
}
