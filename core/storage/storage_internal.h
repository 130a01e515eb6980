/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of core/storage: an opened storage and one use of it. */
#ifndef CORE_STORAGE_STORAGE_INTERNAL_H
#define CORE_STORAGE_STORAGE_INTERNAL_H

#include "storage/counts.h"
#include "storage/loader.h"
#include "storage/storage.h"
#include "storage/storages.h"

#include <pthread.h>
#include <stdatomic.h>

enum storage_state { STORAGE_OPENING, STORAGE_OPEN, STORAGE_FAILED };

struct storages {
    struct plugins *plugins;
    const stk_catalog *catalog;
    bool *secret;
    struct storage_counts *counts;
    pthread_mutex_t lock;
    pthread_cond_t opened; /* a storage left STORAGE_OPENING */
    struct storage *list;
};

struct storage {
    struct storages *owner;
    struct storage *next;
    const struct plugin *plugin;
    stk_db *db;
    const stk_catalog *catalog;
    const bool *secret; /* by query id: it reads or writes a SECRET column */
    char *data_id, *pool_id;
    uint64_t caps;
    pthread_mutex_t serial; /* held around each use where the model is PER_DB */
    _Atomic uint64_t complained_us;
    /* Under storages.lock. */
    unsigned refs;
    enum storage_state state;
    stk_status status; /* of FAILED */
    char *error;
};

static inline stk_err err_new(void)
{
    return (stk_err){.size = sizeof(stk_err),
                     .call = STK_NONE,
                     .table = STK_NONE,
                     .key = STK_NONE,
                     .column = STK_NONE};
}

const char *status_text(stk_status rc);
/* The plugin's message, or one made from the status. */
struct str storage_err_text(struct arena *a, const struct plugin *p, stk_status rc,
                            const stk_err *err);

/* Enters the thread and takes the lock of a weaker thread model, until the
 * deadline (0: none); on failure *err is filled and there is nothing to leave. */
stk_status storage_enter(struct storage *s, uint64_t deadline_us, stk_err *err);
void storage_leave(struct storage *s);

/* One exec of a batch: limits asserted, results zeroed, costs added to the ctx.
 * The storage is entered. */
stk_status storage_exec(struct ctx *c, struct storage *s, stk_txn *txn, const struct batch *b,
                        uint32_t flags, stk_err *err);

/* Counts a batch that took us and ended with rc (b->n may be 0: a commit), the
 * begin and the end of a transaction, an attempt that follows a failed one. */
void storage_count(struct ctx *c, struct storage *s, const struct batch *b, uint64_t us,
                   stk_status rc, const stk_err *err);
void storage_count_begin(struct storage *s, stk_status rc);
void storage_count_end(struct storage *s, bool committed);
void storage_count_again(struct storage *s, stk_status rc);

/* After a successful exec: STK_E_INTERNAL where its results do not fit the calls. */
stk_status batch_check(const struct storage *s, const struct batch *b, stk_err *err);

/* The RC_* of a status that is not to be retried; fails the ctx where that is
 * RC_FAIL, and logs what an operator must see.  query: the name of the one that
 * failed, or "-". */
int storage_rc(struct ctx *c, struct storage *s, const char *query, stk_status rc,
               const stk_err *err);
const char *query_name(const struct batch *b, const stk_err *err);

/* Whether nothing was kept and running it again may help. */
static inline bool status_again(stk_status rc)
{
    return rc == STK_E_RETRY || rc == STK_E_UNAVAILABLE || rc == STK_E_UNCERTAIN;
}

/* The one retry policy. */
struct retry {
    struct ctx *c;
    struct storage *s;
    unsigned conflicts, losses;
};
/* Waits, jittered, before the next attempt; false: give up. */
bool retry_wait(struct retry *r, stk_status rc);

/* Asks the witness of an uncertain transaction with some time of its own. */
int witness_ask(struct ctx *c, struct storage *s, witness_fn witness, void *arg, bool *applied);

#endif
