/* SPDX-License-Identifier: Apache-2.0 */
/* What the databases were asked, by query, over all storages of the process.
 * Counting is lock-free, and reading takes no snapshot. */
#ifndef CORE_STORAGE_COUNTS_H
#define CORE_STORAGE_COUNTS_H

#include "base/histogram.h"
#include "storage/storage.h"
#include "storage/storages.h"

enum { COUNT_STATUSES = 17 }; /* STK_OK and every failure */

struct query_count {
    atomic_count calls;
    /* The time of each batch, in equal parts to its calls: a plugin tells no more. */
    atomic_count us;
    atomic_count by_status[COUNT_STATUSES]; /* of the calls that failed; [0] is unused */
};

enum storage_again { AGAIN_CONFLICT, AGAIN_CONNECTION, AGAIN_UNCERTAIN, AGAINS };

struct storage_counts {
    struct histogram batches;
    atomic_count slow; /* batches beyond slow_query_threshold_ms */
    atomic_count committed, rolled_back;
    atomic_count again[AGAINS]; /* attempts after the first */
    /* Of slow batches: the second of the last lines logged, and their number. */
    atomic_count said_s, said_n;
    const stk_catalog *catalog;
    struct query_count transaction; /* beginnings that failed, commits without a query */
    struct query_count queries[];   /* by id */
};

struct storage_counts *storage_counts_new(const stk_catalog *catalog);
const struct storage_counts *storages_counts(const struct storages *ss);

/* What an operator reads of a status: "conflict", "timeout"... */
const char *count_status_name(unsigned status);

#endif
