/* SPDX-License-Identifier: Apache-2.0 */
/* Work permits; see permits.h.  A permit is handed from one thread to the next
 * directly, so that a newcomer cannot snatch it from who has waited longest. */
#include "base/permits.h"

#include "base/ctx.h"
#include "base/mem.h"
#include "core.h"

#include <pthread.h>
#include <time.h>

struct waiter {
    struct waiter *next;
    pthread_cond_t cond;
    bool served;
};

struct permits {
    pthread_mutex_t lock; /* all below */
    int free;             /* below 0: more came back than there was room for */
    unsigned all, waiters;
    struct waiter *first, **end;
};

struct permits *permits_new(unsigned n)
{
    struct permits *p = mem_zalloc(sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    p->all = n ? n : 1;
    p->free = (int)p->all;
    p->end = &p->first;
    return p;
}

void permits_free(struct permits *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static void unlink_waiter(struct permits *p, struct waiter *w)
{
    for (struct waiter **at = &p->first; *at; at = &(*at)->next) {
        if (*at != w)
            continue;
        *at = w->next;
        if (p->end == &w->next)
            p->end = at;
        p->waiters--;
        return;
    }
}

/* Waits with the lock held; returns whether a permit was handed over. */
static bool wait_turn(struct permits *p, uint64_t deadline_us)
{
    struct waiter w = {.next = NULL};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w.cond, &attr);
    pthread_condattr_destroy(&attr);
    *p->end = &w;
    p->end = &w.next;
    p->waiters++;
    struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000),
                         .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    int rc = 0;
    while (!w.served && rc == 0)
        rc = pthread_cond_timedwait(&w.cond, &p->lock, &t);
    if (!w.served)
        unlink_waiter(p, &w);
    pthread_cond_destroy(&w.cond);
    return w.served;
}

bool permit_take(struct permits *p, uint64_t deadline_us)
{
    pthread_mutex_lock(&p->lock);
    bool got = p->free > 0;
    if (got)
        p->free--;
    else
        got = wait_turn(p, deadline_us);
    pthread_mutex_unlock(&p->lock);
    return got;
}

void permit_give(struct permits *p)
{
    pthread_mutex_lock(&p->lock);
    struct waiter *w = p->first;
    if (w && p->free >= 0) {
        unlink_waiter(p, w);
        w->served = true;
        pthread_cond_signal(&w->cond);
    } else {
        p->free++;
    }
    pthread_mutex_unlock(&p->lock);
}

void permits_stats(struct permits *p, unsigned *all, unsigned *nfree, unsigned *waiters)
{
    pthread_mutex_lock(&p->lock);
    *all = p->all;
    *nfree = p->free > 0 ? (unsigned)p->free : 0;
    *waiters = p->waiters;
    pthread_mutex_unlock(&p->lock);
}

void permit_pause(struct ctx *c)
{
    if (c->permit != PERMIT_HELD)
        return;
    c->permit = PERMIT_PAUSED;
    permit_give(c->core->permits);
}

void permit_resume(struct ctx *c)
{
    if (c->permit != PERMIT_PAUSED)
        return;
    struct permits *p = c->core->permits;
    c->permit = PERMIT_HELD;
    pthread_mutex_lock(&p->lock);
    p->free--;
    pthread_mutex_unlock(&p->lock);
}
