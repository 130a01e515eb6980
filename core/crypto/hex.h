/* SPDX-License-Identifier: Apache-2.0 */
/* Lower-case hexadecimal. */
#ifndef CORE_CRYPTO_HEX_H
#define CORE_CRYPTO_HEX_H

#include "base/arena.h"
#include "base/str.h"

struct str hex_encode(struct arena *a, const void *p, size_t n);

#endif
