/* SPDX-License-Identifier: Apache-2.0 */
/* Request arena: a bump allocator over a list of blocks, reset after each
 * request.  It extends the ABI's stk_arena, so plugins allocate from it too.
 * One thread at a time; running out of memory ends the process. */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stk_plugin.h>

struct arena_block;
struct arena_deferred;

struct arena {
    struct stk_arena abi; /* first member: plugins see this */
    struct arena_block *blocks;
    struct arena_deferred *deferred;
    bool wipe; /* secrets were put here: zero the memory on reset */
};

void arena_init(struct arena *a);
/* Runs deferred functions, wipes if asked, keeps the first block. */
void arena_reset(struct arena *a);
/* As arena_reset, and frees all. */
void arena_free(struct arena *a);

/* n bytes, aligned to 16, uninitialised; never NULL. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
/* Copies n bytes and adds a NUL. */
char *arena_dup(struct arena *a, const void *p, size_t n);
char *arena_strdup(struct arena *a, const char *z);
/* Runs fn(arg) at reset, last registered first. */
void arena_defer(struct arena *a, void (*fn)(void *), void *arg);

#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

#endif
