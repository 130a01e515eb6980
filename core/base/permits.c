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

struct queue {
    struct waiter *first, **end;
};

struct permits {
    pthread_mutex_t lock; /* all below */
    unsigned free;
    struct queue back, fresh; /* paused ones that come back; those not begun */
};

static void queue_init(struct queue *q)
{
    q->first = NULL;
    q->end = &q->first;
}

static void queue_add(struct queue *q, struct waiter *w)
{
    *q->end = w;
    q->end = &w->next;
}

static void queue_remove(struct queue *q, struct waiter *w)
{
    for (struct waiter **at = &q->first; *at; at = &(*at)->next) {
        if (*at != w)
            continue;
        *at = w->next;
        if (q->end == &w->next)
            q->end = at;
        return;
    }
}

struct permits *permits_new(unsigned n)
{
    struct permits *p = mem_zalloc(sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    p->free = n ? n : 1;
    queue_init(&p->back);
    queue_init(&p->fresh);
    return p;
}

void permits_free(struct permits *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* Waits in q with the lock held; returns whether a permit was handed over. */
static bool wait_in(struct permits *p, struct queue *q, uint64_t deadline_us)
{
    struct waiter w = {.next = NULL};
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w.cond, &attr);
    pthread_condattr_destroy(&attr);
    queue_add(q, &w);
    struct timespec t = {.tv_sec = (time_t)(deadline_us / 1000000),
                         .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    int rc = 0;
    while (!w.served && rc == 0)
        rc = pthread_cond_timedwait(&w.cond, &p->lock, &t);
    if (!w.served)
        queue_remove(q, &w);
    pthread_cond_destroy(&w.cond);
    return w.served;
}

static bool take(struct permits *p, bool back, uint64_t deadline_us)
{
    pthread_mutex_lock(&p->lock);
    bool got = p->free > 0;
    if (got)
        p->free--;
    else
        got = wait_in(p, back ? &p->back : &p->fresh, deadline_us);
    pthread_mutex_unlock(&p->lock);
    return got;
}

bool permit_take(struct permits *p, uint64_t deadline_us)
{
    return take(p, false, deadline_us);
}

void permit_give(struct permits *p)
{
    pthread_mutex_lock(&p->lock);
    struct queue *q = p->back.first ? &p->back : &p->fresh;
    struct waiter *w = q->first;
    if (w) {
        queue_remove(q, w);
        w->served = true;
        pthread_cond_signal(&w->cond);
    } else {
        p->free++;
    }
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
    if (c->permit == PERMIT_PAUSED)
        c->permit = take(c->core->permits, true, c->deadline_us) ? PERMIT_HELD : PERMIT_NONE;
}
