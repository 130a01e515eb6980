/* SPDX-License-Identifier: Apache-2.0 */
/* The process's log: one line per event, errors and warnings to the error log,
 * the rest to the info log, both possibly standard streams.  The one piece of
 * process-wide state, because a line must be possible from everywhere.  Values
 * of secrets are never passed in. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include "base/str.h"

#include <stdbool.h>

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* NULL or empty path: stdout (info) or stderr (error).  Opens for append and
 * creates the folder.  On failure returns -1 with errno set and *bad naming
 * the path.  Until called, everything goes to the standard streams at INFO. */
int log_open(const char *info_path, const char *error_path, enum log_level level, const char **bad);
/* Opens the same paths anew (SIGHUP). */
int log_reopen(void);
void log_close(void);
bool log_enabled(enum log_level level);
/* While on, lines that go to a file are shown on the standard streams as well,
 * without their time: the progress of a start.  Called by the main thread. */
void log_echo(bool on);

/* "2026-11-24T06:02:17.123Z INFO  <component>: <text>"; control characters in
 * the text are escaped, so a line is always one line. */
void log_write(enum log_level level, const char *component, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_text(enum log_level level, const char *component, struct str text);

#define log_error(component, ...) log_write(LOG_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...) log_write(LOG_WARN, component, __VA_ARGS__)
#define log_info(component, ...) log_write(LOG_INFO, component, __VA_ARGS__)
#define log_debug(component, ...)                                                                  \
    do {                                                                                           \
        if (log_enabled(LOG_DEBUG))                                                                \
            log_write(LOG_DEBUG, component, __VA_ARGS__);                                          \
    } while (0)

#endif
