/* SPDX-License-Identifier: Apache-2.0 */
/* What a plugin with a bug answers is told with the query, the matter and the remedy. */
#include "storage/storage_internal.h"
#include "storage_fixture.h"

static void check(struct fix *f, const struct batch *b, const char *wrong)
{
    stk_err err = {.size = sizeof(err)};
    stk_status rc = batch_check(f->s, b, &err);
    if (!wrong) {
        assert_int_equal(rc, STK_OK);
        return;
    }
    assert_int_equal(rc, STK_E_INTERNAL);
    assert_non_null(strstr(err.msg, "the plugin answered query one_get with "));
    assert_non_null(strstr(err.msg, wrong));
    assert_non_null(strstr(err.msg, "Run supertokens-plugin-test on it"));
}

static void wrong_answers(void **state)
{
    struct fix *f = *state;
    struct batch b;
    batch_init(&b, &f->c);
    stk_call *get = BATCH(&b, q_one_get, v_str(STR("k")));
    stk_val cells[] = {v_str(STR("v")), v_i64(1)};
    stk_result r = {.nrows = 1, .ncols = 2, .cells = cells};
    get->result = &r;
    check(f, &b, NULL);
    r.ncols = 1;
    check(f, &b, "rows of another width than asked for");
    r.ncols = 2;
    cells[0] = v_i64(7);
    check(f, &b, "a value of another type than the column's");
    cells[0] = v_str(STR("\xff"));
    check(f, &b, "a text that is not UTF-8");
    cells[0] = v_str(STR("v"));
    call_expect_rows(get, 2);
    check(f, &b, "success with fewer rows than expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_answers, fx_setup, fx_teardown),
    };
    return cmocka_run_group_tests_name("storage_answer", tests, NULL, NULL);
}
