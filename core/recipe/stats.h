/* SPDX-License-Identifier: Apache-2.0 */
/* What this process remembers of each app for a while: its requests per second
 * over the last day, when its storage was last probed, which domains it told.
 * Bounded: the app not heard of for longest is forgotten.
 *
 * Thread-safe. */
#ifndef CORE_RECIPE_STATS_H
#define CORE_RECIPE_STATS_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum { STATS_MINUTES = 24 * 60 };

struct stats; /* core->stats */

struct stats *stats_new(void);
void stats_free(struct stats *s);

/* Counts one request at this time (ms UTC). */
void stats_count(struct stats *s, struct str cud, struct str app_id, int64_t now_ms);

/* The minutes before at_minute (minutes since 1970), oldest first; -1: nothing is
 * known of that minute. */
struct stats_day {
    int64_t at_minute;
    double average[STATS_MINUTES];
    int64_t peak[STATS_MINUTES];
};
/* In the arena. */
const struct stats_day *stats_day(struct stats *s, struct arena *a, struct str cud,
                                  struct str app_id, int64_t now_ms);

/* Whether the app's storage should be probed now; at most one caller in
 * 200 ms is told so.  Else *ok is how the last probe ended. */
bool stats_probe_due(struct stats *s, struct str cud, struct str app_id, uint64_t now_us, bool *ok);
void stats_probed(struct stats *s, struct str cud, struct str app_id, bool ok);

/* Whether the domains are the ones noted last. */
bool stats_domains_known(struct stats *s, struct str cud, struct str app_id, struct str website,
                         struct str api);
void stats_domains_note(struct stats *s, struct str cud, struct str app_id, struct str website,
                        struct str api);

#endif
