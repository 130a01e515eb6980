/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the loader. */
#ifndef CORE_STORAGE_LOADER_INTERNAL_H
#define CORE_STORAGE_LOADER_INTERNAL_H

#include "storage/loader.h"

/* Whether anyone but root and the effective user could change what `path`
 * (absolute) names: the file, its folder, the folder of what it links to.
 * Group-writable ones are a warning. */
enum plugin_refusal loader_check_owner(struct arena *a, const char *path, const char *real,
                                       struct str *error);

/* Copies the vtable at `from` into p->v and its tables into p's, and checks all
 * that can be wrong with them. */
enum plugin_refusal loader_check_vtable(struct arena *a, const struct stk_plugin *from,
                                        struct plugin *p, struct str *error);

#endif
