/* SPDX-License-Identifier: Apache-2.0 */
/* When users were last seen: one row a user in the storage of the app, written
 * at most once in five minutes by one core.  The memory of recent writes is
 * bounded and may forget; the price of that is one more write.
 *
 * user_id is always the SuperTokens id, never the external one. */
#ifndef CORE_RECIPE_ACTIVE_H
#define CORE_RECIPE_ACTIVE_H

#include "base/ctx.h"
#include "base/str.h"

#include <stdbool.h>

struct active; /* core->active */
struct batch;
struct storage;

struct active *active_new(void);
void active_free(struct active *a);

/* Marks the user as seen now, in a write of its own if one is due.  Best effort:
 * a failure is logged at debug level and leaves ctx.fail alone.  Call it when no
 * connection is held, after the answer is known. */
void users_last_active_mark(struct ctx *c, struct str user_id);

/* The same without a round trip of its own: appends the write to a batch about
 * to be written to s, if one is due and s is the app's storage.  Returns whether
 * it did; then call active_noted() once the batch has been written. */
bool active_add(struct ctx *c, struct storage *s, struct batch *b, struct str user_id);
void active_noted(struct ctx *c, struct str user_id);

/* Forgets the user, whose rows are being deleted. */
void active_forget(struct ctx *c, struct str user_id);

/* Users of the app seen at or after since_ms. */
int active_count(struct ctx *c, int64_t since_ms, int64_t *n);

#endif
