/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Web Tokens; see jwt.h.
 *
 * The memory is a table of small sets, each found by the digest and refilled in
 * turn, so it never grows and forgets the oldest of a set first.  A key's serial
 * is never reused: when a key goes, its entries match nothing any more. */
#include "crypto/jwt.h"

#include "base/mem.h"
#include "crypto/base64.h"
#include "crypto/sha.h"

#include <pthread.h>
#include <string.h>

enum { SHARDS = 16, SETS = 1024, WAYS = 4 }; /* 65,536 tokens, 2.6 MB when full */

struct entry {
    uint8_t digest[SHA256_LEN];
    uint64_t serial; /* 0: empty */
};

struct shard {
    pthread_mutex_t lock;
    uint8_t next[SETS]; /* way to refill */
    struct entry entries[SETS][WAYS];
};

struct verify_cache {
    struct shard shards[SHARDS];
};

struct str jwt_sign(struct arena *a, struct rsa_key *key, enum jwt_form form, struct str header,
                    struct str payload)
{
    struct str (*encode)(struct arena *, const void *, size_t) =
        form == JWT_OLD ? base64_encode : base64url_encode;
    struct strbuf b;
    strbuf_init(&b, a);
    strbuf_add(&b, encode(a, header.p, header.len));
    strbuf_addc(&b, '.');
    strbuf_add(&b, encode(a, payload.p, payload.len));
    uint8_t signature[RSA_SIGNATURE_LEN];
    rsa_sign(key, strbuf_str(&b), signature);
    strbuf_addc(&b, '.');
    strbuf_add(&b, encode(a, signature, sizeof(signature)));
    return strbuf_str(&b);
}

bool jwt_split(struct str token, struct jwt_parts *parts)
{
    struct str rest = token;
    parts->token = token;
    return str_split(&rest, '.', &parts->header) && str_split(&rest, '.', &parts->payload) &&
           str_split(&rest, '.', &parts->signature) && !rest.p && parts->header.len &&
           parts->payload.len && parts->signature.len;
}

struct verify_cache *verify_cache_new(void)
{
    struct verify_cache *cache = mem_zalloc(sizeof(*cache));
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->shards[i].lock, NULL);
    return cache;
}

void verify_cache_free(struct verify_cache *cache)
{
    for (int i = 0; cache && i < SHARDS; i++)
        pthread_mutex_destroy(&cache->shards[i].lock);
    mem_free(cache);
}

static unsigned set_of(const uint8_t digest[SHA256_LEN])
{
    return ((unsigned)digest[1] << 8 | digest[2]) % SETS;
}

static bool known(struct verify_cache *cache, const uint8_t digest[SHA256_LEN], uint64_t serial)
{
    struct shard *s = &cache->shards[digest[0] % SHARDS];
    const struct entry *set = s->entries[set_of(digest)];
    bool hit = false;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < WAYS && !hit; i++)
        hit = set[i].serial == serial && memcmp(set[i].digest, digest, SHA256_LEN) == 0;
    pthread_mutex_unlock(&s->lock);
    return hit;
}

static void remember(struct verify_cache *cache, const uint8_t digest[SHA256_LEN], uint64_t serial)
{
    struct shard *s = &cache->shards[digest[0] % SHARDS];
    unsigned set = set_of(digest);
    pthread_mutex_lock(&s->lock);
    struct entry *e = &s->entries[set][s->next[set]];
    s->next[set] = (uint8_t)((s->next[set] + 1) % WAYS);
    memcpy(e->digest, digest, SHA256_LEN);
    e->serial = serial;
    pthread_mutex_unlock(&s->lock);
}

bool jwt_verify(struct verify_cache *cache, struct rsa_key *key, const struct jwt_parts *parts,
                struct arena *a)
{
    uint8_t digest[SHA256_LEN];
    if (cache) {
        sha256(parts->token.p, parts->token.len, digest);
        if (known(cache, digest, rsa_serial(key)))
            return true;
    }
    struct str signature;
    struct str signing_input = str_sub(parts->token, 0, parts->header.len + 1 + parts->payload.len);
    if (!base64_decode(a, parts->signature, &signature) ||
        !rsa_verify(key, signing_input, signature))
        return false;
    if (cache)
        remember(cache, digest, rsa_serial(key));
    return true;
}
