/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table against a plain array, through growth and removals. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { KEYS = 500 };

static struct str key_of(char *buf, size_t n, unsigned i)
{
    int len = snprintf(buf, n, "key-%u", i % KEYS);
    return str_make(buf, (size_t)len);
}

static void agrees_with_an_array(void **state)
{
    (void)state;
    static int values[KEYS];
    int *expected[KEYS] = {NULL};
    size_t live = 0;
    struct map m;
    map_init(&m);
    unsigned r = 12345;
    for (int step = 0; step < 20000; step++) {
        char buf[16];
        r = r * 1103515245u + 12345u;
        unsigned i = (r >> 8) % KEYS;
        struct str key = key_of(buf, sizeof(buf), i);
        assert_ptr_equal(map_get(&m, key), expected[i]);
        if (r & 0x80000000u) {
            live += expected[i] == NULL;
            assert_ptr_equal(map_put(&m, key, &values[i]), expected[i]);
            expected[i] = &values[i];
        } else {
            live -= expected[i] != NULL;
            assert_ptr_equal(map_remove(&m, key), expected[i]);
            expected[i] = NULL;
        }
        assert_int_equal(m.n, live);
    }
    size_t at = 0, seen = 0;
    while (map_next(&m, &at))
        seen++;
    assert_int_equal(seen, live);
    map_free(&m);
}

static void empty_map_finds_nothing(void **state)
{
    (void)state;
    struct map m;
    size_t at = 0;
    map_init(&m);
    assert_null(map_get(&m, STR("a")));
    assert_null(map_remove(&m, STR("a")));
    assert_null(map_next(&m, &at));
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_an_array),
        cmocka_unit_test(empty_map_finds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
