/* SPDX-License-Identifier: Apache-2.0 */
/* The jobs.  Deletions are batches of a thousand rows: none holds locks for long,
 * and the thread can be stopped between two. */
#include "jobs/jobs_internal.h"

#include "base/clock.h"
#include "config/settings.h"
#include "recipe/app_keys.h"
#include "recipe/multitenancy.h"
#include "storage/tenant.h"
#include "store/dashboard.h"
#include "store/emailpassword.h"
#include "store/session.h"
#include "store/totp.h"

enum { EXPIRE_ROWS = 1000 };

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

static int expire_reset_tokens(struct job_run *r)
{
    uint64_t n = EXPIRE_ROWS;
    while (n >= EXPIRE_ROWS && job_go_on(r)) {
        int rc = reset_tokens_expire(r->ctx, r->storage, clock_ms(), &n);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

static int expire_dashboard_sessions(struct job_run *r)
{
    uint64_t n = EXPIRE_ROWS;
    while (n >= EXPIRE_ROWS && job_go_on(r)) {
        int rc = dashboard_sessions_expire(r->ctx, r->storage, clock_ms(), &n);
        if (rc != RC_OK)
            return rc;
    }
    return RC_OK;
}

/* A code counts among the wrong ones for a cooldown after it was tried. */
static int expire_totp_codes(struct job_run *r)
{
    const struct tenant **tenants;
    size_t tenants_n = tenant_list(r->ctx, STR_NULL, STR_NULL, &tenants);
    int64_t cooldown = 0;
    for (size_t i = 0; i < tenants_n; i++)
        if (tenants[i]->settings->totp_rate_limit_cooldown_sec > cooldown)
            cooldown = tenants[i]->settings->totp_rate_limit_cooldown_sec;
    int64_t before = cooldown < INT32_MAX ? clock_ms() - cooldown * 1000 : 0;
    uint64_t n = EXPIRE_ROWS;
    while (n >= EXPIRE_ROWS && job_go_on(r)) {
        int rc = totp_codes_expire(r->ctx, r->storage, before, &n);
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
    {"expire_totp_codes", HOUR_MS, true, expire_totp_codes},
    {"expire_dashboard_sessions", 12 * HOUR_MS, true, expire_dashboard_sessions},
    {"expire_signing_keys", 24 * HOUR_MS, true, expire_signing_keys},
    {"sweep_deleted_tenants", HOUR_MS / 120, false, sweep},
    {0},
};
