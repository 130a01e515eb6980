/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes and identifiers (RFC 9562). */
#include "base/ids.h"

#include "base/clock.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

void random_bytes(void *p, size_t n)
{
    if (RAND_bytes(p, (int)n) != 1) {
        fputs("no randomness: the system's random generator failed\n", stderr);
        abort();
    }
}

uint64_t random_below(uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
    do
        random_bytes(&v, sizeof(v));
    while (v >= limit);
    return v % n;
}

static void format(const uint8_t b[16], char out[UUID_LEN + 1])
{
    static const char hex[] = "0123456789abcdef";
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = hex[b[i] >> 4];
        *p++ = hex[b[i] & 15];
    }
    *p = '\0';
}

static void set_version(uint8_t b[16], unsigned version)
{
    b[6] = (uint8_t)((b[6] & 0x0fu) | version << 4);
    b[8] = (uint8_t)((b[8] & 0x3fu) | 0x80u);
}

void uuid_v7(char out[UUID_LEN + 1])
{
    uint8_t b[16];
    random_bytes(b, sizeof(b));
    uint64_t ms = (uint64_t)clock_ms();
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(ms >> (40 - 8 * i));
    set_version(b, 7);
    format(b, out);
}

void uuid_v4(char out[UUID_LEN + 1])
{
    uint8_t b[16];
    random_bytes(b, sizeof(b));
    set_version(b, 4);
    format(b, out);
}

struct str uuid_v7_str(struct arena *a)
{
    char *p = arena_alloc(a, UUID_LEN + 1);
    uuid_v7(p);
    return str_make(p, UUID_LEN);
}

struct str uuid_v4_str(struct arena *a)
{
    char *p = arena_alloc(a, UUID_LEN + 1);
    uuid_v4(p);
    return str_make(p, UUID_LEN);
}
