/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashes against the published vectors of each format, and the pool
 * that computes them. */
#include "base/clock.h"
#include "base/ctx.h"
#include "config/settings.h"
#include "core.h"
#include "crypto/argon2.h"
#include "crypto/bcrypt.h"
#include "crypto/firebase_scrypt.h"
#include "crypto/hash_pool.h"
#include "crypto/password.h"
#include "crypto/password_calibrate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- formats */

struct vector {
    const char *password, *hash;
};

static void bcrypt_vectors(void **state)
{
    (void)state;
    static const struct vector good[] = {
        /* jBCrypt's own test vectors */
        {"", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."},
        {"a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"},
        {"abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"},
        {"abcdefghijklmnopqrstuvwxyz",
         "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC"},
        /* the same digest under the other names */
        {"a", "$2b$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"},
        {"a", "$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"},
        {"a", "$2y$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"},
        /* bytes above 0x7f, from crypt_blowfish's vectors for the correct algorithm */
        {"\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(bcrypt_is(str_z(good[i].hash)));
        assert_true(bcrypt_verify(str_z(good[i].password), str_z(good[i].hash)));
        assert_false(bcrypt_verify(STR("not it"), str_z(good[i].hash)));
    }
    static const char *const bad[] = {
        "",
        "$2a$",
        "$2a$06$short",
        "$2a$99$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe.",
        "$2a$06$m0CrhHm10q:3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(bcrypt_verify(STR("a"), str_z(bad[i])));
    assert_false(bcrypt_is(STR("$2$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe")));
    assert_false(bcrypt_verify(str_make("a\0b", 3), str_z(good[1].hash)));
}

static void bcrypt_made(void **state)
{
    (void)state;
    char one[BCRYPT_LEN + 1], two[BCRYPT_LEN + 1];
    assert_int_equal(bcrypt_hash(STR("p\xc3\xa4ss"), 1, one), 0);
    assert_int_equal(bcrypt_hash(STR("p\xc3\xa4ss"), 4, two), 0);
    assert_string_not_equal(one, two);
    assert_memory_equal(one, "$2b$04$", 7);
    assert_true(bcrypt_verify(STR("p\xc3\xa4ss"), str_z(one)));
    assert_false(bcrypt_verify(STR("pass"), str_z(one)));
    /* bcrypt ends at 72 bytes, whatever comes after */
    char password[101];
    memset(password, 'x', 100);
    password[100] = '\0';
    assert_int_equal(bcrypt_hash(str_z(password), 4, one), 0);
    assert_true(bcrypt_verify(str_make(password, 72), str_z(one)));
    assert_false(bcrypt_verify(str_make(password, 71), str_z(one)));
}

static void argon2_vectors(void **state)
{
    (void)state;
    /* libargon2's own test vectors, versions 1.3 and 1.0 */
    static const char *const hashes[] = {
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    };
    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        assert_true(argon2_is(str_z(hashes[i])));
        assert_true(argon2_match(STR("password"), str_z(hashes[i])));
        assert_false(argon2_match(STR("Password"), str_z(hashes[i])));
    }
    assert_false(argon2_match(STR("password"), STR("$argon2id$rubbish")));
    assert_false(argon2_is(STR("$argon2$v=19")));
    char made[ARGON2_HASH_MAX];
    assert_int_equal(argon2_make(STR("secret"), 0, 0, 0, made), 0);
    assert_memory_equal(made, "$argon2id$v=19$m=8,t=1,p=1$", 27);
    assert_true(argon2_match(STR("secret"), str_z(made)));
    assert_int_equal(argon2_make(STR("secret"), 2, 64, 2, made), 0);
    assert_memory_equal(made, "$argon2id$v=19$m=64,t=2,p=2$", 28);
    assert_true(argon2_match(STR("secret"), str_z(made)));
}

#define SIGNER                                                                                     \
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
#define FIREBASE_HASH                                                                              \
    "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
#define FIREBASE "$f_scrypt$" FIREBASE_HASH "$42xEC+ixf3L2lw==$m=14$r=8$s=Bw=="

static void firebase_vector(void **state)
{
    (void)state;
    struct str key = STR(SIGNER);
    assert_true(firebase_scrypt_is(STR(FIREBASE)));
    assert_true(firebase_scrypt_verify(STR("user1password"), STR(FIREBASE), key));
    assert_true(firebase_scrypt_verify(
        STR("user1password"), STR("$f_scrypt$" FIREBASE_HASH "$42xEC+ixf3L2lw==$s=Bw==$m=14$r=8"),
        key));
    assert_false(firebase_scrypt_verify(STR("user2password"), STR(FIREBASE), key));
    assert_false(firebase_scrypt_verify(STR("user1password"), STR(FIREBASE), STR("AAAA")));
    static const char *const bad[] = {
        "",
        "f_scrypt",
        "$f_scrypt$hash$salt$m=14$r=8",
        "$f_scrypt$hash$salt$m=14$r=8$s=",
        "$f_scrypt$hash$salt$m=x$r=8$s=Bw==",
        "$f_scrypt$hash$salt$m=14$r=8$r=8",
        "$scrypt$hash$salt$m=14$r=8$s=Bw==",
        "$f_scrypt$hash$salt$m=14$r=8$s=Bw==$more",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(firebase_scrypt_is(str_z(bad[i])));
    /* costs beyond reason are refused, not tried */
    assert_false(
        firebase_scrypt_verify(STR("x"), STR("$f_scrypt$h$c2FsdA==$m=40$r=8$s=Bw=="), key));
}

/* ---- over the context of a request */

struct env {
    struct core core;
    struct settings settings;
    struct arena arena;
    struct ctx ctx;
};

static struct env *env_new(struct env *e)
{
    memset(e, 0, sizeof(*e));
    e->settings.bcrypt_log_rounds = 4;
    e->settings.argon2_memory_kb = 64;
    e->settings.argon2_iterations = 1;
    e->settings.argon2_parallelism = 1;
    e->settings.argon2_hashing_pool_size = 1;
    e->settings.password_hashing_alg = HASH_ALG_BCRYPT;
    e->core.hash_pool = password_pool(&e->settings);
    arena_init(&e->arena);
    e->ctx.core = &e->core;
    e->ctx.arena = &e->arena;
    e->ctx.deadline_us = clock_us() + 60 * 1000000;
    return e;
}

static void env_free(struct env *e)
{
    hash_pool_free(e->core.hash_pool);
    arena_free(&e->arena);
}

static void hash_and_verify(void **state)
{
    (void)state;
    struct env e;
    struct ctx *c = &env_new(&e)->ctx;
    struct str hash;
    bool match;
    assert_int_equal(password_hash(c, &e.settings, STR("secret"), &hash), RC_OK);
    assert_true(bcrypt_is(hash));
    assert_int_equal(password_verify(c, &e.settings, STR("secret"), hash, &match), RC_OK);
    assert_true(match);
    /* the algorithm of the settings may change */
    e.settings.password_hashing_alg = HASH_ALG_ARGON2;
    assert_int_equal(password_verify(c, &e.settings, STR("wrong"), hash, &match), RC_OK);
    assert_false(match);
    assert_int_equal(password_hash(c, &e.settings, STR("secret"), &hash), RC_OK);
    assert_true(argon2_is(hash));
    assert_int_equal(password_verify(c, &e.settings, STR("secret"), hash, &match), RC_OK);
    assert_true(match);
    assert_int_equal(password_verify(c, &e.settings, STR("secret"), STR("plain"), &match), RC_OK);
    assert_false(match);
    /* Firebase's needs its key */
    assert_int_equal(password_verify(c, &e.settings, STR("user1password"), STR(FIREBASE), &match),
                     RC_FAIL);
    assert_int_equal(c->fail, FAIL_INTERNAL);
    c->fail = FAIL_NONE;
    e.settings.firebase_password_hashing_signer_key = STR(SIGNER);
    assert_int_equal(password_verify(c, &e.settings, STR("user1password"), STR(FIREBASE), &match),
                     RC_OK);
    assert_true(match);
    env_free(&e);
}

static void import_check(struct env *e, const char *hash, enum password_format format,
                         const char *text)
{
    e->ctx.fail = FAIL_NONE;
    int rc = password_check_import(&e->ctx, &e->settings, str_z(hash), format);
    assert_int_equal(rc, text ? RC_FAIL : RC_OK);
    if (text)
        assert_true(str_eqz(e->ctx.fail_text, text));
}

static void imports(void **state)
{
    (void)state;
    static const char bcrypt[] = "$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
    struct env e;
    env_new(&e);
    import_check(&e, bcrypt, PASSWORD_ANY, NULL);
    import_check(&e, bcrypt, PASSWORD_BCRYPT, NULL);
    import_check(&e, "$argon2id$v=19$x", PASSWORD_ANY, NULL);
    import_check(&e, "$argon2d$v=19$x", PASSWORD_ARGON2, NULL);
    import_check(&e, "plain", PASSWORD_ANY, "Password hash is in invalid format");
    import_check(&e, bcrypt, PASSWORD_ARGON2, "Password hash is in invalid Argon2 format");
    import_check(&e, "$argon2id$v=19$x", PASSWORD_BCRYPT,
                 "Password hash is in invalid BCrypt format");
    import_check(&e, FIREBASE, PASSWORD_ANY,
                 "'firebase_password_hashing_signer_key' cannot be null");
    e.settings.firebase_password_hashing_signer_key = STR(SIGNER);
    import_check(&e, FIREBASE, PASSWORD_ANY, NULL);
    import_check(&e, FIREBASE, PASSWORD_FIREBASE_SCRYPT, NULL);
    import_check(&e, bcrypt, PASSWORD_FIREBASE_SCRYPT,
                 "Password hash is in invalid Firebase SCrypt format");
    enum password_format format;
    assert_true(password_format_parse(STR("FIREBASE_SCRYPT"), &format));
    assert_int_equal(format, PASSWORD_FIREBASE_SCRYPT);
    assert_true(password_format_parse(STR("bcrypt"), &format));
    assert_false(password_format_parse(STR("scrypt"), &format));
    env_free(&e);
}

/* ---- the pool */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool open;
    int entered;
};

static void enter_gate(void *arg)
{
    struct gate *g = arg;
    pthread_mutex_lock(&g->lock);
    g->entered++;
    pthread_cond_broadcast(&g->cond);
    while (!g->open)
        pthread_cond_wait(&g->cond, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void never(void *arg)
{
    (void)arg;
    fail_msg("a job ran that was given up");
}

struct caller {
    struct hash_pool *pool;
    struct gate *gate;
    int rc;
};

static void *call_gate(void *arg)
{
    struct caller *c = arg;
    c->rc = hash_pool_run(c->pool, HASH_LANE_ARGON2, 0, enter_gate, c->gate);
    return NULL;
}

static void pool_bounds(void **state)
{
    (void)state;
    const unsigned threads[HASH_LANES] = {1, 1, 0};
    struct hash_pool *pool = hash_pool_new(threads, 1);
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};
    struct gate open = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0};
    struct caller first = {.pool = pool, .gate = &gate, .rc = 1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, call_gate, &first), 0);
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered)
        pthread_cond_wait(&gate.cond, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    /* the lane's one thread is busy: the next job gives up at its deadline,
     * again and again, so its place in the queue is free after each */
    for (int i = 0; i < 3; i++)
        assert_int_equal(hash_pool_run(pool, HASH_LANE_ARGON2, clock_us() + 1000, never, NULL), -1);
    /* other lanes are not touched by that */
    assert_int_equal(hash_pool_run(pool, HASH_LANE_FIREBASE, 0, enter_gate, &open), 0);
    assert_int_equal(open.entered, 1);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.cond);
    pthread_mutex_unlock(&gate.lock);
    pthread_join(thread, NULL);
    assert_int_equal(first.rc, 0);
    assert_int_equal(
        hash_pool_run(pool, HASH_LANE_ARGON2, clock_us() + 60000000, enter_gate, &open), 0);
    hash_pool_free(pool);
}

static void pool_full(void **state)
{
    (void)state;
    const unsigned threads[HASH_LANES] = {1, 1, 1};
    struct hash_pool *pool = hash_pool_new(threads, 0);
    assert_int_equal(hash_pool_run(pool, HASH_LANE_BCRYPT, 0, never, NULL), -1);
    hash_pool_free(pool);
}

static void count_up(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

struct burst {
    struct hash_pool *pool;
    atomic_int *ran;
    int accepted;
};

static void *run_burst(void *arg)
{
    struct burst *b = arg;
    for (int i = 0; i < 200; i++)
        if (hash_pool_run(b->pool, HASH_LANE_BCRYPT, clock_us() + (i % 3 ? 60000000 : 20), count_up,
                          b->ran) == 0)
            b->accepted++;
    return NULL;
}

static void pool_many(void **state)
{
    (void)state;
    enum { CALLERS = 8 };
    const unsigned threads[HASH_LANES] = {3, 1, 1};
    struct hash_pool *pool = hash_pool_new(threads, 4);
    atomic_int ran = 0;
    struct burst bursts[CALLERS];
    pthread_t ids[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        bursts[i] = (struct burst){pool, &ran, 0};
        assert_int_equal(pthread_create(&ids[i], NULL, run_burst, &bursts[i]), 0);
    }
    int accepted = 0;
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(ids[i], NULL);
        accepted += bursts[i].accepted;
    }
    assert_int_equal(accepted, ran);
    assert_true(accepted > 0);
    hash_pool_free(pool);
}

/* ---- calibration */

static void note(void *ud, const char *setting, double ms)
{
    assert_true(ms >= 0);
    assert_non_null(strstr(setting, "_"));
    ++*(int *)ud;
}

static void calibration(void **state)
{
    (void)state;
    int told = 0;
    struct calibrate_bcrypt b = {.target_ms = 2};
    assert_int_equal(calibrate_bcrypt(&b, note, &told), 0);
    assert_in_range(b.rounds, 4, 12);
    assert_true(b.ms > 0 && told > 0);
    /* no memory to speak of: no answer */
    struct calibrate_argon2 x = {
        .target_ms = 1, .pool_size = 1, .max_memory_kb = 1024, .parallelism = 1};
    assert_int_equal(calibrate_argon2(&x, note, &told), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bcrypt_vectors),  cmocka_unit_test(bcrypt_made),
        cmocka_unit_test(argon2_vectors),  cmocka_unit_test(firebase_vector),
        cmocka_unit_test(hash_and_verify), cmocka_unit_test(imports),
        cmocka_unit_test(pool_bounds),     cmocka_unit_test(pool_full),
        cmocka_unit_test(pool_many),       cmocka_unit_test(calibration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
