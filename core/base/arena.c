/* SPDX-License-Identifier: Apache-2.0 */
/* The request arena.  The first block is kept over resets, so a steady request
 * allocates nothing from the heap. */
#include "base/arena.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>

enum { FIRST_BLOCK = 16 * 1024, MAX_BLOCK = 1024 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of data */
    _Alignas(16) uint8_t data[];
};

struct arena_deferred {
    struct arena_deferred *next;
    void (*fn)(void *);
    void *arg;
};

static void use_block(struct arena *a, struct arena_block *b)
{
    b->next = a->blocks;
    a->blocks = b;
    a->abi.cur = b->data;
    a->abi.end = b->data + b->size;
}

static struct arena_block *new_block(size_t size)
{
    struct arena_block *b = mem_alloc(sizeof(*b) + size);
    b->size = size;
    return b;
}

static void *grow(struct stk_arena *abi, size_t n)
{
    struct arena *a = (struct arena *)abi;
    size_t size = a->blocks ? a->blocks->size * 2 : FIRST_BLOCK;
    if (size > MAX_BLOCK)
        size = MAX_BLOCK;
    if (size < n)
        size = n;
    use_block(a, new_block(size));
    void *p = a->abi.cur;
    a->abi.cur += n;
    return p;
}

static void defer(struct stk_arena *abi, void (*fn)(void *), void *arg)
{
    arena_defer((struct arena *)abi, fn, arg);
}

void arena_init(struct arena *a)
{
    memset(a, 0, sizeof(*a));
    a->abi.grow = grow;
    a->abi.defer = defer;
}

static void run_deferred(struct arena *a)
{
    while (a->deferred) {
        struct arena_deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->arg);
    }
}

void arena_reset(struct arena *a)
{
    run_deferred(a);
    struct arena_block *b = a->blocks;
    while (b) {
        struct arena_block *next = b->next;
        if (a->wipe)
            explicit_bzero(b->data, b->size);
        if (next)
            mem_free(b);
        else
            break;
        b = next;
    }
    a->blocks = NULL;
    a->abi.cur = a->abi.end = NULL;
    a->wipe = false;
    if (b)
        use_block(a, b);
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    mem_free(a->blocks);
    arena_init(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
    return stk_alloc(&a->abi, n ? n : 1);
}

void *arena_zalloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);
    memset(p, 0, n);
    return p;
}

char *arena_dup(struct arena *a, const void *p, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *arena_strdup(struct arena *a, const char *z)
{
    return arena_dup(a, z, strlen(z));
}

void arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
    struct arena_deferred *d = arena_alloc(a, sizeof(*d));
    d->fn = fn;
    d->arg = arg;
    d->next = a->deferred;
    a->deferred = d;
}
