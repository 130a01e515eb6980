/* SPDX-License-Identifier: Apache-2.0 */
/* Dragged out connections; see watch.h.  A watch is written without a lock.  That
 * of a connection which ends well in the very moment of its time running out may
 * end the thread's next one; its client tries again, as after any lost one. */
#include "http/watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/sockets.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

enum { EVERY_US = 1000 * 1000 };

struct watch {
    struct watch *next;
    _Atomic uint64_t until_us; /* 0: nobody is waited for */
    _Atomic uint32_t address;
    atomic_int port, how;
};

struct watches {
    int port;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t wake;
    struct watch *first;
    bool runs;
};

static void look(struct watches *ws)
{
    uint64_t now = clock_us();
    for (struct watch *w = ws->first; w; w = w->next) {
        uint64_t until = atomic_load(&w->until_us);
        if (until == 0 || until > now)
            continue;
        atomic_compare_exchange_strong(&w->until_us, &until, 0);
        sockets_end_peer(ws->port, atomic_load(&w->address), atomic_load(&w->port),
                         atomic_load(&w->how));
    }
}

static void *run(void *arg)
{
    struct watches *ws = arg;
    pthread_mutex_lock(&ws->lock);
    while (ws->runs) {
        uint64_t next = clock_us() + EVERY_US;
        struct timespec t = {.tv_sec = (time_t)(next / 1000000),
                             .tv_nsec = (long)(next % 1000000) * 1000};
        pthread_cond_timedwait(&ws->wake, &ws->lock, &t);
        look(ws);
    }
    pthread_mutex_unlock(&ws->lock);
    return NULL;
}

struct watches *watches_start(int port)
{
    struct watches *ws = mem_zalloc(sizeof(*ws));
    pthread_condattr_t attr;
    ws->port = port;
    pthread_mutex_init(&ws->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ws->wake, &attr);
    pthread_condattr_destroy(&attr);
    ws->runs = true;
    if (pthread_create(&ws->thread, NULL, run, ws))
        ws->runs = false;
    return ws;
}

void watches_stop(struct watches *ws)
{
    pthread_mutex_lock(&ws->lock);
    bool runs = ws->runs;
    ws->runs = false;
    pthread_cond_signal(&ws->wake);
    pthread_mutex_unlock(&ws->lock);
    if (runs)
        pthread_join(ws->thread, NULL);
}

void watches_free(struct watches *ws)
{
    pthread_cond_destroy(&ws->wake);
    pthread_mutex_destroy(&ws->lock);
    mem_free(ws);
}

struct watch *watch_new(struct watches *ws)
{
    struct watch *w = mem_zalloc(sizeof(*w));
    pthread_mutex_lock(&ws->lock);
    w->next = ws->first;
    ws->first = w;
    pthread_mutex_unlock(&ws->lock);
    return w;
}

void watch_free(struct watches *ws, struct watch *w)
{
    pthread_mutex_lock(&ws->lock);
    for (struct watch **at = &ws->first; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
    pthread_mutex_unlock(&ws->lock);
    mem_free(w);
}

void watch_begin(struct watch *w, const char *address, int port, int how, uint64_t most_us)
{
    struct in_addr addr;
    if (inet_pton(AF_INET, address, &addr) != 1)
        return;
    atomic_store(&w->address, addr.s_addr);
    atomic_store(&w->port, port);
    atomic_store(&w->how, how);
    atomic_store(&w->until_us, clock_us() + most_us);
}

void watch_end(struct watch *w)
{
    atomic_store(&w->until_us, 0);
}
