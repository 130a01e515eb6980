/* SPDX-License-Identifier: Apache-2.0 */
/* Devices that are remembered: what they hold, and that the memory is bounded. */
#include "recipe/passwordless_known.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { MANY = 80000, MOST = 16384 };

static struct str name(struct arena *a, int i)
{
    return str_printf(a, "device-%d", i);
}

static void holds_what_it_was_given(void **state)
{
    struct pl_known *k = pl_known_new();
    struct arena a;
    struct pl_device d;
    (void)state;
    arena_init(&a);
    assert_false(pl_known_get(k, &a, STR("h"), &d));
    pl_known_put(k, &(struct pl_device){.hash = STR("h"), .email = STR("e"), .salt = STR("s")});
    pl_known_put(k, &(struct pl_device){.hash = STR("i"), .phone = STR("+1"), .salt = STR("t")});
    assert_true(pl_known_get(k, &a, STR("h"), &d));
    assert_true(str_eqz(d.hash, "h") && str_eqz(d.email, "e") && str_eqz(d.salt, "s"));
    assert_null(d.phone.p);
    assert_true(a.wipe);
    assert_true(pl_known_get(k, &a, STR("i"), &d));
    assert_true(str_eqz(d.phone, "+1") && str_eqz(d.salt, "t"));
    assert_null(d.email.p);
    pl_known_forget(k, STR("h"));
    pl_known_forget(k, STR("h"));
    assert_false(pl_known_get(k, &a, STR("h"), &d));
    assert_true(pl_known_get(k, &a, STR("i"), &d));
    arena_free(&a);
    pl_known_free(k);
}

static void forgets_the_oldest(void **state)
{
    struct pl_known *k = pl_known_new();
    struct arena a;
    struct pl_device d;
    int known = 0;
    (void)state;
    arena_init(&a);
    for (int i = 0; i < MANY; i++) {
        pl_known_put(k, &(struct pl_device){.hash = name(&a, i), .email = STR("e")});
        assert_true(pl_known_get(k, &a, name(&a, i), &d));
    }
    for (int i = 0; i < MANY; i++)
        known += pl_known_get(k, &a, name(&a, i), &d);
    assert_in_range(known, MOST / 2, MOST);
    assert_false(pl_known_get(k, &a, name(&a, 0), &d));
    arena_free(&a);
    pl_known_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_it_was_given),
        cmocka_unit_test(forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
