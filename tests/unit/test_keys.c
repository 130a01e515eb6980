/* SPDX-License-Identifier: Apache-2.0 */
/* Signing keys: first use, rotation, many cores at once, expiry, a new app's seed. */
#include "core_fixture.h"
#include "store/keys.h"

#include <pthread.h>
#include <unistd.h>

enum { MINUTE = 60000 };

static int64_t interval(const struct fixture *f)
{
    return (int64_t)(f->settings.access_token_dynamic_signing_key_update_interval * 3600000);
}

/* A key of that age in the table; returns its id. */
static struct str put_key(struct fixture *f, struct str app_id, int64_t age_ms, const char *slot)
{
    struct rsa_key *rsa = key_pool_take(f->core.key_pool);
    struct key_row row = {.kind = KEY_DYNAMIC, .created_at = clock_ms() - age_ms};
    row.data = rsa_text(&f->arena, rsa);
    row.key_id = str_printf(&f->arena, "d-%lld", (long long)row.created_at);
    row.slot = str_printf(&f->arena, "d:%s", slot);
    struct batch b;
    batch_init(&b, &f->ctx);
    batch_key_insert(&b, app_id, &row);
    assert_int_equal(storage_write(&f->ctx, f->core.base_storage, &b, NULL, NULL), RC_OK);
    rsa_unref(rsa);
    return row.key_id;
}

static size_t count_rows(struct fixture *f, struct str app_id, struct str kind)
{
    struct key_row *rows;
    size_t n, of_kind = 0;
    struct str value;
    assert_int_equal(keys_read(&f->ctx, f->core.base_storage, app_id, STR("refresh_token_key"),
                               &rows, &n, &value),
                     RC_OK);
    for (size_t i = 0; i < n; i++)
        of_kind += str_eq(rows[i].kind, kind);
    return of_kind;
}

/* The app as another core would see it: the same rows, nothing in memory. */
static struct app other_core(const struct fixture *f, const struct app *app)
{
    struct app other = *app;
    other.keys = app_keys_new((struct core *)(uintptr_t)&f->core);
    return other;
}

static void first_use_makes_keys(void **state)
{
    struct fixture *f = *state;
    const struct app *app = f->base->app;
    const struct signing_key *key, *again, *fixed;
    assert_int_equal(app_keys_signer(&f->ctx, app, false, &key), RC_OK);
    assert_true(key->dynamic && str_starts(key->id, STR("d-")));
    assert_int_equal(app_keys_signer(&f->ctx, app, true, &fixed), RC_OK);
    assert_true(!fixed->dynamic && str_starts(fixed->id, STR("s-")));
    f->ctx.batches = 0;
    assert_int_equal(app_keys_signer(&f->ctx, app, false, &again), RC_OK);
    assert_int_equal(f->ctx.batches, 0);
    assert_true(str_eq(key->id, again->id));
    struct app other = other_core(f, app);
    const struct key_set *mine, *theirs;
    assert_int_equal(app_keys_get_all(&f->ctx, app, &mine), RC_OK);
    assert_int_equal(app_keys_get_all(&f->ctx, &other, &theirs), RC_OK);
    assert_true(str_eq(mine->refresh_key, theirs->refresh_key));
    assert_int_equal(theirs->n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(str_eq(mine->keys[i].id, theirs->keys[i].id));
        assert_true(str_eq(rsa_modulus(mine->keys[i].rsa), rsa_modulus(theirs->keys[i].rsa)));
    }
    app_keys_free(other.keys);
}

static void successor_is_listed_before_it_signs(void **state)
{
    struct fixture *f = *state;
    f->core.test_mode = false; /* the overlap of a real interval: a minute */
    struct str old = put_key(f, PUBLIC_ID, interval(f) - MINUTE / 2, "");
    const struct app *app = f->base->app;
    const struct signing_key *key;
    const struct key_set *set;
    assert_int_equal(app_keys_signer(&f->ctx, app, false, &key), RC_OK);
    assert_true(str_eq(key->id, old));
    assert_int_equal(app_keys_get(&f->ctx, app, &set), RC_OK);
    assert_int_equal(set->ndynamic, 2);
    assert_true(str_eq(set->keys[1].id, old));
    assert_true(app_keys_fresh_for(&f->ctx, app, set) > interval(f) / 1000 - 70);
}

static void old_key_verifies_but_no_longer_signs(void **state)
{
    struct fixture *f = *state;
    f->core.test_mode = false;
    struct str gone = put_key(f, PUBLIC_ID, 3 * interval(f), "");
    struct str old = put_key(f, PUBLIC_ID, interval(f) + MINUTE, "x");
    const struct app *app = f->base->app;
    const struct signing_key *key;
    assert_int_equal(app_keys_signer(&f->ctx, app, false, &key), RC_OK);
    assert_false(str_eq(key->id, old));
    assert_int_equal(app_keys_find(&f->ctx, app, old, &key), RC_OK);
    assert_non_null(key);
    assert_int_equal(app_keys_find(&f->ctx, app, gone, &key), RC_OK);
    assert_null(key);
}

static void unknown_key_is_read_for_once_a_second(void **state)
{
    struct fixture *f = *state;
    const struct app *app = f->base->app;
    const struct signing_key *key;
    int64_t read = clock_ms();
    assert_int_equal(app_keys_signer(&f->ctx, app, false, &key), RC_OK);
    struct str other = put_key(f, PUBLIC_ID, 10, "another core's");
    int64_t start = clock_ms();
    unsigned tries = 0;
    f->ctx.batches = 0;
    do {
        assert_int_equal(app_keys_find(&f->ctx, app, other, &key), RC_OK);
        tries++;
    } while (!key && clock_ms() - start < 5000);
    assert_non_null(key);
    assert_true(tries > 1 || start - read >= 1000); /* else the second is over already */
    assert_int_equal(f->ctx.batches, 1);
}

static void broken_key_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct key_row row = {.key_id = STR("d-1"),
                          .kind = KEY_DYNAMIC,
                          .data = STR("nonsense"),
                          .slot = STR("d:"),
                          .created_at = clock_ms()};
    struct batch b;
    batch_init(&b, &f->ctx);
    batch_key_insert(&b, PUBLIC_ID, &row);
    assert_int_equal(storage_write(&f->ctx, f->core.base_storage, &b, NULL, NULL), RC_OK);
    const struct signing_key *key;
    assert_int_equal(app_keys_signer(&f->ctx, f->base->app, false, &key), RC_OK);
    assert_true(key->created_at > row.created_at);
}

enum { CORES = 8 };

struct racer {
    struct fixture *f;
    struct app app;
    pthread_barrier_t *start;
    char dynamic[80], fixed[80], refresh[400];
};

static void *race(void *arg)
{
    struct racer *r = arg;
    struct arena arena;
    struct ctx c;
    arena_init(&arena);
    fx_ctx(r->f, &arena, &c);
    pthread_barrier_wait(r->start);
    const struct signing_key *key;
    const struct key_set *set;
    if (app_keys_signer(&c, &r->app, false, &key) == RC_OK)
        snprintf(r->dynamic, sizeof(r->dynamic), "%s", key->id.p);
    if (app_keys_get_all(&c, &r->app, &set) == RC_OK) {
        snprintf(r->fixed, sizeof(r->fixed), "%s", set->keys[set->ndynamic].id.p);
        snprintf(r->refresh, sizeof(r->refresh), "%s", set->refresh_key.p);
    }
    arena_free(&arena);
    return NULL;
}

static void race_of_cores(struct fixture *f)
{
    struct racer racers[CORES];
    pthread_t threads[CORES];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, CORES);
    for (int i = 0; i < CORES; i++) {
        racers[i] = (struct racer){.f = f, .start = &start, .app = other_core(f, f->base->app)};
        pthread_create(&threads[i], NULL, race, &racers[i]);
    }
    for (int i = 0; i < CORES; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < CORES; i++) {
        assert_true(racers[i].dynamic[0] && racers[i].fixed[0] && racers[i].refresh[0]);
        assert_string_equal(racers[i].dynamic, racers[0].dynamic);
        assert_string_equal(racers[i].fixed, racers[0].fixed);
        assert_string_equal(racers[i].refresh, racers[0].refresh);
        app_keys_free(racers[i].app.keys);
    }
    pthread_barrier_destroy(&start);
}

static void cores_agree_on_first_keys(void **state)
{
    struct fixture *f = *state;
    race_of_cores(f);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_DYNAMIC), 1);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_STATIC), 1);
}

static void cores_agree_on_successor(void **state)
{
    struct fixture *f = *state;
    put_key(f, PUBLIC_ID, interval(f) + MINUTE, "");
    race_of_cores(f);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_DYNAMIC), 2);
}

static void expiry_keeps_the_newest(void **state)
{
    struct fixture *f = *state;
    put_key(f, PUBLIC_ID, 5 * interval(f), "a");
    put_key(f, PUBLIC_ID, 4 * interval(f), "b");
    assert_int_equal(app_keys_expire(&f->ctx, f->base->app), RC_OK);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_DYNAMIC), 1);
    put_key(f, PUBLIC_ID, interval(f), "c");
    assert_int_equal(app_keys_expire(&f->ctx, f->base->app), RC_OK);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_DYNAMIC), 1);
    put_key(f, PUBLIC_ID, 0, "d");
    assert_int_equal(app_keys_expire(&f->ctx, f->base->app), RC_OK);
    assert_int_equal(count_rows(f, PUBLIC_ID, KEY_DYNAMIC), 2);
}

static void new_app_needs_no_read_of_its_keys(void **state)
{
    struct fixture *f = *state;
    const struct tenant *t;
    const struct signing_key *key;
    uint32_t before;
    /* The stock fills in the background, and each app takes from it, so one waits before the
     * next: an app made once two keys are there has all. */
    for (int i = 0;; i++) {
        f->ctx.deadline_us = clock_us() + FX_DEADLINE_US; /* each is a request of its own */
        t = fx_tenant(f, str_printf(&f->arena, "app%d", i).p, "public");
        before = f->ctx.batches;
        assert_int_equal(app_keys_signer(&f->ctx, t->app, true, &key), RC_OK);
        if (f->ctx.batches == before)
            break;
        assert_true(i < 150);
        usleep(200000);
    }
    assert_int_equal(app_keys_signer(&f->ctx, t->app, false, &key), RC_OK);
    assert_int_equal(f->ctx.batches, before);
    struct app other = other_core(f, t->app);
    const struct key_set *mine, *stored;
    assert_int_equal(app_keys_get_all(&f->ctx, t->app, &mine), RC_OK);
    assert_int_equal(app_keys_get_all(&f->ctx, &other, &stored), RC_OK);
    assert_int_equal(stored->n, 2);
    assert_true(str_eq(stored->refresh_key, mine->refresh_key));
    assert_true(str_eq(stored->keys[0].id, mine->keys[0].id));
    app_keys_free(other.keys);
}

static void deleted_app_gets_no_keys(void **state)
{
    struct fixture *f = *state;
    const struct tenant *t = fx_tenant(f, "doomed", "public");
    struct app app = other_core(f, t->app);
    const struct signing_key *key;
    bool existed;
    assert_int_equal(multitenancy_remove_app(&f->ctx, STR("doomed"), &existed), RC_OK);
    assert_true(existed);
    assert_int_equal(app_keys_signer(&f->ctx, &app, false, &key), RC_FAIL);
    assert_int_equal(f->ctx.fail, FAIL_BAD_REQUEST);
    assert_int_equal(count_rows(f, STR("doomed"), KEY_DYNAMIC), 0);
    app_keys_free(app.keys);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_use_makes_keys),
        TEST(successor_is_listed_before_it_signs),
        TEST(old_key_verifies_but_no_longer_signs),
        TEST(unknown_key_is_read_for_once_a_second),
        TEST(broken_key_is_replaced),
        TEST(cores_agree_on_first_keys),
        TEST(cores_agree_on_successor),
        TEST(expiry_keeps_the_newest),
        TEST(new_app_needs_no_read_of_its_keys),
        TEST(deleted_app_gets_no_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
