/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that this process made or read lately: their address and salt, which
 * never change.  Whoever brings a code names its device only; that the address is
 * known already spares a round trip.  Whether the device is still there, the
 * transaction that uses the code finds out.
 *
 * Bounded: the memory may forget, the price of that is the round trip.
 * Thread-safe. */
#ifndef CORE_RECIPE_PASSWORDLESS_KNOWN_H
#define CORE_RECIPE_PASSWORDLESS_KNOWN_H

#include "base/arena.h"
#include "store/passwordless.h"

#include <stdbool.h>

struct pl_known; /* core->pl_known */

struct pl_known *pl_known_new(void);
void pl_known_free(struct pl_known *k);

void pl_known_put(struct pl_known *k, const struct pl_device *d);
/* Fills hash, email, phone and salt, copied to the arena; false: it is not known. */
bool pl_known_get(struct pl_known *k, struct arena *a, struct str hash, struct pl_device *d);
void pl_known_forget(struct pl_known *k, struct str hash);

#endif
