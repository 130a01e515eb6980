/* SPDX-License-Identifier: Apache-2.0 */
/* One-time passwords against the vectors of RFC 6238, base32 against RFC 4648. */
#include "crypto/totp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static struct arena arena;

static void base32(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "MY======"},
        {"fo", "MZXQ===="},
        {"foo", "MZXW6==="},
        {"foob", "MZXW6YQ="},
        {"fooba", "MZXW6YTB"},
        {"foobar", "MZXW6YTBOI======"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct str plain = str_z(pairs[i][0]), text = str_z(pairs[i][1]);
        assert_string_equal(base32_encode(&arena, plain.p, plain.len).p, text.p);
        assert_true(str_eq(base32_decode(&arena, text), plain));
    }
    assert_string_equal(base32_decode(&arena, STR("mzxw 6ytb-OI")).p, "foobar");
    assert_int_equal(base32_decode(&arena, STR("01-8!")).len, 0);
    assert_int_equal(base32_decode(&arena, STR("=MZXW6===")).len, 0);
}

static const struct {
    int64_t time;
    const char *digits;
} vectors[] = {
    {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
    {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
};

static void digits(void **state)
{
    (void)state;
    struct str key = STR("12345678901234567890");
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char out[TOTP_DIGITS + 1];
        totp_digits(key, (uint64_t)vectors[i].time / 30, out);
        assert_string_equal(out, vectors[i].digits);
        assert_true(totp_matches(key, 30, 0, vectors[i].time * 1000, str_z(vectors[i].digits)));
    }
}

static void skew(void **state)
{
    (void)state;
    struct str key = STR("12345678901234567890"), code = STR("050471");
    int64_t start = 1111111111LL / 30 * 30000;
    assert_true(totp_matches(key, 30, 0, start, code));
    assert_true(totp_matches(key, 30, 0, start + 29999, code));
    assert_false(totp_matches(key, 30, 0, start + 30000, code));
    assert_false(totp_matches(key, 30, 0, start - 1, code));
    assert_true(totp_matches(key, 30, 1, start + 59999, code));
    assert_true(totp_matches(key, 30, 1, start - 30000, code));
    assert_false(totp_matches(key, 30, 1, start + 60000, code));
    assert_false(totp_matches(key, 30, 1, start - 30001, code));
    /* before the first period there is none */
    assert_true(totp_matches(key, 30, 1000, 59000, STR("287082")));
    assert_false(totp_matches(STR(""), 30, 0, start, code));
    assert_false(totp_matches(key, 30, 0, start, STR("50471")));
    assert_false(totp_matches(key, 30, 0, start, STR("")));
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base32),
        cmocka_unit_test(digits),
        cmocka_unit_test(skew),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
