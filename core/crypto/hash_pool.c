/* SPDX-License-Identifier: Apache-2.0 */
/* The hashing threads; see hash_pool.h.
 *
 * One mutex guards all lanes: jobs take tens of milliseconds, so it is never
 * contended.  A job lives on the stack of the thread that waits for it. */
#include "crypto/hash_pool.h"

#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LOW_PRIORITY = 10, STACK = 256 * 1024 };

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_DONE };

struct job {
    void (*fn)(void *arg);
    void *arg;
    struct job *next;
    enum job_state state;
    pthread_cond_t done;
};

struct lane {
    struct hash_pool *pool;
    struct job *first, **end;
    unsigned waiting, running, idle, started, threads;
    uint64_t done, refused, too_late;
    pthread_t *ids;
    pthread_cond_t work;
};

struct hash_pool {
    pthread_mutex_t lock; /* all that follows, and every job */
    struct lane lanes[HASH_LANES];
    unsigned queue;
    bool stop;
};

static void cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

struct hash_pool *hash_pool_new(const unsigned threads[HASH_LANES], unsigned queue)
{
    struct hash_pool *p = mem_zalloc(sizeof(*p));
    pthread_mutex_init(&p->lock, NULL);
    p->queue = queue;
    for (int i = 0; i < HASH_LANES; i++) {
        struct lane *l = &p->lanes[i];
        l->pool = p;
        l->end = &l->first;
        l->threads = threads[i] ? threads[i] : 1;
        l->ids = mem_zalloc(l->threads * sizeof(*l->ids));
        cond_init(&l->work);
    }
    return p;
}

void hash_pool_free(struct hash_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    for (int i = 0; i < HASH_LANES; i++)
        pthread_cond_broadcast(&p->lanes[i].work);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < HASH_LANES; i++) {
        struct lane *l = &p->lanes[i];
        for (unsigned t = 0; t < l->started; t++)
            pthread_join(l->ids[t], NULL);
        pthread_cond_destroy(&l->work);
        mem_free(l->ids);
    }
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

static struct job *take(struct lane *l)
{
    struct job *j = l->first;
    l->first = j->next;
    if (!l->first)
        l->end = &l->first;
    l->waiting--;
    l->running++;
    j->state = JOB_RUNNING;
    return j;
}

static void *serve(void *arg)
{
    struct lane *l = arg;
    struct hash_pool *p = l->pool;
    /* Of this thread only: Linux keeps a nice value per thread. */
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!l->first && !p->stop) {
            l->idle++;
            pthread_cond_wait(&l->work, &p->lock);
            l->idle--;
        }
        if (!l->first)
            break;
        struct job *j = take(l);
        pthread_mutex_unlock(&p->lock);
        j->fn(j->arg);
        pthread_mutex_lock(&p->lock);
        l->running--;
        l->done++;
        j->state = JOB_DONE;
        pthread_cond_signal(&j->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Starts a thread if all are busy.  Failing is no error while there is one. */
static int grow(struct lane *l)
{
    if (l->idle >= l->waiting || l->started == l->threads)
        return 0;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    int err = pthread_create(&l->ids[l->started], &attr, serve, l);
    pthread_attr_destroy(&attr);
    if (err == 0)
        l->started++;
    else
        log_warn("hash", "no thread for password hashes: %s", strerror(err));
    return l->started ? 0 : -1;
}

static void withdraw(struct lane *l, struct job *job)
{
    struct job **at = &l->first;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    if (l->end == &job->next)
        l->end = at;
    l->waiting--;
}

/* Until the job is done, or its deadline passes before it starts. */
static void wait_for(struct hash_pool *p, struct job *job, uint64_t deadline_us)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_us / 1000000),
                             .tv_nsec = (long)(deadline_us % 1000000) * 1000};
    while (job->state != JOB_DONE) {
        if (job->state == JOB_RUNNING || deadline_us == 0)
            pthread_cond_wait(&job->done, &p->lock);
        else if (pthread_cond_timedwait(&job->done, &p->lock, &until) == ETIMEDOUT &&
                 job->state == JOB_WAITING)
            return;
    }
}

int hash_pool_run(struct hash_pool *p, enum hash_lane lane, uint64_t deadline_us,
                  void (*fn)(void *arg), void *arg)
{
    struct lane *l = &p->lanes[lane];
    struct job job = {.fn = fn, .arg = arg};
    int rc = -1;
    cond_init(&job.done);
    pthread_mutex_lock(&p->lock);
    if (p->stop || l->waiting >= p->queue) {
        l->refused++;
        goto out;
    }
    *l->end = &job;
    l->end = &job.next;
    l->waiting++;
    if (grow(l) < 0) {
        withdraw(l, &job);
        l->refused++;
        goto out;
    }
    pthread_cond_signal(&l->work);
    wait_for(p, &job, deadline_us);
    if (job.state == JOB_DONE) {
        rc = 0;
    } else {
        withdraw(l, &job);
        l->too_late++;
    }
out:
    pthread_mutex_unlock(&p->lock);
    pthread_cond_destroy(&job.done);
    return rc;
}

void hash_pool_stats(struct hash_pool *p, struct hash_lane_stats stats[HASH_LANES])
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < HASH_LANES; i++) {
        const struct lane *l = &p->lanes[i];
        stats[i] = (struct hash_lane_stats){.threads = l->threads,
                                            .running = l->running,
                                            .waiting = l->waiting,
                                            .done = l->done,
                                            .refused = l->refused,
                                            .too_late = l->too_late};
    }
    pthread_mutex_unlock(&p->lock);
}

const char *hash_lane_name(enum hash_lane lane)
{
    static const char *const names[HASH_LANES] = {"bcrypt", "argon2", "firebase"};
    return names[lane];
}
