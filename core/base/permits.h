/* SPDX-License-Identifier: Apache-2.0 */
/* Work permits: how many requests run at once, however many connections are
 * open.  Who waits for something slow that is not this process's own work (a
 * database, a password hash) gives its permit back meanwhile.
 *
 * Thread-safe.  Those that have not begun wait in order of arrival.  Who comes
 * back from a pause never waits: it may hold locks that others wait for, permit
 * in hand.  So there can be more running than permits for a moment, and then
 * nobody begins. */
#ifndef CORE_BASE_PERMITS_H
#define CORE_BASE_PERMITS_H

#include <stdbool.h>
#include <stdint.h>

struct ctx;
struct permits;

struct permits *permits_new(unsigned n);
/* Nobody holds or waits for one. */
void permits_free(struct permits *p);

/* Waits until the deadline (monotonic microseconds) for a permit. */
bool permit_take(struct permits *p, uint64_t deadline_us);
void permit_give(struct permits *p);

/* How many there are, are free, and are waited for. */
void permits_stats(struct permits *p, unsigned *all, unsigned *nfree, unsigned *waiters);

/* Around a wait of the request that runs in c.  Nothing where it holds none (a
 * job, a test). */
void permit_pause(struct ctx *c);
void permit_resume(struct ctx *c);

#endif
