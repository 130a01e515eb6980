/* SPDX-License-Identifier: Apache-2.0 */
/* What is added to the template's sources in tests/plugins/memory: see memory.c. */
#ifndef TESTS_MEMORY_H
#define TESTS_MEMORY_H

#include <stdbool.h>
#include <stk_plugin.h>

/* Whether STK_MEMORY_BUG names this bug: the conformance program must find it. */
bool bug(const char *name);

/* compare() of texts that goes wrong by "pad" or "case". */
bool bug_compare(const stk_val *a, const stk_val *b, int *out);
/* "arena": a copy that the thread's next change of a row spoils. */
const char *bug_copy(const void *text, uint32_t len);
void bug_spoil(void);
/* "value": a message that tells a value of the call. */
void bug_tell(const stk_call *call, stk_err *err);

#endif
