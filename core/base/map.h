/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table from text to pointer.  Keys are copied, values are the caller's.
 * Not locked. */
#ifndef CORE_BASE_MAP_H
#define CORE_BASE_MAP_H

#include "base/str.h"

struct map_slot {
    char *key; /* NULL: free */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct map {
    struct map_slot *slots;
    size_t cap, n;
};

void map_init(struct map *m);
void map_free(struct map *m);
void *map_get(const struct map *m, struct str key);
/* Sets the value, not NULL, and returns the one it replaces, or NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Removes the key and returns its value, or NULL. */
void *map_remove(struct map *m, struct str key);
/* Walks all values: start with *at = 0; NULL at the end.  No change meanwhile. */
void *map_next(const struct map *m, size_t *at);

#endif
