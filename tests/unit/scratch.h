/* SPDX-License-Identifier: Apache-2.0 */
/* Folders for unit tests: a temporary one, and where sources and build lie. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <stddef.h>

/* Makes a folder of its own; the test ends if it cannot. */
void scratch_make(char *path, size_t n);
/* Removes it with all it holds; 0, as a teardown returns it. */
int scratch_remove(const char *path);
/* Makes a folder or writes a file below it. */
void scratch_mkdir(const char *dir, const char *name);
void scratch_write(const char *dir, const char *name, const char *text);
/* The repository: STK_SRC, else the working directory. */
const char *scratch_src(void);
/* The build folder: STK_BUILD, else the one this program lies in. */
const char *scratch_build(void);

#endif
