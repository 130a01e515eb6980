/* SPDX-License-Identifier: Apache-2.0 */
/* Request counts of a day, and what else is remembered of an app. */
#include "recipe/stats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;
#define APP STR(""), STR("public")
static const int64_t T0 = 1700000040000; /* a full minute */
enum { LAST = STATS_MINUTES - 1, MINUTE = 60000 };

static const struct stats_day *day_at(struct stats *s, int64_t now)
{
    return stats_day(s, &arena, APP, now);
}

static void counts(void **state)
{
    struct stats *s = stats_new();
    (void)state;
    for (int i = 0; i < 30; i++)
        stats_count(s, APP, T0 + 5000);
    for (int i = 0; i < 90; i++)
        stats_count(s, APP, T0 + 6000 + i);
    const struct stats_day *d = day_at(s, T0 + MINUTE);
    assert_int_equal(d->at_minute, T0 / MINUTE + 1);
    assert_true(fabs(d->average[LAST] - 2.0) < 1e-9);
    assert_int_equal(d->peak[LAST], 90);
    assert_int_equal(d->peak[LAST - 1], -1);
    assert_true(d->average[0] < 0);
    stats_count(s, APP, T0 + 5 * MINUTE);
    d = day_at(s, T0 + 6 * MINUTE);
    assert_int_equal(d->peak[LAST], 1);
    assert_int_equal(d->peak[LAST - 1], 0);
    assert_int_equal(d->peak[LAST - 5], 90);
    assert_int_equal(d->peak[LAST - 6], -1);
    stats_free(s);
}

static void days_pass(void **state)
{
    struct stats *s = stats_new();
    (void)state;
    for (int64_t m = 0; m < 3 * STATS_MINUTES; m++)
        stats_count(s, APP, T0 + m * MINUTE);
    const struct stats_day *d = day_at(s, T0 + 3 * (int64_t)STATS_MINUTES * MINUTE);
    for (int i = 0; i < STATS_MINUTES; i++)
        assert_int_equal(d->peak[i], 1);
    stats_count(s, APP, T0); /* the clock was set back */
    d = day_at(s, T0 + 3 * (int64_t)STATS_MINUTES * MINUTE);
    assert_int_equal(d->peak[LAST], 1);
    stats_free(s);
}

static void many_apps(void **state)
{
    struct stats *s = stats_new();
    (void)state;
    for (int i = 0; i < 5000; i++)
        stats_count(s, STR("cud"), str_printf(&arena, "app-%d", i), T0 + i);
    const struct stats_day *d = stats_day(s, &arena, STR("cud"), STR("app-4999"), T0 + MINUTE);
    assert_int_equal(d->peak[LAST], 1);
    d = stats_day(s, &arena, STR("cud"), STR("app-0"), T0 + MINUTE);
    assert_int_equal(d->peak[LAST], -1);
    stats_free(s);
}

static void probes(void **state)
{
    struct stats *s = stats_new();
    bool ok = false;
    (void)state;
    assert_true(stats_probe_due(s, APP, 1000000, &ok));
    assert_true(ok);
    assert_false(stats_probe_due(s, APP, 1199999, &ok));
    assert_true(ok);
    stats_probed(s, APP, false);
    assert_false(stats_probe_due(s, APP, 1199999, &ok));
    assert_false(ok);
    assert_true(stats_probe_due(s, STR(""), STR("other"), 1199999, &ok));
    assert_true(stats_probe_due(s, APP, 1200000, &ok));
    stats_free(s);
}

static void domains(void **state)
{
    struct stats *s = stats_new();
    (void)state;
    assert_false(stats_domains_known(s, APP, STR("a"), STR("b")));
    stats_domains_note(s, APP, STR("a"), STR("b"));
    assert_true(stats_domains_known(s, APP, STR("a"), STR("b")));
    assert_false(stats_domains_known(s, APP, STR("b"), STR("a")));
    assert_false(stats_domains_known(s, APP, STR_NULL, STR("b")));
    stats_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(days_pass), cmocka_unit_test(many_apps),
        cmocka_unit_test(probes), cmocka_unit_test(domains),
    };
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
