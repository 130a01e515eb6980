/* SPDX-License-Identifier: Apache-2.0 */
/* How long things took, counted in buckets with the bounds of a Prometheus
 * histogram.  Counting is two additions without a lock or an order between
 * them, so a reader may see one before the other. */
#ifndef CORE_BASE_HISTOGRAM_H
#define CORE_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 16 };
/* Microseconds, rising; what is above the last has a bucket of its own. */
extern const uint32_t histogram_bounds[HISTOGRAM_BOUNDS];

typedef _Atomic uint64_t atomic_count;

struct histogram {
    atomic_count buckets[HISTOGRAM_BOUNDS + 1]; /* each without those below it */
    atomic_count sum_us;
};

static inline void count_more(atomic_count *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static inline void count_one(atomic_count *c)
{
    count_more(c, 1);
}

static inline uint64_t counted(const atomic_count *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

void histogram_add(struct histogram *h, uint64_t us);

#endif
