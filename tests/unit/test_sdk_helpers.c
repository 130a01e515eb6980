/* SPDX-License-Identifier: Apache-2.0 */
/* The inline helpers of stk_sdk.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stk_sdk.h>

#define MAX_CP "\xF4\x8F\xBF\xBF" /* U+10FFFF */

static void check_successor(const char *in, const char *expect)
{
    char out[64];
    size_t n = stk_prefix_successor(in, strlen(in), out);
    out[n] = '\0';
    assert_string_equal(out, expect);
    if (n)
        assert_true(strcmp(in, out) < 0);
}

static void successor_increments_last_code_point(void **state)
{
    (void)state;
    check_successor("a", "b");
    check_successor("ab", "ac");
    check_successor("\x7F", "\xC2\x80");           /* one byte grows to two */
    check_successor("x\xDF\xBF", "x\xE0\xA0\x80"); /* U+07FF, two to three */
    check_successor("\xEF\xBF\xBF", "\xF0\x90\x80\x80");
    check_successor("\xED\x9F\xBF", "\xEE\x80\x80"); /* U+D7FF steps over the surrogates */
    check_successor("\xC3\xA9", "\xC3\xAA");
}

static void successor_carries(void **state)
{
    (void)state;
    check_successor("a" MAX_CP, "b");
    check_successor("a" MAX_CP MAX_CP, "b");
    check_successor("\x7F" MAX_CP, "\xC2\x80");
}

static void successor_may_not_exist(void **state)
{
    (void)state;
    check_successor("", "");
    check_successor(MAX_CP, "");
    check_successor(MAX_CP MAX_CP, "");
}

static void successor_of_every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 1; c < 0x10FFFF; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        char in[5], out[6];
        size_t n = stk_utf8_put(c, in), m = stk_prefix_successor(in, n, out);
        uint32_t next = 0;
        assert_int_equal(stk_utf8_next(out, m, &next), m);
        assert_int_equal(next, c == 0xD7FF ? 0xE000 : c + 1);
    }
}

static void text_length_is_in_characters(void **state)
{
    (void)state;
    assert_int_equal(stk_utf8_count("", 0), 0);
    assert_int_equal(stk_utf8_count("abc", 3), 3);
    assert_int_equal(stk_utf8_count("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9), 3);
}

static void text_that_no_column_takes(void **state)
{
    (void)state;
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC3",
                                      "\xE2\x82",
                                      "\xE0\x80\x80",
                                      "\xED\xA0\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF8\x88\x80\x80",
                                      "a\xFFz"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(stk_utf8_count(bad[i], strlen(bad[i])), -1);
    assert_int_equal(stk_utf8_count("a\0b", 3), -1);
}

static void errors_keep_size_and_cut_at_a_character(void **state)
{
    (void)state;
    stk_err err = {.size = sizeof err, .call = 3, .native = 7};
    assert_int_equal(stk_err_set(&err, STK_E_CONFIG, "x: %s", "y"), STK_E_CONFIG);
    assert_string_equal(err.msg, "x: y");
    assert_int_equal(err.size, sizeof err);
    assert_int_equal(err.native, 0);
    assert_int_equal(err.call, STK_NONE);
    assert_int_equal(err.table, STK_NONE);
    char longer[1000];
    for (size_t i = 0; i + 2 < sizeof longer; i += 2)
        memcpy(longer + i, "\xC3\xA9", 2);
    longer[998] = '\0';
    for (int shift = 0; shift < 2; shift++) {
        stk_err_set(&err, STK_E_CONFIG, "%s%s", shift ? "x" : "", longer);
        assert_true(strlen(err.msg) > 500);
        assert_true(stk_utf8_count(err.msg, strlen(err.msg)) > 250);
    }
    assert_int_equal(stk_err_set(NULL, STK_E_NOMEM, "nobody listens"), STK_E_NOMEM);
}

static void structs_of_other_sizes(void **state)
{
    (void)state;
    struct {
        int a, b, c;
    } big = {1, 2, 3}, got = {9, 9, 9};
    stk_copy_min(&got, sizeof got, &big, 8);
    assert_true(got.a == 1 && got.b == 2 && got.c == 0);
    int small[1];
    stk_copy_min(small, sizeof small, &big, sizeof big);
    assert_int_equal(small[0], 1);
}

static void options_by_key(void **state)
{
    (void)state;
    const stk_kv kv[] = {{"a", "1"}, {"b", "2"}};
    assert_string_equal(stk_kv_get(kv, 2, "b", "x"), "2");
    assert_string_equal(stk_kv_get(kv, 2, "c", "x"), "x");
    assert_null(stk_kv_get(NULL, 0, "a", NULL));
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(stk_text(NULL).type, STK_T_NULL);
    assert_int_equal(stk_text("ab").len, 2);
    assert_int_equal(stk_bool(7).u.i, 1);
    stk_val e[] = {stk_i64(-1)};
    stk_val l = stk_list(e, 1);
    assert_true(l.type == STK_T_LIST && l.len == 1 && l.u.p == e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(successor_increments_last_code_point),
        cmocka_unit_test(successor_carries),
        cmocka_unit_test(successor_may_not_exist),
        cmocka_unit_test(successor_of_every_code_point),
        cmocka_unit_test(text_length_is_in_characters),
        cmocka_unit_test(text_that_no_column_takes),
        cmocka_unit_test(errors_keep_size_and_cut_at_a_character),
        cmocka_unit_test(structs_of_other_sizes),
        cmocka_unit_test(options_by_key),
        cmocka_unit_test(values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
