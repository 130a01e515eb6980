/* SPDX-License-Identifier: Apache-2.0 */
/* Hexadecimal; see hex.h. */
#include "crypto/hex.h"

#include <stdint.h>

struct str hex_encode(struct arena *a, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = p;
    char *out = arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
    out[2 * n] = '\0';
    return str_make(out, 2 * n);
}
