/* SPDX-License-Identifier: Apache-2.0 */
/* The pool.  `lock` guards everything; no callback runs under it.  A slot (a
 * connection open, being opened or promised to a waiter) is counted in `open`,
 * and goes from hand to hand: put() gives the connection, or its slot if it
 * broke, to the first waiter, so nobody overtakes the queue. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "stk_pool.h"
#include "stk_sdk.h"

struct idle {
    void *conn;
    uint64_t since;
    bool suspect;
};

enum { WAITING, GOT_CONN, MAY_OPEN };

struct waiter {
    struct waiter *next;
    pthread_cond_t cond;
    int state;
    void *conn;
};

struct stk_pool {
    struct stk_pool_conf conf;
    pthread_mutex_t lock;
    struct idle *idle; /* [0] idle longest, [nidle - 1] handed out next */
    uint32_t nidle, open, nwaiters;
    uint32_t lost; /* broken connections not yet replaced */
    uint64_t reconnects, timeouts, refused;
    struct waiter *first, **last;
};

static uint64_t now_us(const struct stk_pool *p)
{
    return p->conf.host->now_us(p->conf.host->ctx);
}

struct stk_pool *stk_pool_new(const struct stk_pool_conf *conf)
{
    struct stk_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->conf = *conf;
    if (p->conf.max == 0)
        p->conf.max = 1;
    if (p->conf.max_waiters == 0)
        p->conf.max_waiters = p->conf.max > 16 ? p->conf.max * 64 : 1024;
    if (p->conf.wait_us == 0)
        p->conf.wait_us = 10 * 1000000;
    p->idle = calloc(p->conf.max, sizeof *p->idle);
    if (!p->idle) {
        free(p);
        return NULL;
    }
    p->last = &p->first;
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void stk_pool_free(struct stk_pool *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->nidle; i++)
        p->conf.ops.close(p->conf.ud, p->idle[i].conn);
    pthread_mutex_destroy(&p->lock);
    free(p->idle);
    free(p);
}

/* Called locked: hands a slot, and with it conn unless NULL, to the first
 * waiter; false when nobody waits. */
static bool hand_over(struct stk_pool *p, void *conn)
{
    struct waiter *w = p->first;
    if (!w)
        return false;
    p->first = w->next;
    if (!p->first)
        p->last = &p->first;
    p->nwaiters--;
    w->conn = conn;
    w->state = conn ? GOT_CONN : MAY_OPEN;
    pthread_cond_signal(&w->cond);
    return true;
}

static void release_slot(struct stk_pool *p)
{
    if (!hand_over(p, NULL))
        p->open--;
}

/* Called locked; closes outside the lock what has been idle too long. */
static void reap(struct stk_pool *p)
{
    enum { AT_ONCE = 4 };
    void *old[AT_ONCE];
    uint32_t n = 0;
    uint64_t now = p->conf.idle_timeout_us ? now_us(p) : 0;
    while (p->conf.idle_timeout_us && n < AT_ONCE && p->nidle - n > p->conf.min_idle &&
           now - p->idle[n].since > p->conf.idle_timeout_us) {
        old[n] = p->idle[n].conn;
        n++;
    }
    if (n == 0)
        return;
    p->nidle -= n;
    memmove(p->idle, p->idle + n, p->nidle * sizeof *p->idle);
    p->open -= n;
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < n; i++)
        p->conf.ops.close(p->conf.ud, old[i]);
    pthread_mutex_lock(&p->lock);
}

/* Called locked with a reserved slot; returns unlocked.  *wait: the server has
 * no room, but others of this pool are open: still locked, the slot given up. */
static stk_status open_conn(struct stk_pool *p, uint64_t deadline, void **conn, bool *wait,
                            stk_err *err)
{
    pthread_mutex_unlock(&p->lock);
    stk_status rc = p->conf.ops.open(p->conf.ud, deadline, conn, err);
    pthread_mutex_lock(&p->lock);
    *wait = rc && err && p->open > 1 && p->conf.ops.full && p->conf.ops.full(p->conf.ud, err);
    if (*wait) {
        p->open--;
        return rc;
    }
    if (rc) {
        release_slot(p);
    } else if (p->lost) {
        p->lost--;
        p->reconnects++;
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

/* Called locked: what killed one has often killed all. */
static void suspect_all(struct stk_pool *p)
{
    p->lost++;
    for (uint32_t i = 0; i < p->nidle; i++)
        p->idle[i].suspect = true;
}

static bool is_dead(const struct stk_pool *p, void *conn)
{
    return p->conf.ops.reuse && !p->conf.ops.reuse(p->conf.ud, conn);
}

/* Called locked: pops idle connections until one answers.  Unlocked while it
 * pings; true with the pool unlocked when *conn is good, else still locked. */
static bool take_idle(struct stk_pool *p, void **conn)
{
    while (p->nidle > 0) {
        struct idle it = p->idle[--p->nidle];
        uint64_t age = p->conf.ping_after_us ? now_us(p) - it.since : 0;
        bool ping = p->conf.ops.ping &&
                    (it.suspect || (p->conf.ping_after_us && age > p->conf.ping_after_us));
        pthread_mutex_unlock(&p->lock);
        bool dead = is_dead(p, it.conn);
        if (!dead && (!ping || p->conf.ops.ping(p->conf.ud, it.conn))) {
            *conn = it.conn;
            return true;
        }
        p->conf.ops.close(p->conf.ud, it.conn);
        pthread_mutex_lock(&p->lock);
        if (dead)
            suspect_all(p);
        else
            p->lost++;
        release_slot(p);
    }
    return false;
}

static void unlink_waiter(struct stk_pool *p, const struct waiter *w)
{
    struct waiter **at = &p->first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!*at)
        p->last = at;
    p->nwaiters--;
}

static stk_status exhausted(const struct stk_pool *p, uint64_t waited_us, bool full, stk_err *err)
{
    const char *key = p->conf.size_key;
    return stk_err_set(
        err, STK_E_TIMEOUT, "%s: pool exhausted: all %u connections are in use, %s %llu ms.%s%s%s",
        p->conf.name, p->conf.max,
        full ? "too many requests wait for one already; waited" : "none came free within",
        (unsigned long long)(waited_us / 1000), key ? " Raise " : "", key ? key : "",
        key ? " or look for slow queries." : "");
}

/* Called locked; waits for a turn.  Locked again when it returns the state. */
static int wait_turn(struct stk_pool *p, struct waiter *w, uint64_t now, uint64_t deadline)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->cond, &attr);
    pthread_condattr_destroy(&attr);
    *p->last = w;
    p->last = &w->next;
    p->nwaiters++;

    struct timespec until; /* the host's clock may have another origin */
    clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t left = deadline > now ? deadline - now : 0;
    until.tv_sec += (time_t)(left / 1000000);
    until.tv_nsec += (long)(left % 1000000) * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int rc = 0;
    while (w->state == WAITING && rc == 0)
        rc = pthread_cond_timedwait(&w->cond, &p->lock, &until);
    if (w->state == WAITING)
        unlink_waiter(p, w);
    pthread_cond_destroy(&w->cond);
    return w->state;
}

/* Called locked; returns unlocked.  refused: how the server refused one more, which err
 * tells, and which is the cause if none comes free; else STK_OK. */
static stk_status wait_for_one(struct stk_pool *p, uint64_t deadline, stk_status refused,
                               void **conn, stk_err *err)
{
    uint64_t start = now_us(p);
    for (bool again = true; again;) {
        if (p->nwaiters >= p->conf.max_waiters) {
            p->refused++;
            pthread_mutex_unlock(&p->lock);
            return exhausted(p, 0, true, err);
        }
        struct waiter w = {.state = WAITING};
        int state = wait_turn(p, &w, now_us(p), deadline);
        if (state == WAITING) {
            p->timeouts++;
            pthread_mutex_unlock(&p->lock);
            return refused ? refused : exhausted(p, now_us(p) - start, false, err);
        }
        if (state == GOT_CONN) {
            pthread_mutex_unlock(&p->lock);
            *conn = w.conn;
            if (!is_dead(p, w.conn))
                return STK_OK;
            p->conf.ops.close(p->conf.ud, w.conn);
            pthread_mutex_lock(&p->lock);
            suspect_all(p); /* and one may be opened in its place */
        }
        refused = open_conn(p, deadline, conn, &again, err);
    }
    return refused;
}

stk_status stk_pool_get(struct stk_pool *p, uint64_t deadline, void **conn, stk_err *err)
{
    stk_status refused = STK_OK;
    if (deadline == 0)
        deadline = now_us(p) + p->conf.wait_us;
    pthread_mutex_lock(&p->lock);
    reap(p);
    if (take_idle(p, conn))
        return STK_OK;
    if (p->open < p->conf.max) {
        bool wait;
        p->open++;
        refused = open_conn(p, deadline, conn, &wait, err);
        if (!wait)
            return refused;
        if (take_idle(p, conn)) /* put back while this one was being refused */
            return STK_OK;
    }
    return wait_for_one(p, deadline, refused, conn, err);
}

void stk_pool_put(struct stk_pool *p, void *conn, bool broken)
{
    if (broken)
        p->conf.ops.close(p->conf.ud, conn);
    pthread_mutex_lock(&p->lock);
    if (broken) {
        suspect_all(p);
        release_slot(p);
    } else if (!hand_over(p, conn)) {
        uint64_t now = p->conf.idle_timeout_us || p->conf.ping_after_us ? now_us(p) : 0;
        p->idle[p->nidle++] = (struct idle){.conn = conn, .since = now};
        reap(p);
    }
    pthread_mutex_unlock(&p->lock);
}

void stk_pool_get_stats(struct stk_pool *p, struct stk_pool_stats *out)
{
    pthread_mutex_lock(&p->lock);
    reap(p);
    *out = (struct stk_pool_stats){.max = p->conf.max,
                                   .open = p->open,
                                   .idle = p->nidle,
                                   .waiters = p->nwaiters,
                                   .reconnects = p->reconnects,
                                   .timeouts = p->timeouts,
                                   .refused = p->refused};
    pthread_mutex_unlock(&p->lock);
}
