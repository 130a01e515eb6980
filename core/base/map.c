/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with open addressing and linear probing; removal shifts back, so
 * there are no tombstones. */
#include "base/map.h"

#include "base/mem.h"

#include <string.h>

void map_init(struct map *m)
{
    memset(m, 0, sizeof(*m));
}

void map_free(struct map *m)
{
    for (size_t i = 0; i < m->cap; i++)
        mem_free(m->slots[i].key);
    mem_free(m->slots);
    map_init(m);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *slot_of(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->cap - 1);
    for (;; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];
        if (!s->key || (s->hash == hash && str_eq(str_make(s->key, s->key_len), key)))
            return s;
    }
}

void *map_get(const struct map *m, struct str key)
{
    return m->cap ? slot_of(m, key, str_hash(key))->value : NULL;
}

static void grow(struct map *m)
{
    struct map bigger = {.cap = m->cap ? m->cap * 2 : 16, .n = m->n};
    bigger.slots = mem_zalloc(bigger.cap * sizeof(*bigger.slots));
    for (size_t i = 0; i < m->cap; i++) {
        const struct map_slot *s = &m->slots[i];
        if (s->key)
            *slot_of(&bigger, str_make(s->key, s->key_len), s->hash) = *s;
    }
    mem_free(m->slots);
    *m = bigger;
}

void *map_put(struct map *m, struct str key, void *value)
{
    if ((m->n + 1) * 4 > m->cap * 3)
        grow(m);
    uint64_t hash = str_hash(key);
    struct map_slot *s = slot_of(m, key, hash);
    void *old = s->value;
    if (!s->key) {
        *s = (struct map_slot){mem_dup(key.p, key.len), key.len, hash, NULL};
        m->n++;
    }
    s->value = value;
    return old;
}

void *map_remove(struct map *m, struct str key)
{
    struct map_slot *s = m->cap ? slot_of(m, key, str_hash(key)) : NULL;
    if (!s || !s->key)
        return NULL;
    void *value = s->value;
    mem_free(s->key);
    m->n--;
    size_t hole = (size_t)(s - m->slots);
    for (size_t i = (hole + 1) & (m->cap - 1); m->slots[i].key; i = (i + 1) & (m->cap - 1)) {
        size_t home = m->slots[i].hash & (m->cap - 1);
        if (((i - home) & (m->cap - 1)) >= ((i - hole) & (m->cap - 1))) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    memset(&m->slots[hole], 0, sizeof(m->slots[hole]));
    return value;
}

void *map_next(const struct map *m, size_t *at)
{
    while (*at < m->cap) {
        const struct map_slot *s = &m->slots[(*at)++];
        if (s->key)
            return s->value;
    }
    return NULL;
}
