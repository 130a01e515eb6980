/* SPDX-License-Identifier: Apache-2.0 */
/* Base64; see base64.h. */
#include "crypto/base64.h"

#include <stdint.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static struct str encode(struct arena *a, const uint8_t *p, size_t n, const char *alphabet,
                         bool padded)
{
    char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1), *o = out;
    size_t i = 0;
    for (; i + 3 <= n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (uint32_t)p[i + 1] << 8 | p[i + 2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = alphabet[v >> 6 & 63];
        *o++ = alphabet[v & 63];
    }
    size_t left = n - i;
    if (left) {
        uint32_t v = (uint32_t)p[i] << 16 | (left == 2 ? (uint32_t)p[i + 1] << 8 : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        if (left == 2)
            *o++ = alphabet[v >> 6 & 63];
        for (size_t k = left; padded && k < 3; k++)
            *o++ = '=';
    }
    *o = '\0';
    return str_make(out, (size_t)(o - out));
}

struct str base64_encode(struct arena *a, const void *p, size_t n)
{
    return encode(a, p, n, standard, true);
}

struct str base64url_encode(struct arena *a, const void *p, size_t n)
{
    return encode(a, p, n, url, false);
}

/* The value of each character plus one, so that zero is "none". */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['-'] = 63,
    ['/'] = 64, ['_'] = 64,
};

bool base64_decode(struct arena *a, struct str s, struct str *out)
{
    size_t n = s.len;
    if (n % 4 == 0)
        for (int k = 0; k < 2 && n && s.p[n - 1] == '='; k++)
            n--;
    if (n % 4 == 1)
        return false;
    uint8_t *bytes = arena_alloc(a, n / 4 * 3 + 3), *o = bytes;
    uint32_t v = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t d = values[(uint8_t)s.p[i]];
        if (!d)
            return false;
        v = v << 6 | (uint32_t)(d - 1);
        if (i % 4 == 3) {
            *o++ = (uint8_t)(v >> 16);
            *o++ = (uint8_t)(v >> 8);
            *o++ = (uint8_t)v;
        }
    }
    if (n % 4 == 2) {
        *o++ = (uint8_t)(v >> 4);
    } else if (n % 4 == 3) {
        *o++ = (uint8_t)(v >> 10);
        *o++ = (uint8_t)(v >> 2);
    }
    *o = 0;
    *out = str_make((const char *)bytes, (size_t)(o - bytes));
    return true;
}
