/* SPDX-License-Identifier: Apache-2.0 */
/* One-time passwords; see totp.h. */
#include "crypto/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

enum { SHA1_LEN = 20 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

struct str base32_encode(struct arena *a, const void *p, size_t n)
{
    const uint8_t *in = p;
    size_t len = (n + 4) / 5 * 8, at = 0;
    char *out = arena_alloc(a, len + 1);
    uint64_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < n; i++) {
        bits = bits << 8 | in[i];
        for (have += 8; have >= 5; have -= 5)
            out[at++] = alphabet[bits >> (have - 5) & 31];
    }
    if (have)
        out[at++] = alphabet[bits << (5 - have) & 31];
    while (at < len)
        out[at++] = '=';
    out[len] = '\0';
    return str_make(out, len);
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

struct str base32_decode(struct arena *a, struct str text)
{
    char *out = arena_alloc(a, text.len * 5 / 8 + 1);
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (size_t i = 0; i < text.len && text.p[i] != '='; i++) {
        int d = digit_of(text.p[i]);
        if (d < 0)
            continue;
        bits = bits << 5 | (uint32_t)d;
        have += 5;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have & 255);
        }
    }
    out[n] = '\0';
    return str_make(out, n);
}

void totp_digits(struct str key, uint64_t counter, char out[TOTP_DIGITS + 1])
{
    uint8_t message[8], mac[SHA1_LEN] = {0};
    unsigned len = sizeof(mac);
    for (int i = 0; i < 8; i++)
        message[i] = (uint8_t)(counter >> (56 - 8 * i));
    HMAC(EVP_sha1(), key.p, (int)key.len, message, sizeof(message), mac, &len);
    unsigned at = mac[SHA1_LEN - 1] & 15;
    uint32_t n = (uint32_t)(mac[at] & 127) << 24 | (uint32_t)mac[at + 1] << 16 |
                 (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    (void)snprintf(out, TOTP_DIGITS + 1, "%06u", n % 1000000);
    explicit_bzero(mac, sizeof(mac));
}

/* Every period is looked at, so that the time taken does not tell which matched. */
bool totp_matches(struct str key, int64_t period_s, int64_t skew, int64_t now_ms, struct str code)
{
    int64_t middle = now_ms / 1000 / period_s;
    bool match = false;
    if (key.len == 0)
        return false;
    for (int64_t i = -skew; i <= skew; i++) {
        char digits[TOTP_DIGITS + 1];
        if (middle + i < 0)
            continue;
        totp_digits(key, (uint64_t)(middle + i), digits);
        if (str_eq_secret(str_make(digits, TOTP_DIGITS), code))
            match = true;
        explicit_bzero(digits, sizeof(digits));
    }
    return match;
}
