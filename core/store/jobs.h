/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of background jobs: one row per job in each storage, so that of all the
 * cores that use the storage one works at a time, once an interval. */
#ifndef CORE_STORE_JOBS_H
#define CORE_STORE_JOBS_H

#include "storage/storage.h"

struct job_lease {
    struct str name, owner; /* owner: of this process, never used before */
    int64_t interval_ms, lease_ms;
};

/* Takes the lease if the interval is over and nobody holds it.  A job that has no
 * row yet gets one, as if it had run at first_run. */
int job_claim(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t first_run,
              int64_t now, bool *won);
/* Keeps it for longer; *kept is false if it has been taken by another. */
int job_renew(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t now, bool *kept);
/* Gives it back; the interval starts anew. */
int job_done(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t now);

#endif
