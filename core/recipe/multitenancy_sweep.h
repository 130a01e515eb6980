/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying deleted tenants and apps. */
#ifndef CORE_RECIPE_MULTITENANCY_SWEEP_H
#define CORE_RECIPE_MULTITENANCY_SWEEP_H

#include "base/ctx.h"

struct storage;

/* Sweeps for a moment on behalf of the request that deleted; what is left, and
 * every failure, is the job's. */
void sweep_begin(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id);
/* Ends the pending sweeps of an app and a tenant that are about to be made
 * again; RC_FAIL with a 503 if the deadline comes first. */
int sweep_finish(struct ctx *c, struct storage *s, struct str app_id, struct str tenant_id);

#endif
