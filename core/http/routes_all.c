/* SPDX-License-Identifier: Apache-2.0 */
/* The calls this build serves. */
#include "http/routes.h"

struct routes *routes_all(void)
{
    static const struct route *const tables[] = {
        core_routes,  dashboard_routes,    emailpassword_routes,     session_routes,
        jwt_routes,   multitenancy_routes, multitenancy_user_routes, totp_routes,
        users_routes,
    };
    return routes_new(tables, sizeof(tables) / sizeof(tables[0]));
}
