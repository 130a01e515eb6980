/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks: wall time for what is stored, monotonic for deadlines. */
#ifndef CORE_BASE_CLOCK_H
#define CORE_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ms(void);  /* ms since 1970-01-01 UTC */
uint64_t clock_us(void); /* monotonic microseconds */

#endif
