/* SPDX-License-Identifier: Apache-2.0 */
/* Random bytes and identifiers. */
#ifndef CORE_BASE_IDS_H
#define CORE_BASE_IDS_H

#include "base/arena.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

enum { UUID_LEN = 36 };

/* Cryptographically strong; ends the process if the system has none. */
void random_bytes(void *p, size_t n);
/* Uniform in [0, n), n > 0. */
uint64_t random_below(uint64_t n);
/* RFC 9562: v7 (time-ordered, 74 random bits) for users and sessions, v4 for
 * what must not tell its age. out holds UUID_LEN characters and a NUL. */
void uuid_v7(char out[UUID_LEN + 1]);
void uuid_v4(char out[UUID_LEN + 1]);
struct str uuid_v7_str(struct arena *a);
struct str uuid_v4_str(struct arena *a);

#endif
