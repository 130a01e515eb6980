/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, and what is told of pool and queries: see stk_driver.h. */
#include "stk_driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static int start(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, attr, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int stk_thread_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
    return start(thread, NULL, run, arg);
}

/* -------------------------------------------------------------------- jobs */

struct job {
    struct stk_jobs *jobs;
    void (*run)(void *);
    void *arg;
};

void stk_jobs_init(struct stk_jobs *jobs)
{
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->done, NULL);
    jobs->running = 0;
}

static void *deliver(void *arg)
{
    struct job job = *(struct job *)arg;
    free(arg);
    job.run(job.arg);
    pthread_mutex_lock(&job.jobs->lock);
    job.jobs->running--;
    pthread_cond_broadcast(&job.jobs->done);
    pthread_mutex_unlock(&job.jobs->lock);
    return NULL;
}

void stk_jobs_start(struct stk_jobs *jobs, void (*run)(void *), void *arg)
{
    struct job *job = malloc(sizeof *job);
    if (!job) {
        run(arg);
        return;
    }
    *job = (struct job){jobs, run, arg};
    pthread_mutex_lock(&jobs->lock);
    jobs->running++;
    pthread_mutex_unlock(&jobs->lock);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (start(&thread, &attr, deliver, job) != 0)
        deliver(job);
    pthread_attr_destroy(&attr);
}

void stk_jobs_drain(struct stk_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    while (jobs->running)
        pthread_cond_wait(&jobs->done, &jobs->lock);
    pthread_mutex_unlock(&jobs->lock);
}

void stk_jobs_destroy(struct stk_jobs *jobs)
{
    pthread_mutex_destroy(&jobs->lock);
    pthread_cond_destroy(&jobs->done);
}

/* ------------------------------------------------------------------ telling */

void stk_pool_health(struct stk_pool *pool, stk_health *health)
{
    struct stk_pool_stats stats;
    stk_pool_get_stats(pool, &stats);
    health->pool_size = stats.max;
    health->pool_open = stats.open;
    health->pool_idle = stats.idle;
    health->pool_waiters = stats.waiters;
    health->reconnects = stats.reconnects;
    health->pool_timeouts = stats.timeouts + stats.refused;
}

void stk_sql_dump(const struct stk_sql *sql,
                  void (*emit)(void *ud, const char *key, const char *value), void *ud)
{
    char key[128];
    for (uint16_t i = 0; i < sql->nqueries; i++) {
        const struct stk_sql_stmt *stmt = stk_sql_stmt(sql, i, 0);
        snprintf(key, sizeof key, "query.%s", sql->queries[i].name);
        emit(ud, key, stmt ? stmt->text : "");
    }
}
