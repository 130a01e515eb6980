/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions through the recipe: token versions, promotion, rotation, reuse, races,
 * and what each costs the database. */
#include "core_fixture.h"
#include "crypto/base64.h"
#include "crypto/refresh_token.h"
#include "recipe/session.h"

#include <pthread.h>

static struct session_result made(struct fixture *f, const char *user)
{
    struct session_create_input in = {.user_id = str_z(user),
                                      .payload = json_own(&f->arena, json_pack("{s:s}", "k", "v")),
                                      .data = json_own(&f->arena, json_object()),
                                      .access_validity_ms = -1};
    struct session_result r;
    assert_int_equal(session_create(&f->ctx, &in, &r), RC_OK);
    return r;
}

static int verify(struct fixture *f, struct str token, bool database, struct session_result *r)
{
    struct session_verify_input in = {.token = token, .check_database = database};
    return session_verify(&f->ctx, &in, r);
}

static int refresh(struct fixture *f, struct str token, struct session_result *r)
{
    struct session_refresh_input in = {.token = token, .access_validity_ms = -1};
    return session_refresh(&f->ctx, &in, r);
}

static json_t *claims_of(struct fixture *f, struct str token)
{
    struct jwt_parts parts;
    struct str text;
    assert_true(jwt_split(token, &parts));
    assert_true(base64_decode(&f->arena, parts.payload, &text));
    return json_own(&f->arena, json_object_parse(text));
}

static void every_version_of_token(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int cdi, version;
    } cases[] = {{CDI(2, 18), 2}, {CDI(2, 21), 3}, {CDI(3, 0), 4}, {CDI(3, 1), 4}, {CDI(5, 4), 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        f->ctx.cdi = cases[i].cdi;
        struct session_result r = made(f, "someone"), v;
        json_t *c = claims_of(f, r.access.token);
        bool old = cases[i].version == 2;
        assert_true(str_starts(r.access.token,
                               STR("eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=.")) ==
                    old);
        assert_string_equal(json_get_str(c, old ? "userId" : "sub").p, "someone");
        assert_true((json_object_get(c, "tId") != NULL) == (cases[i].version >= 4));
        assert_true((json_object_get(c, "rsub") != NULL) == (cases[i].version >= 5));
        assert_true(json_is_null(json_object_get(c, "antiCsrfToken")) == !old);
        const json_t *data = old ? json_object_get(c, "userData") : c;
        assert_string_equal(json_get_str(data, "k").p, "v");
        assert_int_equal(verify(f, r.access.token, false, &v), RC_OK);
        assert_true(json_equal(v.payload, r.payload));
        assert_true(str_eq(v.handle, r.handle) && str_eq(v.user_id, STR("someone")));
        assert_int_equal(v.tenant_id.len, 6);
    }
}

static void tokens_that_are_none(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "u"), v;
    char *bent = arena_dup(&f->arena, r.access.token.p, r.access.token.len);
    bent[r.access.token.len - 40] = bent[r.access.token.len - 40] == 'A' ? 'B' : 'A';
    const struct {
        struct str token;
        const char *why;
    } cases[] = {
        {STR(""), "Invalid JWT"},
        {STR("a.b"), "Invalid JWT"},
        {STR("!.b.c"), "Invalid JWT"},
        {STR("e30.e30.AA"), "JWT header missing - typ"},
        {STR("eyJ0eXAiOiJKV1QifQ.e30.AA"), "JWT header missing - alg"},
        {str_make(bent, r.access.token.len), "JWT verification failed"},
        {r.refresh.token, "Invalid JWT"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(verify(f, cases[i].token, false, &v), SESSION_TRY_REFRESH);
        assert_string_equal(v.message.p, cases[i].why);
        assert_int_equal(refresh(f, cases[i].token, &v), i == 6 ? RC_OK : SESSION_UNAUTHORISED);
    }
}

static void expiry_and_jitter(void **state)
{
    struct fixture *f = *state;
    f->settings.access_token_validity_jitter = 0.25;
    bool differ = false;
    int64_t first = 0;
    for (int i = 0; i < 20; i++) {
        struct session_result r = made(f, "u");
        int64_t validity = r.access.expires_at - r.access.created_at;
        assert_true(validity <= 3600000 && validity >= 3600000 * 3 / 4 - 1000);
        differ = differ || (i && validity != first);
        first = validity;
    }
    assert_true(differ);
    f->settings.access_token_validity = 0;
    struct session_result r = made(f, "u"), v;
    while (clock_ms() <= r.access.expires_at)
        ;
    assert_int_equal(verify(f, r.access.token, false, &v), SESSION_TRY_REFRESH);
    assert_string_equal(v.message.p, "Access token expired");
}

/* batches: on PostgreSQL each is one round trip. */
static void what_each_costs(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "warm"), child, grown;
    f->ctx.batches = 0;
    r = made(f, "u");
    assert_int_equal(f->ctx.batches, 1);
    f->ctx.batches = 0;
    assert_int_equal(verify(f, r.access.token, false, &child), RC_OK);
    assert_int_equal(f->ctx.batches, 0);
    assert_int_equal(verify(f, r.access.token, true, &child), RC_OK);
    assert_int_equal(f->ctx.batches, 1);
    f->ctx.batches = 0;
    assert_int_equal(refresh(f, r.refresh.token, &child), RC_OK);
    assert_int_equal(f->ctx.batches, 1);
    f->ctx.batches = 0;
    assert_int_equal(refresh(f, child.refresh.token, &grown), RC_OK);
    assert_int_equal(f->ctx.batches, 2);
    f->ctx.batches = 0;
    assert_int_equal(verify(f, grown.access.token, false, &child), RC_OK);
    assert_int_equal(f->ctx.batches, 1);
    f->ctx.cdi = CDI(5, 6);
    f->ctx.batches = 0;
    assert_int_equal(refresh(f, grown.refresh.token, &child), RC_OK);
    assert_int_equal(f->ctx.batches, 2);
}

static void child_becomes_current_when_used(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "u"), a, b, v;
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    /* A second child: nothing was used yet, so both tokens are as good. */
    assert_int_equal(refresh(f, r.refresh.token, &b), RC_OK);
    assert_true(
        json_is_string(json_object_get(claims_of(f, a.access.token), "parentRefreshTokenHash1")));
    assert_int_equal(verify(f, a.access.token, false, &v), RC_OK);
    assert_non_null(v.access.token.p);
    assert_true(
        json_is_null(json_object_get(claims_of(f, v.access.token), "parentRefreshTokenHash1")));
    /* The parent and the other child are out. */
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_THEFT);
    assert_true(str_eq(v.handle, r.handle) && str_eqz(v.user_id, "u"));
    assert_null(v.reuse);
    assert_int_equal(refresh(f, b.refresh.token, &v), SESSION_THEFT);
    /* The other child's access token is still good, but renews nothing. */
    assert_int_equal(verify(f, b.access.token, false, &v), RC_OK);
    assert_null(v.access.token.p);
    assert_int_equal(refresh(f, a.refresh.token, &v), RC_OK);
}

static void child_becomes_current_when_refreshed(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "u"), a, b, v;
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    assert_int_equal(refresh(f, a.refresh.token, &b), RC_OK);
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_THEFT);
    assert_int_equal(refresh(f, a.refresh.token, &v), RC_OK);
    assert_int_equal(refresh(f, b.refresh.token, &v), RC_OK);
}

static void rotation_with_grace(void **state)
{
    struct fixture *f = *state;
    f->ctx.cdi = CDI(5, 6);
    struct session_result r = made(f, "u"), a, b, v;
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    assert_true(
        json_is_null(json_object_get(claims_of(f, a.access.token), "parentRefreshTokenHash1")));
    assert_int_equal(verify(f, a.access.token, true, &v), RC_OK);
    assert_true(v.payload_known && !v.payload_changed && !v.access.token.p);
    assert_int_equal(verify(f, r.access.token, true, &v), RC_OK);
    /* Its answer was lost: the old token gets another, and the lost one is out. */
    assert_int_equal(refresh(f, r.refresh.token, &b), RC_OK);
    assert_int_equal(verify(f, a.access.token, true, &v), SESSION_UNAUTHORISED);
    assert_string_equal(v.message.p, "rotated-out token branch; refresh required");
    assert_int_equal(refresh(f, a.refresh.token, &v), SESSION_THEFT);
    assert_string_equal(v.reuse, "ORPHANED_BRANCH");
    assert_int_equal(refresh(f, b.refresh.token, &v), SESSION_UNAUTHORISED);
    assert_null(v.reuse);
}

static void reuse_after_grace(void **state)
{
    struct fixture *f = *state;
    f->ctx.cdi = CDI(5, 6);
    f->settings.refresh_token_rotation_grace_period = -1;
    struct session_result r = made(f, "u"), a, b, v;
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_THEFT);
    assert_string_equal(v.reuse, "RECENT_PREV");
    f->settings.recent_token_reuse_behaviour = REUSE_UNAUTHORISED;
    r = made(f, "u");
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_UNAUTHORISED);
    assert_string_equal(v.reuse, "RECENT_PREV");
    assert_string_equal(v.message.p, "refresh token reuse detected");
    r = made(f, "u");
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    assert_int_equal(refresh(f, a.refresh.token, &b), RC_OK);
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_THEFT);
    assert_string_equal(v.reuse, "STALE_LINEAGE");
}

/* A session goes on when its SDK is updated, and back. */
static void both_ways_of_rotation_mix(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "u"), a, b, v;
    assert_int_equal(refresh(f, r.refresh.token, &a), RC_OK);
    f->ctx.cdi = CDI(5, 6);
    assert_int_equal(verify(f, a.access.token, true, &v), RC_OK);
    assert_int_equal(refresh(f, a.refresh.token, &b), RC_OK);
    f->ctx.cdi = CDI(5, 4);
    assert_int_equal(refresh(f, b.refresh.token, &a), RC_OK);
    assert_int_equal(verify(f, a.access.token, true, &v), RC_OK);
    assert_non_null(v.access.token.p);
    assert_int_equal(refresh(f, b.refresh.token, &v), SESSION_THEFT);
}

static void regenerate_takes_only_our_tokens(void **state)
{
    struct fixture *f = *state;
    struct session_result r = made(f, "u"), v;
    json_t *payload = json_own(&f->arena, json_pack("{s:i}", "n", 1));
    assert_int_equal(session_regenerate(&f->ctx, r.access.token, payload, &v), RC_OK);
    assert_int_equal(v.access.expires_at, r.access.expires_at);
    assert_true(json_equal(v.payload, payload));
    assert_int_equal(verify(f, r.access.token, true, &v), RC_OK);
    assert_true(json_equal(v.payload, payload)); /* renewed by the database's payload */
    char *bent = arena_dup(&f->arena, r.access.token.p, r.access.token.len);
    bent[r.access.token.len - 40] = bent[r.access.token.len - 40] == 'A' ? 'B' : 'A';
    assert_int_equal(session_regenerate(&f->ctx, str_make(bent, r.access.token.len), payload, &v),
                     SESSION_UNAUTHORISED);
    json_t *bad = json_own(&f->arena, json_pack("{s:s}", "sub", "other"));
    assert_int_equal(session_regenerate(&f->ctx, r.access.token, bad, &v), RC_FAIL);
    assert_int_equal(f->ctx.fail, FAIL_BAD_REQUEST);
}

/* ---- races */

enum { THREADS = 8 };

struct racer {
    struct fixture *f;
    pthread_barrier_t *start;
    struct str token;
    int cdi, outcome;
    char refresh_token[1024];
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct arena arena;
    struct ctx c;
    struct session_result out;
    struct session_refresh_input in = {.token = r->token, .access_validity_ms = -1};
    arena_init(&arena);
    fx_ctx(r->f, &arena, &c);
    c.cdi = r->cdi;
    pthread_barrier_wait(r->start);
    r->outcome = session_refresh(&c, &in, &out);
    if (r->outcome == RC_OK)
        snprintf(r->refresh_token, sizeof(r->refresh_token), "%s", out.refresh.token.p);
    arena_free(&arena);
    return NULL;
}

static void run_race(struct fixture *f, struct racer *racers, struct str token, int cdi)
{
    pthread_t threads[THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){.f = f, .start = &start, .token = token, .cdi = cdi};
        pthread_create(&threads[i], NULL, race, &racers[i]);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

/* Many tabs at once: each is served, and exactly one token is current after. */
static void racing_rotations(void **state)
{
    struct fixture *f = *state;
    struct racer racers[THREADS];
    f->ctx.cdi = CDI(5, 6);
    struct session_result r = made(f, "u"), v;
    run_race(f, racers, r.refresh.token, CDI(5, 6));
    int current = 0;
    f->settings.refresh_token_rotation_grace_period = -1;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(racers[i].outcome, RC_OK);
    struct session_info info;
    assert_int_equal(session_get_row(&f->ctx, r.handle, &info), RC_OK);
    for (int i = 0; i < THREADS; i++) {
        struct str hash1 = refresh_token_hash1(&f->arena, str_z(racers[i].refresh_token));
        current += str_eq(info.row.hash2, refresh_token_hash2(&f->arena, hash1));
    }
    assert_int_equal(current, 1);
    assert_int_equal(refresh(f, r.refresh.token, &v), SESSION_THEFT);
}

/* A child refreshed by many at once: promoted once, nobody is called a thief. */
static void racing_promotions(void **state)
{
    struct fixture *f = *state;
    struct racer racers[THREADS];
    struct session_result r = made(f, "u"), child, v;
    assert_int_equal(refresh(f, r.refresh.token, &child), RC_OK);
    run_race(f, racers, child.refresh.token, CDI(5, 4));
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(racers[i].outcome, RC_OK);
        assert_int_equal(i == 0 ? refresh(f, str_z(racers[0].refresh_token), &v) : RC_OK, RC_OK);
    }
    assert_int_equal(refresh(f, str_z(racers[1].refresh_token), &v), SESSION_THEFT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_version_of_token),
        TEST(tokens_that_are_none),
        TEST(expiry_and_jitter),
        TEST(what_each_costs),
        TEST(child_becomes_current_when_used),
        TEST(child_becomes_current_when_refreshed),
        TEST(rotation_with_grace),
        TEST(reuse_after_grace),
        TEST(both_ways_of_rotation_mix),
        TEST(regenerate_takes_only_our_tokens),
        TEST(racing_rotations),
        TEST(racing_promotions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
