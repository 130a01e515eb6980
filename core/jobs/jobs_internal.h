/* SPDX-License-Identifier: Apache-2.0 */
/* Between the runner and the jobs. */
#ifndef CORE_JOBS_JOBS_INTERNAL_H
#define CORE_JOBS_JOBS_INTERNAL_H

#include "base/ctx.h"
#include "storage/storage.h"

#include <stdbool.h>

struct job_run;

struct job {
    const char *name;
    int64_t interval_ms;
    bool leased; /* by a row of st_jobs; else each core does it */
    /* The work in one storage.  Between two batches it asks job_go_on(). */
    int (*run)(struct job_run *r);
};

/* Ended by a NULL name. */
extern const struct job jobs_list[];

/* One job in one storage. */
struct job_run {
    struct ctx *ctx;
    struct storage *storage;
};
/* Keeps the lease and gives the next batch its time; false: stop here. */
bool job_go_on(struct job_run *r);

#endif
