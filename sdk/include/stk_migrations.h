/* SPDX-License-Identifier: Apache-2.0 */
/* The migration scripts of this plugin, in the source that sdk/mk/plugin.mk
 * generates from its script folder.  Static data, valid while the plugin is
 * loaded, free for any thread to read.  For the vtable:
 *
 *     .migrations = stk_migrations,
 *     .nmigrations = STK_NMIGRATIONS,
 *     .migration_size = sizeof(stk_migration),
 *
 * STK_NMIGRATIONS is set on the command line by plugin.mk, because a static
 * initialiser cannot read stk_nmigrations of another file; both are equal. */
#ifndef STK_MIGRATIONS_H
#define STK_MIGRATIONS_H

#include <stk_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Versions 1, 2, ..., stk_nmigrations, in order. */
extern const stk_migration stk_migrations[];
extern const uint32_t stk_nmigrations;

#ifdef __cplusplus
}
#endif

#endif
