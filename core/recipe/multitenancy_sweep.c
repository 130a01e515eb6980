/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying deleted tenants and apps.  The second pass comes after the longest
 * transaction could have ended that read the tenant as active before it was
 * marked; only then the record of the deletion goes. */
#include "recipe/multitenancy_sweep.h"

#include "base/clock.h"
#include "base/log.h"
#include "recipe/multitenancy.h"
#include "store/multitenancy.h"

enum { SECOND_PASS_MS = 60 * 1000, REQUEST_US = 1000 * 1000, JOB_US = 10 * 1000 * 1000 };

/* Deletes until nothing is left (*done) or the time is up.  RC_EXPECT: it is not
 * being deleted any more. */
static int sweep_until(struct ctx *c, struct storage *s, const struct sweep *w, uint64_t until_us,
                       bool *done)
{
    bool more = true;
    while (more) {
        if (clock_us() >= until_us)
            break;
        int rc = multitenancy_sweep_batch(c, s, w, &more);
        if (rc != RC_OK)
            return rc;
    }
    *done = !more;
    return RC_OK;
}

static int sweep_pass(struct ctx *c, struct storage *s, const struct sweep *w, uint64_t budget_us)
{
    int64_t now = clock_ms();
    bool won, done = false;
    int rc = multitenancy_sweep_claim(c, s, w, now + SECOND_PASS_MS, w->passes, &won);
    if (rc != RC_OK || !won)
        return rc;
    struct sweep mine = *w;
    mine.due = now + SECOND_PASS_MS;
    rc = sweep_until(c, s, &mine, clock_us() + budget_us, &done);
    if (rc == RC_EXPECT || (rc == RC_OK && done && mine.passes > 0))
        return multitenancy_sweep_done(c, s, &mine);
    if (rc != RC_OK)
        return rc;
    int64_t due = done ? clock_ms() + SECOND_PASS_MS : clock_ms();
    return multitenancy_sweep_claim(c, s, &mine, due, mine.passes + done, &won);
}

void sweep_begin(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id)
{
    struct sweep *list;
    size_t n;
    struct ctx quiet = *c;
    int rc = multitenancy_sweeps_of(&quiet, s, app_id, tenant_id, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        rc = sweep_pass(&quiet, s, &list[i], REQUEST_US);
    if (rc == RC_FAIL)
        log_warn("multitenancy", "the rows of a deleted tenant are left to the sweep job: %.*s",
                 STR_ARG(quiet.fail_text));
    c->round_trips = quiet.round_trips;
    c->statements = quiet.statements;
    c->batches = quiet.batches;
}

int sweep_finish(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id)
{
    struct sweep *list;
    size_t n;
    int rc = multitenancy_sweeps_of(c, s, app_id, tenant_id, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++) {
        bool done = false;
        rc = sweep_until(c, s, &list[i], c->deadline_us, &done);
        if (rc == RC_EXPECT)
            rc = RC_OK;
        else if (rc == RC_OK && !done)
            return ctx_fail(c, FAIL_UNAVAILABLE,
                            "The rows of a deleted tenant of this name are still being removed. "
                            "Try again later.");
        if (rc == RC_OK)
            rc = multitenancy_sweep_done(c, s, &list[i]);
    }
    return rc;
}

int multitenancy_sweep(struct ctx *c, struct storage *s)
{
    struct sweep *list;
    size_t n;
    int rc = multitenancy_sweeps(c, s, &list, &n);
    for (size_t i = 0; rc == RC_OK && i < n; i++)
        if (list[i].due <= clock_ms())
            rc = sweep_pass(c, s, &list[i], JOB_US);
    return rc;
}
