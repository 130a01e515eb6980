/* SPDX-License-Identifier: Apache-2.0 */
/* Background jobs: the lease, what they delete, and a prompt end. */
#include "core_fixture.h"
#include "jobs/jobs.h"
#include "recipe/session.h"
#include "store/jobs.h"
#include "store/keys.h"

enum { HOUR = 3600000, MINUTE = 60000 };

static struct job_lease lease_of(const char *owner)
{
    return (struct job_lease){STR("job/test"), str_z(owner), HOUR, MINUTE};
}

static void one_core_works_once_an_interval(void **state)
{
    struct fixture *f = *state;
    struct storage *s = f->core.base_storage;
    struct job_lease a = lease_of("a"), b = lease_of("b");
    int64_t now = clock_ms();
    bool won, kept;
    /* New to this storage: the interval begins now. */
    assert_int_equal(job_claim(&f->ctx, s, &a, now, now, &won), RC_OK);
    assert_false(won);
    now += HOUR;
    assert_int_equal(job_claim(&f->ctx, s, &a, now, now, &won), RC_OK);
    assert_true(won);
    assert_int_equal(job_claim(&f->ctx, s, &b, now, now + 1, &won), RC_OK);
    assert_false(won);
    assert_int_equal(job_renew(&f->ctx, s, &a, now + MINUTE / 2, &kept), RC_OK);
    assert_true(kept);
    assert_int_equal(job_claim(&f->ctx, s, &b, now, now + MINUTE + 1, &won), RC_OK);
    assert_false(won);
    assert_int_equal(job_done(&f->ctx, s, &a, now + MINUTE), RC_OK);
    assert_int_equal(job_claim(&f->ctx, s, &b, now, now + HOUR, &won), RC_OK);
    assert_false(won);
    assert_int_equal(job_claim(&f->ctx, s, &b, now, now + HOUR + MINUTE, &won), RC_OK);
    assert_true(won);
}

static void lease_of_a_dead_core_is_taken(void **state)
{
    struct fixture *f = *state;
    struct storage *s = f->core.base_storage;
    struct job_lease a = lease_of("a"), b = lease_of("b");
    int64_t now = clock_ms();
    bool won, kept;
    assert_int_equal(job_claim(&f->ctx, s, &a, 0, now, &won), RC_OK);
    assert_true(won);
    assert_int_equal(job_claim(&f->ctx, s, &b, 0, now + MINUTE, &won), RC_OK);
    assert_true(won);
    assert_int_equal(job_renew(&f->ctx, s, &a, now + MINUTE, &kept), RC_OK);
    assert_false(kept);
    /* What it says at its end does not free the other's lease. */
    assert_int_equal(job_done(&f->ctx, s, &a, now), RC_OK);
    assert_int_equal(job_renew(&f->ctx, s, &b, now + MINUTE, &kept), RC_OK);
    assert_true(kept);
}

static struct str new_session(struct fixture *f, double validity_min)
{
    f->settings.refresh_token_validity = validity_min;
    struct session_create_input in = {.user_id = STR("u"),
                                      .payload = json_own(&f->arena, json_object()),
                                      .data = json_own(&f->arena, json_object()),
                                      .access_validity_ms = -1};
    struct session_result r;
    assert_int_equal(session_create(&f->ctx, &in, &r), RC_OK);
    return r.handle;
}

static bool exists(struct fixture *f, struct str handle)
{
    struct session_key key = {PUBLIC_ID, PUBLIC_ID, handle};
    bool there;
    assert_int_equal(session_witness(&f->ctx, f->core.base_storage, &key, &there), RC_OK);
    return there;
}

static size_t dynamic_keys(struct fixture *f)
{
    struct key_row *rows;
    size_t n, count = 0;
    struct str value;
    assert_int_equal(
        keys_read(&f->ctx, f->core.base_storage, PUBLIC_ID, STR("x"), &rows, &n, &value), RC_OK);
    for (size_t i = 0; i < n; i++)
        count += str_eq(rows[i].kind, KEY_DYNAMIC);
    return count;
}

static void put_key(struct fixture *f, const char *id, int64_t created_at)
{
    struct key_row row = {.key_id = str_z(id),
                          .kind = KEY_DYNAMIC,
                          .data = STR("x|y"),
                          .slot = str_z(id),
                          .created_at = created_at};
    struct batch b;
    batch_init(&b, &f->ctx);
    batch_key_insert(&b, PUBLIC_ID, &row);
    assert_int_equal(storage_write(&f->ctx, f->core.base_storage, &b, NULL, NULL), RC_OK);
}

static void what_has_expired_goes(void **state)
{
    struct fixture *f = *state;
    struct str living = new_session(f, 100), dead = STR("");
    for (int i = 0; i < 20; i++)
        dead = new_session(f, -1);
    put_key(f, "d-1", 1);
    assert_true(exists(f, dead));
    assert_int_equal(dynamic_keys(f), 2);
    struct jobs *jobs = jobs_start(&f->core);
    uint64_t until = clock_us() + 20000000;
    while ((exists(f, dead) || dynamic_keys(f) > 1) && clock_us() < until)
        usleep(1000);
    jobs_stop(jobs);
    assert_false(exists(f, dead));
    assert_true(exists(f, living));
    assert_int_equal(dynamic_keys(f), 1);
}

static void more_than_one_batch(void **state)
{
    struct fixture *f = *state;
    bool more = true;
    int rounds = 0;
    struct batch b;
    struct session_row row = {.user_id = STR("u"),
                              .hash2 = STR("h"),
                              .data = STR("{}"),
                              .payload = STR("{}"),
                              .expires_at = 1};
    for (int i = 0; i < 1500; i++) {
        if (i % 50 == 0)
            batch_init(&b, &f->ctx);
        struct session_key key = {PUBLIC_ID, PUBLIC_ID, uuid_v4_str(&f->arena)};
        batch_session_insert(&b, &key, &row);
        if (i % 50 == 49)
            assert_int_equal(
                storage_write(&f->ctx, f->core.base_storage, &b, session_witness, &key), RC_OK);
    }
    while (more) {
        assert_int_equal(sessions_expire(&f->ctx, f->core.base_storage, clock_ms(), &more), RC_OK);
        rounds++;
    }
    assert_int_equal(rounds, 2);
}

static void end_is_prompt(void **state)
{
    struct fixture *f = *state;
    f->core.test_mode = false;
    for (int i = 0; i < 20; i++) {
        uint64_t start = clock_us();
        jobs_stop(jobs_start(&f->core));
        assert_true(clock_us() - start < 5000000);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_core_works_once_an_interval),
        TEST(lease_of_a_dead_core_is_taken),
        TEST(what_has_expired_goes),
        TEST(more_than_one_batch),
        TEST(end_is_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
