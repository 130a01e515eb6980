/* SPDX-License-Identifier: Apache-2.0 */
/* Users below HTTP: normal forms, JSON shapes, counters, reservations, marks, and
 * the recipes over SQLite under many threads. */
#include "core_fixture.h"

#include "api/user_json.h"
#include "crypto/hash_pool.h"
#include "recipe/account_info.h"
#include "recipe/emailpassword.h"
#include "recipe/users.h"

#include <pthread.h>

/* ---- normal forms */

static void emails(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a@b.c", "a@b.c"},
        {" \t\nJohn@Example.COM\r ", "john@example.com"},
        {"\x01x@y\x1f", "x@y"},
        {"\xc3\x89L\xc3\x88VE@X.FR", "\xc3\xa9l\xc3\xa8ve@x.fr"},
        {"\xc4\xb0@x.tr", "i\xcc\x87@x.tr"}, /* I with dot above */
        {"\xce\x9f\xce\x94\xce\x9f\xce\xa3@x",
         "\xce\xbf\xce\xb4\xce\xbf\xcf\x82@x"}, /* final sigma */
        {"\xce\xa3\xce\x91@x", "\xcf\x83\xce\xb1@x"},
        {"\xc2\xa0n@x", "\xc2\xa0n@x"}, /* a no-break space is kept, as Java's trim does */
        {"", ""},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str got = email_normalise(&a, str_z(cases[i][0]));
        assert_string_equal(got.p, cases[i][1]);
    }
    assert_null(email_normalise(&a, STR_NULL).p);
    assert_true(email_is_fake(STR("x@stfakeemail.supertokens.com")));
    assert_true(email_is_fake(STR("x@google.fakeemail.com")));
    assert_false(email_is_fake(STR("x@fakeemail.com")));
    arena_free(&a);
}

static void phones(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {" +1 (650) 253-0000 ", "+16502530000"},
        {"+442083661177", "+442083661177"},
        {"650 253", "650 253"},
        {"+", "+"},
        {"+12x", "+12x"},
        {"+0123456", "+0123456"},
        {"+123456789012345678", "+123456789012345678"},
        {"", ""},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str got = phone_normalise(&a, str_z(cases[i][0]));
        assert_string_equal(got.p, cases[i][1]);
    }
    assert_null(phone_normalise(&a, STR_NULL).p);
    arena_free(&a);
}

/* ---- JSON */

static void check_json(json_t *got, const char *want)
{
    char *text = json_dumps(got, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(text, want);
    free(text);
    json_decref(got);
}

static void shapes(void **state)
{
    (void)state;
    struct str public = STR("public"), both[] = {STR("public"), STR("t1")};
    struct login_method methods[] = {
        {.recipe_user_id = STR("a"),
         .user_id = STR("a"),
         .external_id = STR("ext"),
         .recipe = MASK_EMAILPASSWORD,
         .time_joined = 5,
         .verified = true,
         .email = STR("x@y"),
         .tenants = &public,
         .ntenants = 1},
        {.recipe_user_id = STR("b"),
         .user_id = STR("a"),
         .recipe = MASK_THIRDPARTY,
         .time_joined = 6,
         .email = STR("x@y"),
         .tp_id = STR("google"),
         .tp_user_id = STR("g1"),
         .tenants = both,
         .ntenants = 2},
    };
    struct user u = {.id = STR("a"),
                     .external_id = STR("ext"),
                     .is_primary = true,
                     .time_joined = 5,
                     .methods = methods,
                     .nmethods = 2};
#define HEAD                                                                                       \
    "{\"id\":\"ext\",\"isPrimaryUser\":true,\"tenantIds\":[\"public\",\"t1\"],\"timeJoined\":5,"   \
    "\"emails\":[\"x@y\"],\"phoneNumbers\":[],\"thirdParty\":[{\"id\":\"google\",\"userId\":"      \
    "\"g1\"}],"
#define TAIL                                                                                       \
    "\"loginMethods\":[{\"tenantIds\":[\"public\"],\"recipeUserId\":\"ext\",\"verified\":true,"    \
    "\"timeJoined\":5,\"recipeId\":\"emailpassword\",\"email\":\"x@y\"},{\"tenantIds\":"           \
    "[\"public\",\"t1\"],\"recipeUserId\":\"b\",\"verified\":false,\"timeJoined\":6,"              \
    "\"recipeId\":\"thirdparty\",\"email\":\"x@y\",\"thirdParty\":{\"id\":\"google\","             \
    "\"userId\":\"g1\"}}]}"
    check_json(user_json(&u, CDI(5, 4)), HEAD "\"webauthn\":{\"credentialIds\":[]}," TAIL);
    check_json(user_json_of(&u, CDI(4, 0)), HEAD TAIL);
    check_json(user_json_of(&u, CDI(3, 1)), "{\"id\":\"ext\",\"timeJoined\":5,\"tenantIds\":"
                                            "[\"public\"],\"email\":\"x@y\"}");
    check_json(user_json_of(&u, CDI(2, 21)), "{\"id\":\"ext\",\"timeJoined\":5,\"email\":\"x@y\"}");
}

/* ---- over SQLite */

static int setup(void **state)
{
    int rc = fx_setup(state);
    struct fixture *f = *state;
    if (rc)
        return rc;
    f->settings.bcrypt_log_rounds = 4;
    f->core.hash_pool = password_pool(&f->settings);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    hash_pool_free(f->core.hash_pool);
    return fx_teardown(state);
}

static int64_t count_of(struct ctx *c, const struct tenant *t, bool app)
{
    int64_t n;
    c->tenant = t;
    assert_int_equal(users_count_all(c, app, 0, false, &n), RC_OK);
    return n;
}

static void counters(void **state)
{
    struct fixture *f = *state;
    struct user_counts k;
    struct batch b;
    user_counts_init(&k, &f->arena);
    batch_init(&b, &f->ctx);
    user_counts_add(&k, STR("t2"), 1, STR("u"), 1);
    user_counts_add(&k, STR("t1"), 3, STR("u"), 1);
    user_counts_add(&k, STR(""), 1, STR("u"), 1);
    user_counts_add(&k, STR("t1"), 1, STR("u"), 1);
    user_counts_add(&k, STR("t2"), 1, STR("u"), -1);
    batch_user_counts(&b, STR("app"), &k);
    assert_int_equal(b.n, 1);
    assert_int_equal(b.calls[0]->nrows, 3); /* what came to nothing is left out */
    static const char *const tenants[] = {"", "t1", "t1"};
    static const int masks[] = {1, 1, 3};
    for (int i = 0; i < 3; i++) {
        const stk_val *row = b.calls[0]->params + i * 5;
        assert_string_equal(row[1].u.p, tenants[i]);
        assert_int_equal(row[2].u.i, masks[i]);
    }
    batch_init(&b, &f->ctx);
    user_counts_init(&k, &f->arena);
    batch_user_counts(&b, STR("app"), &k);
    assert_int_equal(b.n, 0);
}

static void marks(void **state)
{
    struct fixture *f = *state;
    struct ctx *c = &f->ctx;
    int64_t n;
    uint32_t before = c->batches;
    users_last_active_mark(c, STR("somebody"));
    users_last_active_mark(c, STR("somebody"));
    assert_int_equal(c->batches - before, 1);
    users_last_active_mark(c, STR("somebody else"));
    assert_int_equal(c->batches - before, 2);
    assert_int_equal(active_count(c, 0, &n), RC_OK);
    assert_int_equal(n, 2);
    assert_int_equal(active_count(c, clock_ms() + 60000, &n), RC_OK);
    assert_int_equal(n, 0);
    active_forget(c, STR("somebody"));
    before = c->batches;
    users_last_active_mark(c, STR("somebody"));
    assert_int_equal(c->batches - before, 1);
    /* the table forgets rather than grows: all of these are taken, none is lost */
    for (int i = 0; i < 200; i++) {
        char id[32];
        snprintf(id, sizeof(id), "user-%d", i);
        users_last_active_mark(c, str_z(id));
    }
    assert_int_equal(active_count(c, 0, &n), RC_OK);
    assert_int_equal(n, 202);
}

/* The same things done by many threads at once. */
enum { THREADS = 8 };

struct worker {
    struct fixture *f;
    const struct tenant *tenant, *other;
    void (*fn)(struct worker *w, struct ctx *c, int round);
    struct str token, id;
    int wins, seed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct arena a;
    arena_init(&a);
    for (int i = 0; i < 6; i++) {
        struct ctx c;
        fx_ctx(w->f, &a, &c);
        c.tenant = w->tenant;
        w->fn(w, &c, i);
        arena_reset(&a);
    }
    arena_free(&a);
    return NULL;
}

static int run_all(struct worker proto)
{
    pthread_t ids[THREADS];
    struct worker workers[THREADS];
    int wins = 0;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = proto;
        workers[i].seed = i;
        assert_int_equal(pthread_create(&ids[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        wins += workers[i].wins;
    }
    return wins;
}

static void sign_up_same(struct worker *w, struct ctx *c, int round)
{
    struct user u;
    struct str email = str_printf(c->arena, "user%d@example.com", round);
    int rc = emailpassword_sign_up(c, email, STR("secret"), &u);
    assert_true(rc == RC_OK || rc == USERS_EMAIL_EXISTS);
    w->wins += rc == RC_OK;
}

static void one_user_an_email(void **state)
{
    struct fixture *f = *state;
    f->ctx.tenant = f->base;
    const struct tenant *t = fx_tenant(f, "race-signup", "public");
    int wins = run_all((struct worker){.f = f, .tenant = t, .fn = sign_up_same});
    assert_int_equal(wins, 6);
    assert_int_equal(count_of(&f->ctx, t, false), 6);
    assert_int_equal(count_of(&f->ctx, t, true), 6);
}

static void consume_same(struct worker *w, struct ctx *c, int round)
{
    struct str user_id, email;
    (void)round;
    int rc = emailpassword_consume_token(c, w->token, &user_id, &email);
    assert_true(rc == RC_OK || rc == EMAILPASSWORD_INVALID_TOKEN);
    w->wins += rc == RC_OK;
}

static void reset_same(struct worker *w, struct ctx *c, int round)
{
    struct str user_id;
    (void)round;
    int rc = emailpassword_reset(c, w->token, STR("new"), &user_id);
    assert_true(rc == RC_OK || rc == EMAILPASSWORD_INVALID_TOKEN);
    w->wins += rc == RC_OK;
}

static struct user signed_up(struct ctx *c, const char *email)
{
    struct user u;
    assert_int_equal(emailpassword_sign_up(c, str_z(email), STR("secret"), &u), RC_OK);
    return u;
}

static void tokens_are_used_once(void **state)
{
    struct fixture *f = *state;
    struct ctx *c = &f->ctx;
    c->tenant = f->base;
    c->tenant = fx_tenant(f, "race-token", "public");
    struct user u = signed_up(c, "a@example.com");
    struct users_found found;
    struct worker w = {.f = f, .tenant = c->tenant};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(users_find_in_tenant(c, u.id, &found), RC_OK);
        assert_int_equal(emailpassword_make_token(c, &found, STR("a@example.com"), &w.token),
                         RC_OK);
        w.fn = i ? reset_same : consume_same;
        assert_int_equal(run_all(w), 1);
    }
    const struct login_method *m;
    assert_int_equal(emailpassword_sign_in(c, STR("a@example.com"), STR("new"), &u, &m), RC_OK);
    assert_int_equal(emailpassword_sign_in(c, STR("a@example.com"), STR("secret"), &u, &m),
                     EMAILPASSWORD_WRONG_CREDENTIALS);
}

/* Joins and leaves a tenant, changes email and password, deletes and signs up
 * again: whatever the order, the copies must agree in the end. */
static void churn(struct worker *w, struct ctx *c, int round)
{
    struct str reason, email = str_printf(c->arena, "u%d@example.com", (w->seed + round) % 3);
    bool was;
    int rc = RC_OK;
    struct user u;
    struct users_found found;
    switch ((w->seed + round) % 6) {
    case 0: rc = emailpassword_sign_up(c, email, STR("secret"), &u); break;
    case 1: rc = users_delete(c, w->id, true); break;
    case 2:
        if (users_find_in_app(c, w->id, &found) == RC_OK)
            rc = emailpassword_update(c, w->id, email, STR("other"));
        break;
    case 3: rc = emailpassword_sign_up(c, email, STR("secret"), &u); break;
    default:
        c->tenant = w->other;
        rc = round % 2 ? users_add_tenant(c, w->id, &was, &reason)
                       : users_remove_tenant(c, w->id, &was);
    }
    if (rc < 0)
        fail_msg("round %d of %d: %.*s", round, w->seed, STR_ARG(c->fail_text));
}

/* Counters, list and login methods tell the same of every tenant. */
static void check_agreement(struct ctx *c, const struct tenant *t)
{
    struct users_list q = {.limit = USERS_PAGE_MAX};
    struct users_listed all;
    c->tenant = t;
    assert_int_equal(users_list(c, &q, &all), RC_OK);
    assert_int_equal(all.n, count_of(c, t, false));
    for (size_t i = 0; i < all.n; i++) {
        const struct user *u = &all.users[i];
        assert_int_equal(u->nmethods, 1);
        assert_true(login_in_tenant(&u->methods[0], t->tenant_id));
        struct account_info info = {.email = u->methods[0].email};
        struct users_listed same;
        assert_int_equal(users_by_account_info(c, &info, false, false, &same), RC_OK);
        assert_int_equal(same.n, 1);
        assert_true(str_eq(same.users[0].id, u->id));
    }
}

static void copies_agree(void **state)
{
    struct fixture *f = *state;
    struct ctx *c = &f->ctx;
    struct worker w = {.f = f, .fn = churn};
    c->tenant = f->base;
    w.tenant = fx_tenant(f, "race-churn", "public");
    c->tenant = w.tenant;
    struct tenant_change change = {.cud = STR(""),
                                   .app_id = STR("race-churn"),
                                   .tenant_id = STR("other"),
                                   .v2 = true,
                                   .emailpassword = TRI_UNSET,
                                   .thirdparty = TRI_UNSET,
                                   .passwordless = TRI_UNSET};
    bool created;
    assert_int_equal(multitenancy_put(c, &change, &created), RC_OK);
    assert_int_equal(tenant_resolve(c, STR(""), STR("race-churn"), STR("other"), &w.other), RC_OK);
    for (int i = 0; i < 5; i++) {
        struct user u = signed_up(c, "victim@example.com");
        w.id = u.id;
        run_all(w);
        check_agreement(c, w.tenant);
        check_agreement(c, w.other);
        c->tenant = w.tenant;
        struct users_list q = {.limit = USERS_PAGE_MAX};
        struct users_listed all;
        assert_int_equal(users_list(c, &q, &all), RC_OK);
        for (size_t k = 0; k < all.n; k++)
            assert_int_equal(users_delete(c, all.users[k].id, true), RC_OK);
        assert_int_equal(users_delete(c, w.id, true), RC_OK);
        assert_int_equal(count_of(c, w.tenant, true), 0);
        assert_int_equal(count_of(c, w.other, false), 0);
        c->tenant = w.tenant;
    }
    tenant_unref(w.other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(emails),
        cmocka_unit_test(phones),
        cmocka_unit_test(shapes),
        cmocka_unit_test(counters),
        cmocka_unit_test(marks),
        cmocka_unit_test(one_user_an_email),
        cmocka_unit_test(tokens_are_used_once),
        cmocka_unit_test(copies_agree),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
