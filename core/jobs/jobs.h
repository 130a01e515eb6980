/* SPDX-License-Identifier: Apache-2.0 */
/* Background work: one thread that goes through the jobs of jobs_list.c for each
 * opened storage.  What a job deletes in each storage is leased, so that one of
 * all the cores does it; running it twice would do no harm. */
#ifndef CORE_JOBS_JOBS_H
#define CORE_JOBS_JOBS_H

#include "core.h"

#include <stddef.h>

struct jobs;

/* Starts the thread; the first round is at once in test mode, else after each
 * job's interval.  Test mode leaves the intervals alone: suites of SDKs wait for
 * the answer to what has expired, and need it to be there still.  With fast_jobs
 * they are seconds where they were hours. */
struct jobs *jobs_start(struct core *core);
/* One job on this core, all storages together; never run yet: last_ms is 0. */
struct job_stats {
    const char *name;
    uint64_t runs, failures;
    int64_t last_ms;  /* when the last run ended, ms UTC */
    uint64_t last_us; /* how long it took */
};
/* The job of this number; false: there are fewer. */
bool jobs_stats(const struct jobs *jobs, size_t i, struct job_stats *stats);

/* Ends it after the batch it is at. */
void jobs_stop(struct jobs *jobs);

#endif
