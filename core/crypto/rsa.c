/* SPDX-License-Identifier: Apache-2.0 */
/* RSA keys; see rsa.h.  Contexts are kept with the key and not with the thread,
 * so their number follows how many threads really use the key at once, and they
 * die with it. */
#include "crypto/rsa.h"

#include "base/mem.h"
#include "crypto/base64.h"
#include "crypto/sha.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BITS = 2048, KEPT = 16 };

struct ctx_stack {
    EVP_PKEY_CTX *items[KEPT];
    unsigned n;
};

struct rsa_key {
    EVP_PKEY *pkey;
    struct str modulus, exponent, public_der;
    uint64_t serial;
    atomic_uint refs;
    pthread_mutex_t lock; /* of the two stacks */
    struct ctx_stack signers, verifiers;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "OpenSSL failed: %s\n", what);
    abort();
}

/* A copy that outlives the arena it was made in. */
static struct str keep(struct str s)
{
    return str_make(mem_dup(s.p, s.len), s.len);
}

static bool number(struct arena *a, const EVP_PKEY *pkey, const char *name, struct str *out)
{
    BIGNUM *bn = NULL;
    if (EVP_PKEY_get_bn_param(pkey, name, &bn) != 1)
        return false;
    int n = BN_num_bytes(bn);
    unsigned char *bytes = arena_alloc(a, (size_t)n);
    BN_bn2bin(bn, bytes);
    BN_free(bn);
    *out = keep(base64url_encode(a, bytes, (size_t)n));
    return true;
}

static bool describe(struct rsa_key *key)
{
    struct arena a;
    arena_init(&a);
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key->pkey, &der);
    bool ok = n > 0 && number(&a, key->pkey, OSSL_PKEY_PARAM_RSA_N, &key->modulus) &&
              number(&a, key->pkey, OSSL_PKEY_PARAM_RSA_E, &key->exponent);
    if (ok)
        key->public_der = keep(base64_encode(&a, der, (size_t)n));
    OPENSSL_free(der);
    arena_free(&a);
    return ok;
}

/* Takes the pkey over; NULL if it is of the wrong kind. */
static struct rsa_key *wrap(EVP_PKEY *pkey)
{
    static atomic_ullong serials; /* only ever counts: no two keys share one */
    struct rsa_key *key = mem_zalloc(sizeof(*key));
    key->pkey = pkey;
    key->serial = atomic_fetch_add(&serials, 1) + 1;
    atomic_init(&key->refs, 1);
    pthread_mutex_init(&key->lock, NULL);
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA || EVP_PKEY_get_bits(pkey) != BITS ||
        !describe(key)) {
        rsa_unref(key);
        return NULL;
    }
    return key;
}

static int keep_going(EVP_PKEY_CTX *ctx)
{
    const atomic_bool *cancel = EVP_PKEY_CTX_get_app_data(ctx);
    return !(cancel && atomic_load(cancel));
}

struct rsa_key *rsa_generate(const atomic_bool *cancel)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!ctx || EVP_PKEY_keygen_init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, BITS) != 1)
        die("no RSA key generation");
    EVP_PKEY_CTX_set_app_data(ctx, (void *)(uintptr_t)cancel);
    EVP_PKEY_CTX_set_cb(ctx, keep_going);
    int done = EVP_PKEY_generate(ctx, &pkey);
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (done != 1) {
        if (cancel && atomic_load(cancel))
            return NULL;
        die("RSA key generation");
    }
    struct rsa_key *key = wrap(pkey);
    if (!key)
        die("the key it generated is not RSA-2048");
    return key;
}

struct rsa_key *rsa_parse(struct str text)
{
    struct arena a;
    arena_init(&a);
    a.wipe = true;
    struct rsa_key *key = NULL;
    struct str der;
    ptrdiff_t at = str_find(text, '|');
    if (at < 0)
        at = str_find(text, ';');
    if (at >= 0 && base64_decode(&a, str_sub(text, (size_t)at + 1, text.len), &der)) {
        const unsigned char *p = (const unsigned char *)der.p;
        EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
        key = pkey ? wrap(pkey) : NULL;
        ERR_clear_error();
    }
    arena_free(&a);
    return key;
}

struct str rsa_text(struct arena *a, const struct rsa_key *key)
{
    unsigned char *der = NULL;
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
    int n = info ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : -1;
    PKCS8_PRIV_KEY_INFO_free(info);
    if (n <= 0)
        die("a private key cannot be encoded");
    a->wipe = true;
    struct str private_der = base64_encode(a, der, (size_t)n);
    OPENSSL_clear_free(der, (size_t)n);
    return str_printf(a, "%.*s|%.*s", STR_ARG(key->public_der), STR_ARG(private_der));
}

struct rsa_key *rsa_ref(struct rsa_key *key)
{
    atomic_fetch_add(&key->refs, 1);
    return key;
}

static void free_stack(struct ctx_stack *s)
{
    while (s->n)
        EVP_PKEY_CTX_free(s->items[--s->n]);
}

void rsa_unref(struct rsa_key *key)
{
    if (!key || atomic_fetch_sub(&key->refs, 1) != 1)
        return;
    free_stack(&key->signers);
    free_stack(&key->verifiers);
    pthread_mutex_destroy(&key->lock);
    EVP_PKEY_free(key->pkey);
    mem_free((void *)(uintptr_t)key->modulus.p);
    mem_free((void *)(uintptr_t)key->exponent.p);
    mem_free((void *)(uintptr_t)key->public_der.p);
    mem_free(key);
}

uint64_t rsa_serial(const struct rsa_key *key)
{
    return key->serial;
}

struct str rsa_modulus(const struct rsa_key *key)
{
    return key->modulus;
}

struct str rsa_exponent(const struct rsa_key *key)
{
    return key->exponent;
}

struct str rsa_public(const struct rsa_key *key)
{
    return key->public_der;
}

static EVP_PKEY_CTX *new_ctx(struct rsa_key *key, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (!ctx || init(ctx) != 1 || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) != 1)
        die("no context for RS256");
    return ctx;
}

static EVP_PKEY_CTX *take(struct rsa_key *key, struct ctx_stack *s, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *ctx = NULL;
    pthread_mutex_lock(&key->lock);
    if (s->n)
        ctx = s->items[--s->n];
    pthread_mutex_unlock(&key->lock);
    return ctx ? ctx : new_ctx(key, init);
}

static void give_back(struct rsa_key *key, struct ctx_stack *s, EVP_PKEY_CTX *ctx)
{
    pthread_mutex_lock(&key->lock);
    if (s->n < KEPT) {
        s->items[s->n++] = ctx;
        ctx = NULL;
    }
    pthread_mutex_unlock(&key->lock);
    EVP_PKEY_CTX_free(ctx);
}

void rsa_sign(struct rsa_key *key, struct str data, uint8_t signature[RSA_SIGNATURE_LEN])
{
    uint8_t digest[SHA256_LEN];
    sha256(data.p, data.len, digest);
    size_t n = RSA_SIGNATURE_LEN;
    EVP_PKEY_CTX *ctx = take(key, &key->signers, EVP_PKEY_sign_init);
    if (EVP_PKEY_sign(ctx, signature, &n, digest, sizeof(digest)) != 1 || n != RSA_SIGNATURE_LEN)
        die("RS256 signature");
    give_back(key, &key->signers, ctx);
}

bool rsa_verify(struct rsa_key *key, struct str data, struct str signature)
{
    if (signature.len != RSA_SIGNATURE_LEN)
        return false;
    uint8_t digest[SHA256_LEN];
    sha256(data.p, data.len, digest);
    EVP_PKEY_CTX *ctx = take(key, &key->verifiers, EVP_PKEY_verify_init);
    bool ok = EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.len, digest,
                              sizeof(digest)) == 1;
    if (!ok)
        ERR_clear_error();
    give_back(key, &key->verifiers, ctx);
    return ok;
}
