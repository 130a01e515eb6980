/* SPDX-License-Identifier: Apache-2.0 */
/* What a change of a tenant's factors means at each CDI version. */
#include "base/json.h"
#include "recipe/multitenancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct ctx c;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    arena_init(&f->arena);
    f->c.arena = &f->arena;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->arena);
    free(f);
    return 0;
}

static json_t *list(struct fixture *f, const char *text)
{
    return text ? json_own(&f->arena, json_loads(text, JSON_DECODE_ANY, NULL)) : NULL;
}

static struct tenant_change change_of(const char *tenant, bool v2)
{
    return (struct tenant_change){.cud = STR(""),
                                  .app_id = PUBLIC_ID,
                                  .tenant_id = str_z(tenant),
                                  .v2 = v2,
                                  .emailpassword = TRI_UNSET,
                                  .thirdparty = TRI_UNSET,
                                  .passwordless = TRI_UNSET};
}

static void assert_factors(const json_t *got, const char *expected)
{
    if (!expected) {
        assert_null(got);
        return;
    }
    json_t *want = json_loads(expected, 0, NULL);
    assert_int_equal(json_array_size(got), json_array_size(want));
    for (size_t i = 0; i < json_array_size(want); i++)
        assert_true(tenant_has_factor(got, json_string_value(json_array_get(want, i))));
    json_decref(want);
}

static void new_tenants_start_as_their_version_says(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *tenant;
        bool v2, on;
        int cdi;
        const char *first;
    } cases[] = {
        {"public", true, true, CDI(5, 1), NULL},  {"t1", true, true, CDI(5, 1), "[]"},
        {"public", false, true, CDI(5, 0), NULL}, {"t1", false, false, CDI(5, 0), NULL},
        {"public", false, true, CDI(4, 0), NULL}, {"t1", false, false, CDI(4, 0), "[]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tenant_change change = change_of(cases[i].tenant, cases[i].v2);
        struct tenant_recipes r;
        f->c.cdi = cases[i].cdi;
        tenant_recipes_initial(&f->c, &change, &r);
        assert_int_equal(r.emailpassword, cases[i].on);
        assert_int_equal(r.thirdparty, cases[i].on);
        assert_int_equal(r.passwordless, cases[i].on);
        assert_factors(r.first_factors, cases[i].first);
        assert_int_equal(json_array_size(r.providers), 0);
    }
}

struct apply_case {
    int cdi;
    bool v2;
    bool ep, tp, pl;   /* before */
    const char *first; /* before */
    enum tri ask_ep, ask_tp, ask_pl;
    const char *ask_first, *ask_second;
    bool want_ep, want_tp, want_pl;
    const char *want_first, *want_second;
};

#define U TRI_UNSET
#define N TRI_FALSE
#define Y TRI_TRUE
static const struct apply_case apply_cases[] = {
    /* below 5.0 */
    {4000, 0, 1, 1, 1, NULL, U, U, U, NULL, NULL, 1, 1, 1, NULL, NULL},
    {4000, 0, 1, 1, 1, NULL, N, U, U, NULL, NULL, 1, 1, 1,
     "[\"thirdparty\",\"otp-phone\",\"otp-email\",\"link-phone\",\"link-email\"]", NULL},
    {4000, 0, 0, 0, 0, "[]", Y, U, U, NULL, NULL, 1, 0, 0, "[\"emailpassword\"]", NULL},
    {4000, 0, 0, 0, 0, "[]", U, Y, Y, NULL, NULL, 0, 1, 1,
     "[\"thirdparty\",\"otp-phone\",\"otp-email\",\"link-phone\",\"link-email\"]", NULL},
    /* 5.0 */
    {5000, 0, 1, 1, 1, NULL, N, U, U, NULL, NULL, 0, 1, 1, NULL, NULL},
    {5000, 0, 0, 0, 0, NULL, Y, U, U, NULL, NULL, 1, 0, 0, NULL, NULL},
    {5000, 0, 0, 0, 0, NULL, U, U, U, "[\"thirdparty\"]", NULL, 0, 1, 0, "[\"thirdparty\"]", NULL},
    {5000, 0, 1, 0, 0, NULL, U, U, U, NULL, "[\"otp-email\"]", 1, 0, 1, "[\"emailpassword\"]",
     "[\"otp-email\"]"},
    {5000, 0, 1, 1, 1, "[\"emailpassword\",\"thirdparty\"]", N, U, U, NULL, NULL, 0, 1, 1,
     "[\"thirdparty\"]", NULL},
    {5000, 0, 1, 1, 1, "[]", Y, U, U, NULL, NULL, 1, 0, 0, NULL, NULL},
    /* v2 */
    {5001, 1, 1, 1, 1, NULL, U, U, U, "[\"otp-email\"]", NULL, 1, 1, 1, "[\"otp-email\"]", NULL},
    {5001, 1, 1, 0, 0, NULL, U, U, U, NULL, "[\"totp\"]", 1, 1, 1, "[\"emailpassword\"]",
     "[\"totp\"]"},
    {5001, 1, 1, 1, 1, "[]", U, U, U, NULL, NULL, 1, 1, 1, "[]", NULL},
};
#undef U
#undef N
#undef Y

static void changes_apply_as_their_version_says(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(apply_cases) / sizeof(*apply_cases); i++) {
        const struct apply_case *k = &apply_cases[i];
        struct tenant_change change = change_of("t1", k->v2);
        change.emailpassword = k->ask_ep;
        change.thirdparty = k->ask_tp;
        change.passwordless = k->ask_pl;
        change.first_factors = list(f, k->ask_first);
        change.has_first_factors = k->ask_first != NULL;
        change.required_secondary_factors = list(f, k->ask_second);
        change.has_required_secondary_factors = k->ask_second != NULL;
        struct tenant_recipes r = {k->ep, k->tp, k->pl, list(f, k->first), NULL, list(f, "[]")};
        f->c.cdi = k->cdi;
        print_message("case %zu\n", i);
        assert_int_equal(tenant_recipes_apply(&f->c, &change, &r), RC_OK);
        assert_int_equal(r.emailpassword, k->want_ep);
        assert_int_equal(r.thirdparty, k->want_tp);
        assert_int_equal(r.passwordless, k->want_pl);
        assert_factors(r.first_factors, k->want_first);
        assert_factors(r.required_secondary_factors, k->want_second);
    }
}

static void refusals_have_their_texts(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum tri passwordless;
        const char *first, *second, *text;
    } cases[] = {
        {TRI_UNSET, "[]", NULL,
         "firstFactors cannot be empty. Set null instead to remove all first factors."},
        {TRI_UNSET, NULL, "[]",
         "requiredSecondaryFactors cannot be empty. Set null instead to remove all required "
         "secondary factors."},
        {TRI_FALSE, "[\"link-email\"]", NULL,
         "Invalid core config: firstFactors should not contain 'link-email' because passwordless "
         "is disabled for the tenant."},
        {TRI_FALSE, NULL, "[\"otp-phone\"]",
         "Invalid core config: requiredSecondaryFactors should not contain 'otp-phone' because "
         "passwordless is disabled for the tenant."},
        {TRI_UNSET, "[\"a b\"]", NULL,
         "firstFactors should contain only 0-9,a-z,A-Z,_,.,- characters"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct tenant_change change = change_of("t1", false);
        change.passwordless = cases[i].passwordless;
        change.first_factors = list(f, cases[i].first);
        change.has_first_factors = cases[i].first != NULL;
        change.required_secondary_factors = list(f, cases[i].second);
        change.has_required_secondary_factors = cases[i].second != NULL;
        struct tenant_recipes r = {true, true, true, NULL, NULL, list(f, "[]")};
        f->c.cdi = CDI(5, 0);
        f->c.fail = FAIL_NONE;
        assert_int_equal(tenant_recipes_apply(&f->c, &change, &r), RC_FAIL);
        assert_int_equal(f->c.fail, FAIL_BAD_REQUEST);
        assert_string_equal(f->c.fail_text.p, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_tenants_start_as_their_version_says, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_apply_as_their_version_says, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals_have_their_texts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
