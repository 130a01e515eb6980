/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_pool.h -- a pool of connections of any kind.
 *
 * The last connection returned is the first one handed out (its statements are
 * warm, the others may grow old and be closed).  Waiters are served first come,
 * first served, each with a deadline, in a bounded queue.  Connections are
 * opened, pinged and closed outside the pool's lock.  Thread-safe throughout;
 * no thread of its own: whoever gets, puts or asks for stats also closes
 * connections idle too long.
 */
#ifndef STK_POOL_H
#define STK_POOL_H

#include <stdbool.h>

#include "stk_plugin.h"

struct stk_pool;

struct stk_pool_ops {
    /* Opens one connection before the deadline; fills err on failure. */
    stk_status (*open)(void *ud, uint64_t deadline_us, void **conn, stk_err *err);
    void (*close)(void *ud, void *conn);
    /* Called when a connection is handed out once more: false when it is known to be
     * dead, as by its socket.  No round trip.  NULL: none is known to be. */
    bool (*reuse)(void *ud, void *conn);
    /* Asks the server whether an idle connection may still be used.  NULL: it may. */
    bool (*ping)(void *ud, void *conn);
    /* True when open() failed only because the server takes no connection more:
     * who wanted one then waits for one of those that are open.  NULL: never. */
    bool (*full)(void *ud, const stk_err *err);
};

struct stk_pool_conf {
    const char *name;     /* begins error messages, e.g. "postgresql"; borrowed */
    const char *size_key; /* the option that sets max, for messages; NULL: none; borrowed */
    const stk_host *host; /* its clock */
    struct stk_pool_ops ops;
    void *ud;
    uint32_t max;             /* connections at once, >= 1 */
    uint32_t min_idle;        /* never closed for being idle */
    uint32_t max_waiters;     /* 0: 64 for each connection, at least 1024 */
    uint64_t idle_timeout_us; /* 0: never closed for being idle */
    uint64_t ping_after_us;   /* pinged when idle longer; 0: only when suspect */
    uint64_t wait_us;         /* deadline of a get() without one */
};

struct stk_pool_stats {
    uint32_t max, open, idle, waiters;
    uint64_t reconnects; /* connections opened to replace a broken one */
    uint64_t timeouts, refused;
};

/* NULL: out of memory.  Opens nothing. */
struct stk_pool *stk_pool_new(const struct stk_pool_conf *conf);

/* Closes every idle connection; all must have been put back. */
void stk_pool_free(struct stk_pool *pool);

/* Takes a connection: idle, newly opened, or the next one put back.  The result
 * of open() when that fails; STK_E_TIMEOUT "pool exhausted" at the deadline (0:
 * wait_us from now) or when the queue of waiters is full. */
stk_status stk_pool_get(struct stk_pool *pool, uint64_t deadline_us, void **conn, stk_err *err);

/* Gives it back.  A broken one is closed, and the idle ones are pinged before
 * their next use: what killed one has often killed all. */
void stk_pool_put(struct stk_pool *pool, void *conn, bool broken);

void stk_pool_get_stats(struct stk_pool *pool, struct stk_pool_stats *out);

#endif /* STK_POOL_H */
