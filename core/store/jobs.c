/* SPDX-License-Identifier: Apache-2.0 */
/* Leases of background jobs, all by primary key. */
#include "store/jobs.h"

#include "store/query.h"

QUERY(job_register, INSERT(JOBS),
      SETS(PUT(JOBS_NAME, 0), PUT(JOBS_OWNER, 1), PUT(JOBS_LEASE_UNTIL, 2), PUT(JOBS_LAST_RUN, 3)),
      PARAMS(4), FLAGS(STK_QF_IF_ABSENT | STK_QF_IDEMPOTENT));
/* A second run finds the lease taken, by itself: the job waits for its end. */
QUERY(job_claim, UPDATE(JOBS), SETS(PUT(JOBS_OWNER, 0), PUT(JOBS_LEASE_UNTIL, 1)),
      WHERE(EQ(JOBS_NAME, 2), LE(JOBS_LEASE_UNTIL, 3), LE(JOBS_LAST_RUN, 4)), PARAMS(5), NO_LIMIT,
      FLAGS(STK_QF_IDEMPOTENT));
QUERY(job_renew, UPDATE(JOBS), SETS(PUT(JOBS_LEASE_UNTIL, 0)),
      WHERE(EQ(JOBS_NAME, 1), EQ(JOBS_OWNER, 2)), PARAMS(3), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));
QUERY(job_done, UPDATE(JOBS), SETS(PUT(JOBS_LEASE_UNTIL, 0), PUT(JOBS_LAST_RUN, 1)),
      WHERE(EQ(JOBS_NAME, 2), EQ(JOBS_OWNER, 3)), PARAMS(4), NO_LIMIT, FLAGS(STK_QF_IDEMPOTENT));

static int update(struct ctx *c, struct storage *s, struct batch *b, const stk_call *call,
                  bool *affected)
{
    int rc = storage_write(c, s, b, NULL, NULL);
    *affected = rc == RC_OK && call_affected(call) > 0;
    return rc;
}

int job_claim(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t first_run,
              int64_t now, bool *won)
{
    struct batch b;
    batch_init(&b, c);
    BATCH(&b, q_job_register, v_str(l->name), v_str(l->owner), v_i64(0), v_i64(first_run));
    const stk_call *call = BATCH(&b, q_job_claim, v_str(l->owner), v_i64(now + l->lease_ms),
                                 v_str(l->name), v_i64(now), v_i64(now - l->interval_ms));
    return update(c, s, &b, call, won);
}

int job_renew(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t now, bool *kept)
{
    struct batch b;
    batch_init(&b, c);
    const stk_call *call =
        BATCH(&b, q_job_renew, v_i64(now + l->lease_ms), v_str(l->name), v_str(l->owner));
    return update(c, s, &b, call, kept);
}

int job_done(struct ctx *c, struct storage *s, const struct job_lease *l, int64_t now)
{
    bool mine;
    struct batch b;
    batch_init(&b, c);
    const stk_call *call =
        BATCH(&b, q_job_done, v_i64(0), v_i64(now), v_str(l->name), v_str(l->owner));
    return update(c, s, &b, call, &mine);
}
