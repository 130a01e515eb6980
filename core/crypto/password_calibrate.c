/* SPDX-License-Identifier: Apache-2.0 */
/* Calibration; see password_calibrate.h. */
#include "crypto/password_calibrate.h"

#include "base/clock.h"
#include "base/mem.h"
#include "crypto/argon2.h"
#include "crypto/bcrypt.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

enum {
    ROUNDS_FROM = 4,
    ROUNDS_TO = 31,
    TRIES = 5,
    LEAST_MEMORY_KB = 15 * 1024,
    MOST_ITERATIONS = 100
};

/* Close enough to the target, in milliseconds. */
static const double NEAR = 10;

static const struct str sample = {"somePassword", 12};

static double bcrypt_ms(int rounds)
{
    char out[BCRYPT_LEN + 1];
    double best = -1;
    for (int i = 0; i < TRIES; i++) {
        uint64_t start = clock_us();
        if (bcrypt_hash(sample, rounds, out) < 0)
            return -1;
        double ms = (double)(clock_us() - start) / 1000;
        if (best < 0 || ms < best)
            best = ms;
    }
    return best;
}

int calibrate_bcrypt(struct calibrate_bcrypt *b, calibrate_fn tell, void *ud)
{
    double before = 0;
    for (int rounds = ROUNDS_FROM; rounds <= ROUNDS_TO; rounds++) {
        double ms = bcrypt_ms(rounds);
        if (ms < 0)
            return -1;
        char text[32];
        snprintf(text, sizeof(text), "bcrypt_log_rounds: %d", rounds);
        tell(ud, text, ms);
        if (ms < b->target_ms && rounds < ROUNDS_TO) {
            before = ms;
            continue;
        }
        bool lower = rounds > ROUNDS_FROM && b->target_ms - before < ms - b->target_ms;
        b->rounds = lower ? rounds - 1 : rounds;
        b->ms = lower ? before : ms;
        break;
    }
    return 0;
}

struct runner {
    const struct calibrate_argon2 *x;
    pthread_t thread;
    double ms; /* average, negative on failure */
};

static void *argon2_thread(void *arg)
{
    struct runner *r = arg;
    char out[ARGON2_HASH_MAX];
    uint64_t start = clock_us();
    for (int i = 0; i < TRIES; i++) {
        if (argon2_make(sample, r->x->iterations, r->x->memory_kb, r->x->parallelism, out) < 0) {
            r->ms = -1;
            return NULL;
        }
    }
    r->ms = (double)(clock_us() - start) / 1000 / TRIES;
    return NULL;
}

/* The average of pool_size hashes running at once. */
static double argon2_ms(const struct calibrate_argon2 *x)
{
    struct runner *runners = mem_zalloc(x->pool_size * sizeof(*runners));
    double sum = 0;
    unsigned started = 0;
    for (; started < x->pool_size; started++) {
        runners[started].x = x;
        if (pthread_create(&runners[started].thread, NULL, argon2_thread, &runners[started]) != 0)
            break;
    }
    bool failed = started < x->pool_size;
    for (unsigned i = 0; i < started; i++) {
        pthread_join(runners[i].thread, NULL);
        failed = failed || runners[i].ms < 0;
        sum += runners[i].ms;
    }
    mem_free(runners);
    return failed ? -1 : sum / x->pool_size;
}

/* The next setting to try: memory is given up when a hash takes too long,
 * iterations are added when it is too quick. */
static void adjust(struct calibrate_argon2 *x)
{
    if (x->ms < x->target_ms) {
        x->iterations++;
        return;
    }
    int64_t step = x->memory_kb / 20;
    x->memory_kb -= step > 1024 ? step : 1024;
}

int calibrate_argon2(struct calibrate_argon2 *x, calibrate_fn tell, void *ud)
{
    if (x->pool_size == 0)
        x->pool_size = 1;
    x->memory_kb = x->max_memory_kb / x->pool_size;
    x->iterations = 1;
    while (x->memory_kb >= LEAST_MEMORY_KB && x->iterations <= MOST_ITERATIONS) {
        x->ms = argon2_ms(x);
        if (x->ms < 0)
            return -1;
        char text[96];
        snprintf(text, sizeof(text), "argon2_memory_kb: %lld, argon2_iterations: %lld",
                 (long long)x->memory_kb, (long long)x->iterations);
        tell(ud, text, x->ms);
        double off = x->ms - x->target_ms;
        if (off > -NEAR && off < NEAR)
            return 0;
        adjust(x);
    }
    return -1;
}
