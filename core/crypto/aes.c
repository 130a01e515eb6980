/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM and PBKDF2; see aes.h. */
#include "crypto/aes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *cipher; /* set once, never freed: it lives as long as the process */

static void fetch(void)
{
    cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
}

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "OpenSSL failed: %s\n", what);
    abort();
}

void pbkdf2_sha512(struct str phrase, const uint8_t *salt, size_t salt_len, int rounds,
                   uint8_t *out, size_t out_len)
{
    if (PKCS5_PBKDF2_HMAC(phrase.p, (int)phrase.len, salt, (int)salt_len, rounds, EVP_sha512(),
                          (int)out_len, out) != 1)
        die("PBKDF2 with SHA-512");
}

void aes_seal(const uint8_t key[AES_KEY_LEN], const uint8_t iv[AES_IV_LEN], struct str plain,
              uint8_t *out)
{
    pthread_once(&once, fetch);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;
    if (!ctx || !cipher || EVP_EncryptInit_ex2(ctx, cipher, key, iv, NULL) != 1 ||
        EVP_EncryptUpdate(ctx, out, &n, (const unsigned char *)plain.p, (int)plain.len) != 1 ||
        EVP_EncryptFinal_ex(ctx, out + n, &last) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AES_TAG_LEN, out + n + last) != 1)
        die("AES-256-GCM");
    EVP_CIPHER_CTX_free(ctx);
}

bool aes_open(const uint8_t key[AES_KEY_LEN], const uint8_t iv[AES_IV_LEN], struct str sealed,
              uint8_t *out)
{
    if (sealed.len < AES_TAG_LEN)
        return false;
    pthread_once(&once, fetch);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0, last = 0;
    size_t text = sealed.len - AES_TAG_LEN;
    uint8_t tag[AES_TAG_LEN];
    for (size_t i = 0; i < AES_TAG_LEN; i++)
        tag[i] = (uint8_t)sealed.p[text + i];
    if (!ctx || !cipher || EVP_DecryptInit_ex2(ctx, cipher, key, iv, NULL) != 1)
        die("AES-256-GCM");
    bool ok = EVP_DecryptUpdate(ctx, out, &n, (const unsigned char *)sealed.p, (int)text) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AES_TAG_LEN, tag) == 1 &&
              EVP_DecryptFinal_ex(ctx, out + n, &last) == 1;
    if (!ok)
        ERR_clear_error();
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}
