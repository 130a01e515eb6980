/* SPDX-License-Identifier: Apache-2.0 */
/* The calls this build serves. */
#include "http/routes.h"

struct routes *routes_all(void)
{
    static const struct route *const tables[] = {
#define ROUTES(table) table,
#include "http/routes_all.def"
#undef ROUTES
    };
    return routes_new(tables, sizeof(tables) / sizeof(tables[0]));
}
