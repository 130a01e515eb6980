/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of bodies and queries: what each type accepts, and the texts. */
#include "http/reply.h"
#include "http/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct request request;

static struct api make(const char *body, const char *query)
{
    request = (struct request){.method = "POST", .query = str_z(query)};
    struct api a = {.request = &request};
    a.ctx.arena = &arena;
    a.body = reply_body_parse(&arena, str_z(body));
    return a;
}

#define BODY(field) "{\"f\":" field "}"
#define INVALID "Field name 'f' is invalid in JSON input"

static void check_fail(struct api *a, int rc, const char *text)
{
    assert_int_equal(rc, RC_FAIL);
    assert_int_equal(a->ctx.fail, FAIL_BAD_REQUEST);
    assert_string_equal(a->ctx.fail_text.p, text);
}

static void strings(void **state)
{
    static const char *const bad[] = {"{}",         BODY("null"), BODY("1"),
                                      BODY("true"), BODY("{}"),   BODY("[]")};
    struct str s;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct api a = make(bad[i], NULL);
        check_fail(&a, api_str(&a, "f", &s), INVALID);
        a = make(bad[i], NULL);
        if (i == 0) {
            assert_int_equal(api_str_opt(&a, "f", &s), RC_OK);
            assert_null(s.p);
        } else {
            check_fail(&a, api_str_opt(&a, "f", &s), INVALID);
        }
    }
    struct api a = make(BODY("\" x \""), NULL);
    assert_int_equal(api_str(&a, "f", &s), RC_OK);
    assert_string_equal(s.p, " x ");
    assert_int_equal(api_trim(&a, "f", &s), RC_OK);
    assert_string_equal(s.p, "x");
    s = STR("  ");
    check_fail(&a, api_trim(&a, "f", &s), "Field name 'f' cannot be an empty String");
}

static void booleans(void **state)
{
    bool b;
    (void)state;
    struct api a = make(BODY("true"), NULL);
    assert_int_equal(api_bool(&a, "f", &b), RC_OK);
    assert_true(b);
    a = make("{}", NULL);
    assert_int_equal(api_bool_opt(&a, "f", true, &b), RC_OK);
    assert_true(b);
    check_fail(&a, api_bool(&a, "f", &b), INVALID);
    a = make(BODY("\"true\""), NULL);
    check_fail(&a, api_bool_opt(&a, "f", true, &b), INVALID);
    a = make(BODY("null"), NULL);
    check_fail(&a, api_bool_opt(&a, "f", true, &b), INVALID);
}

static void check_number(const char *body, int64_t want)
{
    int64_t v = 0;
    struct api a = make(body, NULL);
    assert_int_equal(api_i64(&a, "f", &v), RC_OK);
    assert_int_equal(v, want);
}

static void numbers(void **state)
{
    static const char *const bad[] = {BODY("null"), BODY("true"),  BODY("\"x\""),  BODY("\"\""),
                                      BODY("[]"),   BODY("1e300"), BODY("\"1.5\"")};
    int64_t v;
    (void)state;
    check_number(BODY("12"), 12);
    check_number(BODY("-9223372036854775808"), INT64_MIN);
    check_number(BODY("1.9"), 1);
    check_number(BODY("1e3"), 1000);
    check_number(BODY("\"42\""), 42);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct api a = make(bad[i], NULL);
        check_fail(&a, api_i64_opt(&a, "f", 1, &v), INVALID);
    }
    struct api a = make("{}", NULL);
    assert_int_equal(api_i64_opt(&a, "f", 7, &v), RC_OK);
    assert_int_equal(v, 7);
}

static void containers(void **state)
{
    json_t *v;
    (void)state;
    struct api a = make(BODY("{\"x\":1}"), NULL);
    assert_int_equal(api_object(&a, "f", &v), RC_OK);
    assert_int_equal(json_object_size(v), 1);
    check_fail(&a, api_array(&a, "f", &v), INVALID);
    a = make("{}", NULL);
    assert_int_equal(api_object_opt(&a, "f", &v), RC_OK);
    assert_null(v);
    assert_int_equal(api_array_opt(&a, "f", &v), RC_OK);
    check_fail(&a, api_object(&a, "f", &v), INVALID);
    a = make(BODY("null"), NULL);
    check_fail(&a, api_object_opt(&a, "f", &v), INVALID);
}

static void queries(void **state)
{
    struct str s;
    bool b;
    int64_t v;
    (void)state;
    struct api a = make("{}", "f=a%20b&t=TRUE&n=12&big=3000000000&bad=%zz");
    assert_int_equal(api_query(&a, "f", &s), RC_OK);
    assert_string_equal(s.p, "a b");
    assert_int_equal(api_query_bool_opt(&a, "t", false, &b), RC_OK);
    assert_true(b);
    assert_int_equal(api_query_bool_opt(&a, "n", true, &b), RC_OK);
    assert_false(b);
    assert_int_equal(api_query_bool_opt(&a, "none", true, &b), RC_OK);
    assert_true(b);
    assert_int_equal(api_query_int_opt(&a, "n", 1, &v), RC_OK);
    assert_int_equal(v, 12);
    assert_int_equal(api_query_i64_opt(&a, "big", 1, &v), RC_OK);
    assert_int_equal(v, 3000000000);
    check_fail(&a, api_query_int_opt(&a, "big", 1, &v),
               "Field name 'big' must be an int in the GET request");
    a = make("{}", "f=x");
    check_fail(&a, api_query_i64_opt(&a, "f", 1, &v),
               "Field name 'f' must be a long in the GET request");
    a = make("{}", NULL);
    check_fail(&a, api_query(&a, "f", &s), "Field name 'f' is missing in GET request");
    a = make("{}", "f=%zz");
    check_fail(&a, api_query_opt(&a, "f", &s), "Field name 'f' is invalid in GET request");
}

static struct str nested(int depth)
{
    struct strbuf b;
    strbuf_init(&b, &arena);
    strbuf_add(&b, STR("{\"f\":"));
    for (int i = 1; i < depth; i++)
        strbuf_addc(&b, '[');
    for (int i = 1; i < depth; i++)
        strbuf_addc(&b, ']');
    strbuf_addc(&b, '}');
    return strbuf_str(&b);
}

static void bodies(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "[]",
                                      "1",
                                      "null",
                                      "{",
                                      "{\"a\":1",
                                      "{'a':1}",
                                      "{a:1}",
                                      "{\"a\":1}x",
                                      "{\"a\":\"\xff\"}",
                                      "{\"a\":\"\\u0000\"}",
                                      "\"{}\""};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_null(reply_body_parse(&arena, str_z(bad[i])));
    assert_non_null(reply_body_parse(&arena, STR(" {\"a\":\"[[[\\\"{{{\"} \n")));
    assert_non_null(reply_body_parse(&arena, nested(JSON_DEPTH_MAX)));
    assert_null(reply_body_parse(&arena, nested(JSON_DEPTH_MAX + 1)));
    assert_null(reply_body_parse(&arena, nested(1000000)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings),    cmocka_unit_test(booleans), cmocka_unit_test(numbers),
        cmocka_unit_test(containers), cmocka_unit_test(queries),  cmocka_unit_test(bodies),
    };
    arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
