/* SPDX-License-Identifier: Apache-2.0 */
/* Heap memory for what outlives a request.  Running out of memory ends the
 * process with a line that says so: no caller can do better. */
#ifndef CORE_BASE_MEM_H
#define CORE_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);
void *mem_zalloc(size_t n);
void *mem_realloc(void *p, size_t n);
char *mem_dup(const void *p, size_t n); /* adds a NUL */
char *mem_strdup(const char *z);        /* NULL gives NULL */
void mem_free(void *p);

/* Frees the pointer variable when it leaves its scope. */
void mem_cleanup(void *pp);
#define MEM_CLEANUP __attribute__((cleanup(mem_cleanup)))

#endif
