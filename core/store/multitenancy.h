/* SPDX-License-Identifier: Apache-2.0 */
/* Typed reads and writes of apps, tenants and their configuration.
 *
 * st_tenant_configs lives in the base storage; st_apps and st_tenants in the
 * storage that holds the tenant's rows, where every writer reads them. */
#ifndef CORE_STORE_MULTITENANCY_H
#define CORE_STORE_MULTITENANCY_H

#include "storage/storage.h"
#include "storage/tenant.h"

/* Adds the check that the tenant exists and is not being deleted; if it is not
 * so, the batch fails with RC_EXPECT. */
stk_call *batch_tenant_active(struct batch *b, struct str app_id, struct str tenant_id);
/* The same of the app: for rows of no tenant, in any storage of the app. */
stk_call *batch_app_active(struct batch *b, struct str app_id);

/* registry_hooks.changes over the base storage. */
int multitenancy_changes(struct ctx *c, int64_t since, struct tenant_row **rows, size_t *n,
                         int64_t *seq);

/* In a transaction on the base storage: takes the next change number, which
 * locks out other writers of tenants, and reads the row as it is (found false:
 * none).  Texts live in the arena. */
int multitenancy_lock_row(struct txn *t, const struct tenant_row *key, int64_t *seq, bool *found,
                          struct tenant_row *row);
/* Adds the write of the row to the batch that will commit. */
void batch_tenant_config(struct batch *b, const struct tenant_row *row);
/* Reads one row outside a transaction. */
int multitenancy_read_row(struct ctx *c, const struct tenant_row *key, bool *found,
                          struct tenant_row *row);

/* Adds the rows that make the app and the tenant exist in a storage. */
void batch_tenant_create(struct batch *b, struct str app_id, struct str tenant_id, int64_t now);
/* A pending sweep: the rows of a tenant (tenant_id absent: of an app) are to be
 * removed.  passes counts the sweeps that found nothing left. */
struct sweep {
    struct str name, app_id, tenant_id;
    int64_t due, passes;
};
/* Marks the tenant (or app) as being deleted and records the sweep, in one
 * transaction; from its commit on no writer adds rows to it. */
int multitenancy_mark_deleting(struct ctx *c, struct storage *s, struct str app_id,
                               struct str tenant_id);
int multitenancy_sweeps(struct ctx *c, struct storage *s, struct sweep **list, size_t *n);
/* Those of one app and one of its tenants only. */
int multitenancy_sweeps_of(struct ctx *c, struct storage *s, struct str app_id,
                           struct str tenant_id, struct sweep **list, size_t *n);
/* Moves the sweep's due time and passes if nobody else has; *won says so. */
int multitenancy_sweep_claim(struct ctx *c, struct storage *s, const struct sweep *w, int64_t due,
                             int64_t passes, bool *won);
/* Deletes one batch of rows; *more while there may be others.  RC_EXPECT: it is
 * not being deleted any more. */
int multitenancy_sweep_batch(struct ctx *c, struct storage *s, const struct sweep *w, bool *more);
/* Removes the tenant's (app's) own row and the sweep. */
int multitenancy_sweep_done(struct ctx *c, struct storage *s, const struct sweep *w);
struct str sweep_name(struct arena *a, struct str app_id, struct str tenant_id);

#endif
