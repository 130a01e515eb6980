/* SPDX-License-Identifier: Apache-2.0 */
/* config.yaml as any bytes: keys, quotes, escapes, comments, lines of any length. */
#include "base/mem.h"
#include "config/config_internal.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c = {.file = STR("config.yaml")};
    arena_init(&c.arena);
    char *text = mem_dup(data, size); /* exactly as long, so that a read beyond is seen */
    config_file_text(&c, str_make(text, size));
    for (size_t i = 0; i < c.nentries; i++)
        if (c.entries[i].value.p && c.entries[i].value.p[c.entries[i].value.len])
            __builtin_trap();
    mem_free(c.problems);
    mem_free(c.entries);
    mem_free(text);
    arena_free(&c.arena);
    return 0;
}
