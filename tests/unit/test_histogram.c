/* SPDX-License-Identifier: Apache-2.0 */
/* Buckets of durations, and the counters of calls that use them. */
#include "base/histogram.h"
#include "http/routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void each_bound_is_in_its_bucket(void **state)
{
    (void)state;
    struct histogram h;
    memset(&h, 0, sizeof(h));
    uint64_t sum = 0;
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        assert_true(i == 0 || histogram_bounds[i] > histogram_bounds[i - 1]);
        histogram_add(&h, histogram_bounds[i]);
        histogram_add(&h, histogram_bounds[i] + 1u);
        sum += 2u * (uint64_t)histogram_bounds[i] + 1u;
    }
    assert_int_equal(counted(&h.buckets[0]), 1);
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
        assert_int_equal(counted(&h.buckets[i]), 2);
    assert_int_equal(counted(&h.buckets[HISTOGRAM_BOUNDS]), 1);
    assert_int_equal(counted(&h.sum_us), sum);
}

static int nothing(struct api *a)
{
    (void)a;
    return RC_OK;
}

static void calls_have_counters_of_their_own(void **state)
{
    (void)state;
    static const struct route table[] = {
        {HTTP_GET, "/a", 0, nothing},
        {HTTP_POST, "/a", 0, nothing},
        {HTTP_POST, "/a#one", 0, nothing},
        {HTTP_OTHER, NULL, 0, NULL},
    };
    const struct route *const tables[] = {table};
    struct routes *r = routes_new(tables, 1);
    struct arena arena;
    struct route_match any, one;
    arena_init(&arena);
    routes_match(r, &arena, STR("/a"), STR_NULL, &any);
    routes_match(r, &arena, STR("/a"), STR("one"), &one);
    route_counted(routes_count(r, any.endpoint, HTTP_GET), 200, 5);
    route_counted(routes_count(r, any.endpoint, HTTP_POST), 404, 5);
    route_counted(routes_count(r, one.endpoint, HTTP_POST), 503, 5);
    route_counted(routes_count(r, one.endpoint, HTTP_GET), 405, 5);
    route_counted(routes_count(r, NULL, HTTP_GET), 404, 5);
    route_counted(routes_count(r, any.endpoint, HTTP_OTHER), 9999, 5);
    size_t n;
    struct route_count *c = routes_counts(r, &n);
    assert_int_equal(n, 4);
    const unsigned class[] = {1, 3, 4, 3};
    const unsigned hits[] = {1, 1, 1, 2};
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(c[i].route, i < 3 ? &table[i] : NULL);
        assert_int_equal(counted(&c[i].by_class[class[i]]), hits[i]);
    }
    assert_int_equal(counted(&c[3].by_class[4]), 1);
    assert_int_equal(counted(&c[3].time.buckets[0]), 3);
    arena_free(&arena);
    routes_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bound_is_in_its_bucket),
        cmocka_unit_test(calls_have_counters_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
