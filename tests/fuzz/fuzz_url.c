/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and query strings of requests: what is decoded is UTF-8 without NUL,
 * and a path has no empty segment. */
#include "base/mem.h"
#include "http/request.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a);
    char *text = mem_dup(data, size);
    struct str in = str_make(text, size), out, value;
    if (url_decode(&a, in, true, &out) && !str_utf8(out))
        abort();
    if (url_path(&a, in, &out) && (!str_utf8(out) || strstr(out.p, "//")))
        abort();
    if (url_query_find(&a, in, "userId", &value) && url_decode(&a, value, true, &out) &&
        !str_utf8(out))
        abort();
    mem_free(text);
    arena_free(&a);
    return 0;
}
