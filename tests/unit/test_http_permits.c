/* SPDX-License-Identifier: Apache-2.0 */
/* Work permits: their number holds, order is kept, a pause lets others in. */
#include "base/clock.h"
#include "base/ctx.h"
#include "base/permits.h"
#include "core.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1000 * 1000, THREADS = 16, ROUNDS = 2000, PERMITS = 3 };

static struct permits *permits;
static atomic_int inside, most, done;

static void *work(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        assert_true(permit_take(permits, clock_us() + 60 * SECOND));
        int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
        while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now))
            ;
        if (i % 16 == 0)
            sched_yield();
        atomic_fetch_sub(&inside, 1);
        permit_give(permits);
        atomic_fetch_add(&done, 1);
    }
    return NULL;
}

static void number_holds(void **state)
{
    pthread_t t[THREADS];
    (void)state;
    permits = permits_new(PERMITS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, work, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(atomic_load(&done), THREADS * ROUNDS);
    assert_in_range(atomic_load(&most), 1, PERMITS);
    permits_free(permits);
}

static void deadline_ends_the_wait(void **state)
{
    (void)state;
    permits = permits_new(1);
    assert_true(permit_take(permits, clock_us() + SECOND));
    assert_false(permit_take(permits, clock_us() + 1000));
    assert_false(permit_take(permits, 0));
    permit_give(permits);
    assert_true(permit_take(permits, 0));
    permit_give(permits);
    permits_free(permits);
}

static void pause_lets_others_in(void **state)
{
    struct core core = {.permits = permits_new(1)};
    struct ctx c = {.core = &core};
    (void)state;
    permit_pause(&c); /* holds none */
    permit_resume(&c);
    assert_int_equal(c.permit, PERMIT_NONE);
    assert_true(permit_take(core.permits, 0));
    c.permit = PERMIT_HELD;
    permit_pause(&c);
    assert_true(permit_take(core.permits, 0));
    permit_resume(&c); /* at once, although another one runs */
    assert_int_equal(c.permit, PERMIT_HELD);
    assert_false(permit_take(core.permits, 0));
    permit_give(core.permits);
    assert_false(permit_take(core.permits, 0));
    permit_give(core.permits);
    assert_true(permit_take(core.permits, 0));
    permit_give(core.permits);
    permits_free(core.permits);
}

/* Many that pause and come back while they hold a lock that all others want. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *pause_under_lock(void *arg)
{
    struct core *core = arg;
    for (int i = 0; i < 200; i++) {
        struct ctx c = {.core = core};
        assert_true(permit_take(core->permits, clock_us() + 60 * SECOND));
        c.permit = PERMIT_HELD;
        pthread_mutex_lock(&lock);
        permit_pause(&c);
        sched_yield();
        permit_resume(&c);
        pthread_mutex_unlock(&lock);
        permit_give(core->permits);
    }
    return NULL;
}

static void coming_back_waits_for_nobody(void **state)
{
    struct core core = {.permits = permits_new(2)};
    pthread_t t[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&t[i], NULL, pause_under_lock, &core);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_true(permit_take(core.permits, 0));
    assert_true(permit_take(core.permits, 0));
    assert_false(permit_take(core.permits, 0));
    permits_free(core.permits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number_holds),
        cmocka_unit_test(deadline_ends_the_wait),
        cmocka_unit_test(pause_lets_others_in),
        cmocka_unit_test(coming_back_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
