/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that are remembered; see passwordless_known.h.  A table of buckets of a
 * few entries: a new one takes the place of the oldest of its bucket.  About 4 MiB
 * when it is full. */
#include "recipe/passwordless_known.h"

#include "base/mem.h"

#include <pthread.h>
#include <string.h>

enum { BUCKETS = 4096, WAYS = 4 };

/* The texts one after the other: hash, email, phone, salt. */
enum { HASH, EMAIL, PHONE, SALT, TEXTS };

struct entry {
    uint64_t at; /* when it was made: entries are counted.  0: none */
    char *text;  /* owned */
    size_t len[TEXTS];
    bool there[TEXTS];
};

struct pl_known {
    pthread_mutex_t lock; /* all of what follows */
    uint64_t made;
    struct entry entries[BUCKETS][WAYS];
};

struct pl_known *pl_known_new(void)
{
    struct pl_known *k = mem_zalloc(sizeof(*k));
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

static void drop(struct entry *e)
{
    if (e->text)
        explicit_bzero(e->text, e->len[HASH] + e->len[EMAIL] + e->len[PHONE] + e->len[SALT]);
    mem_free(e->text);
    *e = (struct entry){.at = 0};
}

void pl_known_free(struct pl_known *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        for (size_t w = 0; w < WAYS; w++)
            drop(&k->entries[i][w]);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
}

/* The entry of the device, or the one to be replaced by it.  Under the lock. */
static struct entry *find(struct pl_known *k, struct str hash, bool *found)
{
    struct entry *bucket = k->entries[str_hash(hash) % BUCKETS], *oldest = &bucket[0];
    *found = true;
    for (size_t w = 0; w < WAYS; w++) {
        struct entry *e = &bucket[w];
        if (e->at && str_eq(str_make(e->text, e->len[HASH]), hash))
            return e;
        if (e->at < oldest->at)
            oldest = e;
    }
    *found = false;
    return oldest;
}

void pl_known_put(struct pl_known *k, const struct pl_device *d)
{
    const struct str texts[TEXTS] = {d->hash, d->email, d->phone, d->salt};
    struct entry e = {.text = mem_alloc(d->hash.len + d->email.len + d->phone.len + d->salt.len)};
    size_t n = 0;
    for (size_t i = 0; i < TEXTS; i++) {
        e.there[i] = texts[i].p != NULL;
        e.len[i] = texts[i].len;
        if (e.there[i])
            memcpy(e.text + n, texts[i].p, texts[i].len);
        n += texts[i].len;
    }
    bool found;
    pthread_mutex_lock(&k->lock);
    struct entry *place = find(k, d->hash, &found);
    drop(place);
    e.at = ++k->made;
    *place = e;
    pthread_mutex_unlock(&k->lock);
}

bool pl_known_get(struct pl_known *k, struct arena *a, struct str hash, struct pl_device *d)
{
    struct str texts[TEXTS];
    bool found;
    pthread_mutex_lock(&k->lock);
    const struct entry *e = find(k, hash, &found);
    size_t n = 0;
    for (size_t i = 0; found && i < TEXTS; i++) {
        texts[i] = e->there[i] ? str_dup(a, str_make(e->text + n, e->len[i])) : STR_NULL;
        n += e->len[i];
    }
    pthread_mutex_unlock(&k->lock);
    if (!found)
        return false;
    a->wipe = true; /* of the salt */
    *d = (struct pl_device){
        .hash = texts[HASH], .email = texts[EMAIL], .phone = texts[PHONE], .salt = texts[SALT]};
    return true;
}

void pl_known_forget(struct pl_known *k, struct str hash)
{
    bool found;
    pthread_mutex_lock(&k->lock);
    struct entry *e = find(k, hash, &found);
    if (found)
        drop(e);
    pthread_mutex_unlock(&k->lock);
}
