/* SPDX-License-Identifier: Apache-2.0 */
/* Firebase scrypt; see firebase_scrypt.h.  The password is taken as UTF-8, as
 * Firebase itself does. */
#include "crypto/firebase_scrypt.h"

#include "base/arena.h"
#include "crypto/base64.h"

#include <openssl/evp.h>
#include <string.h>

enum { FIELDS = 7, DIGEST = 64, AES_KEY = 32, IV = 16 };

/* The largest N that is computed: 2 GiB of memory at 8 rounds. */
enum { MEM_COST_MAX = 21 };

struct parsed {
    struct str hash, salt, separator;
    int64_t mem_cost, rounds;
};

static bool parameter(struct str field, struct parsed *p)
{
    struct str value = str_sub(field, field.len < 2 ? field.len : 2, field.len);
    if (str_starts(field, STR("m=")))
        return str_i64(value, &p->mem_cost) && p->mem_cost >= 1 && p->mem_cost <= INT32_MAX;
    if (str_starts(field, STR("r=")))
        return str_i64(value, &p->rounds) && p->rounds >= 1 && p->rounds <= INT32_MAX;
    if (str_starts(field, STR("s=")))
        p->separator = value;
    return true;
}

static bool parse(struct str text, struct parsed *p)
{
    *p = (struct parsed){.hash = STR_NULL};
    struct str fields[FIELDS];
    size_t n = 0;
    while (n < FIELDS && str_split(&text, '$', &fields[n]))
        n++;
    if (n != FIELDS || text.len != 0 || fields[0].len != 0 || !str_eqz(fields[1], "f_scrypt"))
        return false;
    p->hash = fields[2];
    p->salt = fields[3];
    for (size_t i = 4; i < FIELDS; i++)
        if (!parameter(fields[i], p))
            return false;
    return p->separator.p && p->separator.len && p->mem_cost && p->rounds;
}

bool firebase_scrypt_is(struct str hash)
{
    struct parsed p;
    return parse(hash, &p);
}

static bool digest_of(struct arena *a, struct str password, const struct parsed *p,
                      uint8_t digest[DIGEST])
{
    struct str salt, separator;
    if (p->mem_cost > MEM_COST_MAX || !base64_decode(a, p->salt, &salt) ||
        !base64_decode(a, p->separator, &separator))
        return false;
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_add(&b, salt);
    strbuf_add(&b, separator);
    struct str both = strbuf_str(&b);
    uint64_t n = UINT64_C(1) << p->mem_cost, r = (uint64_t)p->rounds;
    if (r > 1024)
        return false;
    uint64_t memory = 128 * r * (n + 2) + (UINT64_C(1) << 20);
    return EVP_PBE_scrypt(password.p, password.len, (const unsigned char *)both.p, both.len, n, r,
                          1, memory, digest, DIGEST) == 1;
}

static bool encrypt(const uint8_t key[AES_KEY], struct str in, uint8_t *out)
{
    static const uint8_t iv[IV];
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = ctx && in.len <= INT32_MAX &&
              EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
              EVP_EncryptUpdate(ctx, out, &n, (const uint8_t *)in.p, (int)in.len) == 1 &&
              (size_t)n == in.len;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

bool firebase_scrypt_verify(struct str password, struct str hash, struct str signer_key)
{
    struct parsed p;
    if (!parse(hash, &p))
        return false;
    struct arena a;
    arena_init(&a);
    a.wipe = true;
    bool same = false;
    uint8_t digest[DIGEST];
    struct str key;
    if (!digest_of(&a, password, &p, digest) || !base64_decode(&a, signer_key, &key))
        goto out;
    uint8_t *sealed = arena_alloc(&a, key.len + 1);
    if (encrypt(digest, key, sealed))
        same = str_eq_secret(base64_encode(&a, sealed, key.len), p.hash);
out:
    explicit_bzero(digest, sizeof(digest));
    arena_free(&a);
    return same;
}
