/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all calls; see routes.h. */
#include "http/routes.h"

#include "base/map.h"
#include "base/mem.h"

#include <string.h>

#define APPID STR("/appid-")

struct routes {
    struct map paths;     /* to the first endpoint of the path */
    struct endpoint root; /* stands in for "/" in tables without it */
    struct route_count *counts;
    size_t ncounts; /* the last one is for requests that no call answers */
};

static struct endpoint *endpoint_of(struct routes *r, struct str path, struct str rid)
{
    struct endpoint *first = map_get(&r->paths, path);
    for (struct endpoint *e = first; e; e = e->other)
        if (str_eq(e->rid, rid) && (e->rid.p != NULL) == (rid.p != NULL))
            return e;
    struct endpoint *e = mem_zalloc(sizeof(*e));
    e->path = path;
    e->rid = rid;
    e->other = first;
    map_put(&r->paths, path, e);
    return e;
}

static void add(struct routes *r, const struct route *route, struct route_count *count)
{
    struct str path = str_z(route->path), rid = STR_NULL;
    ptrdiff_t mark = str_find(path, '#');
    if (mark >= 0) {
        rid = str_sub(path, (size_t)mark + 1, path.len);
        path = str_sub(path, 0, (size_t)mark);
    }
    if (str_eqz(path, "/"))
        path = STR("");
    struct endpoint *e = endpoint_of(r, path, rid);
    e->flags |= route->flags & (ROUTE_NO_KEY | ROUTE_NO_CDI | ROUTE_OLD_CDI);
    e->by_method[route->method] = route;
    e->counts[route->method] = count;
    count->route = route;
}

struct routes *routes_new(const struct route *const *tables, size_t n)
{
    struct routes *r = mem_zalloc(sizeof(*r));
    map_init(&r->paths);
    r->root = (struct endpoint){.path = STR(""), .flags = ROUTE_NO_KEY | ROUTE_OLD_CDI};
    r->ncounts = 1;
    for (size_t i = 0; i < n; i++)
        for (const struct route *route = tables[i]; route && route->path; route++)
            r->ncounts++;
    r->counts = mem_zalloc(r->ncounts * sizeof(*r->counts));
    struct route_count *count = r->counts;
    for (size_t i = 0; i < n; i++)
        for (const struct route *route = tables[i]; route && route->path; route++)
            add(r, route, count++);
    return r;
}

void routes_free(struct routes *r)
{
    size_t at = 0;
    struct endpoint *e;
    if (!r)
        return;
    while ((e = map_next(&r->paths, &at)) != NULL)
        while (e) {
            struct endpoint *other = e->other;
            mem_free(e);
            e = other;
        }
    map_free(&r->paths);
    mem_free(r->counts);
    mem_free(r);
}

/* ---- counting */

struct route_count *routes_counts(const struct routes *r, size_t *n)
{
    *n = r->ncounts;
    return r->counts;
}

struct route_count *routes_count(const struct routes *r, const struct endpoint *e,
                                 enum http_method method)
{
    struct route_count *c = e && method != HTTP_OTHER ? e->counts[method] : NULL;
    return c ? c : &r->counts[r->ncounts - 1];
}

void route_counted(struct route_count *c, int status, uint64_t us)
{
    unsigned class = status >= 100 && status < 600 ? (unsigned)status / 100 - 1 : 4;
    count_one(&c->by_class[class]);
    histogram_add(&c->time, us);
}

/* ---- finding */

static const struct endpoint *find(const struct routes *r, struct str path, struct str rid)
{
    const struct endpoint *any = NULL;
    for (const struct endpoint *e = map_get(&r->paths, path); e; e = e->other) {
        if (!e->rid.p)
            any = e;
        else if (str_eq(e->rid, rid))
            return e;
    }
    return any;
}

static bool id_chars(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9') && s.p[i] != '-')
            return false;
    return true;
}

/* The first segment of "/x/y": "x"; *rest becomes "/y". */
static struct str segment(struct str *rest)
{
    struct str s = str_sub(*rest, 1, rest->len);
    ptrdiff_t slash = str_find(s, '/');
    struct str first = slash < 0 ? s : str_sub(s, 0, (size_t)slash);
    *rest = slash < 0 ? STR("") : str_sub(s, (size_t)slash, s.len);
    return first;
}

/* Words that no tenant may have as its id. */
static bool reserved(struct str id)
{
    return str_eqz(id, "recipe") || str_eqz(id, "config") || str_eqz(id, "users") ||
           str_eqz(id, "hello");
}

static const struct endpoint *below_tenant(const struct routes *r, struct str path, struct str rid,
                                           struct route_match *m)
{
    if (path.len == 0)
        return NULL;
    struct str tenant = segment(&path);
    if (tenant.len == 0 || !id_chars(tenant) || reserved(tenant))
        return NULL;
    const struct endpoint *e = find(r, path, rid);
    if (e && !str_eqz(tenant, "public")) {
        m->tenant_id = tenant;
        m->has_tenant = true;
    }
    return e;
}

static const struct endpoint *below_app(const struct routes *r, struct str path, struct str rid,
                                        struct route_match *m)
{
    if (!str_starts(path, APPID))
        return NULL;
    struct str app = segment(&path);
    if (!id_chars(app))
        return NULL;
    const struct endpoint *e = find(r, path, rid);
    if (!e)
        e = below_tenant(r, path, rid, m);
    if (e)
        m->app_id = str_sub(app, APPID.len - 1, app.len);
    return e;
}

void routes_match(const struct routes *r, struct arena *a, struct str path, struct str rid,
                  struct route_match *m)
{
    path = str_lower(a, path);
    *m = (struct route_match){.app_id = STR("public"), .tenant_id = STR("public")};
    const struct endpoint *e = find(r, path, rid);
    if (!e)
        e = below_app(r, path, rid, m);
    if (!e)
        e = below_tenant(r, path, rid, m);
    m->found = e != NULL;
    m->endpoint = e ? e : &r->root;
}
