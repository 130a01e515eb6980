/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that compute password hashes: of low priority, so that a storm of
 * logins does not delay the requests that need no hash, and few, so that
 * memory-hard hashes do not exhaust the machine.  Each kind of hash has its own
 * lane: threads, a bounded queue in order of arrival, and a deadline per job.
 *
 * Thread-safe.  Threads are started by the first job of a lane. */
#ifndef CORE_CRYPTO_HASH_POOL_H
#define CORE_CRYPTO_HASH_POOL_H

#include <stdint.h>

enum hash_lane { HASH_LANE_BCRYPT, HASH_LANE_ARGON2, HASH_LANE_FIREBASE, HASH_LANES };

struct hash_pool;

/* How many threads each lane may have (0 counts as 1) and how many jobs may
 * wait in one. */
struct hash_pool *hash_pool_new(const unsigned threads[HASH_LANES], unsigned queue);
/* Waits for the jobs that run; none may be waiting. */
void hash_pool_free(struct hash_pool *p);

/* Runs fn(arg) on a thread of the lane and waits for its end.  Returns 0, or -1
 * when the queue is full or the job could not start by the deadline (monotonic
 * microseconds, 0: none); then fn was not and will not be called.  A job that
 * has started is always waited for. */
int hash_pool_run(struct hash_pool *p, enum hash_lane lane, uint64_t deadline_us,
                  void (*fn)(void *arg), void *arg);

/* One lane at this moment, and since the start. */
struct hash_lane_stats {
    unsigned threads, running, waiting;
    uint64_t done;
    uint64_t refused;  /* the queue was full */
    uint64_t too_late; /* could not start by the deadline */
};
void hash_pool_stats(struct hash_pool *p, struct hash_lane_stats stats[HASH_LANES]);
const char *hash_lane_name(enum hash_lane lane);

#endif
