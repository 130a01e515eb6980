/* SPDX-License-Identifier: Apache-2.0 */
/* Schema versions of a database: the step of opening a storage, and the work of
 * `supertokens migrate`. */
#ifndef CORE_STORAGE_MIGRATE_H
#define CORE_STORAGE_MIGRATE_H

#include "storage/loader.h"

/* Brings an opened handle to what the catalogue needs: refuses a plugin whose
 * scripts end too early, an edited history, a schema too new for this core and,
 * unless auto_migrate, pending scripts; applies and logs; verifies. */
stk_status migrate_at_open(const struct plugin *p, stk_db *db, const stk_catalog *catalog,
                           bool auto_migrate, struct arena *a, struct str *error);

/* ---- the command line; each opens a handle of its own and closes it */

struct migrate_target {
    const struct plugin *plugin;
    const stk_kv *kv;
    size_t nkv;
    const stk_catalog *catalog;
};

struct migrate_line {
    uint32_t version, state; /* STK_MIG_* */
    int64_t applied_at;      /* ms UTC; 0: not applied */
    const char *name;
};
/* One line a script or recorded version, in order. */
stk_status storage_migrate_status(const struct migrate_target *t, struct arena *a,
                                  struct migrate_line **lines, size_t *n, struct str *error);

/* Applies pending scripts up to version `to` (0: all), calling step() for each:
 * text is NULL, or the script where dry_run only shows it.  Verifies after a
 * complete run.  *applied counts the steps. */
typedef void (*migrate_step)(void *ud, const char *name, uint32_t step, uint32_t nsteps,
                             const char *text);
stk_status storage_migrate_run(const struct migrate_target *t, uint32_t to, bool dry_run,
                               migrate_step step, void *ud, struct arena *a, uint32_t *applied,
                               struct str *error);
/* "pending", "applied", "edited", "unknown" */
const char *migrate_state_text(uint32_t state);

#endif
