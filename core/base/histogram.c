/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of durations; see histogram.h. */
#include "base/histogram.h"

/* From a verify without a database to the deadline of a request. */
const uint32_t histogram_bounds[HISTOGRAM_BOUNDS] = {
    100,   250,    500,    1000,   2500,    5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000,
};

void histogram_add(struct histogram *h, uint64_t us)
{
    unsigned i = 0;
    while (i < HISTOGRAM_BOUNDS && us > histogram_bounds[i])
        i++;
    count_one(&h->buckets[i]);
    count_more(&h->sum_us, us);
}
