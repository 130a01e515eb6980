/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs.  Deletions are batches of a thousand rows: none holds locks for long,
 * and the thread can be stopped between two. */
#include "jobs/jobs_internal.h"

#include "base/clock.h"
#include "config/settings.h"
#include "recipe/app_keys.h"
#include "recipe/multitenancy.h"
#include "recipe/passwordless.h"
#include "storage/tenant.h"
#include "store/dashboard.h"
#include "store/emailpassword.h"
#include "store/emailverification.h"
#include "store/session.h"
#include "store/totp.h"

enum { EXPIRE_ROWS = 1000 }; /* what one statement deletes at most */

static int expire_sessions(struct job_run *r)
{
    bool more = true;
    while (more && job_go_on(r)) {
        int rc = sessions_expire(r->ctx, r->storage, clock_ms(), &more);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* Deletes what expired before that time, a thousand rows a time. */
static int expire(struct job_run *r, int64_t before,
                  int (*rows)(struct ctx *c, struct storage *s, int64_t before, uint64_t *n))
{
    uint64_t n = EXPIRE_ROWS;
    while (n >= EXPIRE_ROWS && job_go_on(r)) {
        int rc = rows(r->ctx, r->storage, before, &n);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static int expire_reset_tokens(struct job_run *r)
{
    return expire(r, clock_ms(), reset_tokens_expire);
}

static int expire_verification_tokens(struct job_run *r)
{
    return expire(r, clock_ms(), verification_tokens_expire);
}

static int expire_dashboard_sessions(struct job_run *r)
{
    return expire(r, clock_ms(), dashboard_sessions_expire);
}

/* A code counts among the wrong ones for a cooldown after it was tried. */
static int expire_totp_codes(struct job_run *r)
{
    const struct tenant **tenants;
    size_t n = tenant_list(r->ctx, STR_NULL, STR_NULL, &tenants);
    int64_t cooldown = 0;
    for (size_t i = 0; i < n; i++)
        if (tenants[i]->settings->totp_rate_limit_cooldown_sec > cooldown)
            cooldown = tenants[i]->settings->totp_rate_limit_cooldown_sec;
    return expire(r, cooldown < INT32_MAX ? clock_ms() - cooldown * 1000 : 0, totp_codes_expire);
}

static int expire_passwordless(struct job_run *r)
{
    struct passwordless_expiry expiry;
    bool more = true;
    passwordless_expiry(r->ctx, &expiry);
    while (more && job_go_on(r)) {
        int rc = passwordless_expire(r->ctx, r->storage, &expiry, &more);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* Of each app whose keys are in this storage. */
static int expire_signing_keys(struct job_run *r)
{
    const struct tenant **tenants;
    size_t n = tenant_list(r->ctx, STR_NULL, STR_NULL, &tenants);
    for (size_t i = 0; i < n && job_go_on(r); i++) {
        const struct tenant *t = tenants[i];
        if (!str_eq(t->tenant_id, PUBLIC_ID) || t->app->storage != r->storage)
            continue;
        int rc = app_keys_expire(r->ctx, t->app);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static int sweep(struct job_run *r)
{
    return job_go_on(r) ? multitenancy_sweep(r->ctx, r->storage) : RC_OK;
}

#define HOUR_MS (3600 * 1000LL)

const struct job jobs_list[] = {
    {"expire_sessions", 12 * HOUR_MS, true, expire_sessions},
    {"expire_password_reset_tokens", HOUR_MS, true, expire_reset_tokens},
    {"expire_passwordless_devices", HOUR_MS, true, expire_passwordless},
    {"expire_email_verification_tokens", HOUR_MS, true, expire_verification_tokens},
    {"expire_totp_codes", HOUR_MS, true, expire_totp_codes},
    {"expire_dashboard_sessions", 12 * HOUR_MS, true, expire_dashboard_sessions},
    {"expire_signing_keys", 24 * HOUR_MS, true, expire_signing_keys},
    {"sweep_deleted_tenants", HOUR_MS / 120, false, sweep},
    {0},
};
