/* SPDX-License-Identifier: Apache-2.0 */
/* Background work: one thread that goes through the jobs of jobs_list.c for each
 * opened storage.  What a job deletes in each storage is leased, so that one of
 * all the cores does it; running it twice would do no harm. */
#ifndef CORE_JOBS_JOBS_H
#define CORE_JOBS_JOBS_H

#include "core.h"

struct jobs;

/* Starts the thread; the first round is at once in test mode, else after each
 * job's interval.  In test mode intervals are seconds where they were hours. */
struct jobs *jobs_start(struct core *core);
/* Ends it after the batch it is at. */
void jobs_stop(struct jobs *jobs);

#endif
