/* SPDX-License-Identifier: Apache-2.0 */
/* The files of .started: one per running core, named HOST-PORT, holding its
 * process id and its base path on two lines, as other tools read them. */
#ifndef CORE_CLI_STARTED_H
#define CORE_CLI_STARTED_H

#include "base/arena.h"
#include "base/str.h"

#include <stddef.h>
#include <sys/types.h>

struct started {
    struct str file, host, port, base_path;
    pid_t pid;
};

/* Writes the file of this process; STR_NULL with errno set if it cannot. */
struct str started_write(struct arena *a, struct str state_dir, struct str host, int port,
                         struct str base_path);
/* Cores that run; files of those that do not are removed. */
size_t started_list(struct arena *a, struct str state_dir, struct started **list);

#endif
