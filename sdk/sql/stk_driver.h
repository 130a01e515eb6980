/* SPDX-License-Identifier: Apache-2.0
 *
 * stk_driver.h -- what drivers of database servers do alike beside their statements:
 * threads of their own, and what they tell of pool and queries.
 */
#ifndef STK_DRIVER_H
#define STK_DRIVER_H

#include <pthread.h>

#include "stk_pool.h"
#include "stk_sql.h"

/* pthread_create() of a thread that takes no signal: those belong to the core's. */
int stk_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

/* Brief jobs on threads of their own, such as ending what a server still runs for a
 * connection that was given up.  Thread-safe. */
struct stk_jobs {
    pthread_mutex_t lock; /* guards running; taken alone */
    pthread_cond_t done;
    unsigned running;
};
void stk_jobs_init(struct stk_jobs *jobs);
/* Runs run(arg), here when there is no thread for it. */
void stk_jobs_start(struct stk_jobs *jobs, void (*run)(void *), void *arg);
/* Waits until all have run. */
void stk_jobs_drain(struct stk_jobs *jobs);
void stk_jobs_destroy(struct stk_jobs *jobs);

/* The members of *health that tell of a pool. */
void stk_pool_health(struct stk_pool *pool, stk_health *health);

/* Emits "query.<name>" with the statement of each query, for stk_plugin.dump. */
void stk_sql_dump(const struct stk_sql *sql,
                  void (*emit)(void *ud, const char *key, const char *value), void *ud);

#endif /* STK_DRIVER_H */
