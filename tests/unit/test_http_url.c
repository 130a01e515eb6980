/* SPDX-License-Identifier: Apache-2.0 */
/* Percent encoding of paths and queries. */
#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena arena;

static void check_path(const char *raw, const char *want)
{
    struct str path = STR_NULL;
    bool ok = url_path(&arena, str_z(raw), &path);
    if (!want) {
        assert_false(ok);
        return;
    }
    assert_true(ok);
    assert_string_equal(path.p, want);
}

static void paths(void **state)
{
    (void)state;
    check_path("/", "");
    check_path("//", "");
    check_path("/recipe/signin", "/recipe/signin");
    check_path("/recipe/signin/", "/recipe/signin");
    check_path("//recipe///signin//", "/recipe/signin");
    check_path("/recipe/%73ignin", "/recipe/signin");
    check_path("/caf%C3%a9", "/caf\xc3\xa9");
    check_path("/a+b", "/a+b");
    check_path("", NULL);
    check_path("*", NULL);
    check_path("recipe", NULL);
    check_path("/a%2Fb", NULL);
    check_path("/a%2fb", NULL);
    check_path("/a%00b", NULL);
    check_path("/a%", NULL);
    check_path("/a%4", NULL);
    check_path("/a%zz", NULL);
    check_path("/a%g1", NULL);
    check_path("/a%ff", NULL);
    check_path("/a%C0%AF", NULL);
}

static void check_query(const char *query, const char *name, const char *want)
{
    struct str raw = STR_NULL, value = STR_NULL;
    bool found = url_query_find(&arena, str_z(query), name, &raw);
    assert_int_equal(found, want != NULL);
    if (!want)
        return;
    assert_true(url_decode(&arena, raw, true, &value));
    assert_string_equal(value.p, want);
}

static void queries(void **state)
{
    (void)state;
    check_query(NULL, "a", NULL);
    check_query("", "a", NULL);
    check_query("a=1", "a", "1");
    check_query("a=1&b=2", "b", "2");
    check_query("a=1&a=2", "a", "1");
    check_query("aa=1&a=2", "a", "2");
    check_query("a", "a", "");
    check_query("a=", "a", "");
    check_query("&&a=x&", "a", "x");
    check_query("a=b=c", "a", "b=c");
    check_query("a=b+c%2Bd", "a", "b c+d");
    check_query("%61=x", "a", "x");
    check_query("A=x", "a", NULL);
    check_query("%zz=x&a=y", "a", "y");
    check_query("a=%F0%9F%98%80", "a", "\xf0\x9f\x98\x80");
}

static void bad_values(void **state)
{
    static const char *const bad[] = {"%", "%1", "%zz", "a%00", "%ff", "%ED%A0%80", "\xff"};
    struct str out;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(url_decode(&arena, str_z(bad[i]), true, &out));
}

static void methods(void **state)
{
    (void)state;
    assert_int_equal(request_method("GET"), HTTP_GET);
    assert_int_equal(request_method("DELETE"), HTTP_DELETE);
    assert_int_equal(request_method("get"), HTTP_OTHER);
    assert_int_equal(request_method("HEAD"), HTTP_OTHER);
    assert_int_equal(request_method(""), HTTP_OTHER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(queries),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(methods),
    };
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
