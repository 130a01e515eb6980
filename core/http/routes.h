/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all calls, and how a path is read:
 * [/appid-<id>][/<tenantId>]<path>[/], in any case, an exact match first. */
#ifndef CORE_HTTP_ROUTES_H
#define CORE_HTTP_ROUTES_H

#include "base/histogram.h"
#include "http/api.h"

struct routes;

/* How one call was used since the start; any thread may count. */
struct route_count {
    const struct route *route; /* NULL: requests that no call answered */
    atomic_count by_class[5];  /* replies with status 1xx to 5xx */
    struct histogram time;
};

/* The calls of one path (and rid), by method. */
struct endpoint {
    struct str path;
    struct str rid;         /* STR_NULL: for any other rid */
    struct endpoint *other; /* the same path for another rid */
    unsigned flags;         /* of its calls together: NO_KEY, NO_CDI, OLD_CDI */
    const struct route *by_method[HTTP_OTHER];
    struct route_count *counts[HTTP_OTHER];
};

struct routes *routes_new(const struct route *const *tables, size_t n);
void routes_free(struct routes *r);
/* Every table of this build. */
struct routes *routes_all(void);

/* Of all calls, in the order of the tables; the last one is of no call. */
struct route_count *routes_counts(const struct routes *r, size_t *n);
/* Of the call that answers the method at this place. */
struct route_count *routes_count(const struct routes *r, const struct endpoint *e,
                                 enum http_method method);
void route_counted(struct route_count *c, int status, uint64_t us);

/* A path taken apart. */
struct route_match {
    const struct endpoint *endpoint; /* that of "/" where found is false */
    bool found;
    bool has_tenant;              /* another than "public" */
    struct str app_id, tenant_id; /* lower-cased, "public" where not given */
};

/* path: decoded by url_path(), below the base path. */
void routes_match(const struct routes *r, struct arena *a, struct str path, struct str rid,
                  struct route_match *m);

#endif
