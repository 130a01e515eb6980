/* SPDX-License-Identifier: Apache-2.0 */
/* The runner of background jobs; see jobs.h. */
#include "jobs/jobs.h"

#include "base/clock.h"
#include "base/histogram.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/mem.h"
#include "jobs/jobs_internal.h"
#include "storage/tenant.h"
#include "store/jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

enum {
    MAX_JOBS = 16,
    LEASE_MS = 60000,   /* how long a core that died holds others up */
    STEP_US = 30000000, /* deadline of one batch */
    FAST_SCALE = 3600,  /* fast jobs: an hour is a second */
    FAST_LEAST_MS = 1000,
    LEAST_LOOK_US = 1000000,
    LOOKS = 4 /* how often in an interval a leased job is looked at */
};

struct jobs {
    struct core *core;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
    char owner[UUID_LEN + 1];
    uint64_t due_us[MAX_JOBS]; /* used by the thread only */
    struct {
        atomic_count runs, failures, last_ms, last_us;
    } stats[MAX_JOBS]; /* written by the thread, read by any */
};

struct run {
    struct job_run pub; /* first: what jobs see */
    struct jobs *jobs;
    const struct job *job;
    struct job_lease lease;
    int64_t leased_until;
};

static int64_t interval_ms(const struct jobs *jobs, const struct job *job)
{
    if (!jobs->core->fast_jobs)
        return job->interval_ms;
    int64_t ms = job->interval_ms / FAST_SCALE;
    return ms < FAST_LEAST_MS ? FAST_LEAST_MS : ms;
}

bool job_go_on(struct job_run *pub)
{
    struct run *r = (struct run *)pub;
    struct ctx *c = pub->ctx;
    if (atomic_load(&r->jobs->stop))
        return false;
    c->deadline_us = clock_us() + STEP_US;
    int64_t now = clock_ms();
    if (!r->job->leased || now < r->leased_until - LEASE_MS / 2)
        return true;
    bool kept;
    if (job_renew(c, pub->storage, &r->lease, now, &kept) != RC_OK || !kept)
        return false;
    r->leased_until = now + LEASE_MS;
    return true;
}

/* Whether it is this core's turn. */
static int take_turn(struct run *r, bool *mine)
{
    struct ctx *c = r->pub.ctx;
    int64_t now = clock_ms();
    *mine = true;
    c->deadline_us = clock_us() + STEP_US;
    if (!r->job->leased)
        return RC_OK;
    int64_t first = r->jobs->core->test_mode ? 0 : now;
    r->leased_until = now + LEASE_MS;
    return job_claim(c, r->pub.storage, &r->lease, first, now, mine);
}

static void note_run(struct run *r, uint64_t us)
{
    struct jobs *jobs = r->jobs;
    ptrdiff_t i = r->job - jobs_list;
    atomic_store(&jobs->stats[i].last_ms, (uint64_t)clock_ms());
    atomic_store(&jobs->stats[i].last_us, us);
    count_one(&jobs->stats[i].runs);
}

static void run_job(struct run *r)
{
    struct ctx *c = r->pub.ctx;
    bool mine;
    int rc = take_turn(r, &mine);
    if (rc == RC_OK && mine) {
        uint64_t start = clock_us();
        rc = r->job->run(&r->pub);
        if (rc == RC_OK && r->job->leased && !atomic_load(&r->jobs->stop))
            rc = job_done(c, r->pub.storage, &r->lease, clock_ms());
        uint64_t us = clock_us() - start;
        note_run(r, us);
        log_debug("jobs", "%s took %llu ms", r->job->name, (unsigned long long)us / 1000);
    }
    if (rc == RC_OK)
        return;
    count_one(&r->jobs->stats[r->job - jobs_list].failures);
    /* That a database is away is a warning of the storage's, once and not for every job. */
    log_write(c->fail == FAIL_UNAVAILABLE ? LOG_INFO : LOG_WARN, "jobs",
              "%s stopped on %s, it is tried again later: %.*s", r->job->name,
              storage_name(r->pub.storage), STR_ARG(c->fail_text));
}

/* One job in every storage. */
static void run_everywhere(struct jobs *jobs, const struct job *job)
{
    struct arena list_arena, arena;
    arena_init(&list_arena);
    arena_init(&arena);
    struct ctx list_ctx = {.core = jobs->core, .arena = &list_arena};
    struct storage **storages;
    size_t n = registry_storages(&list_ctx, &storages);
    struct str name = str_printf(&list_arena, "job/%s", job->name);
    for (size_t i = 0; i < n && !atomic_load(&jobs->stop); i++) {
        struct ctx c = {.core = jobs->core, .arena = &arena, .cdi = CDI(5, 6)};
        struct run r = {
            .pub = {&c, storages[i]},
            .jobs = jobs,
            .job = job,
            .lease = {name, str_z(jobs->owner), interval_ms(jobs, job), LEASE_MS},
        };
        run_job(&r);
        arena_reset(&arena);
    }
    arena_free(&arena);
    arena_free(&list_arena);
}

/* A leased job is looked at more often than it is due: another core may have
 * died, or run it at a time of its own. */
static uint64_t next_look(const struct jobs *jobs, const struct job *job)
{
    uint64_t us = (uint64_t)interval_ms(jobs, job) * 1000;
    if (job->leased && us / LOOKS > LEAST_LOOK_US)
        us /= LOOKS;
    return clock_us() + us;
}

static void wait_until(struct jobs *jobs, uint64_t due_us)
{
    struct timespec t = {.tv_sec = (time_t)(due_us / 1000000),
                         .tv_nsec = (long)(due_us % 1000000) * 1000};
    pthread_mutex_lock(&jobs->lock);
    while (!atomic_load(&jobs->stop) && clock_us() < due_us)
        pthread_cond_timedwait(&jobs->wake, &jobs->lock, &t);
    pthread_mutex_unlock(&jobs->lock);
}

static void *run(void *arg)
{
    struct jobs *jobs = arg;
    for (size_t i = 0; i < MAX_JOBS && jobs_list[i].name; i++)
        jobs->due_us[i] = jobs->core->test_mode ? 0 : next_look(jobs, &jobs_list[i]);
    while (!atomic_load(&jobs->stop)) {
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < MAX_JOBS && jobs_list[i].name; i++) {
            if (jobs->due_us[i] <= clock_us()) {
                run_everywhere(jobs, &jobs_list[i]);
                jobs->due_us[i] = next_look(jobs, &jobs_list[i]);
            }
            if (jobs->due_us[i] < next)
                next = jobs->due_us[i];
        }
        wait_until(jobs, next);
    }
    return NULL;
}

struct jobs *jobs_start(struct core *core)
{
    struct jobs *jobs = mem_zalloc(sizeof(*jobs));
    pthread_condattr_t attr;
    jobs->core = core;
    uuid_v4(jobs->owner);
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&jobs->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&jobs->thread, NULL, run, jobs) != 0) {
        log_error("jobs", "no thread for background work: nothing expired will be deleted");
        atomic_store(&jobs->stop, true);
    }
    return jobs;
}

bool jobs_stats(const struct jobs *jobs, size_t i, struct job_stats *stats)
{
    for (size_t k = 0; k <= i; k++)
        if (k == MAX_JOBS || !jobs_list[k].name)
            return false;
    *stats = (struct job_stats){.name = jobs_list[i].name,
                                .runs = counted(&jobs->stats[i].runs),
                                .failures = counted(&jobs->stats[i].failures),
                                .last_ms = (int64_t)counted(&jobs->stats[i].last_ms),
                                .last_us = counted(&jobs->stats[i].last_us)};
    return true;
}

void jobs_stop(struct jobs *jobs)
{
    if (!jobs)
        return;
    if (!atomic_load(&jobs->stop)) {
        pthread_mutex_lock(&jobs->lock);
        atomic_store(&jobs->stop, true);
        pthread_cond_signal(&jobs->wake);
        pthread_mutex_unlock(&jobs->lock);
        pthread_join(jobs->thread, NULL);
    }
    pthread_cond_destroy(&jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    mem_free(jobs);
}
