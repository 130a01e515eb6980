/* SPDX-License-Identifier: Apache-2.0 */
/* Bringing the core up and down. */
#ifndef CORE_LIFECYCLE_H
#define CORE_LIFECYCLE_H

#include "base/arena.h"
#include "base/str.h"
#include "core.h"

#include <stdbool.h>

struct config;

struct start_how {
    /* Whether the process is asked to end; called while the database is waited
     * for.  May be NULL. */
    bool (*stop)(void *arg);
    void *stop_arg;
};

enum start_result { START_OK, START_FAILED, START_CONFIG };

/* Builds the context from a loaded configuration, which it takes over, and
 * serves when it returns START_OK.  Otherwise everything is taken down again and
 * *error (in the arena) says why; START_CONFIG: the configuration is wrong. */
enum start_result core_start(struct config *config, const struct start_how *how, struct arena *a,
                             struct core **out, struct str *error);
/* Finishes what runs, at most 10 s, and frees everything. */
void core_stop(struct core *core);

#endif
