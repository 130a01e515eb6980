/* SPDX-License-Identifier: Apache-2.0 */
/* Last-active marks; see active.h.
 *
 * The memory is a table of buckets of a few entries: the 64-bit hash of the user
 * and when it was written.  A new entry takes the place of the oldest of its
 * bucket, so the table never grows: 1 MiB. */
#include "recipe/active.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core.h"
#include "storage/tenant.h"
#include "store/users.h"

#include <pthread.h>

enum { BUCKETS = 16384, WAYS = 4, THROTTLE_MS = 5 * 60 * 1000 };

struct mark {
    uint64_t user;
    int64_t at;
};

struct active {
    pthread_mutex_t lock; /* the marks */
    struct mark marks[BUCKETS][WAYS];
};

struct active *active_new(void)
{
    struct active *a = mem_zalloc(sizeof(*a));
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void active_free(struct active *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    mem_free(a);
}

static uint64_t user_of(const struct ctx *c, struct str user_id)
{
    const struct app *app = c->tenant->app;
    uint64_t h = str_hash(user_id);
    h = h * 0x9e3779b97f4a7c15u ^ str_hash(app->app_id);
    return h * 0x9e3779b97f4a7c15u ^ str_hash(app->cud);
}

/* The entry of the user, or the one to be replaced by it.  Under the lock. */
static struct mark *find(struct active *a, uint64_t user)
{
    struct mark *bucket = a->marks[(user ^ user >> 32) % BUCKETS], *oldest = &bucket[0];
    for (int i = 0; i < WAYS; i++) {
        if (bucket[i].user == user)
            return &bucket[i];
        if (bucket[i].at < oldest->at)
            oldest = &bucket[i];
    }
    return oldest;
}

static bool due(const struct ctx *c, struct str user_id)
{
    struct active *a = c->core->active;
    uint64_t user = user_of(c, user_id);
    pthread_mutex_lock(&a->lock);
    const struct mark *m = find(a, user);
    bool is = m->user != user || clock_ms() - m->at >= THROTTLE_MS;
    pthread_mutex_unlock(&a->lock);
    return is;
}

static void remember(struct ctx *c, struct str user_id, int64_t at)
{
    struct active *a = c->core->active;
    uint64_t user = user_of(c, user_id);
    pthread_mutex_lock(&a->lock);
    *find(a, user) = (struct mark){user, at};
    pthread_mutex_unlock(&a->lock);
}

bool active_add(struct ctx *c, struct storage *s, struct batch *b, struct str user_id)
{
    const struct app *app = c->tenant->app;
    if (s != app->storage || !due(c, user_id))
        return false;
    batch_last_active(b, app->app_id, user_id, clock_ms());
    return true;
}

void active_noted(struct ctx *c, struct str user_id)
{
    remember(c, user_id, clock_ms());
}

void active_forget(struct ctx *c, struct str user_id)
{
    remember(c, user_id, 0);
}

void users_last_active_mark(struct ctx *c, struct str user_id)
{
    if (!due(c, user_id))
        return;
    const struct app *app = c->tenant->app;
    enum fail_kind fail = c->fail;
    struct str text = c->fail_text;
    struct batch b;
    batch_init(&b, c);
    batch_last_active(&b, app->app_id, user_id, clock_ms());
    if (storage_write(c, app->storage, &b, NULL, NULL) == RC_OK)
        active_noted(c, user_id);
    else
        log_debug("users", "the time a user was last active was not written: %.*s",
                  STR_ARG(c->fail_text));
    c->fail = fail;
    c->fail_text = text;
}

int active_count(struct ctx *c, int64_t since_ms, int64_t *n)
{
    const struct app *app = c->tenant->app;
    return last_active_count(c, app->storage, app->app_id, since_ms, n);
}
