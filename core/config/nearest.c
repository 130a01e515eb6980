/* SPDX-License-Identifier: Apache-2.0 */
/* The known name nearest to a mistyped one, by edit distance. */
#include "config/config_internal.h"

#include <string.h>

enum { MAX_NAME = 63 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

static size_t distance(struct str a, struct str b)
{
    size_t row[MAX_NAME + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t same = diagonal + (a.p[i - 1] != b.p[j - 1]);
            row[j] = least(above + 1, row[j - 1] + 1, same);
            diagonal = above;
        }
    }
    return row[b.len];
}

void nearest_try(struct nearest *n, const char *name)
{
    struct str s = str_z(name);
    if (s.len > MAX_NAME || n->key.len > MAX_NAME)
        return;
    size_t d = distance(n->key, s);
    size_t limit = n->key.len < 4 ? 1 : 2 + n->key.len / 8;
    if (d <= limit && (!n->best || d < n->distance)) {
        n->best = name;
        n->distance = d;
    }
}
