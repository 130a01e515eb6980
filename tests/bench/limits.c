/* SPDX-License-Identifier: Apache-2.0 */
/* The physical limits of this machine, measured beside the core in the same
 * run: a bare civetweb that answers a fixed 200, an RSA-2048 signature and its
 * verification, and one bcrypt of cost 11.
 *
 *   limits http PORT    serves until it is killed
 *   limits crypto       prints "rsa_sign US", "rsa_verify US", "bcrypt US" */
#include <civetweb.h>
#include <crypt.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RSA_ROUNDS = 300, BCRYPT_ROUNDS = 3 };

static uint64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static int fixed_200(struct mg_connection *c, void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 6\r\nConnection: keep-alive\r\n\r\nHello\n";
    (void)arg;
    mg_write(c, reply, sizeof(reply) - 1);
    return 200;
}

static int serve(const char *port)
{
    const char *options[] = {
        "listening_ports", port, "num_threads", "64", "enable_keep_alive", "yes",
        "tcp_nodelay",     "1",  NULL};
    struct mg_callbacks none;
    memset(&none, 0, sizeof(none));
    struct mg_context *ctx = mg_start(&none, NULL, options);
    if (!ctx) {
        fprintf(stderr, "limits: cannot listen on port %s\n", port);
        return 1;
    }
    mg_set_request_handler(ctx, "/", fixed_200, NULL);
    for (;;)
        pause();
}

static int rsa(void)
{
    unsigned char text[600], sig[256];
    size_t n = sizeof(sig);
    memset(text, 'x', sizeof(text));
    EVP_PKEY *key = EVP_RSA_gen(2048);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    int ok = key && md;
    uint64_t start = cpu_us();
    for (int i = 0; ok && i < RSA_ROUNDS; i++) {
        n = sizeof(sig);
        ok = EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestSign(md, sig, &n, text, sizeof(text)) == 1;
    }
    printf("rsa_sign %.1f\n", (double)(cpu_us() - start) / RSA_ROUNDS);
    start = cpu_us();
    for (int i = 0; ok && i < RSA_ROUNDS; i++)
        ok = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
             EVP_DigestVerify(md, sig, n, text, sizeof(text)) == 1;
    printf("rsa_verify %.1f\n", (double)(cpu_us() - start) / RSA_ROUNDS);
    EVP_MD_CTX_free(md);
    EVP_PKEY_free(key);
    return ok ? 0 : 1;
}

static int bcrypt(void)
{
    struct crypt_data *data = calloc(1, sizeof(*data));
    if (!data)
        return 1;
    uint64_t start = cpu_us();
    for (int i = 0; i < BCRYPT_ROUNDS; i++)
        if (!crypt_r("secret", "$2b$11$abcdefghijklmnopqrstuu", data))
            return 1;
    printf("bcrypt %.1f\n", (double)(cpu_us() - start) / BCRYPT_ROUNDS);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "http") == 0)
        return serve(argv[2]);
    if (argc == 2 && strcmp(argv[1], "crypto") == 0)
        return rsa() || bcrypt();
    fprintf(stderr, "usage: limits http PORT | limits crypto\n");
    return 2;
}
